// The ledger against a model of balances, streams, names and versions: every byte of the input is an operation or its argument.
// The model says what is accepted and what it changes; the harness recounts every invariant after each block.
#include <algorithm>
#include <deque>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/numeric/int128.h"
#include "cairn/base/codec.h"
#include "cairn/chain/domain/payments.h"
#include "fuzz.h"
#include "support/ledger_harness.h"

namespace cairn {
namespace {

using chain::LedgerHarness;
using chain::Plus;
using chain::Upload;
using chain::Verdict;
namespace pb = chain::pb;

constexpr uint64_t kBucket = 1;
constexpr int kMaxSteps = 40;
constexpr const char* kTreasury = "treasury";

absl::int128 Signed(base::Amount amount) { return absl::int128(amount.units()); }

struct Version {
  std::string id;
  std::string name;
  uint64_t number = 0;
  std::map<uint32_t, bool> told;  // positions whose holder has told of its part; does that still hold?
  uint64_t sealed_s = 0;
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
    second_ = Second();
    for (const char* who : {"alice", "bob", "carol", "p0", "p1", "p2", kTreasury}) total_[who] = Total(who);
    const pb::Group group = h_.Group(h_.GetBucket(kBucket).group());
    for (const char* who : {"p0", "p1", "p2"}) people_[h_.Field(who)] = who;
    for (const pb::GroupPosition& position : group.positions()) holders_.push_back(people_.at(position.provider()));
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
    Pay(who, kTreasury, Signed(chain::FromProto(receipt.fee())));
    Flow();
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
    model.pending = Version{receipt.created(0), name, after + 1, {}, 0};
    rates_[receipt.created(0)] = h_.Object(receipt.created(0));
    if (size == 0) Sealed(model);
  }

  void Sealed(NameModel& model) {
    model.pending->sealed_s = second_;
    for (const auto& [who, rate] : RatesOf(*model.pending)) net_[who] += rate;
    model.kept.push_front(*model.pending);
    model.last = model.pending->number;
    model.pending.reset();
    while (model.kept.size() > keep_) {
      Deleted(model.kept.back());
      model.kept.pop_back();
    }
  }

  // The positions' holders tell of their parts, each for the first time is paid for taking it in.
  void Told(Version& version, const std::vector<uint32_t>& positions) {
    const absl::int128 ingress = Signed(chain::FromProto(rates_.at(version.id).ingress()));
    for (const uint32_t position : positions) {
      if (version.told.count(position) == 0) Pay("alice", holders_[position], ingress);
      version.told[position] = true;
    }
  }

  // ---- streams ----

  // What a sealed version moves in a second, to each; the payer's is negative. Only parts that were told of are paid.
  std::map<std::string, absl::int128> RatesOf(const Version& version) {
    const pb::Object& object = rates_.at(version.id);
    const absl::int128 holder = Signed(chain::FromProto(object.holder_rate()));
    const absl::int128 holder_tax = Signed(chain::FromProto(object.holder_tax()));
    std::map<std::string, absl::int128> rates;
    rates["p0"] += Signed(chain::FromProto(object.primary_rate()));
    rates[kTreasury] += Signed(chain::FromProto(object.tax_rate())) - holder_tax * object.positions_size();
    for (const auto& [position, holds] : version.told) {
      if (!holds) continue;
      rates[holders_[position]] += holder;
      rates[kTreasury] += holder_tax;
    }
    absl::int128 sum = 0;
    for (const auto& [who, rate] : rates) sum += rate;
    rates["alice"] -= sum;
    return rates;
  }

  // The flows end; the rest of the minimum term is paid at once, and a part of what that brought in tax comes back.
  void Deleted(const Version& version) {
    gone_.push_back(version.id);
    const std::map<std::string, absl::int128> rates = RatesOf(version);
    const pb::Params params = h_.Params();
    const uint64_t end = version.sealed_s + params.min_term_seconds();
    const uint64_t rest = end - std::min(end, second_);
    for (const auto& [who, rate] : rates) {
      net_[who] -= rate;
      total_[who] += rate * static_cast<int64_t>(rest);
    }
    const pb::Object& object = rates_.at(version.id);
    const absl::int128 primary_tax =
        Signed(chain::FromProto(object.tax_rate())) -
        Signed(chain::FromProto(object.holder_tax())) * object.positions_size();
    const absl::int128 reserve = -rates.at("alice") * static_cast<int64_t>(params.reserve_seconds());
    const absl::int128 wanted = reserve * params.rebate_ppm() / 1'000'000;
    const absl::int128 taxed = primary_tax * static_cast<int64_t>(params.min_term_seconds());
    Pay(kTreasury, "alice", std::min({wanted, taxed, total_[kTreasury]}));
  }

  uint64_t Second() {
    pb::QueryRequest request;
    request.set_stream(h_.Field("alice"));
    pb::BlockHeader header;
    FUZZ_CHECK(header.ParseFromString(h_.NewestBlock().header()));
    return (header.time_ms() - h_.Ask(request).stopped_ms()) / 1000;
  }

  // Everything flows until the newest block.
  void Flow() {
    const uint64_t now = Second();
    for (const auto& [who, rate] : net_) total_[who] += rate * static_cast<int64_t>(now - second_);
    second_ = now;
  }

  void Pay(const std::string& from, const std::string& to, absl::int128 amount) {
    total_[from] -= amount;
    total_[to] += amount;
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
      Told(*model.pending, positions);
      return;
    }
    const auto receipt = Submit("p0", h_.Seal({object.id()}, positions));
    const bool sealed = chain::VerdictOf(receipt) == Verdict::kOk;
    const bool all = static_cast<int>(positions.size()) == object.positions_size();
    FUZZ_CHECK(sealed || !all);
    if (!sealed) return;
    Told(*model.pending, positions);
    Sealed(model);
  }

  void Cancel() {
    NameModel& model = names_[Name()];
    if (!model.pending) return;
    const bool owner = input_.U8() % 4 != 0;
    const pb::Object object = h_.Object(model.pending->id);
    Expect(owner, owner ? "alice" : "bob", h_.Cancel({model.pending->id}));
    if (!owner) return;
    if (!model.pending->told.empty()) {
      const base::Amount effort = std::min(chain::FromProto(h_.Params().effort_fee()), chain::FromProto(object.lock()));
      Pay("alice", "p0", Signed(effort));
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
    for (const Version& version : model.kept) Deleted(version);
    model = NameModel();
  }

  void DeleteVersion() {
    NameModel& model = names_[Name()];
    if (model.kept.empty()) return;
    const size_t index = input_.U8() % model.kept.size();
    const bool owner = input_.U8() % 4 != 0;
    Expect(owner, owner ? "alice" : "carol", h_.DeleteVersions(kBucket, {model.kept[index].id}));
    if (!owner) return;
    Deleted(model.kept[index]);
    model.kept.erase(model.kept.begin() + static_cast<long>(index));
    if (model.kept.empty() && !model.pending) model.last = 0;
  }

  void Transfer() {
    static const char* const kPeople[] = {"alice", "bob", "carol"};
    const std::string from = kPeople[input_.U8() % 3], to = kPeople[input_.U8() % 3];
    // Alice keeps what her streams and deletes may cost: tests/chain/money_random_test.cc lets payers run dry.
    const base::Amount kept = from == "alice" ? chain::Crn(1) : base::Amount();
    const base::Amount free = h_.Free(from).MinusOrZero(kept);
    // Around the balance and around nothing.
    base::Amount amount = input_.U8() % 2 == 0 ? base::Amount(input_.U8()) : free.Minus(base::Amount(input_.U32())).value_or(free);
    const auto receipt = Submit(from, h_.TransferUnits(to, amount));
    const base::Amount fee = chain::FromProto(receipt.fee());
    const bool paid = receipt.verdict() == 0;
    const base::Amount rest = Plus(free, kept).Minus(fee).value_or(base::Amount());
    FUZZ_CHECK(!paid || !(rest < amount));
    if (paid) {
      Pay(from, to, Signed(amount));
    } else if (chain::Included(chain::VerdictOf(receipt))) {
      FUZZ_CHECK(rest < amount || amount.zero());
    }
  }

  // Receipts of the provider's positions are void; objects stay.
  void NewStore() {
    pb::Operation lost;
    lost.mutable_report_new_store()->set_store_id(chain::ToField(h_.entropy().Draw<base::StoreId>()));
    const std::string who = absl::StrCat("p", input_.U8() % 3);
    Expect(true, who, lost);
    for (auto& [name, model] : names_) {
      if (model.pending) Forget(*model.pending, who);
      for (Version& version : model.kept) {
        for (const auto& [payee, rate] : RatesOf(version)) net_[payee] -= rate;
        Forget(version, who);
        for (const auto& [payee, rate] : RatesOf(version)) net_[payee] += rate;
      }
    }
  }
  void Forget(Version& version, const std::string& who) {
    for (auto& [position, holds] : version.told) holds = holds && holders_[position] != who;
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

  // Free, locked and in streams.
  absl::int128 Total(const std::string& who) {
    const bool treasury = who == kTreasury;
    pb::QueryRequest request;
    request.set_stream(treasury ? chain::ToField(chain::TreasuryId()) : h_.Field(who));
    const pb::StreamAccount stream = h_.Ask(request).stream();
    const absl::int128 net = Signed(chain::FromProto(stream.in_rate())) - Signed(chain::FromProto(stream.out_rate()));
    absl::int128 total = Signed(chain::FromProto(stream.buffer()));
    if (net != 0) total += net * (static_cast<int64_t>(second_) - static_cast<int64_t>(stream.settled_s()));
    if (!treasury) return total + Signed(h_.Free(who)) + Signed(h_.Locked(who));
    pb::QueryRequest supply;
    supply.set_supply(true);
    return total + Signed(chain::FromProto(h_.Ask(supply).supply(0).treasury()));
  }

  void CompareVersion(const Version& version, pb::ObjectState state) {
    FUZZ_CHECK(h_.ObjectExists(version.id));
    const pb::Object object = h_.Object(version.id);
    FUZZ_CHECK(object.state() == state && object.name() == version.name && object.version() == version.number);
  }

  void Compare() {
    Flow();
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
  std::map<std::string, pb::Object> rates_;         // by object: as created, where its rates are fixed
  std::vector<std::string> holders_;                // by position
  std::map<std::string, std::string> people_;       // by account
  std::map<std::string, absl::int128> total_;       // free, locked and streamed crn
  std::map<std::string, absl::int128> net_;         // crn a second, in less out
  uint64_t second_ = 0;                             // of streams, up to which total_ counts
  std::vector<std::string> gone_;
};

}  // namespace

void FuzzOne(base::ByteView input) { World(input).Go(); }

}  // namespace cairn
