// Bills follow objects, groups and packages; flows follow bills.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "domain/billing.h"
#include "domain/money.h"
#include "domain/object_records.h"
#include "domain/streams.h"

namespace cairn::chain {
namespace {

// Rates by receiver.
using Parts = std::map<base::AccountId, base::Amount>;

void AddPart(Parts& parts, const base::AccountId& receiver, base::Amount rate) {
  if (rate.zero()) return;
  base::Amount& part = parts[receiver];
  part = part.Plus(rate).value_or(base::Amount::Max());
}

base::Amount SumOf(const Parts& parts) {
  base::Amount sum;
  for (const auto& [receiver, rate] : parts) sum = sum.Plus(rate).value_or(base::Amount::Max());
  return sum;
}

enum class Sign { kAdd, kRemove };

void Flow(const base::AccountId& payer, const Parts& parts, Sign sign, const Context& context, Edits& edits) {
  std::vector<FlowChange> changes;
  for (const auto& [receiver, rate] : parts) {
    changes.push_back({receiver, sign == Sign::kAdd ? rate : base::Amount(),
                       sign == Sign::kAdd ? base::Amount() : rate});
  }
  ChangeFlows(payer, changes, context, edits);
}

void Step(pb::Amount* field, base::Amount amount, Sign sign) {
  sign == Sign::kAdd ? AddTo(field, amount) : TakeFrom(field, amount);
}

Key<pb::Bill> BillKey(const pb::Object& object) {
  return keys::Bill(object.group(), object.bucket(), object.pin());
}

// The bill, made when the first object needs it.
pb::Bill& BillAt(uint64_t group_id, uint64_t bucket_id, const std::string& pin, Edits& edits) {
  pb::Bill& bill = edits.At(keys::Bill(group_id, bucket_id, pin));
  if (!bill.payer().empty()) return bill;
  const pb::Group& group = edits.At(keys::Group(group_id));
  bill.set_group(group_id);
  bill.set_bucket(bucket_id);
  bill.set_pin(pin);
  bill.set_payer(pin.empty() ? ToField(PayerOf(edits.At(keys::Bucket(bucket_id)))) : pin);
  bill.set_primary(group.primary());
  for (const pb::GroupPosition& position : group.positions()) bill.add_positions()->set_provider(position.provider());
  return bill;
}

void DropIfEmpty(const Key<pb::Bill>& key, Edits& edits) {
  const pb::Bill& bill = edits.At(key);
  if (bill.objects() == 0 && FromProto(bill.package_rate()).zero()) edits.Drop(key);
}

void CountUsed(const pb::Bill& bill, base::Amount rate, Sign sign, const Context& context, Edits& edits) {
  const auto key = keys::Consent(AccountOf(bill.payer()), bill.bucket());
  // There is none where the payment account and the bucket have one owner.
  if (!edits.Has(key)) return;
  pb::PaymentConsent& consent = edits.At(key);
  WorkOff(consent, context.stream_s);
  Step(consent.mutable_used_rate(), rate, sign);
}

// As far as the reserve that a bucket at the agreed rate locks anyway.
Verdict CheckAhead(const pb::PaymentConsent& consent, base::Amount once, const Context& context) {
  const base::Amount ahead = AheadNow(consent, context.stream_s);
  const base::Amount most =
      FromProto(consent.max_rate()).Times(context.params.reserve_seconds()).value_or(base::Amount::Max());
  const auto total = ahead.Plus(once);
  if (total && *total <= most) return Verdict::kOk;
  return context.Refuse(Verdict::kConsentAhead, absl::StrCat("has paid ", ahead.ToString(), " ahead, wants ",
                                                             once.ToString(), " more of ", most.ToString()));
}

base::Amount PrimaryTax(const pb::Object& object) {
  const auto holders = FromProto(object.holder_tax()).Times(object.positions_size());
  return FromProto(object.tax_rate()).MinusOrZero(holders.value_or(base::Amount::Max()));
}

// Adds one position's part of the object to its bill and to `parts`, or takes it from them.
void StepPosition(const pb::Object& object, uint32_t position, Sign sign, pb::Bill& bill, Parts& parts) {
  pb::BillPosition& entry = *bill.mutable_positions(position);
  Step(entry.mutable_rate(), FromProto(object.holder_rate()), sign);
  Step(entry.mutable_tax(), FromProto(object.holder_tax()), sign);
  AddPart(parts, AccountOf(entry.provider()), FromProto(object.holder_rate()));
  AddPart(parts, TreasuryId(), FromProto(object.holder_tax()));
}

// The same for everything that is billed of the object.
Parts StepObject(const pb::Object& object, Sign sign, pb::Bill& bill, Edits& edits) {
  Parts parts;
  Step(bill.mutable_primary_rate(), FromProto(object.primary_rate()), sign);
  Step(bill.mutable_primary_tax(), PrimaryTax(object), sign);
  AddPart(parts, AccountOf(bill.primary()), FromProto(object.primary_rate()));
  AddPart(parts, TreasuryId(), PrimaryTax(object));
  const pb::Group& group = edits.At(keys::Group(object.group()));
  for (int i = 0; i < object.positions_size(); ++i) {
    const uint32_t position = object.positions(i);
    if (object.receipt_generations(i) != group.positions(position).generation()) continue;
    StepPosition(object, position, sign, bill, parts);
  }
  return parts;
}

Parts PartsOf(const pb::Bill& bill) {
  Parts parts;
  AddPart(parts, AccountOf(bill.primary()), FromProto(bill.primary_rate()));
  AddPart(parts, AccountOf(bill.primary()), FromProto(bill.package_rate()));
  AddPart(parts, TreasuryId(), FromProto(bill.primary_tax()));
  AddPart(parts, TreasuryId(), FromProto(bill.package_tax()));
  for (const pb::BillPosition& position : bill.positions()) {
    AddPart(parts, AccountOf(position.provider()), FromProto(position.rate()));
    AddPart(parts, TreasuryId(), FromProto(position.tax()));
  }
  return parts;
}

void PayFree(const base::AccountId& payer, const base::AccountId& receiver, base::Amount amount,
             const Context& context, Edits& edits) {
  if (receiver == TreasuryId()) return PayTreasury(edits, payer, amount);
  MoveFree(edits, context, payer, receiver, pb::ASSET_CRN, amount);
}

// The rest of the minimum term, to those who kept the object, as far as the payer's free money goes. Returns what was
// paid; `whole` tells whether it was all.
base::Amount PayTerm(const std::string& object, const base::AccountId& payer, const Parts& parts, uint64_t seconds,
                     bool* whole, const Context& context, Edits& edits) {
  const base::Amount rate = SumOf(parts);
  const base::Amount free = FromProto(edits.At(keys::Account(payer)).crn());
  const uint64_t paid = std::min(seconds, base::SecondsLeft(free, rate));
  *whole = paid == seconds;
  if (paid == 0) return {};
  for (const auto& [receiver, part] : parts) {
    const base::Amount amount = part.Times(paid).value_or(base::Amount());
    PayFree(payer, receiver, amount, context, edits);
    TellPaid("object.term_paid", {{"object", object}}, payer, receiver, amount, context);
  }
  return rate.Times(paid).value_or(base::Amount());
}

// A part of the reserve that a delete sets free; never more than the tax that the minimum term brought.
base::Amount PayRebate(const pb::Object& object, const base::AccountId& payer, base::Amount rate,
                       const Context& context, Edits& edits) {
  const pb::Params& params = context.params;
  const auto reserve = rate.Times(params.reserve_seconds());
  const auto wanted = reserve ? reserve->MulDiv(params.rebate_ppm(), 1'000'000) : std::nullopt;
  const base::Amount taxed = PrimaryTax(object).Times(params.min_term_seconds()).value_or(base::Amount());
  pb::Supply& supply = edits.At(keys::Supply(pb::ASSET_CRN));
  const base::Amount rebate = std::min({wanted.value_or(base::Amount()), taxed, FromProto(supply.treasury())});
  TakeFrom(supply.mutable_treasury(), rebate);
  AddTo(supply.mutable_free(), rebate);
  CreditFree(edits, context, payer, pb::ASSET_CRN, rebate);
  return rebate;
}

void CloseAccount(const pb::Object& object, const base::AccountId& payer, const Parts& parts, const Context& context,
                  Edits& edits) {
  const uint64_t end = object.billed_from_s() + context.params.min_term_seconds();
  bool whole = true;
  const uint64_t missing = end - std::min(end, context.stream_s);
  const base::Amount term = PayTerm(Hex(object.id()), payer, parts, missing, &whole, context, edits);
  CountAhead(payer, object.bucket(), term, Ahead::kPaid, context, edits);
  const base::Amount rebate = whole ? PayRebate(object, payer, SumOf(parts), context, edits) : base::Amount();
  context.Emit("object.refunded", {{"object", Hex(object.id())},
                                   {"payer", payer.ToHexString()},
                                   {"rate", SumOf(parts).ToString()},
                                   {"term", term.ToString()},
                                   {"rebate", rebate.ToString()}});
}

}  // namespace

base::AccountId PayerOf(const pb::Bucket& bucket) {
  return AccountOf(bucket.payer().empty() ? bucket.owner() : bucket.payer());
}

base::AccountId PayerOf(const pb::Object& object, const ReadView& view) {
  const auto bill = view.Find(BillKey(object));
  return AccountOf(bill ? bill->payer() : object.owner());
}

base::Amount AheadNow(const pb::PaymentConsent& consent, uint64_t stream_s) {
  const base::Amount ahead = FromProto(consent.ahead());
  // Work that was due earlier may come later.
  if (stream_s <= consent.ahead_s()) return ahead;
  const base::Amount spare = FromProto(consent.max_rate()).MinusOrZero(FromProto(consent.used_rate()));
  return ahead.MinusOrZero(spare.Times(stream_s - consent.ahead_s()).value_or(base::Amount::Max()));
}

void WorkOff(pb::PaymentConsent& consent, uint64_t stream_s) {
  *consent.mutable_ahead() = ToProto(AheadNow(consent, stream_s));
  consent.set_ahead_s(std::max(consent.ahead_s(), stream_s));
}

void CountAhead(const base::AccountId& payer, uint64_t bucket, base::Amount amount, Ahead what, const Context& context,
                Edits& edits) {
  const auto key = keys::Consent(payer, bucket);
  if (amount.zero() || !edits.Has(key)) return;
  pb::PaymentConsent& consent = edits.At(key);
  WorkOff(consent, context.stream_s);
  const base::Amount ahead = FromProto(consent.ahead());
  // What comes back may have been worked off already.
  *consent.mutable_ahead() = ToProto(what == Ahead::kPaid ? ahead.Plus(amount).value_or(base::Amount::Max())
                                                          : ahead.MinusOrZero(amount));
}

Verdict CheckPayer(const base::AccountId& payer, const pb::Bucket& bucket, const Cost& cost, const Context& context,
                   const ReadView& view) {
  const pb::PayerState state = PayerStateOf(view, payer);
  if (Frozen(state)) return context.Refuse(Verdict::kPayerFrozen, absl::StrCat("the payer is ", NameOf(state)));
  if (payer == AccountOf(bucket.owner())) return Verdict::kOk;
  const auto account = view.Find(keys::PaymentAccount(payer));
  if (!account) return Verdict::kUnknownPaymentAccount;
  const auto consent = view.Find(keys::Consent(payer, bucket.id()));
  if (!consent) return account->owner() == bucket.owner() ? Verdict::kOk : Verdict::kNoConsent;
  const auto total = FromProto(consent->used_rate()).Plus(cost.rate);
  if (total && *total <= FromProto(consent->max_rate())) return CheckAhead(*consent, cost.once, context);
  return context.Refuse(Verdict::kConsentExhausted,
                        absl::StrCat("uses ", FromProto(consent->used_rate()).ToString(), ", wants ", cost.rate.ToString(),
                                     " more of ", FromProto(consent->max_rate()).ToString(), " a second"));
}

void CountInBill(const pb::Object& object, int sign, const Context& context, Edits& edits) {
  pb::Bill& bill = BillAt(object.group(), object.bucket(), object.pin(), edits);
  const Sign step = sign > 0 ? Sign::kAdd : Sign::kRemove;
  const base::Amount rate = FullRate(object);
  Step(bill.mutable_committed_rate(), rate, step);
  CountUsed(bill, rate, step, context, edits);
  bill.set_objects(bill.objects() + (sign > 0 ? 1 : -1));
  DropIfEmpty(BillKey(object), edits);
}

void BeginBilling(const pb::Object& object, const Context& context, Edits& edits) {
  pb::Bill& bill = BillAt(object.group(), object.bucket(), object.pin(), edits);
  Flow(AccountOf(bill.payer()), StepObject(object, Sign::kAdd, bill, edits), Sign::kAdd, context, edits);
}

void EndBilling(const pb::Object& object, bool deleted, const Context& context, Edits& edits) {
  pb::Bill& bill = edits.At(BillKey(object));
  const base::AccountId payer = AccountOf(bill.payer());
  const Parts parts = StepObject(object, Sign::kRemove, bill, edits);
  // Asked before the flow ends, which may bring the payer back: who was not paying owes no rest of a term.
  const bool frozen = edits.Has(keys::Stream(payer)) && Frozen(edits.At(keys::Stream(payer)).state());
  Flow(payer, parts, Sign::kRemove, context, edits);
  if (deleted && !frozen) CloseAccount(object, payer, parts, context, edits);
}

void BillPosition(const pb::Object& object, uint32_t position, const Context& context, Edits& edits) {
  pb::Bill& bill = edits.At(BillKey(object));
  Parts parts;
  StepPosition(object, position, Sign::kAdd, bill, parts);
  Flow(AccountOf(bill.payer()), parts, Sign::kAdd, context, edits);
}

void VoidPosition(uint64_t group, uint32_t position, const std::string& provider, const Context& context,
                  Edits& edits) {
  for (const std::string& key : edits.KeysOf(keys::BillPrefix(group))) {
    pb::Bill& bill = edits.At(Key<pb::Bill>{key});
    pb::BillPosition& entry = *bill.mutable_positions(position);
    Parts parts;
    AddPart(parts, AccountOf(entry.provider()), FromProto(entry.rate()));
    AddPart(parts, TreasuryId(), FromProto(entry.tax()));
    entry.clear_rate();
    entry.clear_tax();
    entry.set_provider(provider);
    Flow(AccountOf(bill.payer()), parts, Sign::kRemove, context, edits);
  }
}

void BillNewPrimary(uint64_t group, const std::string& primary, const Context& context, Edits& edits) {
  for (const std::string& key : edits.KeysOf(keys::BillPrefix(group))) {
    pb::Bill& bill = edits.At(Key<pb::Bill>{key});
    const base::Amount rate =
        FromProto(bill.primary_rate()).Plus(FromProto(bill.package_rate())).value_or(base::Amount::Max());
    const base::AccountId before = AccountOf(bill.primary());
    bill.set_primary(primary);
    ChangeFlows(AccountOf(bill.payer()), {{before, {}, rate}, {AccountOf(primary), rate, {}}}, context, edits);
  }
}

void MoveBill(const Key<pb::Bill>& key, const base::AccountId& payer, const Context& context, Edits& edits) {
  if (!edits.Has(key)) return;
  pb::Bill& bill = edits.At(key);
  const base::AccountId before = AccountOf(bill.payer());
  if (before == payer) return;
  const Parts parts = PartsOf(bill);
  CountUsed(bill, FromProto(bill.committed_rate()), Sign::kRemove, context, edits);
  Flow(before, parts, Sign::kRemove, context, edits);
  bill.set_payer(ToField(payer));
  CountUsed(bill, FromProto(bill.committed_rate()), Sign::kAdd, context, edits);
  Flow(payer, parts, Sign::kAdd, context, edits);
}

void BillPackage(const pb::Bucket& bucket, base::Amount rate, base::Amount tax, const Context& context,
                 Edits& edits) {
  pb::Bill& bill = BillAt(bucket.group(), bucket.id(), "", edits);
  const base::Amount rate_before = FromProto(bill.package_rate());
  const base::Amount tax_before = FromProto(bill.package_tax());
  const base::Amount before = rate_before.Plus(tax_before).value_or(base::Amount::Max());
  const base::Amount after = rate.Plus(tax).value_or(base::Amount::Max());
  *bill.mutable_package_rate() = ToProto(rate);
  *bill.mutable_package_tax() = ToProto(tax);
  Step(bill.mutable_committed_rate(), before, Sign::kRemove);
  Step(bill.mutable_committed_rate(), after, Sign::kAdd);
  CountUsed(bill, before, Sign::kRemove, context, edits);
  CountUsed(bill, after, Sign::kAdd, context, edits);
  ChangeFlows(AccountOf(bill.payer()),
              {{AccountOf(bill.primary()), rate, rate_before}, {TreasuryId(), tax, tax_before}}, context, edits);
  DropIfEmpty(keys::Bill(bucket.group(), bucket.id(), ""), edits);
}

base::Amount CommittedTo(const base::AccountId& payer, const pb::Bucket& bucket, const ReadView& view) {
  base::Amount sum;
  for (const std::string& pin : {std::string(), ToField(payer)}) {
    const auto bill = view.Find(keys::Bill(bucket.group(), bucket.id(), pin));
    if (!bill || bill->payer() != ToField(payer)) continue;
    sum = sum.Plus(FromProto(bill->committed_rate())).value_or(base::Amount::Max());
  }
  return sum;
}

}  // namespace cairn::chain
