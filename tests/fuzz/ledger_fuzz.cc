// The ledger against a model of balances, names and versions: every byte of the input is an operation or its argument.
// The model says what is accepted and what it changes; the harness recounts every invariant after each block.
#include <algorithm>
#include <deque>
#include <map>

#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"
#include "fuzz.h"
#include "support/ledger_harness.h"

namespace cairn {
namespace {

using chain::LedgerHarness;
using chain::Minus;
using chain::Plus;
using chain::Upload;
using chain::Verdict;
namespace pb = chain::pb;

constexpr uint64_t kBucket = 1;
constexpr int kMaxSteps = 40;

struct Version {
  std::string id;
  std::string name;
  uint64_t number = 0;
  bool posted = false;  // a holder has told of a part
};
struct NameModel {
  std::optional<Version> pending;
  std::deque<Version> kept;  // newest first
  uint64_t last = 0;
};

class World {
 public:
  explicit World(base::ByteView input) : input_(input) {
    keep_ = 1 + input_.U8() % 3;
    h_.Bucket("replicate:3");
    pb::Operation keep;
    keep.mutable_edit_bucket()->set_bucket(kBucket);
    keep.mutable_edit_bucket()->set_keep_versions(keep_);
    h_.Do("alice", keep);
    h_.Fund("bob", 2);
    h_.Fund("carol", 1);
    for (const char* who : {"alice", "bob", "carol", "p0", "p1", "p2"}) total_[who] = Total(who);
  }

  void Go() {
    for (int step = 0; step < kMaxSteps && input_.remaining() > 0; ++step) {
      Step();
      Compare();
    }
    h_.Restart();
    Compare();
  }

 private:
  void Step() {
    switch (input_.U8() % 10) {
      case 0:
      case 1:
        return Create();
      case 2:
      case 3:
        return Seal();
      case 4:
        return Cancel();
      case 5:
        return Reject();
      case 6:
        return DeleteName();
      case 7:
        return DeleteVersion();
      case 8:
        return Transfer();
      case 9:
        return input_.U8() % 8 == 0 ? NewStore() : PassTime();
    }
  }

  // ---- the two sides of an operation ----

  pb::TransactionReceipt Submit(const std::string& who, const pb::Operation& operation) {
    const pb::TransactionReceipt receipt = h_.Submit(h_.Sign(who, h_.Body(who, {operation})));
    FUZZ_CHECK(chain::VerdictOf(receipt) != Verdict::kInvariant);
    total_[who] = Minus(total_[who], chain::FromProto(receipt.fee()));
    return receipt;
  }
  // The ledger must agree with the model on whether it is done.
  pb::TransactionReceipt Expect(bool accepted, const std::string& who, const pb::Operation& operation) {
    const pb::TransactionReceipt receipt = Submit(who, operation);
    FUZZ_CHECK((chain::VerdictOf(receipt) == Verdict::kOk) == accepted);
    return receipt;
  }

  std::string Name() { return absl::StrCat("n", input_.U8() % 4); }

  void Create() {
    const std::string name = Name();
    NameModel& model = names_[name];
    const uint64_t size = (uint64_t{input_.U8()} << (input_.U8() % 16));
    const uint64_t after = input_.U8() % 4 == 0 ? input_.U8() : model.last;
    const bool known = model.pending || !model.kept.empty();
    const bool fits = !model.pending && (after == 0 ? !known : after == model.last);
    const auto receipt = Expect(fits, "alice", h_.Create(kBucket, {{.name = name, .size = size, .after_version = after}}));
    if (!fits) return;
    model.pending = Version{receipt.created(0), name, after + 1};
    if (size == 0) Sealed(model);
  }

  void Sealed(NameModel& model) {
    model.kept.push_front(*model.pending);
    model.last = model.pending->number;
    model.pending.reset();
    while (model.kept.size() > keep_) {
      gone_.push_back(model.kept.back().id);
      model.kept.pop_back();
    }
  }

  void Seal() {
    NameModel& model = names_[Name()];
    const uint8_t missing = input_.U8();
    if (!model.pending) return;
    const pb::Object object = h_.Object(model.pending->id);
    std::vector<uint32_t> positions;
    for (const uint32_t position : object.positions()) {
      if ((missing >> position & 1) == 0) positions.push_back(position);
    }
    if ((missing & 0x80) != 0 && !positions.empty()) {
      Expect(true, "p0", h_.Post({object.id()}, positions));
      model.pending->posted = true;
      return;
    }
    const auto receipt = Submit("p0", h_.Seal({object.id()}, positions));
    const bool sealed = chain::VerdictOf(receipt) == Verdict::kOk;
    const bool all = static_cast<int>(positions.size()) == object.positions_size();
    FUZZ_CHECK(sealed || !all);
    if (sealed) Sealed(model);
  }

  void Cancel() {
    NameModel& model = names_[Name()];
    if (!model.pending) return;
    const bool owner = input_.U8() % 4 != 0;
    const pb::Object object = h_.Object(model.pending->id);
    Expect(owner, owner ? "alice" : "bob", h_.Cancel({model.pending->id}));
    if (!owner) return;
    if (model.pending->posted) {
      const base::Amount effort = std::min(chain::FromProto(h_.Params().effort_fee()), chain::FromProto(object.lock()));
      total_["alice"] = Minus(total_["alice"], effort);
      total_["p0"] = Plus(total_["p0"], effort);
    }
    Dropped(model);
  }

  void Reject() {
    NameModel& model = names_[Name()];
    if (!model.pending) return;
    const bool primary = input_.U8() % 4 != 0;
    Expect(primary, primary ? "p0" : "p1", h_.Reject({model.pending->id}));
    if (primary) Dropped(model);
  }

  void Dropped(NameModel& model) {
    gone_.push_back(model.pending->id);
    model.pending.reset();
    if (model.kept.empty()) model.last = 0;
  }

  void DeleteName() {
    const std::string name = Name();
    NameModel& model = names_[name];
    const bool fits = !model.pending && !model.kept.empty();
    Expect(fits, "alice", h_.DeleteNames(kBucket, {name}));
    if (!fits) return;
    for (const Version& version : model.kept) gone_.push_back(version.id);
    model = NameModel();
  }

  void DeleteVersion() {
    NameModel& model = names_[Name()];
    if (model.kept.empty()) return;
    const size_t index = input_.U8() % model.kept.size();
    const bool owner = input_.U8() % 4 != 0;
    Expect(owner, owner ? "alice" : "carol", h_.DeleteVersions(kBucket, {model.kept[index].id}));
    if (!owner) return;
    gone_.push_back(model.kept[index].id);
    model.kept.erase(model.kept.begin() + static_cast<long>(index));
    if (model.kept.empty() && !model.pending) model.last = 0;
  }

  void Transfer() {
    static const char* const kPeople[] = {"alice", "bob", "carol"};
    const std::string from = kPeople[input_.U8() % 3], to = kPeople[input_.U8() % 3];
    const base::Amount free = h_.Free(from);
    // Around the balance and around nothing.
    base::Amount amount = input_.U8() % 2 == 0 ? base::Amount(input_.U8()) : free.Minus(base::Amount(input_.U32())).value_or(free);
    const auto receipt = Submit(from, h_.TransferUnits(to, amount));
    const base::Amount fee = chain::FromProto(receipt.fee());
    const bool paid = receipt.verdict() == 0;
    const base::Amount rest = free.Minus(fee).value_or(base::Amount());
    FUZZ_CHECK(!paid || !(rest < amount));
    if (paid) {
      total_[from] = Minus(total_[from], amount);
      total_[to] = Plus(total_[to], amount);
    } else if (chain::Included(chain::VerdictOf(receipt))) {
      FUZZ_CHECK(rest < amount || amount.zero());
    }
  }

  // Receipts of the provider's positions are void; objects stay.
  void NewStore() {
    pb::Operation lost;
    lost.mutable_report_new_store()->set_store_id(chain::ToField(h_.entropy().Draw<base::StoreId>()));
    Expect(true, absl::StrCat("p", input_.U8() % 3), lost);
  }

  void PassTime() {
    std::map<std::string, uint64_t> deadlines;
    for (auto& [name, model] : names_) {
      if (model.pending) deadlines[name] = h_.Object(model.pending->id).seal_deadline_ms();
    }
    const uint64_t scale = h_.Params().seal_window_ms() / 64;
    h_.Advance(absl::Milliseconds(scale * input_.U8()));
    for (const auto& [name, deadline] : deadlines) {
      if (h_.NowMs() >= deadline) Dropped(names_[name]);
    }
  }

  // ---- comparison ----

  base::Amount Total(const std::string& who) { return Plus(h_.Free(who), h_.Locked(who)); }

  void CompareVersion(const Version& version, pb::ObjectState state) {
    FUZZ_CHECK(h_.ObjectExists(version.id));
    const pb::Object object = h_.Object(version.id);
    FUZZ_CHECK(object.state() == state && object.name() == version.name && object.version() == version.number);
  }

  void Compare() {
    for (const auto& [who, total] : total_) FUZZ_CHECK(Total(who) == total);
    for (const auto& [name, model] : names_) {
      if (model.pending) CompareVersion(*model.pending, pb::OBJECT_STATE_CREATED);
      for (const Version& version : model.kept) CompareVersion(version, pb::OBJECT_STATE_SEALED);
    }
    for (const std::string& id : gone_) FUZZ_CHECK(!h_.ObjectExists(id));
    const uint64_t objects = h_.GetBucket(kBucket).objects();
    uint64_t expected = 0;
    for (const auto& [name, model] : names_) expected += model.kept.size() + (model.pending ? 1 : 0);
    FUZZ_CHECK(objects == expected);
  }

  base::Reader input_;
  LedgerHarness h_;
  uint32_t keep_ = 1;
  std::map<std::string, NameModel> names_;
  std::map<std::string, base::Amount> total_;  // free and locked crn
  std::vector<std::string> gone_;
};

}  // namespace

void FuzzOne(base::ByteView input) { World(input).Go(); }

}  // namespace cairn
