// The ledger's blocks tell everything: whoever executes them over the genesis has the same money in the same places,
// whatever it keeps its state in and however it divides the transactions into blocks.
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cairn/chain/invariants.h"
#include "cairn/chain/ledger.h"
#include "cairn/chain/proof.h"
#include "catch.h"
#include "support/channel_rig.h"
#include "support/temp_dir.h"

namespace cairn::chain {
namespace {

using base::Amount;

// People who store, delete, transfer, open payment accounts, pay and end channels, redeem from a pool and break rules.
class Life {
 public:
  explicit Life(uint32_t seed)
      : rig_(
            [](pb::Params& params) {
              params.set_reserve_seconds(3600);
              params.set_throttle_seconds(1200);
              params.set_forced_settle_seconds(600);
              params.set_warning_seconds(300);
              params.set_min_term_seconds(60);
              params.set_channel_treasury_ppm(123'457);
            },
            false),
        random_(seed) {
    bucket_ = rig_.h.Bucket("replicate:3");
    pool_ = rig_.OpenPool(5'000'000);
    capability_ = rig_.Capability(pool_, 4'000'000);
  }

  void Step() {
    switch (Below(9)) {
      case 0:
        return Store();
      case 1:
        return End();
      case 2:
        Submit(Who(), rig_.h.TransferUnits(Who(), Amount(1 + Below(1'000'000'000)), pb::ASSET_CRN));
        return Submit(Who(), rig_.h.TransferUnits(Who(), Amount(1 + Below(20'000'000)), pb::ASSET_USDC));
      case 3:
        return PaymentAccount();
      case 4:
        if (channels_.size() < 40) Open();
        return;
      case 5:
      case 6:
        return Channel();
      case 7:
        return Submit("node", rig_.Redeem(pool_, capability_, "node", redeemed_ += Below(9'000)));
      default:
        return rig_.h.Advance(absl::Milliseconds(Below(300'000)));
    }
  }
  LedgerHarness& ledger() { return rig_.h; }
  int accepted() const { return accepted_; }
  int refused() const { return refused_; }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  std::string Who() { return std::vector<std::string>{"alice", "node", "tower", "mallory"}[Below(4)]; }
  void Submit(const std::string& who, const pb::Operation& operation) {
    const auto receipt = rig_.h.Submit(rig_.h.Sign(who, rig_.h.Body(who, {operation})));
    REQUIRE(VerdictOf(receipt) != Verdict::kInvariant);
    (receipt.verdict() == 0 ? accepted_ : refused_)++;
    created_.assign(receipt.created().begin(), receipt.created().end());
  }
  void Store() {
    Submit("alice", rig_.h.Create(bucket_, {{.name = absl::StrCat("n", Below(40)), .size = 1 + Below(3 << 20)}}));
    if (created_.empty()) return;
    const std::string id = created_[0];
    if (Below(4) == 0) return Submit("p1", rig_.h.Post({id}, {1}));
    Submit("p0", Below(2) ? rig_.h.Seal({id}, {0, 1, 2}) : rig_.h.Seal({id}, {0, 2}));
  }
  void End() {
    Submit("alice", rig_.h.DeleteNames(bucket_, {absl::StrCat("n", Below(40))}));
  }
  void PaymentAccount() {
    pb::Operation operation;
    if (accounts_.size() < 5) {
      operation.mutable_create_payment_account();
      Submit("alice", operation);
      accounts_.insert(accounts_.end(), created_.begin(), created_.end());
      return;
    }
    operation.mutable_deposit_payment()->set_account(accounts_[Below(accounts_.size())]);
    *operation.mutable_deposit_payment()->mutable_amount() = ToProto(Amount(1 + Below(1'000'000)));
    Submit(Who(), operation);
  }
  void Open() {
    Submit("alice", rig_.OpenOp(1 + Below(2'000'000), Who()));
    channels_.insert(channels_.end(), created_.begin(), created_.end());
  }
  void Channel() {
    if (channels_.empty()) return;
    const std::string id = channels_[Below(channels_.size())];
    const base::Claim claim = rig_.Worth(id, 1 + Below(2'000'000));
    switch (Below(5)) {
      case 0:
        return Submit(Who(), rig_.TopUp(id, 1 + Below(1'000'000)));
      case 1:
        return Submit(Who(), rig_.Close(id, claim));
      case 2:
        return Submit("tower", rig_.TowerDispute(id, claim));
      default:
        return Submit(Who(), rig_.Withdraw(id, claim));
    }
  }

  ChannelRig rig_;
  std::mt19937_64 random_;
  uint64_t bucket_ = 0, redeemed_ = 0;
  std::string pool_;
  pb::PoolCapability capability_;
  std::vector<std::string> created_, channels_, accounts_;
  int accepted_ = 0, refused_ = 0;
};

using Records = std::map<std::string, std::string>;

Records RecordsOf(const ReadView& view) {
  Records out;
  view.Scan("", "", [&](const std::string& key, const Record& record) { return out[key] = record.bytes(), true; });
  return out;
}

base::Digest RootOf(const Records& records) {
  ChangeSet all;
  for (const auto& [key, value] : records) all[key] = MakeRecord(value);
  return UpdateTree(MapView(), all)->root;
}

struct PublicBlock {
  BlockContext context;
  std::vector<pb::SignedTransaction> transactions;
};
std::vector<PublicBlock> BlocksOf(LedgerHarness& h) {
  std::vector<PublicBlock> out;
  for (uint64_t height = 1; height <= h.engine().height(); ++height) {
    const pb::Block block = **h.engine().NextBlock(height, absl::ZeroDuration());
    pb::BlockHeader header;
    REQUIRE(header.ParseFromString(block.header()));
    out.push_back({{height, header.time_ms(), header.gap_ms()},
                   {block.transactions().begin(), block.transactions().end()}});
  }
  return out;
}

// A node that executes the blocks it is given, in memory.
Records Execute(const pb::Genesis& genesis, const std::vector<PublicBlock>& blocks) {
  const auto ledger = Ledger::Create(genesis);
  REQUIRE(ledger.ok());
  MapView state;
  state.Merge(ledger->GenesisState());
  for (const PublicBlock& block : blocks) {
    std::vector<PreparedTransaction> transactions;
    for (const auto& transaction : block.transactions) transactions.push_back(Prepare(transaction));
    state.Merge(ledger->ExecuteBlock(block.context, transactions, state).changes);
  }
  CHECK(Recount(state).ok());
  return RecordsOf(state);
}

// Everything of one moment in one block.
std::vector<PublicBlock> Merged(const std::vector<PublicBlock>& blocks) {
  std::vector<PublicBlock> out;
  for (const PublicBlock& block : blocks) {
    const bool due_alone = block.transactions.empty();  // due work goes before transactions
    if (out.empty() || due_alone || out.back().context.time_ms != block.context.time_ms) {
      out.push_back({{out.size() + 1, block.context.time_ms, block.context.gap_ms}, {}});
    }
    auto& into = out.back().transactions;
    into.insert(into.end(), block.transactions.begin(), block.transactions.end());
  }
  return out;
}

// A node that runs an engine of its own over some store, and is closed and opened again after every `life` blocks.
// `together`: what was submitted at one moment goes into one block.
class EngineNode {
 public:
  EngineNode(LedgerHarness& h, base::Kv& kv, bool together, int life)
      : h_(h), kv_(kv), together_(together), life_(life) {
    Open();
  }

  void Run(const std::vector<PublicBlock>& blocks) {
    const absl::Time genesis = clock_.Now();
    for (const PublicBlock& block : blocks) {
      const absl::Duration ahead = absl::FromUnixMillis(static_cast<int64_t>(block.context.time_ms)) - clock_.Now();
      if (ahead > absl::ZeroDuration()) {
        Flush();
        clock_.Advance(ahead);
        Flush();
        if (++moments_ % life_ == 0) Open();
      }
      for (const auto& transaction : block.transactions) {
        engine_->Submit(transaction, [this](const absl::StatusOr<pb::TransactionReceipt>& receipt) {
          answered_ += receipt.ok() ? 1 : 0;
        });
        if (!together_) Flush();
      }
    }
    Flush();
    CHECK(clock_.Now() > genesis);
  }
  base::Digest root() const { return *TreeRoot(KvView(kv_, "t")); }
  Records records() const { return RecordsOf(KvView(kv_, "s")); }
  uint64_t height() const { return engine_->height(); }
  uint64_t answered() const { return answered_; }

 private:
  void Open() {
    engine_.reset();
    auto engine = EmbeddedEngine::Open(kv_, clock_, h_.Key("engine").Clone(), h_.genesis());
    INFO(engine.status().ToString());
    REQUIRE(engine.ok());
    engine_ = *std::move(engine);
  }
  void Flush() {
    while (engine_->RunOnce() == absl::ZeroDuration()) {
    }
    REQUIRE(engine_->Health().ok());
  }

  LedgerHarness& h_;
  base::Kv& kv_;
  const bool together_;
  const int life_;
  base::SimClock clock_;
  std::unique_ptr<EmbeddedEngine> engine_;
  uint64_t answered_ = 0;
  int moments_ = 0;
};

// Every account's balances, by id.
std::map<std::string, std::vector<std::string>> BalancesIn(const Records& records) {
  std::map<std::string, std::vector<std::string>> out;
  for (auto at = records.lower_bound(keys::AccountPrefix()); at != records.end(); ++at) {
    if (!absl::StartsWith(at->first, keys::AccountPrefix())) break;
    pb::Account account;
    REQUIRE(account.ParseFromString(at->second));
    out[account.id()] = {FromProto(account.crn()).ToString(), FromProto(account.locked_crn()).ToString(),
                         FromProto(account.usdc()).ToString()};
  }
  return out;
}

}  // namespace

TEST_CASE("replaying the ledger from its genesis gives every balance, record and root again: on four nodes with other "
          "stores and other blocks [CS-14]") {
  Life life(20'261);
  for (int i = 0; i < 1'500; ++i) life.Step();
  CHECK(life.accepted() > 500);
  CHECK(life.refused() > 100);
  LedgerHarness& h = life.ledger();
  const Records told = RecordsOf(KvView(h.kv(), "s"));
  const auto balances = BalancesIn(told);
  const base::Digest root = *TreeRoot(KvView(h.kv(), "t"));
  REQUIRE(balances.size() > 12);
  std::set<std::vector<std::string>> different;
  for (const auto& [id, balance] : balances) different.insert(balance);
  CHECK(different.size() > 8);  // there is something to get wrong

  const std::vector<PublicBlock> blocks = BlocksOf(h);
  const auto merged = Merged(blocks);
  CHECK(merged.size() < blocks.size() / 2);
  const TempDir folder(MemoryFolder());
  const auto on_disk = *base::OpenLmdb(folder.path() + "/node", {.map_bytes = 256 << 20});
  EngineNode disk(h, *on_disk, /*together=*/true, /*life=*/20);
  disk.Run(blocks);
  const auto in_memory = base::NewMemoryKv();
  EngineNode memory(h, *in_memory, /*together=*/false, /*life=*/1'000'000);
  memory.Run(blocks);
  CHECK(disk.height() < memory.height());
  CHECK(disk.answered() == memory.answered());
  CHECK(disk.root() == root);
  CHECK(memory.root() == root);

  const std::map<std::string, Records> nodes = {{"in memory, the same blocks", Execute(h.genesis(), blocks)},
                                                {"in memory, a block a moment", Execute(h.genesis(), merged)},
                                                {"an engine on disk, often restarted", disk.records()},
                                                {"an engine in memory, a block a transaction", memory.records()}};
  for (const auto& [name, records] : nodes) {
    INFO(name);
    CHECK(BalancesIn(records) == balances);
    CHECK(RootOf(records) == root);
    CHECK(records == told);
  }
}

TEST_CASE("a node that misses the last transaction has another root [CS-14]") {
  Life life(7);
  for (int i = 0; i < 200; ++i) life.Step();
  LedgerHarness& h = life.ledger();
  h.Do("alice", h.TransferUnits("bob", Amount(1)));
  const base::Digest root = *TreeRoot(KvView(h.kv(), "t"));
  std::vector<PublicBlock> blocks = BlocksOf(h);
  REQUIRE(RootOf(Execute(h.genesis(), blocks)) == root);
  blocks.pop_back();
  CHECK_FALSE(RootOf(Execute(h.genesis(), blocks)) == root);
}

}  // namespace cairn::chain
