// Blocks as the engine forms and keeps them: how many transactions fit, blocks of any size, and what pruning leaves.
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

// An engine with options of its own over the harness's genesis. "faucet" sends everything.
struct History {
  explicit History(const EngineOptions& engine_options) : options(engine_options) { Open(); }
  void Open() {
    engine.reset();
    auto opened = EmbeddedEngine::Open(*kv, clock, h.Key("engine").Clone(), h.genesis(), base::NullObserver(), options);
    INFO(opened.status().ToString());
    REQUIRE(opened.ok());
    engine = *std::move(opened);
  }
  pb::SignedTransaction Next(const pb::Operation& operation) {
    pb::TransactionBody body;
    body.set_chain_id(ToField(engine->chain_id()));
    body.set_number(++number);
    body.set_valid_until_ms(absl::ToUnixMillis(engine->Now()) + 60'000);
    *body.add_operations() = operation;
    return SignTransaction(body, h.Key("faucet"));
  }
  pb::SignedTransaction Pay() { return Next(h.Transfer("alice", 1)); }
  // Nearly as large as a transaction may be, and refused by the rules.
  pb::SignedTransaction Large() {
    pb::Operation operation;
    for (int i = 0; i < 255; ++i) {
      operation.mutable_delete_objects()->add_names(absl::StrCat(i, std::string(4'000, 'n')));
    }
    return Next(operation);
  }
  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction) {
    return NewInProcessClient(*engine)->Submit(transaction, WaitFor::kCommitted);
  }
  size_t Entries(char table) const {
    const auto snapshot = kv->Snapshot();
    const auto cursor = snapshot->NewCursor();
    size_t entries = 0;
    for (cursor->Seek(std::string(1, table)); cursor->Valid() && cursor->key()[0] == table; cursor->Next()) ++entries;
    return entries;
  }

  LedgerHarness h;
  base::SimClock clock;
  EngineOptions options;
  std::unique_ptr<base::Kv> kv = base::NewMemoryKv();
  std::unique_ptr<EmbeddedEngine> engine;
  uint64_t number = 0;
};

}  // namespace

TEST_CASE("a block takes so many transactions and so many bytes of them, and the next block the rest") {
  EngineOptions options;
  options.max_block_transactions = 3;
  options.max_block_bytes = 2'500'000;
  History history(options);
  int answered = 0;
  const auto submit = [&](const pb::SignedTransaction& transaction) {
    history.engine->Submit(transaction, [&](const auto& receipt) { answered += receipt.ok(); });
  };
  const auto sizes = [&] {
    std::vector<int> transactions;
    for (int before = -1; before != answered;) {
      before = answered;
      history.engine->RunOnce();
      transactions.push_back(answered - before);
    }
    transactions.pop_back();
    return transactions;
  };
  for (int i = 0; i < 7; ++i) submit(history.Pay());
  CHECK(sizes() == std::vector<int>{3, 3, 1});
  for (int i = 0; i < 5; ++i) submit(history.Large());  // a million bytes each
  CHECK(sizes() == std::vector<int>{2, 2, 1});
  history.options.max_block_bytes = 1;
  history.Open();
  for (int i = 0; i < 2; ++i) submit(history.Pay());
  CHECK(sizes() == std::vector<int>{1, 1});  // one always fits
}

TEST_CASE("a full queue refuses what is new, and still knows what it holds") {
  EngineOptions options;
  options.max_queue = 2;
  History history(options);
  std::vector<std::string> answers;
  const auto submit = [&](const pb::SignedTransaction& transaction) {
    history.engine->Submit(transaction, [&](const absl::StatusOr<pb::TransactionReceipt>& receipt) {
      answers.push_back(receipt.ok() ? "taken" : base::ReasonOf(receipt.status()));
    });
  };
  const auto first = history.Pay(), second = history.Pay(), third = history.Pay();
  submit(first);
  submit(second);
  submit(third);
  CHECK(answers == std::vector<std::string>{"QUEUE_FULL"});
  submit(second);
  CHECK(answers.size() == 1);
  history.engine->RunOnce();
  CHECK(answers == std::vector<std::string>{"QUEUE_FULL", "taken", "taken", "taken"});
  submit(third);
  history.engine->RunOnce();
  CHECK(answers.back() == "taken");
}

TEST_CASE("a block larger than the store's largest value is kept whole, and goes whole") {
  EngineOptions options;
  options.max_block_bytes = 64 << 20;
  options.keep_history = absl::Hours(1);
  History history(options);
  std::vector<pb::SignedTransaction> sent;
  for (int i = 0; i < 18; ++i) {
    sent.push_back(history.Large());
    history.engine->Submit(sent.back(), [](const auto&) {});
  }
  history.engine->RunOnce();
  REQUIRE(history.engine->height() == 1);
  for (const bool again : {false, true}) {
    if (again) history.Open();
    const auto block = history.engine->NextBlock(1, absl::ZeroDuration());
    REQUIRE(block.ok());
    REQUIRE((**block).transactions_size() == 18);
    CHECK((**block).ByteSizeLong() > 2 * (size_t{8} << 20));
    for (int i = 0; i < 18; ++i) {
      CHECK((**block).transactions(i).SerializeAsString() == sent[i].SerializeAsString());
      pb::QueryRequest request;
      request.set_transaction((**block).receipts(i).transaction());
      CHECK(history.engine->Query(request)->transaction().index() == static_cast<uint32_t>(i));
    }
  }
  history.clock.Advance(absl::Hours(1));
  for (int i = 0; i < 2; ++i) REQUIRE(history.Submit(history.Pay()).ok());
  CHECK(history.Entries('b') == 2);
  CHECK(history.Entries('x') == 2);
}

TEST_CASE("what is pruned leaves nothing behind, and its bytes meet the rules when they come again", "[GF-18]") {
  EngineOptions options;
  options.keep_history = absl::Hours(1);
  History history(options);
  const auto first = history.Pay();
  REQUIRE(history.Submit(first).ok());
  history.clock.Advance(absl::Hours(1) - absl::Milliseconds(1));
  REQUIRE(history.Submit(history.Pay()).ok());
  CHECK(history.Entries('b') == 3);  // with that of the genesis
  history.clock.Advance(absl::Milliseconds(1));
  REQUIRE(history.Submit(history.Pay()).ok());
  CHECK(history.Entries('b') == 2);
  CHECK(history.Entries('x') == 2);
  const auto again = history.Submit(first);
  REQUIRE(again.ok());
  CHECK(VerdictOf(*again) == Verdict::kExpired);
  CHECK(history.engine->Health().ok());
  CHECK(history.Submit(history.Pay())->verdict() == 0);
}

}  // namespace cairn::chain
