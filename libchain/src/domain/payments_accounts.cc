// Payment accounts: money that can only pay for storage, who may use it, and who gives to it.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "domain/billing.h"
#include "domain/money.h"
#include "domain/object_records.h"
#include "domain/streams.h"

namespace cairn::chain {
namespace {

Verdict IdField(const std::string& id) {
  return id.size() == base::AccountId::kSize ? Verdict::kOk : Verdict::kBadAccountId;
}

Verdict IdAndAmount(const std::string& id, const pb::Amount& amount) {
  if (IdField(id) != Verdict::kOk) return Verdict::kBadAccountId;
  return FromProto(amount).zero() ? Verdict::kBadAmount : Verdict::kOk;
}

// The account, when the signer owns it.
Verdict FindOwned(const std::string& id, const Context& context, const ReadView& view, pb::PaymentAccount* account) {
  auto found = view.Find(keys::PaymentAccount(AccountOf(id)));
  if (!found) return Verdict::kUnknownPaymentAccount;
  if (found->owner() != ToField(context.signer)) return Verdict::kNotOwner;
  *account = *std::move(found);
  return Verdict::kOk;
}

// Can the payer fill the reserve of `rate` more?
Verdict CheckReserve(const base::AccountId& payer, base::Amount rate, const Context& context, const ReadView& view) {
  const auto reserve = rate.Times(context.params.reserve_seconds());
  const base::Amount money = Spendable(view, payer, context);
  if (reserve && *reserve <= money) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("the payer has ", money.ToString(), ", the reserve for ",
                                                        rate.ToString(), " a second is more"));
}

base::Amount Flowing(const pb::Sponsorship& sponsorship) {
  return sponsorship.paused() ? base::Amount() : FromProto(sponsorship.rate());
}

void TellWithdrawal(const char* type, const pb::PaymentAccount& account, base::Amount amount, const Context& context) {
  context.Emit(type, {{"account", Hex(account.id())},
                      {"owner", Hex(account.owner())},
                      {"amount", amount.ToString()},
                      {"at_ms", absl::StrCat(account.withdrawal_ms())}});
}

}  // namespace

base::AccountId PaymentAccountId(const base::AccountId& owner, uint64_t number) {
  const base::Digest digest = base::Hasher::DeriveKey("cairn v1 payment account")
                                  .Field(owner.view())
                                  .Field(base::AsBytes(NumberField(number)))
                                  .Finish();
  return AccountOf(ToField(digest).substr(0, base::AccountId::kSize));
}

Verdict Validate(const pb::CreatePaymentAccount&) { return Verdict::kOk; }

Verdict Check(const pb::CreatePaymentAccount&, const Context& context, const ReadView& view) {
  const auto owner = view.Find(keys::Account(context.signer));
  if (owner && owner->payment_accounts() < context.params.max_payment_accounts()) return Verdict::kOk;
  return context.Refuse(Verdict::kTooManyPaymentAccounts,
                        absl::StrCat("has ", owner ? owner->payment_accounts() : 0));
}

void Apply(const pb::CreatePaymentAccount&, const Context& context, Edits& edits) {
  pb::Account& owner = edits.At(keys::Account(context.signer));
  const uint64_t number = owner.payment_accounts();
  owner.set_payment_accounts(number + 1);
  const base::AccountId id = PaymentAccountId(context.signer, number);
  pb::PaymentAccount& account = edits.At(keys::PaymentAccount(id));
  account.set_id(ToField(id));
  account.set_owner(ToField(context.signer));
  account.set_number(number);
  // Storage is paid in crn: what else was sent here before returns to the owner.
  const base::Amount usdc = FromProto(ExistingAccount(edits, context, id).usdc());
  if (!usdc.zero()) MoveFree(edits, context, id, context.signer, pb::ASSET_USDC, usdc);
  context.Created(ToField(id));
  context.Emit("payment_account.created", {{"account", id.ToHexString()},
                                           {"owner", context.signer.ToHexString()},
                                           {"number", absl::StrCat(number)}});
}

Verdict Validate(const pb::DepositPayment& op) { return IdAndAmount(op.account(), op.amount()); }

Verdict Check(const pb::DepositPayment& op, const Context& context, const ReadView& view) {
  if (!view.Has(keys::PaymentAccount(AccountOf(op.account())))) return Verdict::kUnknownPaymentAccount;
  const base::Amount balance = FreeBalance(view, context.signer);
  if (FromProto(op.amount()) <= balance) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("has ", balance.ToString()));
}

void Apply(const pb::DepositPayment& op, const Context& context, Edits& edits) {
  MoveFree(edits, context, context.signer, AccountOf(op.account()), pb::ASSET_CRN, FromProto(op.amount()));
  context.Emit("payment_account.deposited", {{"account", Hex(op.account())},
                                             {"from", context.signer.ToHexString()},
                                             {"amount", FromProto(op.amount()).ToString()}});
}

Verdict Validate(const pb::WithdrawPayment& op) { return IdAndAmount(op.account(), op.amount()); }

Verdict Check(const pb::WithdrawPayment& op, const Context& context, const ReadView& view) {
  pb::PaymentAccount account;
  const Verdict owned = FindOwned(op.account(), context, view, &account);
  if (owned != Verdict::kOk) return owned;
  if (account.non_refundable()) return Verdict::kNonRefundable;
  if (account.withdrawal_ms() != 0) return Verdict::kWithdrawalPending;
  const base::Amount money = Spendable(view, AccountOf(op.account()), context);
  if (FromProto(op.amount()) <= money) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("has ", money.ToString(), " beyond its reserve"));
}

void Apply(const pb::WithdrawPayment& op, const Context& context, Edits& edits) {
  const base::AccountId id = AccountOf(op.account());
  const base::Amount amount = FromProto(op.amount());
  SettleAccount(id, context, edits);
  pb::PaymentAccount& account = edits.At(keys::PaymentAccount(id));
  if (amount < FromProto(context.params.withdraw_threshold())) {
    MoveFree(edits, context, id, context.signer, pb::ASSET_CRN, amount);
    return TellWithdrawal("payment_account.withdrawn", account, amount, context);
  }
  Lock(edits, id, amount);
  *account.mutable_withdrawal() = ToProto(amount);
  account.set_withdrawal_ms(context.time_ms + context.params.withdraw_delay_ms());
  AddDue(edits, account.withdrawal_ms(), DueKind::kWithdrawal, account.id());
  TellWithdrawal("payment_account.withdrawal_announced", account, amount, context);
}

void WithdrawalDue(const std::string& id, const Context& context, Edits& edits) {
  const auto key = keys::PaymentAccount(AccountOf(id));
  if (!edits.Has(key)) return;
  pb::PaymentAccount& account = edits.At(key);
  const base::Amount amount = FromProto(account.withdrawal());
  account.clear_withdrawal();
  account.set_withdrawal_ms(0);
  PayFromLocked(edits, context, AccountOf(id), AccountOf(account.owner()), amount);
  TellWithdrawal("payment_account.withdrawn", account, amount, context);
}

Verdict Validate(const pb::CancelWithdrawal& op) { return IdField(op.account()); }

Verdict Check(const pb::CancelWithdrawal& op, const Context& context, const ReadView& view) {
  pb::PaymentAccount account;
  const Verdict owned = FindOwned(op.account(), context, view, &account);
  if (owned != Verdict::kOk) return owned;
  return account.withdrawal_ms() != 0 ? Verdict::kOk : Verdict::kNoWithdrawal;
}

void Apply(const pb::CancelWithdrawal& op, const Context& context, Edits& edits) {
  const base::AccountId id = AccountOf(op.account());
  pb::PaymentAccount& account = edits.At(keys::PaymentAccount(id));
  const base::Amount amount = FromProto(account.withdrawal());
  DropDue(edits, account.withdrawal_ms(), DueKind::kWithdrawal, account.id());
  account.clear_withdrawal();
  account.set_withdrawal_ms(0);
  Unlock(edits, id, amount);
  SettleAccount(id, context, edits);
  TellWithdrawal("payment_account.withdrawal_cancelled", account, amount, context);
}

Verdict Validate(const pb::DisableRefund& op) { return IdField(op.account()); }

Verdict Check(const pb::DisableRefund& op, const Context& context, const ReadView& view) {
  pb::PaymentAccount account;
  const Verdict owned = FindOwned(op.account(), context, view, &account);
  if (owned != Verdict::kOk) return owned;
  if (account.non_refundable()) return Verdict::kNonRefundable;
  return account.withdrawal_ms() != 0 ? Verdict::kWithdrawalPending : Verdict::kOk;
}

void Apply(const pb::DisableRefund& op, const Context& context, Edits& edits) {
  edits.At(keys::PaymentAccount(AccountOf(op.account()))).set_non_refundable(true);
  context.Emit("payment_account.non_refundable", {{"account", Hex(op.account())}});
}

Verdict Validate(const pb::SetPaymentConsent& op) { return IdField(op.account()); }

Verdict Check(const pb::SetPaymentConsent& op, const Context& context, const ReadView& view) {
  pb::PaymentAccount account;
  const Verdict owned = FindOwned(op.account(), context, view, &account);
  if (owned != Verdict::kOk) return owned;
  if (view.Has(keys::Bucket(op.bucket()))) return Verdict::kOk;
  const bool cleanup = FromProto(op.max_rate()).zero() && view.Has(keys::Consent(AccountOf(op.account()), op.bucket()));
  return cleanup ? Verdict::kOk : Verdict::kUnknownBucket;
}

namespace {

// The bucket's owner pays again for everything that the account paid.
void TakeBack(const base::AccountId& account, uint64_t bucket_id, const Context& context, Edits& edits) {
  edits.Drop(keys::Consent(account, bucket_id));
  if (!edits.Has(keys::Bucket(bucket_id))) return;
  pb::Bucket& bucket = edits.At(keys::Bucket(bucket_id));
  const base::AccountId owner = AccountOf(bucket.owner());
  if (bucket.payer() == ToField(account)) bucket.clear_payer();
  for (const std::string& pin : {std::string(), ToField(account)}) {
    const auto key = keys::Bill(bucket.group(), bucket_id, pin);
    if (edits.Has(key) && edits.At(key).payer() == ToField(account)) MoveBill(key, owner, context, edits);
  }
}

}  // namespace

void Apply(const pb::SetPaymentConsent& op, const Context& context, Edits& edits) {
  const base::AccountId account = AccountOf(op.account());
  const auto key = keys::Consent(account, op.bucket());
  if (FromProto(op.max_rate()).zero()) {
    TakeBack(account, op.bucket(), context, edits);
  } else {
    if (!edits.Has(key)) {
      const pb::Bucket bucket = edits.At(keys::Bucket(op.bucket()));
      *edits.At(key).mutable_used_rate() = ToProto(CommittedTo(account, bucket, edits.view()));
    }
    pb::PaymentConsent& consent = edits.At(key);
    WorkOff(consent, context.stream_s);
    *consent.mutable_max_rate() = op.max_rate();
  }
  context.Emit("payment_account.consent", {{"account", Hex(op.account())},
                                           {"bucket", absl::StrCat(op.bucket())},
                                           {"max_rate", FromProto(op.max_rate()).ToString()}});
}

Verdict Validate(const pb::SetPayer& op) {
  if (!op.payer().empty() && IdField(op.payer()) != Verdict::kOk) return Verdict::kBadAccountId;
  return op.objects().empty() ? Verdict::kOk : ValidateObjectIds(op.objects());
}

namespace {

base::AccountId WantedPayer(const pb::SetPayer& op, const pb::Bucket& bucket) {
  if (!op.payer().empty()) return AccountOf(op.payer());
  return op.objects().empty() ? AccountOf(bucket.owner()) : PayerOf(bucket);
}

// What the new payer takes on.
Verdict RateToMove(const pb::SetPayer& op, const pb::Bucket& bucket, const Context& context, const ReadView& view,
                   base::Amount* rate) {
  if (op.objects().empty()) {
    if (PayerOf(bucket) == WantedPayer(op, bucket)) return Verdict::kSamePayer;
    const auto bill = view.Find(keys::Bill(bucket.group(), bucket.id(), ""));
    if (bill) *rate = FromProto(bill->committed_rate());
    return Verdict::kOk;
  }
  for (const std::string& id : op.objects()) {
    const auto object = view.Find(keys::Object(id));
    if (!object || object->bucket() != op.bucket()) {
      return context.Refuse(Verdict::kUnknownObject, absl::StrCat("object ", Hex(id)));
    }
    if (object->state() != pb::OBJECT_STATE_SEALED) return Verdict::kUploadPending;
    if (object->pin() == op.payer()) return context.Refuse(Verdict::kSamePayer, absl::StrCat("object ", Hex(id)));
    *rate = rate->Plus(FullRate(*object)).value_or(base::Amount::Max());
  }
  return Verdict::kOk;
}

}  // namespace

Verdict Check(const pb::SetPayer& op, const Context& context, const ReadView& view) {
  const auto bucket = view.Find(keys::Bucket(op.bucket()));
  if (!bucket) return Verdict::kUnknownBucket;
  if (bucket->owner() != ToField(context.signer)) return Verdict::kNotOwner;
  base::Amount rate;
  const Verdict found = RateToMove(op, *bucket, context, view, &rate);
  if (found != Verdict::kOk) return found;
  const base::AccountId payer = WantedPayer(op, *bucket);
  const Verdict takes = CheckPayer(payer, *bucket, {.rate = rate, .once = {}}, context, view);
  return takes != Verdict::kOk ? takes : CheckReserve(payer, rate, context, view);
}

void Apply(const pb::SetPayer& op, const Context& context, Edits& edits) {
  pb::Bucket& bucket = edits.At(keys::Bucket(op.bucket()));
  const base::AccountId payer = WantedPayer(op, bucket);
  if (op.objects().empty()) {
    bucket.set_payer(payer == AccountOf(bucket.owner()) ? "" : ToField(payer));
    MoveBill(keys::Bill(bucket.group(), bucket.id(), ""), payer, context, edits);
  }
  for (const std::string& id : op.objects()) {
    pb::Object& object = edits.At(keys::Object(id));
    // A bill is found by its objects' pin: out of the old one before the pin changes, into the new one after.
    EndBilling(object, false, context, edits);
    CountInBill(object, -1, context, edits);
    object.set_pin(op.payer());
    CountInBill(object, +1, context, edits);
    BeginBilling(object, context, edits);
  }
  context.Emit("bucket.payer_set", {{"bucket", absl::StrCat(op.bucket())},
                                    {"payer", payer.ToHexString()},
                                    {"objects", absl::StrCat(op.objects_size())}});
}

Verdict Validate(const pb::SetSponsorship& op) { return IdField(op.account()); }

Verdict Check(const pb::SetSponsorship& op, const Context& context, const ReadView& view) {
  const base::AccountId id = AccountOf(op.account());
  const auto account = view.Find(keys::PaymentAccount(id));
  if (!account) return Verdict::kUnknownPaymentAccount;
  if (!account->non_refundable()) return Verdict::kNotSponsorable;
  const auto before = view.Find(keys::Sponsorship(context.signer, id)).value_or(pb::Sponsorship());
  if (FromProto(op.rate()).zero() && FromProto(before.rate()).zero()) return Verdict::kNoStream;
  pb::Sponsorship after;
  *after.mutable_rate() = op.rate();
  after.set_paused(op.paused());
  if (Flowing(after) <= Flowing(before)) return Verdict::kOk;
  if (Frozen(PayerStateOf(view, context.signer))) return Verdict::kPayerFrozen;
  return CheckReserve(context.signer, Flowing(after).MinusOrZero(Flowing(before)), context, view);
}

void Apply(const pb::SetSponsorship& op, const Context& context, Edits& edits) {
  const base::AccountId id = AccountOf(op.account());
  const auto key = keys::Sponsorship(context.signer, id);
  pb::Sponsorship& sponsorship = edits.At(key);
  const base::Amount before = Flowing(sponsorship);
  *sponsorship.mutable_rate() = op.rate();
  sponsorship.set_paused(op.paused());
  const base::Amount after = Flowing(sponsorship);
  if (FromProto(op.rate()).zero()) edits.Drop(key);
  ChangeFlows(context.signer, {{id, after, before}}, context, edits);
  context.Emit("sponsorship.set", {{"sponsor", context.signer.ToHexString()},
                                   {"account", Hex(op.account())},
                                   {"rate", FromProto(op.rate()).ToString()},
                                   {"paused", op.paused() ? "true" : "false"}});
}

}  // namespace cairn::chain
