#include "crash/ledger_world.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/invariants.h"
#include "catch.h"
#include "support/forwarding_kv.h"
#include "support/temp_dir.h"

namespace cairn::crash {
namespace {

using chain::EmbeddedEngine;
using chain::LedgerHarness;
namespace pb = chain::pb;

// ---- the script ----

class Author {
 public:
  explicit Author(LedgerScript& script) : script_(script), h_(*script.people) {}

  // Submitted together; `verdict` is that of each.
  pb::TransactionReceipt Do(const std::string& who, const pb::Operation& operation,
                            chain::Verdict verdict = chain::Verdict::kOk) {
    const pb::SignedTransaction transaction = h_.Sign(who, h_.Body(who, {operation}));
    script_.steps.push_back({.transactions = {transaction}});
    const pb::TransactionReceipt receipt = h_.Submit(transaction);
    REQUIRE(chain::VerdictOf(receipt) == verdict);
    return receipt;
  }
  void Together(const std::vector<std::string>& payers) {
    LedgerScript::Step step;
    for (const std::string& who : payers) step.transactions.push_back(h_.Sign(who, h_.Body(who, {h_.Transfer("carol", 1)})));
    for (const auto& transaction : step.transactions) h_.Submit(transaction);
    script_.steps.push_back(std::move(step));
  }
  void Pass(absl::Duration time) {
    h_.Advance(time);
    script_.steps.push_back({.pass = time});
  }
  void Jump(absl::Duration time) {
    REQUIRE(h_.engine().Advance(time).ok());
    h_.Run();
    script_.steps.push_back({.jump = time});
  }
  void Restart() {
    h_.Restart();
    script_.steps.push_back({.restart = true});
  }

  void Write() {
    for (int i = 0; i < 7; ++i) {
      const std::string name = absl::StrCat("p", i);
      Do("faucet", h_.Transfer(name, 100));
      Do(name, h_.Register(name, absl::StrCat("operator", i % 3)));
    }
    Do("faucet", h_.Transfer("alice", 1000));
    Do("alice", h_.NewBucket("photos", "rs:2+2", "p0", {"p0", "p1", "p2", "p3"}));
    Restart();
    for (int round = 0; round < 3; ++round) Round(round);
  }

 private:
  std::string Create(const std::string& name) {
    return Do("alice", h_.Create(1, {{.name = name, .size = uint64_t{1} << 20}})).created(0);
  }
  void Round(int round) {
    const std::string a = Create(absl::StrCat("a", round)), b = Create(absl::StrCat("b", round));
    Do("p0", h_.Seal({a}, {0, 1, 2, 3}));
    Do("alice", h_.Transfer("bob", 2));
    Together({"alice", "bob", "faucet"});
    Do("bob", h_.Transfer("carol", 100'000), chain::Verdict::kNoFunds);
    Pass(absl::Seconds(6));  // a mark
    Do("p0", h_.Seal({b}, {0, 1, 3}));
    Do("p0", h_.Post({b}, {2}));
    const std::string late = Create("late");
    Pass(absl::Seconds(6));
    Pass(absl::Minutes(30));  // its deadline goes by
    Restart();
    Jump(absl::Hours(2));
    Do("alice", h_.DeleteNames(1, {absl::StrCat("a", round)}));
    Pass(absl::Seconds(1));
  }

  LedgerScript& script_;
  LedgerHarness& h_;
};

// ---- what a store holds ----

std::optional<uint64_t> HeightOf(const base::Kv& kv) {
  const auto head = kv.Snapshot()->Get("mhead");
  pb::Block block;
  pb::BlockHeader header;
  if (!head.ok() || !head->has_value() || (*head)->size() < 8) return std::nullopt;
  const std::string bytes((*head)->substr(0, (*head)->size() - 8));  // behind it a checksum
  if (!block.ParseFromString(bytes) || !header.ParseFromString(block.header())) return std::nullopt;
  return header.height();
}

// All but the marks that may lag behind.
base::Digest DigestOf(const base::Kv& kv) {
  base::Hasher hasher;
  const auto snapshot = kv.Snapshot();
  const auto cursor = snapshot->NewCursor();
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
    if (cursor->key() != "malive" && cursor->key() != "madvanced") hasher.Field(cursor->key()).Field(cursor->value());
  }
  return hasher.Finish();
}

// Notes what the store holds at every height.
class WatchedKv final : public base::ForwardingKv {
 public:
  WatchedKv(std::unique_ptr<base::Kv> kv, std::map<uint64_t, base::Digest>& states)
      : ForwardingKv(std::move(kv)), states_(states) {}
  absl::Status Commit(const base::KvBatch& batch, bool durable) override {
    const absl::Status status = ForwardingKv::Commit(batch, durable);
    if (const auto height = HeightOf(*this)) states_[*height] = DigestOf(*this);
    return status;
  }

 private:
  std::map<uint64_t, base::Digest>& states_;
};

absl::StatusOr<std::unique_ptr<EmbeddedEngine>> OpenEngine(base::Kv& kv, const base::Clock& clock) {
  LedgerHarness& people = *TheLedgerScript().people;
  return EmbeddedEngine::Open(kv, clock, people.Key("engine").Clone(), people.genesis());
}

void RunOut(EmbeddedEngine& engine) {
  while (engine.RunOnce() == absl::ZeroDuration()) {
  }
}

// Follows the script on a store of its own.
class Follower {
 public:
  Follower(const std::string& folder, LedgerRun& run, std::function<size_t()> position)
      : folder_(folder), run_(run), position_(std::move(position)) {}

  absl::Status All() {
    RETURN_IF_ERROR(Open());
    for (const LedgerScript::Step& step : TheLedgerScript().steps) {
      const absl::Status status = One(step);
      if (status.ok()) continue;
      if (engine_ != nullptr) AskAgain(step);
      return status;
    }
    return absl::OkStatus();
  }
  absl::Time now() const { return clock_.Now(); }

 private:
  absl::Status Open() {
    engine_.reset();
    kv_.reset();
    ASSIGN_OR_RETURN(auto lmdb, base::OpenLmdb(folder_));
    kv_ = std::make_unique<WatchedKv>(std::move(lmdb), run_.states);
    ASSIGN_OR_RETURN(engine_, OpenEngine(*kv_, clock_));
    told_.created = true;
    Tell();
    return absl::OkStatus();
  }

  absl::Status One(const LedgerScript::Step& step) {
    if (step.restart) return Open();
    std::vector<absl::StatusOr<pb::TransactionReceipt>> answers;
    for (const auto& transaction : step.transactions) {
      engine_->Submit(transaction, [&](const auto& receipt) { answers.push_back(receipt); });
    }
    clock_.Advance(step.pass);
    if (step.jump > absl::ZeroDuration()) {
      ASSIGN_OR_RETURN(told_.clock, engine_->Advance(step.jump));
    }
    RunOut(*engine_);
    for (const auto& answer : answers) {
      RETURN_IF_ERROR(answer.status());
      if (answer->height() != 0) run_.receipts.push_back(*answer);
    }
    RETURN_IF_ERROR(engine_->Health());
    told_.height = engine_->height();
    told_.receipts = run_.receipts.size();
    Tell();
    return absl::OkStatus();
  }

  // What an engine says that has failed once.
  void AskAgain(const LedgerScript::Step& step) {
    run_.failed_at = position_();
    if (step.transactions.empty()) {
      run_.later = engine_->Health();
      return;
    }
    engine_->Submit(step.transactions[0], [&](const auto& receipt) { run_.later = receipt.status(); });
    RunOut(*engine_);
  }

  void Tell() {
    run_.recorded.told_at.push_back(position_());
    run_.told.push_back(told_);
  }

  const std::string folder_;
  LedgerRun& run_;
  const std::function<size_t()> position_;
  base::SimClock clock_;
  std::unique_ptr<base::Kv> kv_;
  std::unique_ptr<EmbeddedEngine> engine_;
  LedgerRun::Told told_;
};

// ---- the oracle ----

std::optional<std::string> WrongAnswer(const EmbeddedEngine& engine, const pb::TransactionReceipt& receipt) {
  pb::QueryRequest request;
  request.set_transaction(receipt.transaction());
  const auto answer = engine.Query(request);
  if (!answer.ok()) return "an acknowledged transaction is gone: " + answer.status().ToString();
  const bool same = answer->transaction().SerializeAsString() == receipt.SerializeAsString();
  return same ? std::nullopt : std::optional<std::string>("a receipt has changed");
}

std::optional<std::string> GoesOn(EmbeddedEngine& engine) {
  LedgerHarness& people = *TheLedgerScript().people;
  pb::QueryRequest question;
  question.mutable_lane()->set_account(people.Field("faucet"));
  const auto lane = engine.Query(question);
  if (!lane.ok()) return "the ledger answers no question";
  pb::TransactionBody body;
  body.set_chain_id(chain::ToField(engine.chain_id()));
  body.set_signer(base::ToString(people.Key("faucet").public_key().Encode()));
  body.set_number(lane->lane().last_number() + 1);
  body.set_valid_until_ms(static_cast<uint64_t>(absl::ToUnixMillis(engine.Now())) + 60'000);
  *body.add_operations() = people.Transfer("bob", 1);
  absl::StatusOr<pb::TransactionReceipt> answer = absl::UnknownError("none");
  engine.Submit(chain::SignTransaction(body, people.Key("faucet")), [&](const auto& receipt) { answer = receipt; });
  RunOut(engine);
  if (answer.ok() && answer->verdict() == 0) return std::nullopt;
  return absl::StrCat("the ledger takes no transaction: ", answer.status().ToString());
}

}  // namespace

const LedgerScript& TheLedgerScript() {
  static const LedgerScript* made = [] {
    auto* script = new LedgerScript;
    script->people = std::make_unique<LedgerHarness>();
    Author(*script).Write();
    return script;
  }();
  return *made;
}

LedgerRun RecordLedger(std::optional<Fault> fault) {
  TheLedgerScript();
  TempDir scratch(MemoryFolder());
  LedgerRun run;
  run.recorded.told_at = {0};
  run.told = {{}};
  Recorder recorder(scratch.path(), fault);
  {
    Follower follower(scratch.path(), run, [&] { return recorder.size(); });
    run.status = follower.All();
    run.end = follower.now();
  }
  run.recorded.log = recorder.Take();
  run.recorded.end = ReadTree(scratch.path());
  return run;
}

std::optional<std::string> FindBrokenLedger(const LedgerRun& run, const std::string& folder, size_t told_count) {
  const LedgerRun::Told& told = run.told[told_count - 1];
  const auto kv = base::OpenLmdb(folder);
  if (!kv.ok()) return "the store does not open: " + kv.status().ToString();
  const std::optional<uint64_t> height = HeightOf(**kv);
  if (!height && told.created) return "the ledger is gone";
  if (height && *height < told.height) return absl::StrCat("acknowledged height ", told.height, ", found ", *height);
  const auto state = run.states.find(height.value_or(0));
  if (height && (state == run.states.end() || DigestOf(**kv) != state->second)) {
    return absl::StrCat("the store is not what it was at height ", *height);
  }
  base::SimClock clock(run.end);
  auto engine = OpenEngine(**kv, clock);
  if (!engine.ok()) return "the engine does not open: " + engine.status().ToString();
  if ((*engine)->Now() < told.clock) return "the ledger's clock went back";
  for (size_t i = told.receipts < 3 ? 0 : told.receipts - 3; i < told.receipts; ++i) {
    if (const auto wrong = WrongAnswer(**engine, run.receipts[i])) return wrong;
  }
  if (const auto stuck = GoesOn(**engine)) return stuck;
  const absl::Status sound = chain::Recount(chain::KvView(**kv, "s"));
  return sound.ok() ? std::nullopt : std::optional<std::string>(sound.ToString());
}

Oracle LedgerOracle(const LedgerRun& run) {
  return {.broken = [&run](const std::string& folder, size_t told) { return FindBrokenLedger(run, folder, told); },
          .recover =
              [&run](const std::string& folder) {
                const auto kv = base::OpenLmdb(folder);
                base::SimClock clock(run.end);
                if (kv.ok()) (void)OpenEngine(**kv, clock);
              }};
}

}  // namespace cairn::crash
