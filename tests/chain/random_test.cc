// Random lives: thousands of operations, right and wrong, with the invariants recounted and the root reproduced.
#include <random>

#include "absl/strings/str_cat.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/invariants.h"
#include "cairn/chain/proof.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

class World {
 public:
  explicit World(uint32_t seed)
      : h_({.params = {}, .hooks = {}, .kv = nullptr, .recount = false}), random_(seed) {
    h_.Bucket("rs:2+2", "shards");  // 7 providers of 3 operators
    h_.Do("alice", h_.NewBucket("copies", "replicate:3", "p1", {"p1", "p2", "p3"}));
    pb::Operation keep;
    keep.mutable_edit_bucket()->set_bucket(2);
    keep.mutable_edit_bucket()->set_keep_versions(3);
    h_.Do("alice", keep);
  }

  void Step() {
    switch (Below(18)) {
      case 0:
      case 1:
      case 2:
        return Create();
      case 3:
      case 4:
        return Seal();
      case 5:
        return Submit("alice", h_.DeleteNames(1 + Below(2), {Name()}));
      case 6:
        return Submit("alice", h_.Cancel({AnyObject()}));
      case 7:
        return Submit("p0", h_.Reject({AnyObject()}));
      case 8:
        return Group();
      case 9:
        return Submit(Below(2) ? "alice" : "bob", h_.Transfer(Below(2) ? "bob" : "carol", Below(3)));
      case 10:
        return Requests();
      case 11:
        return h_.Advance(absl::Milliseconds(Below(8000)));
      case 12:
      case 13:
        return Pay();
      default:
        return Seal();
    }
  }

  LedgerHarness& h() { return h_; }
  int accepted() const { return accepted_; }
  int refused() const { return refused_; }

 private:
  uint32_t Below(uint32_t n) { return random_() % n; }
  std::string Name() { return absl::StrCat("n", Below(12)); }

  std::string AnyObject() {
    return objects_.empty() ? std::string(16, 'x') : objects_[objects_.size() - 1 - Below(std::min<size_t>(8, objects_.size()))];
  }

  void Submit(const std::string& who, const pb::Operation& operation) {
    const auto receipt = h_.Submit(h_.Sign(who, h_.Body(who, {operation})));
    INFO(receipt.detail());
    REQUIRE(VerdictOf(receipt) != Verdict::kInvariant);
    (receipt.verdict() == 0 ? accepted_ : refused_)++;
    if (operation.has_create_objects()) {
      for (const std::string& id : receipt.created()) objects_.push_back(id);
    }
  }

  void Create() {
    std::vector<Upload> uploads;
    for (uint32_t i = 0, n = 1 + Below(4); i < n; ++i) {
      uploads.push_back({.name = absl::StrCat("n", (Below(12) / 4) * 4 + i),
                         .size = Below(4) == 0 ? 0 : uint64_t{1} << Below(22),
                         .after_version = Below(3)});
    }
    Submit("alice", h_.Create(1 + Below(2), uploads));
  }

  void Seal() {
    const std::string id = AnyObject();
    if (!h_.ObjectExists(id)) return;
    const pb::Object object = h_.Object(id);
    std::vector<uint32_t> positions;
    for (const uint32_t position : object.positions()) {
      if (Below(5) != 0) positions.push_back(position);
    }
    if (positions.empty()) return;
    const std::string primary = object.group() == 1 ? "p0" : "p1";
    Submit(primary, Below(4) == 0 ? h_.Post({id}, positions) : h_.Seal({id}, positions));
  }

  void Group() {
    const uint64_t group = 1 + Below(2);
    const uint32_t position = Below(group == 1 ? 4 : 3);
    switch (Below(3)) {
      case 0:
        return Submit("alice", h_.Successor(group, position, absl::StrCat("p", Below(7))));
      case 1: {
        pb::Operation lost;
        lost.mutable_report_new_store()->set_store_id(ToField(h_.entropy().Draw<base::StoreId>()));
        return Submit(absl::StrCat("p", Below(7)), lost);
      }
      default: {
        pb::Operation complete;
        complete.mutable_complete_succession()->set_group(group);
        complete.mutable_complete_succession()->set_position(position);
        return Submit(absl::StrCat("p", Below(7)), complete);
      }
    }
  }

  // Money of streams: packages, settlement, a payment account for a bucket or an object.
  void Pay() {
    pb::Operation operation;
    const std::string account = ToField(PaymentAccountId(h_.Id("alice"), 0));
    switch (Below(6)) {
      case 0:
        operation.mutable_create_payment_account();
        return Submit("alice", operation);
      case 1:
        operation.mutable_deposit_payment()->set_account(account);
        *operation.mutable_deposit_payment()->mutable_amount() = ToProto(Crn(1 + Below(3)));
        return Submit(Below(2) ? "alice" : "bob", operation);
      case 2:
        operation.mutable_settle_stream()->set_account(h_.Field(Below(2) ? "p1" : "alice"));
        return Submit("bob", operation);
      case 3:
        operation.mutable_set_package()->set_bucket(1 + Below(2));
        operation.mutable_set_package()->set_bytes_per_month(Below(5) << 20);
        *operation.mutable_set_package()->mutable_max_rate() = ToProto(base::Amount::Max());
        return Submit("alice", operation);
      default:
        operation.mutable_set_payer()->set_bucket(1 + Below(2));
        if (Below(2) == 0) operation.mutable_set_payer()->set_payer(account);
        if (Below(3) == 0) operation.mutable_set_payer()->add_objects(AnyObject());
        return Submit("alice", operation);
    }
  }

  void Requests() {
    pb::Operation operation;
    if (Below(2) == 0) {
      operation.mutable_request_upload()->set_object(AnyObject());
      return Submit("alice", operation);
    }
    operation.mutable_answer_upload()->set_object(AnyObject());
    Submit("p0", operation);
  }

  LedgerHarness h_;
  std::mt19937 random_;
  std::vector<std::string> objects_;
  int accepted_ = 0, refused_ = 0;
};

// The tree built anew over all records.
base::Digest FreshRoot(base::Kv& kv) {
  ChangeSet all;
  KvView(kv, "s").Scan("", "", [&](const std::string& key, const Record& record) {
    all[key] = MakeRecord(record.bytes());
    return true;
  });
  return UpdateTree(MapView(), all)->root;
}

}  // namespace

TEST_CASE("thousands of random operations keep every invariant, and a restart gives the same root") {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    INFO("seed " << seed);
    World world(seed);
    world.h().Fund("bob", 50);
    for (int i = 0; i < 1500; ++i) {
      INFO("step " << i);
      world.Step();
      if (i % 50 == 0) world.h().Recount();
    }
    world.h().Recount();
    const base::Digest root = *TreeRoot(KvView(world.h().kv(), "t"));
    CHECK(root == FreshRoot(world.h().kv()));
    world.h().Restart();
    pb::QueryRequest request;
    request.set_status(true);
    CHECK(world.h().Ask(request).status().state_root() == ToField(root));
    CHECK(world.accepted() > 300);
    CHECK(world.refused() > 100);
  }
}

TEST_CASE("a stranger who executes the public blocks over the genesis gets the same receipts and the same root [CS-01]") {
  World world(9);
  world.h().Fund("bob", 50);
  for (int i = 0; i < 300; ++i) world.Step();
  LedgerHarness& h = world.h();
  const auto ledger = Ledger::Create(h.genesis());
  REQUIRE(ledger.ok());
  MapView state;
  state.Merge(ledger->GenesisState());
  for (uint64_t height = 1; height <= h.engine().height(); ++height) {
    const pb::Block block = **h.engine().NextBlock(height, absl::ZeroDuration());
    pb::BlockHeader header;
    REQUIRE(header.ParseFromString(block.header()));
    std::vector<PreparedTransaction> transactions;
    for (const auto& transaction : block.transactions()) transactions.push_back(Prepare(transaction));
    const BlockResult result =
        ledger->ExecuteBlock({height, header.time_ms(), header.gap_ms()}, transactions, state);
    state.Merge(result.changes);
    REQUIRE(static_cast<int>(result.receipts.size()) == block.receipts_size());
    for (int i = 0; i < block.receipts_size(); ++i) {
      REQUIRE(result.receipts[i].SerializeAsString() == block.receipts(i).SerializeAsString());
    }
  }
  ChangeSet all;
  for (const auto& [key, value] : state.entries()) all[key] = value;
  CHECK(UpdateTree(MapView(), all)->root == *TreeRoot(KvView(h.kv(), "t")));
}

}  // namespace cairn::chain
