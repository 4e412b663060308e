// The embedded engine: blocks, restarts, gaps, clocks, failing stores; and the client over it.
#include "cairn/chain/engine.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/proof.h"
#include "catch.h"
#include "support/channel_rig.h"
#include "support/forwarding_kv.h"

namespace cairn::chain {
namespace {

std::string Root(LedgerHarness& h) {
  pb::QueryRequest request;
  request.set_status(true);
  return h.Ask(request).status().state_root();
}

// A store that counts how often pieces of blocks are read, and lets something happen before each commit.
class WatchedKv final : public base::ForwardingKv {
 public:
  std::unique_ptr<base::KvSnapshot> Snapshot() const override {
    return std::make_unique<Watched>(ForwardingKv::Snapshot(), block_reads);
  }
  absl::Status Commit(const base::KvBatch& batch, bool durable) override {
    if (const auto now = std::exchange(before_commit, nullptr)) now();
    return ForwardingKv::Commit(batch, durable);
  }
  mutable int block_reads = 0;
  std::function<void()> before_commit;  // once

 private:
  class Watched final : public base::KvSnapshot {
   public:
    Watched(std::unique_ptr<base::KvSnapshot> view, int& reads) : view_(std::move(view)), reads_(reads) {}
    absl::StatusOr<std::optional<absl::string_view>> Get(absl::string_view key) const override {
      if (key.substr(0, 1) == "b") ++reads_;
      return view_->Get(key);
    }
    std::unique_ptr<base::KvCursor> NewCursor() const override { return view_->NewCursor(); }

   private:
    std::unique_ptr<base::KvSnapshot> view_;
    int& reads_;
  };
};

// What a snapshot of a disk with a bad sector is like.
class Unreadable final : public base::KvSnapshot {
 public:
  absl::StatusOr<std::optional<absl::string_view>> Get(absl::string_view) const override { return std::nullopt; }
  std::unique_ptr<base::KvCursor> NewCursor() const override { return std::make_unique<Cursor>(); }

 private:
  class Cursor final : public base::KvCursor {
   public:
    void Seek(absl::string_view) override {}
    void SeekBefore(absl::string_view) override {}
    bool Valid() const override { return false; }
    void Next() override {}
    void Prev() override {}
    absl::string_view key() const override { return ""; }
    absl::string_view value() const override { return ""; }
    absl::Status status() const override { return absl::DataLossError("a bad sector"); }
  };
};

}  // namespace

TEST_CASE("a state that cannot be read to its end is not taken for one that ends there") {
  const KvView view(std::make_shared<Unreadable>(), "s");
  CHECK(NextDueMs(view) == std::nullopt);
  CHECK(absl::IsDataLoss(view.health()));
}

TEST_CASE("no block without work; everything queued goes into one block") {
  LedgerHarness h;
  h.Fund("alice", 100);
  h.Fund("bob", 100);
  const uint64_t height = h.engine().height();
  h.Advance(absl::Hours(5));
  CHECK(h.engine().height() == height);
  int answered = 0;
  const auto count = [&](const absl::StatusOr<pb::TransactionReceipt>& receipt) {
    if (receipt.ok() && receipt->verdict() == 0) ++answered;
  };
  const auto a = h.Sign("alice", h.Body("alice", {h.Transfer("carol", 1)}));
  h.engine().Submit(a, count);
  h.engine().Submit(a, count);  // the same bytes join the one that waits
  h.engine().Submit(h.Sign("bob", h.Body("bob", {h.Transfer("carol", 1)})), count);
  CHECK(answered == 0);
  h.engine().RunOnce();
  CHECK(answered == 3);
  CHECK(h.engine().height() == height + 1);
  CHECK(h.NewestBlock().transactions_size() == 2);
}

TEST_CASE("a refusal without a fee leaves no block behind") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const uint64_t height = h.engine().height();
  auto body = h.Body("alice", {h.Transfer("bob", 1)});
  body.set_number(9);
  CHECK(VerdictOf(h.Submit(h.Sign("alice", body))) == Verdict::kBadSequence);
  CHECK(h.engine().height() == height);
}

TEST_CASE("headers form a chain, are signed by the engine's key and name the state's root") {
  LedgerHarness h;
  h.Fund("alice", 100);
  h.Fund("bob", 100);
  const auto first = **h.engine().NextBlock(1, absl::ZeroDuration());
  const auto second = **h.engine().NextBlock(2, absl::ZeroDuration());
  const auto key = h.Key("engine").public_key();
  const auto header = VerifyHeader(h.engine().chain_id(), key, second.header(), second.signature());
  REQUIRE(header.ok());
  CHECK(header->parent() == ToField(HeaderDigest(first.header())));
  CHECK(header->state_root() == Root(h));
  CHECK_FALSE(VerifyHeader(h.engine().chain_id(), h.Key("alice").public_key(), second.header(), second.signature()).ok());
  CHECK_FALSE(VerifyHeader(h.engine().chain_id(), key, first.header(), second.signature()).ok());
}

TEST_CASE("after a restart the ledger is the same, and the same bytes get the same answer") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto transaction = h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)}));
  const auto receipt = h.Submit(transaction);
  const std::string root = Root(h);
  h.Restart();
  CHECK(Root(h) == root);
  CHECK(h.Submit(transaction).SerializeAsString() == receipt.SerializeAsString());
}

TEST_CASE("open refuses another genesis, another key and an empty store without a genesis") {
  LedgerHarness h;
  base::SimClock clock;
  const auto reason = [&](base::Kv& kv, const std::string& key, std::optional<pb::Genesis> genesis) {
    return base::ReasonOf(EmbeddedEngine::Open(kv, clock, h.Key(key).Clone(), genesis).status());
  };
  pb::Genesis other = h.genesis();
  other.set_salt(std::string(16, 's'));
  CHECK(reason(h.kv(), "engine", other) == "WRONG_GENESIS");
  CHECK(reason(h.kv(), "alice", h.genesis()) == "WRONG_ENGINE_KEY");
  const auto empty = base::NewMemoryKv();
  CHECK(reason(*empty, "engine", std::nullopt) == "NO_GENESIS");
  other.mutable_params()->set_tax_ppm(2'000'000);
  CHECK(reason(*empty, "engine", other) == "PARAM_OUT_OF_BOUNDS");
}

TEST_CASE("a ledger whose newest header is lost is not begun anew over its records") {
  LedgerHarness h;
  h.Fund("alice", 100);
  base::KvBatch loss;
  loss.Delete("mhead");
  REQUIRE(h.kv().Commit(loss).ok());
  base::SimClock clock;
  const auto opened = EmbeddedEngine::Open(h.kv(), clock, h.Key("engine").Clone(), h.genesis());
  CHECK(base::ReasonOf(opened.status()) == "STORE_DAMAGED");
}

TEST_CASE("a stop postpones every open deadline by its length, and the first block records the gap") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  const uint64_t deadline = h.Object(id).seal_deadline_ms();
  h.Restart(absl::Minutes(10));
  h.Run();
  CHECK(h.ObjectExists(id));
  CHECK(h.Object(id).seal_deadline_ms() == deadline + 600'000);
  pb::BlockHeader header;
  header.ParseFromString(h.NewestBlock().header());
  CHECK(header.gap_ms() == 600'000);
  h.Do("p0", h.Seal({id}, {0, 1, 2}));
}

TEST_CASE("a stop moves every kind of deadline that the ledger keeps, and none that somebody signed") {
  ChannelRig rig;
  LedgerHarness& h = rig.h;
  const uint64_t bucket = h.Bucket("replicate:3");
  h.Store(bucket, {.name = "stored"});
  const auto approved = h.Create(bucket, {{.name = "open"}});
  const std::string open = h.Do("alice", approved).created(0);
  // Of another primary: nothing else keeps that one liable.
  h.Do("alice", h.NewBucket("other", "replicate:3", "p1", h.Holders(3)));
  const std::string rejected = h.CreateOne(bucket + 1, {.name = "rejected"});
  h.Do("p1", h.Reject({rejected}));
  pb::Operation pause, account, deposit, withdraw;
  pause.mutable_set_maintenance()->set_on(true);
  pause.mutable_set_maintenance()->set_until_ms(h.NowMs() + 60'000);
  h.Do("p5", pause);
  account.mutable_create_payment_account();
  const std::string payer = h.Do("alice", account).created(0);
  deposit.mutable_deposit_payment()->set_account(payer);
  *deposit.mutable_deposit_payment()->mutable_amount() = ToProto(Crn(200));
  h.Do("alice", deposit);
  withdraw.mutable_withdraw_payment()->set_account(payer);
  *withdraw.mutable_withdraw_payment()->mutable_amount() = ToProto(Crn(100));
  h.Do("alice", withdraw);
  const std::string channel = rig.Open(1000), pool = rig.OpenPool(1000);
  h.Do("alice", rig.Close(channel));
  h.Do("alice", rig.ClosePool(pool));
  using Times = std::map<std::string, uint64_t>;
  const auto deadlines = [&]() -> Times {
    const KvView state(h.kv(), "s");
    return {{"seal", h.Object(open).seal_deadline_ms()},
            {"fine", state.Find(keys::ExpiredUpload(rejected))->until_ms()},
            {"maintenance", h.Provider("p5").maintenance_until_ms()},
            {"payer", state.Find(keys::Stream(h.Id("alice")))->step_ms()},
            {"withdrawal", state.Find(keys::PaymentAccount(AccountOf(payer)))->withdrawal_ms()},
            {"channel", rig.Channel(channel).due_ms()},
            {"pool", rig.Pool(pool).due_ms()}};
  };
  const auto& approval = approved.create_objects().approval();
  const auto signed_until = [&] {
    return KvView(h.kv(), "s").Find(keys::UsedApproval(h.Id("p0"), approval.nonce()))->expires_ms();
  };
  Times later = deadlines();
  for (auto& [kind, time_ms] : later) {
    INFO(kind);
    CHECK(time_ms > h.NowMs());
    time_ms += 300'000;
  }
  h.Restart(absl::Minutes(5));
  h.Run();
  CHECK(deadlines() == later);
  CHECK(signed_until() == approval.expires_ms());
  CHECK(h.Provider("p0").liable_until_ms() == later["seal"] + h.Params().fine_claim_window_ms());
  CHECK(h.Provider("p1").liable_until_ms() == later["fine"]);
}

TEST_CASE("a ledger that ran with nothing to do did not stand still") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  for (int i = 0; i < 15; ++i) h.Advance(absl::Seconds(1));
  h.Restart(absl::Seconds(3));
  h.Run();
  pb::BlockHeader header;
  header.ParseFromString(h.NewestBlock().header());
  // Marks are at most five seconds old.
  CHECK(header.gap_ms() >= 3000);
  CHECK(header.gap_ms() <= 8000);
}

TEST_CASE("a wall clock that jumps against the monotonic one stops the engine") {
  LedgerHarness h;
  h.Fund("alice", 100);
  h.clock().Set(h.clock().Now() - absl::Minutes(11));
  h.engine().RunOnce();
  CHECK(base::ReasonOf(h.engine().Health()) == "CLOCK_JUMP");
  absl::StatusOr<pb::TransactionReceipt> answer = absl::UnknownError("none");
  h.engine().Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)})),
                    [&](const auto& receipt) { answer = receipt; });
  CHECK(base::ReasonOf(answer.status()) == "CLOCK_JUMP");
}

TEST_CASE("clocks that drift apart little by little do not stop the engine") {
  LedgerHarness h;
  for (int i = 0; i < 5; ++i) {
    h.clock().Set(h.clock().Now() - absl::Minutes(4));
    h.engine().RunOnce();
  }
  CHECK(h.engine().Health().ok());
}

TEST_CASE("the ledger's time never goes back, and jumps ahead only in test networks") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto before = h.engine().Now();
  h.clock().Set(h.clock().Now() - absl::Minutes(5));
  h.engine().RunOnce();
  CHECK(h.engine().Now() >= before);
  REQUIRE(h.engine().Advance(absl::Hours(24)).ok());
  CHECK(h.engine().Now() >= before + absl::Hours(23));
  h.Restart();
  CHECK(h.engine().Now() >= before + absl::Hours(23));

  base::SimClock clock;
  const auto kv = base::NewMemoryKv();
  GenesisOptions options;
  options.network_class = pb::NETWORK_CLASS_MAIN;
  options.time = clock.Now();
  options.engine_key = h.Key("engine").public_key();
  auto main = EmbeddedEngine::Open(*kv, clock, h.Key("engine").Clone(), MakeGenesis(options, h.entropy()));
  REQUIRE(main.ok());
  CHECK(base::ReasonOf((*main)->Advance(absl::Hours(1)).status()) == "NOT_A_TEST_NETWORK");
}

TEST_CASE("due work is bounded in a block and goes on in the next") {
  LedgerHarness h({.params = [](pb::Params& params) { params.set_max_due_per_block(2); }, .hooks = {}});
  const uint64_t bucket = h.Bucket("replicate:3");
  h.Do("alice", h.Create(bucket, {{.name = "a"}, {.name = "b"}, {.name = "c"}}));
  const uint64_t height = h.engine().height();
  h.Advance(absl::Seconds(20));
  CHECK(h.engine().height() == height + 2);
  CHECK(h.GetBucket(bucket).objects() == 0);
}

TEST_CASE("a store that fails stops the engine, and what was acknowledged before is there after it") {
  base::FailingKv kv(absl::AbortedError("the disk failed"));
  LedgerHarness h({.params = {}, .hooks = {}, .kv = &kv});
  h.Fund("alice", 100);
  const std::string root = Root(h);
  kv.fail = true;
  absl::StatusOr<pb::TransactionReceipt> answer = pb::TransactionReceipt();
  h.engine().Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)})),
                    [&](const auto& receipt) { answer = receipt; });
  h.engine().RunOnce();
  CHECK(absl::IsAborted(answer.status()));
  kv.fail = false;
  h.engine().Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)})),
                    [&](const auto& receipt) { answer = receipt; });
  CHECK(absl::IsAborted(answer.status()));
  h.Restart();
  CHECK(Root(h) == root);
  h.Do("alice", h.Transfer("bob", 1));
}

TEST_CASE("history is kept for its span, then pruned in order; rules never need it") {
  base::SimClock clock;
  LedgerHarness h;
  EngineOptions options;
  options.keep_history = absl::Hours(1);
  auto kv = base::NewMemoryKv();
  pb::Genesis genesis = h.genesis();
  auto engine = EmbeddedEngine::Open(*kv, clock, h.Key("engine").Clone(), genesis, base::NullObserver(), options);
  REQUIRE(engine.ok());
  const auto client = NewInProcessClient(**engine);
  uint64_t number = 0;
  const auto pay = [&] {
    pb::TransactionBody body;
    body.set_chain_id(ToField((*engine)->chain_id()));
    body.set_number(++number);
    body.set_valid_until_ms(absl::ToUnixMillis((*engine)->Now()) + 60'000);
    *body.add_operations() = h.Transfer("alice", 1);
    return client->Submit(SignTransaction(body, h.Key("faucet")), WaitFor::kCommitted);
  };
  const auto first = pay();
  REQUIRE(first.ok());
  pay().IgnoreError();
  clock.Advance(absl::Hours(2));
  pay().IgnoreError();
  pay().IgnoreError();
  CHECK(base::ReasonOf((*engine)->NextBlock(1, absl::ZeroDuration()).status()) == "PRUNED");
  pb::QueryRequest request;
  request.set_transaction(first->transaction());
  CHECK(absl::IsNotFound(client->Query(request).status()));
  request.set_status(true);
  CHECK(client->Query(request)->status().earliest_height() == 3);
}

TEST_CASE("who sends the history again waits for no block and makes the engine read one block once") {
  WatchedKv kv;
  LedgerHarness h({.params = {}, .hooks = {}, .kv = &kv});
  h.Fund("alice", 1000);
  pb::TransactionBody body = h.Body("alice", {h.Transfer("bob", 1)});
  std::vector<pb::SignedTransaction> sent;
  for (int i = 0; i < 30; ++i) {
    sent.push_back(h.Sign("alice", body));
    body.set_number(body.number() + 1);
  }
  int first = 0, again = 0;
  const auto submit = [&](int& answered) {
    for (const pb::SignedTransaction& transaction : sent) {
      h.engine().Submit(transaction, [&](const absl::StatusOr<pb::TransactionReceipt>& receipt) {
        if (receipt.ok() && receipt->verdict() == 0 && receipt->height() == h.engine().height()) ++answered;
      });
    }
  };
  submit(first);
  kv.before_commit = [&] { submit(again); };  // neither waiting any more nor in the history yet
  h.engine().RunOnce();
  CHECK(first == 30);
  CHECK(again == 0);
  const uint64_t height = h.engine().height();
  kv.block_reads = 0;
  h.engine().RunOnce();
  CHECK(again == 30);
  CHECK(kv.block_reads == 1);
  int later = 0;
  submit(later);  // answered where they are sent from
  CHECK(later == 30);
  CHECK(h.engine().height() == height);
}

TEST_CASE("what waits for a block is bounded in bytes as well as in number") {
  base::SimClock clock;
  LedgerHarness h;
  EngineOptions options;
  auto kv = base::NewMemoryKv();
  pb::TransactionBody body = h.Body("faucet", {h.Transfer("alice", 1)});
  body.set_number(1);
  const pb::SignedTransaction one = h.Sign("faucet", body);
  options.max_queue_bytes = 2 * one.body().size();
  auto engine = EmbeddedEngine::Open(*kv, clock, h.Key("engine").Clone(), h.genesis(), base::NullObserver(), options);
  REQUIRE(engine.ok());
  std::vector<std::string> answers;
  const auto submit = [&](uint64_t number) {
    body.set_number(number);
    (*engine)->Submit(h.Sign("faucet", body), [&](const absl::StatusOr<pb::TransactionReceipt>& receipt) {
      answers.push_back(receipt.ok() ? "taken" : base::ReasonOf(receipt.status()));
    });
  };
  submit(1);
  submit(2);
  submit(3);
  CHECK(answers == std::vector<std::string>{"QUEUE_FULL"});
  (*engine)->RunOnce();
  CHECK(answers.size() == 3);
  submit(3);  // there is room again
  (*engine)->RunOnce();
  CHECK(answers == std::vector<std::string>{"QUEUE_FULL", "taken", "taken", "taken"});
}

TEST_CASE("simulating says what would happen and changes nothing") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const std::string root = Root(h);
  const auto transaction = h.Sign("alice", h.Body("alice", {h.Transfer("bob", 101)}));
  const auto receipt = h.engine().Simulate(transaction);
  REQUIRE(receipt.ok());
  CHECK(VerdictOf(*receipt) == Verdict::kNoFunds);
  CHECK(receipt->height() == 0);
  CHECK(Root(h) == root);
}

TEST_CASE("clients of many threads drive one engine, and a follower sees every block in order") {
  LedgerHarness h;
  constexpr int kThreads = 4, kEach = 25;
  for (int i = 0; i < kThreads; ++i) h.Fund(absl::StrCat("t", i), 100);
  const auto client = NewInProcessClient(h.engine());
  std::vector<std::vector<pb::SignedTransaction>> work(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    auto body = h.Body(absl::StrCat("t", i), {h.Transfer("sink", 1)});
    for (int j = 0; j < kEach; ++j) {
      work[i].push_back(h.Sign(absl::StrCat("t", i), body));
      body.set_number(body.number() + 1);
    }
  }
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (const auto& transaction : work[i]) {
        const auto receipt = client->Submit(transaction, WaitFor::kCommitted);
        if (receipt.ok() && receipt->verdict() == 0) ++done;
      }
    });
  }
  int followed = 0;
  uint64_t last = 0;
  bool in_order = true;
  std::thread follower([&] {
    client->Follow(1, [&](const pb::Block& block) {
      pb::BlockHeader header;
      header.ParseFromString(block.header());
      in_order = in_order && header.height() == last + 1;
      last = header.height();
      followed += block.transactions_size();
      return followed < kThreads * (kEach + 1);
    }).IgnoreError();
  });
  for (std::thread& thread : threads) thread.join();
  follower.join();
  CHECK(done == kThreads * kEach);
  CHECK(in_order);
  CHECK(h.Free("sink") == Crn(kThreads * kEach));
}

TEST_CASE("a client that only wants its transaction queued does not wait for the block") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto client = NewInProcessClient(h.engine());
  const auto receipt = client->Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)})), WaitFor::kAccepted);
  REQUIRE(receipt.ok());
  CHECK(receipt->height() == 0);
  h.Run();
  pb::QueryRequest request;
  request.set_transaction(receipt->transaction());
  CHECK(h.Ask(request).transaction().height() == h.engine().height());
}

}  // namespace cairn::chain
