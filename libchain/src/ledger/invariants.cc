#include "cairn/chain/invariants.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/params.h"
#include "domain/object_records.h"

namespace cairn::chain {
namespace {

// No balance can come near it: an amount above is one that went below zero.
constexpr base::Amount kMaxAmount = base::Amount::Parts(uint64_t{1} << 48, 0);

absl::Status Broken(absl::string_view which, absl::string_view id) {
  return base::Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                     absl::StrCat(which, id.empty() ? "" : " of ", base::ToHex(base::AsBytes(id))),
                     "stop the engine and report this: it is a defect of the ledger's program",
                     {{"invariant", std::string(which)}});
}

// Every total the ledger keeps, against what it is the total of. A record adds what it says of itself and takes away
// what it contributes to another's total; over a sound state, or a sound change of one, all sums are zero. Arithmetic
// is modulo 2^128, so that a change may be counted by its old records with sign -1 and its new ones with +1.
class Tally {
 public:
  // `view` finds the policy of a group, which never changes.
  explicit Tally(const ReadView& view) : view_(view) {}
  void Count(const std::string& key, const std::string& value, int sign);
  absl::Status Balanced() const;

 private:
  using Sum = std::pair<const char*, std::string>;
  void Says(const char* total, const std::string& id, absl::uint128 amount) { Move(total, id, amount, sign_); }
  void Gives(const char* total, const std::string& id, absl::uint128 amount) { Move(total, id, amount, -sign_); }
  void Move(const char* total, const std::string& id, absl::uint128 amount, int sign) {
    if (amount != 0) sums_[Sum(total, id)] += sign > 0 ? amount : ~amount + 1;
  }
  static absl::uint128 Units(const pb::Amount& amount) { return FromProto(amount).units(); }

  void CountSupply(const std::string& id, const pb::Supply& supply);
  void CountAccount(const std::string& id, const pb::Account& account);
  void CountProvider(const std::string& id, const pb::Provider& provider);
  void CountGroup(const std::string& id, const pb::Group& group);
  void CountBucket(const std::string& id, const pb::Bucket& bucket);
  void CountObject(const std::string& id, const pb::Object& object);
  void CountStream(const std::string& id, const pb::StreamAccount& stream);
  void CountFlow(const std::string& id, const pb::Flow& flow);
  void CountBill(const std::string& id, const pb::Bill& bill);
  void CountSponsorship(const std::string& id, const pb::Sponsorship& sponsorship);
  void CountPaymentAccount(const std::string& id, const pb::PaymentAccount& account);
  void CountChannel(const std::string& id, const pb::Channel& channel);
  void CountPool(const std::string& id, const pb::Pool& pool);
  void CountDue(const std::string& key);
  const pb::Redundancy& PolicyOf(uint64_t group);

  const ReadView& view_;
  int sign_ = 1;
  std::map<Sum, absl::uint128> sums_;
  std::map<uint64_t, pb::Redundancy> policies_;
};

// Names of the totals. One text, one pointer: they are compared as such.
constexpr const char kMoney[] = "minted = burnt + free + locked + treasury + streams + channels";
constexpr const char kFree[] = "free money";
constexpr const char kLockedAll[] = "locked money";
constexpr const char kLocked[] = "locked money of an account";
constexpr const char kLanes[] = "lanes";
constexpr const char kBuckets[] = "buckets of an account";
constexpr const char kCommitted[] = "committed bytes of a provider";
constexpr const char kGroups[] = "groups of a provider";
constexpr const char kGroupBuckets[] = "buckets of a group";
constexpr const char kGroupObjects[] = "objects of a group";
constexpr const char kGroupIndex[] = "object index of a group";
constexpr const char kGroupPending[] = "pending objects of a group";
constexpr const char kGroupBytes[] = "stored bytes of a group";
constexpr const char kShouldHold[] = "objects of a position";
constexpr const char kHeldBytes[] = "held bytes of a position";
constexpr const char kBucketObjects[] = "objects of a bucket";
constexpr const char kBucketBytes[] = "stored bytes of a bucket";
constexpr const char kStreamMoney[] = "money in streams";
constexpr const char kNetRates[] = "what flows in = what flows out";
constexpr const char kInRate[] = "rate into an account";
constexpr const char kOutRate[] = "rate out of an account";
constexpr const char kFrozenRate[] = "frozen rate of an account";
constexpr const char kFlowRate[] = "rate of a flow";
constexpr const char kBillRate[] = "primary's rate of a bill";
constexpr const char kBillTax[] = "primary's tax of a bill";
constexpr const char kBillCommitted[] = "committed rate of a bill";
constexpr const char kBillObjects[] = "objects of a bill";
constexpr const char kPaymentAccounts[] = "payment accounts of an account";
constexpr const char kChannels[] = "money in channels and pools";
constexpr const char kChannelIndex[] = "index of a channel";
constexpr const char kPoolEntries[] = "entries of a pool";
constexpr const char kDeadline[] = "queued deadline";

std::string PositionId(uint64_t group, uint32_t position) { return NumberField(group) + NumberField(position); }
std::string DueId(uint64_t time_ms, DueKind kind, const std::string& id) { return keys::Due(time_ms, kind, id).bytes; }

template <class R>
R Parse(const std::string& value) {
  R record;
  keys::Decode(value, &record);
  return record;
}

void Tally::Count(const std::string& key, const std::string& value, int sign) {
  sign_ = sign;
  if (key.empty()) return;  // no table's: only a damaged store has it, and the state tree disowns it
  const std::string id = key.substr(1);
  switch (key[0]) {
    case 'S':
      return CountSupply(id, Parse<pb::Supply>(value));
    case 'A':
      return CountAccount(id, Parse<pb::Account>(value));
    case 'L':
      Gives(kLocked, id.substr(0, base::AccountId::kSize), Units(Parse<pb::Lane>(value).bond()));
      return Gives(kLanes, id.substr(0, base::AccountId::kSize), 1);
    case 'F':
      return Says(kDeadline, DueId(Parse<pb::FeeAllowanceUse>(value).expires_ms(), DueKind::kAllowance, id), 1);
    case 'P':
      return CountProvider(id, Parse<pb::Provider>(value));
    case 'I':
      return Gives(kGroups, id.substr(0, base::AccountId::kSize), 1);
    case 'N':
      return Says(kDeadline, DueId(Parse<pb::UsedApproval>(value).expires_ms(), DueKind::kApproval, id), 1);
    case 'G':
      return CountGroup(id, Parse<pb::Group>(value));
    case 'H':
      return Gives(kGroupIndex, id.substr(0, 8), 1);
    case 'B':
      return CountBucket(id, Parse<pb::Bucket>(value));
    case 'J':
      return CountObject(id, Parse<pb::Object>(value));
    case 'X':
      return Says(kDeadline, DueId(Parse<pb::ExpiredUpload>(value).until_ms(), DueKind::kFineWindow, id), 1);
    case 'T':
      return CountStream(id, Parse<pb::StreamAccount>(value));
    case 'W':
      return CountFlow(id, Parse<pb::Flow>(value));
    case 'U':
      return CountBill(id, Parse<pb::Bill>(value));
    case 'Z':
      return CountSponsorship(id, Parse<pb::Sponsorship>(value));
    case 'Q':
      return CountPaymentAccount(id, Parse<pb::PaymentAccount>(value));
    case 'h':
      return CountChannel(id, Parse<pb::Channel>(value));
    case 'i':
    case 'j':
    case 'l':
      return Gives(kChannelIndex, key, 1);
    case 'k':
      return CountPool(id, Parse<pb::Pool>(value));
    case 'm':
    case 'n':
      return Gives(kPoolEntries, id.substr(0, base::ChannelId::kSize), 1);
    case 'D':
      return CountDue(key);
  }
}

void Tally::CountSupply(const std::string& id, const pb::Supply& supply) {
  Says(kMoney, id, Units(supply.minted()));
  Gives(kMoney, id, Units(supply.burnt()));
  Gives(kMoney, id, Units(supply.free()));
  Gives(kMoney, id, Units(supply.locked()));
  Gives(kMoney, id, Units(supply.treasury()));
  Gives(kMoney, id, Units(supply.streams()));
  Says(kStreamMoney, id, Units(supply.streams()));
  Gives(kMoney, id, Units(supply.channels()));
  Says(kFree, id, Units(supply.free()));
  Says(kLockedAll, id, Units(supply.locked()));
  Says(kChannels, id, Units(supply.channels()));
}

void Tally::CountAccount(const std::string& id, const pb::Account& account) {
  static const std::string crn(1, static_cast<char>(pb::ASSET_CRN));
  static const std::string usdc(1, static_cast<char>(pb::ASSET_USDC));
  Gives(kFree, crn, Units(account.crn()));
  Gives(kFree, usdc, Units(account.usdc()));
  Gives(kLockedAll, crn, Units(account.locked_crn()));
  Says(kLocked, id, Units(account.locked_crn()));
  Says(kLanes, id, account.lanes());
  Says(kPaymentAccounts, id, account.payment_accounts());
  Says(kBuckets, id, account.buckets());
}

void Tally::CountProvider(const std::string& id, const pb::Provider& provider) {
  Gives(kLocked, id, Units(provider.deposit()));
  Says(kCommitted, id, provider.committed_bytes());
  Says(kGroups, id, provider.groups());
  if (provider.maintenance_until_ms() != 0) {
    Says(kDeadline, DueId(provider.maintenance_until_ms(), DueKind::kMaintenanceEnd, id), 1);
  }
}

void Tally::CountGroup(const std::string& id, const pb::Group& group) {
  Says(kGroupBuckets, id, group.buckets());
  Says(kGroupObjects, id, group.objects());
  Says(kGroupIndex, id, group.objects());
  Says(kGroupPending, id, group.pending_objects());
  Says(kGroupBytes, id, group.stored_bytes());
  for (int i = 0; i < group.positions_size(); ++i) {
    const pb::GroupPosition& position = group.positions(i);
    Says(kShouldHold, PositionId(group.id(), i), position.should_hold());
    Says(kHeldBytes, PositionId(group.id(), i), position.held_bytes());
    Gives(kCommitted, position.provider(), position.held_bytes());
  }
  if (group.policy().whole_at_primary()) Gives(kCommitted, group.primary(), group.stored_bytes());
}

void Tally::CountBucket(const std::string& id, const pb::Bucket& bucket) {
  Gives(kLocked, bucket.owner(), Units(bucket.bond()));
  Gives(kBuckets, bucket.owner(), 1);
  Gives(kGroupBuckets, NumberField(bucket.group()), 1);
  Says(kBucketObjects, id, bucket.objects());
  Says(kBucketBytes, id, bucket.stored_bytes());
}

void Tally::CountObject(const std::string& id, const pb::Object& object) {
  const std::string group = NumberField(object.group());
  const std::string bucket = NumberField(object.bucket());
  const bool created = object.state() == pb::OBJECT_STATE_CREATED;
  const std::string bill = keys::Bill(object.group(), object.bucket(), object.pin()).bytes.substr(1);
  Gives(kLocked, object.locked_by(), Units(object.lock()) + Units(object.ingress()) * Unreceipted(object));
  Gives(kLocked, object.owner(), Units(object.bond()));
  Gives(kBillObjects, bill, 1);
  Gives(kBillCommitted, bill, FullRate(object).units());
  if (!created) {
    Gives(kBillRate, bill, Units(object.primary_rate()));
    Gives(kBillTax, bill, Units(object.tax_rate()) - Units(object.holder_tax()) * object.positions_size());
  }
  Gives(kGroupObjects, group, 1);
  Gives(kGroupPending, group, created ? 1 : 0);
  Gives(kGroupBytes, group, object.stored_size());
  Gives(kBucketObjects, bucket, 1);
  Gives(kBucketBytes, bucket, object.stored_size());
  if (created) Says(kDeadline, DueId(object.seal_deadline_ms(), DueKind::kSealDeadline, id), 1);
  if (object.positions_size() == 0) return;
  const uint64_t held = HeldBytesOf(object, PolicyOf(object.group()));
  for (const uint32_t position : object.positions()) {
    Gives(kHeldBytes, PositionId(object.group(), position), held);
    Gives(kShouldHold, PositionId(object.group(), position), created ? 0 : 1);
  }
}

// Money in streams does not depend on the second at which an account was last settled: the rates of all accounts add up
// to zero, so each may be counted as of second 0.
void Tally::CountStream(const std::string& id, const pb::StreamAccount& stream) {
  static const std::string crn(1, static_cast<char>(pb::ASSET_CRN));
  const absl::uint128 net_out = Units(stream.out_rate()) - Units(stream.in_rate());
  Gives(kStreamMoney, crn, Units(stream.buffer()) + net_out * stream.settled_s());
  Says(kNetRates, "", Units(stream.in_rate()));
  Gives(kNetRates, "", Units(stream.out_rate()));
  Says(kInRate, id, Units(stream.in_rate()));
  Says(kOutRate, id, Units(stream.out_rate()));
  Says(kFrozenRate, id, Units(stream.frozen_rate()));
  if (stream.step_ms() != 0) Says(kDeadline, DueId(stream.step_ms(), DueKind::kPayerStep, id), 1);
}

void Tally::CountFlow(const std::string& id, const pb::Flow& flow) {
  const std::string payer = id.substr(0, base::AccountId::kSize);
  Says(kFlowRate, id, Units(flow.rate()));
  Gives(flow.frozen() ? kFrozenRate : kOutRate, payer, Units(flow.rate()));
  if (!flow.frozen()) Gives(kInRate, id.substr(base::AccountId::kSize), Units(flow.rate()));
}

void Tally::CountBill(const std::string& id, const pb::Bill& bill) {
  const std::string treasury = ToField(TreasuryId());
  Says(kBillRate, id, Units(bill.primary_rate()));
  Says(kBillTax, id, Units(bill.primary_tax()));
  Says(kBillObjects, id, bill.objects());
  Says(kBillCommitted, id, Units(bill.committed_rate()) - Units(bill.package_rate()) - Units(bill.package_tax()));
  Gives(kFlowRate, bill.payer() + bill.primary(), Units(bill.primary_rate()) + Units(bill.package_rate()));
  Gives(kFlowRate, bill.payer() + treasury, Units(bill.primary_tax()) + Units(bill.package_tax()));
  for (const pb::BillPosition& position : bill.positions()) {
    Gives(kFlowRate, bill.payer() + position.provider(), Units(position.rate()));
    Gives(kFlowRate, bill.payer() + treasury, Units(position.tax()));
  }
}

void Tally::CountSponsorship(const std::string& id, const pb::Sponsorship& sponsorship) {
  if (!sponsorship.paused()) Gives(kFlowRate, id, Units(sponsorship.rate()));
}

void Tally::CountPaymentAccount(const std::string& id, const pb::PaymentAccount& account) {
  Gives(kPaymentAccounts, account.owner(), 1);
  Gives(kLocked, id, Units(account.withdrawal()));
  if (account.withdrawal_ms() != 0) Says(kDeadline, DueId(account.withdrawal_ms(), DueKind::kWithdrawal, id), 1);
}

void Tally::CountChannel(const std::string& id, const pb::Channel& channel) {
  const std::string asset(1, static_cast<char>(channel.asset()));
  if (channel.state() != pb::CHANNEL_STATE_SETTLED) {
    Gives(kChannels, asset, Units(channel.deposit()));
    Says(kChannels, asset, Units(channel.withdrawn()));
    Gives(kChannels, asset, Units(channel.reserve()));
  }
  Says(kChannelIndex, keys::ChannelOfPayer(AccountOf(channel.payer()), id).bytes, 1);
  Says(kChannelIndex, keys::ChannelOfPayee(AccountOf(channel.payee()), id).bytes, 1);
  if (channel.due_ms() != 0) Says(kDeadline, DueId(channel.due_ms(), DueKind::kChannelDue, id), 1);
}

void Tally::CountPool(const std::string& id, const pb::Pool& pool) {
  const std::string asset(1, static_cast<char>(pool.asset()));
  if (pool.state() != pb::CHANNEL_STATE_SETTLED) {
    Gives(kChannels, asset, Units(pool.deposit()));
    Says(kChannels, asset, Units(pool.paid()));
  }
  Says(kChannelIndex, keys::PoolOfOwner(AccountOf(pool.owner()), id).bytes, 1);
  Says(kPoolEntries, id, pool.entries());
  if (pool.due_ms() != 0) Says(kDeadline, DueId(pool.due_ms(), DueKind::kPoolDue, id), 1);
}

void Tally::CountDue(const std::string& key) { Gives(kDeadline, key, 1); }

const pb::Redundancy& Tally::PolicyOf(uint64_t group) {
  const auto known = policies_.find(group);
  if (known != policies_.end()) return known->second;
  const auto record = view_.Find(keys::Group(group));
  return policies_[group] = record ? record->policy() : pb::Redundancy();
}

absl::Status Tally::Balanced() const {
  for (const auto& [total, sum] : sums_) {
    if (sum != 0) return Broken(total.first, total.second);
  }
  return absl::OkStatus();
}

// ---- what must hold of single records ----

bool InRange(const pb::Amount& amount) { return FromProto(amount) <= kMaxAmount; }

absl::Status CheckAmounts(const std::string& key, const std::string& value) {
  bool sane = true;
  if (key[0] == 'A') {
    const auto account = Parse<pb::Account>(value);
    sane = InRange(account.crn()) && InRange(account.usdc()) && InRange(account.locked_crn());
  } else if (key[0] == 'S') {
    const auto supply = Parse<pb::Supply>(value);
    sane = InRange(supply.minted()) && InRange(supply.burnt()) && InRange(supply.free()) && InRange(supply.locked()) &&
           InRange(supply.treasury()) && InRange(supply.streams()) && InRange(supply.channels());
  } else if (key[0] == 'P') {
    sane = InRange(Parse<pb::Provider>(value).deposit());
  } else if (key[0] == 'J') {
    const auto object = Parse<pb::Object>(value);
    sane = InRange(object.lock()) && InRange(object.bond());
  } else if (key[0] == 'T') {
    const auto stream = Parse<pb::StreamAccount>(value);
    sane = InRange(stream.buffer()) && InRange(stream.in_rate()) && InRange(stream.out_rate()) &&
           InRange(stream.frozen_rate());
  } else if (key[0] == 'W') {
    sane = InRange(Parse<pb::Flow>(value).rate());
  }
  return sane ? absl::OkStatus() : Broken("an amount below zero or above the supply", key);
}

// A group has its policy's holders, all distinct.
absl::Status CheckHolders(const std::string& key, const pb::Group& group) {
  std::set<std::string> distinct;
  for (const pb::GroupPosition& position : group.positions()) distinct.insert(position.provider());
  const bool sane = distinct.size() == Width(group.policy()) &&
                    group.positions_size() == static_cast<int>(Width(group.policy()));
  return sane ? absl::OkStatus() : Broken("distinct holders of a group", key);
}

// A sealed object has positions of its own group, as many as its policy asks for, each once.
absl::Status CheckSealed(const std::string& key, const pb::Object& object, const ReadView& view) {
  if (object.state() != pb::OBJECT_STATE_SEALED || object.stored_size() == 0) return absl::OkStatus();
  const auto group = view.Find(keys::Group(object.group()));
  if (!group) return Broken("the group of an object", key);
  const bool small = group->policy().kind() == pb::LAYOUT_KIND_SHARDS && object.layout() == pb::LAYOUT_KIND_COPIES;
  const uint32_t expected = small ? group->policy().parity() + 1 : Width(group->policy());
  const std::set<uint32_t> distinct(object.positions().begin(), object.positions().end());
  const bool sane = distinct.size() == expected && object.positions_size() == static_cast<int>(expected) &&
                    *distinct.rbegin() < static_cast<uint32_t>(group->positions_size());
  return sane ? absl::OkStatus() : Broken("holders of a sealed object", key);
}

// A channel never pays out more than its deposit, and a settled one gave back exactly what it held.
absl::Status CheckChannel(const std::string& key, const pb::Channel& channel) {
  const base::Amount deposit = FromProto(channel.deposit());
  const base::Amount reserve = FromProto(channel.reserve());
  bool sane = FromProto(channel.withdrawn()) <= FromProto(channel.claimed()) && FromProto(channel.claimed()) <= deposit;
  if (channel.state() == pb::CHANNEL_STATE_SETTLED) {
    const base::Amount penalty = FromProto(channel.penalty());
    const auto given = FromProto(channel.paid()).Plus(penalty);
    const auto all = given ? given->Plus(FromProto(channel.returned())) : std::nullopt;
    sane = sane && all && all == deposit.Plus(reserve) && FromProto(channel.paid()) <= deposit && penalty <= reserve &&
           FromProto(channel.bounty()).units() <= penalty.units() / 2;
  }
  return sane ? absl::OkStatus() : Broken("a channel never pays out more than its deposit", key);
}

absl::Status CheckPool(const std::string& key, const pb::Pool& pool) {
  const auto given = FromProto(pool.paid()).Plus(FromProto(pool.returned()));
  const bool sane = given && *given <= FromProto(pool.deposit());
  return sane ? absl::OkStatus() : Broken("a pool never pays out more than its deposit", key);
}

absl::Status CheckRecord(const std::string& key, const std::string& value, const ReadView& view,
                         pb::NetworkClass network_class) {
  RETURN_IF_ERROR(CheckAmounts(key, value));
  if (key[0] == 'G') return CheckHolders(key, Parse<pb::Group>(value));
  if (key[0] == 'h') return CheckChannel(key, Parse<pb::Channel>(value));
  if (key[0] == 'k') return CheckPool(key, Parse<pb::Pool>(value));
  if (key[0] == 'J') return CheckSealed(key, Parse<pb::Object>(value), view);
  if (key[0] == 'p' && !CheckParams(Parse<pb::Params>(value), network_class).ok()) {
    return Broken("parameters within their bounds", "");
  }
  return absl::OkStatus();
}

// ---- what must hold of a change ----

// A deposit falls by a fine, which the record keeps, or all at once when the provider leaves.
absl::Status CheckDeposit(const std::string& key, const pb::Provider& before, const pb::Provider& after) {
  const base::Amount old_deposit = FromProto(before.deposit());
  const base::Amount new_deposit = FromProto(after.deposit());
  if (new_deposit >= old_deposit || after.state() == pb::PROVIDER_STATE_EXITED) return absl::OkStatus();
  const auto fined = FromProto(after.fined()).Minus(FromProto(before.fined()));
  if (fined && *fined == old_deposit.MinusOrZero(new_deposit)) return absl::OkStatus();
  return Broken("a deposit that fell without a recorded reason", key);
}

// What was put in or paid out is never taken back, and what was pinned at the open stays.
absl::Status CheckChannelStep(const std::string& key, const pb::Channel& before, const pb::Channel& after) {
  const bool sane = FromProto(before.deposit()) <= FromProto(after.deposit()) &&
                    FromProto(before.reserve()) <= FromProto(after.reserve()) &&
                    FromProto(before.withdrawn()) <= FromProto(after.withdrawn()) &&
                    before.payer() == after.payer() && before.payee() == after.payee() &&
                    before.signer() == after.signer() && before.asset() == after.asset() &&
                    before.expires_ms() == after.expires_ms() && before.state() <= after.state();
  return sane ? absl::OkStatus() : Broken("a channel's terms and money only move forward", key);
}

absl::Status CheckStep(const std::string& key, const std::optional<std::string>& before,
                       const std::optional<std::string>& after) {
  if (key[0] == 'L' && before && after &&
      Parse<pb::Lane>(*after).last_number() < Parse<pb::Lane>(*before).last_number()) {
    return Broken("sequence numbers only grow", key);
  }
  if (key[0] == 'P' && before) {
    if (!after) return Broken("a provider's record that vanished", key);
    return CheckDeposit(key, Parse<pb::Provider>(*before), Parse<pb::Provider>(*after));
  }
  if (key[0] == 'Q' && before) {
    if (!after) return Broken("a payment account that vanished", key);
    if (Parse<pb::PaymentAccount>(*before).non_refundable() && !Parse<pb::PaymentAccount>(*after).non_refundable()) {
      return Broken("once non-refundable, always non-refundable", key);
    }
  }
  if (key[0] == 'r' && before) return Broken("a price that changed", key);
  if (key[0] == 'h' && before && after) {
    return CheckChannelStep(key, Parse<pb::Channel>(*before), Parse<pb::Channel>(*after));
  }
  if (key[0] == 'h' && before && Parse<pb::Channel>(*before).state() != pb::CHANNEL_STATE_SETTLED) {
    return Broken("a channel that vanished unsettled", key);
  }
  if (key[0] == 'S' && before && after) {
    const auto old_supply = Parse<pb::Supply>(*before);
    const auto new_supply = Parse<pb::Supply>(*after);
    if (!(FromProto(old_supply.minted()) == FromProto(new_supply.minted()))) return Broken("minted money", key);
  }
  return absl::OkStatus();
}

// Receipts counted at every position under its present generation.
absl::Status RecountReceipts(const ReadView& view) {
  std::map<uint64_t, pb::Group> groups;
  view.Scan(keys::GroupPrefix(), "", [&](const std::string&, const std::string& value) {
    auto group = Parse<pb::Group>(value);
    groups[group.id()] = std::move(group);
    return true;
  });
  std::map<std::string, uint64_t> receipted;
  view.Scan(keys::ObjectPrefix(), "", [&](const std::string&, const std::string& value) {
    const auto object = Parse<pb::Object>(value);
    if (object.state() != pb::OBJECT_STATE_SEALED) return true;
    const pb::Group& group = groups[object.group()];
    for (int i = 0; i < object.positions_size(); ++i) {
      const uint32_t position = object.positions(i);
      if (object.receipt_generations(i) == group.positions(position).generation()) {
        ++receipted[PositionId(group.id(), position)];
      }
    }
    return true;
  });
  for (const auto& [id, group] : groups) {
    for (int i = 0; i < group.positions_size(); ++i) {
      if (group.positions(i).receipted() != receipted[PositionId(id, i)]) {
        return Broken("receipted objects of a position", PositionId(id, i));
      }
    }
  }
  return absl::OkStatus();
}

// What each bill bills at each position, from the objects receipted there under its present generation; and what each
// consent is used for.
absl::Status RecountBills(const ReadView& view) {
  std::map<std::string, std::pair<absl::uint128, absl::uint128>> billed;
  view.Scan(keys::ObjectPrefix(), "", [&](const std::string&, const std::string& value) {
    const auto object = Parse<pb::Object>(value);
    const auto group = view.Find(keys::Group(object.group()));
    if (object.state() != pb::OBJECT_STATE_SEALED || !group) return true;
    const std::string bill = keys::Bill(object.group(), object.bucket(), object.pin()).bytes;
    for (int i = 0; i < object.positions_size(); ++i) {
      const uint32_t position = object.positions(i);
      if (object.receipt_generations(i) != group->positions(position).generation()) continue;
      auto& sum = billed[bill + NumberField(position)];
      sum.first += FromProto(object.holder_rate()).units();
      sum.second += FromProto(object.holder_tax()).units();
    }
    return true;
  });
  absl::Status sound;
  std::map<std::string, absl::uint128> used;
  view.Scan("U", "", [&](const std::string& key, const std::string& value) {
    const auto bill = Parse<pb::Bill>(value);
    const auto group = view.Find(keys::Group(bill.group()));
    if (!group || group->primary() != bill.primary()) sound = Broken("the primary of a bill", key);
    for (int i = 0; group && i < bill.positions_size(); ++i) {
      const auto& sum = billed[key + NumberField(i)];
      const bool same = FromProto(bill.positions(i).rate()).units() == sum.first &&
                        FromProto(bill.positions(i).tax()).units() == sum.second &&
                        bill.positions(i).provider() == group->positions(i).provider();
      if (!same) sound = Broken("billed positions", key);
    }
    used[keys::Consent(AccountOf(bill.payer()), bill.bucket()).bytes] += FromProto(bill.committed_rate()).units();
    return sound.ok();
  });
  RETURN_IF_ERROR(sound);
  view.Scan("E", "", [&](const std::string& key, const std::string& value) {
    if (FromProto(Parse<pb::PaymentConsent>(value).used_rate()).units() != used[key]) {
      sound = Broken("used rate of a consent", key);
    }
    return sound.ok();
  });
  return sound;
}

}  // namespace

absl::Status CheckChanges(const WriteView& view, pb::NetworkClass network_class) {
  Tally tally(view);
  for (const auto& [key, after] : view.changes()) {
    const std::optional<std::string> before = view.below().Get(key);
    if (before == after) continue;
    if (before) tally.Count(key, *before, -1);
    if (after) {
      tally.Count(key, *after, +1);
      RETURN_IF_ERROR(CheckRecord(key, *after, view, network_class));
    }
    RETURN_IF_ERROR(CheckStep(key, before, after));
  }
  return tally.Balanced();
}

absl::Status Recount(const ReadView& view) {
  const auto genesis = view.Find(keys::Genesis());
  if (!genesis) return Broken("a genesis record", "");
  Tally tally(view);
  absl::Status sound;
  view.Scan("", "", [&](const std::string& key, const std::string& value) {
    tally.Count(key, value, +1);
    sound = CheckRecord(key, value, view, genesis->network_class());
    return sound.ok();
  });
  RETURN_IF_ERROR(sound);
  RETURN_IF_ERROR(tally.Balanced());
  RETURN_IF_ERROR(RecountReceipts(view));
  RETURN_IF_ERROR(RecountBills(view));
  return view.health();
}

}  // namespace cairn::chain
