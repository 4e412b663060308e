#include "ledger/tally.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/domain/payments.h"
#include "domain/object_records.h"

namespace cairn::chain {

absl::Status Broken(absl::string_view which, absl::string_view id) {
  return base::Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                     absl::StrCat(which, id.empty() ? "" : " of ", base::ToHex(base::AsBytes(id))),
                     "stop the engine and report this: it is a defect of the ledger's program",
                     {{"invariant", std::string(which)}});
}

namespace {

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

std::string DueId(uint64_t time_ms, DueKind kind, const std::string& id) { return keys::Due(time_ms, kind, id).bytes; }

}  // namespace

void Tally::Count(const std::string& key, const Record& record, int sign) {
  sign_ = sign;
  if (key.empty()) return;  // no table's: only a damaged store has it, and the state tree disowns it
  const std::string id = key.substr(1);
  switch (key[0]) {
    case 'S':
      return CountSupply(id, Parse<pb::Supply>(record));
    case 'A':
      return CountAccount(id, Parse<pb::Account>(record));
    case 'L':
      Gives(kLocked, id.substr(0, base::AccountId::kSize), Units(Parse<pb::Lane>(record).bond()));
      return Gives(kLanes, id.substr(0, base::AccountId::kSize), 1);
    case 'F':
      return Says(kDeadline, DueId(Parse<pb::FeeAllowanceUse>(record).expires_ms(), DueKind::kAllowance, id), 1);
    case 'P':
      return CountProvider(id, Parse<pb::Provider>(record));
    case 'I':
      return Gives(kGroups, id.substr(0, base::AccountId::kSize), 1);
    case 'N':
      return Says(kDeadline, DueId(Parse<pb::UsedApproval>(record).expires_ms(), DueKind::kApproval, id), 1);
    case 'G':
      return CountGroup(id, Parse<pb::Group>(record));
    case 'H':
      return Gives(kGroupIndex, id.substr(0, 8), 1);
    case 'B':
      return CountBucket(id, Parse<pb::Bucket>(record));
    case 'J':
      return CountObject(id, Parse<pb::Object>(record));
    case 'X':
      return Says(kDeadline, DueId(Parse<pb::ExpiredUpload>(record).until_ms(), DueKind::kFineWindow, id), 1);
    case 'T':
      return CountStream(id, Parse<pb::StreamAccount>(record));
    case 'W':
      return CountFlow(id, Parse<pb::Flow>(record));
    case 'U':
      return CountBill(id, Parse<pb::Bill>(record));
    case 'Z':
      return CountSponsorship(id, Parse<pb::Sponsorship>(record));
    case 'Q':
      return CountPaymentAccount(id, Parse<pb::PaymentAccount>(record));
    case 'h':
      return CountChannel(id, Parse<pb::Channel>(record));
    case 'i':
    case 'j':
    case 'l':
      return Gives(kChannelIndex, key, 1);
    case 'k':
      return CountPool(id, Parse<pb::Pool>(record));
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
    // The primary's part of the tax is what truncation leaves of the holders' parts.
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
  // A flow that stands still is its payer's debt, and nobody's income.
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
  // A settled channel holds nothing: its record only stays to be asked about.
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
  // As a settled channel.
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

}  // namespace cairn::chain
