#include "domain/money.h"

#include "cairn/chain/convert.h"
#include "domain/streams.h"

namespace cairn::chain {
namespace {

pb::Amount* FreeField(pb::Account& account, pb::Asset asset) {
  return asset == pb::ASSET_USDC ? account.mutable_usdc() : account.mutable_crn();
}

}  // namespace

pb::Account& ExistingAccount(Edits& edits, const Context& context, const base::AccountId& id) {
  pb::Account& account = edits.At(keys::Account(id));
  if (account.id().empty()) {
    account.set_id(ToField(id));
    account.set_created_ms(context.time_ms);
  }
  return account;
}

base::Amount FreeBalance(const ReadView& view, const base::AccountId& id, pb::Asset asset) {
  const auto account = view.Find(keys::Account(id));
  if (!account) return {};
  return FromProto(asset == pb::ASSET_USDC ? account->usdc() : account->crn());
}

void AddTo(pb::Amount* field, base::Amount amount) {
  *field = ToProto(FromProto(*field).Plus(amount).value_or(base::Amount::Max()));
}

void TakeFrom(pb::Amount* field, base::Amount amount) {
  *field = ToProto(FromProto(*field).Minus(amount).value_or(base::Amount::Max()));
}

std::optional<base::Amount> Sum(base::Amount a, base::Amount b) { return a.Plus(b); }

void CreditFree(Edits& edits, const Context& context, const base::AccountId& to, pb::Asset asset, base::Amount amount) {
  AddTo(FreeField(ExistingAccount(edits, context, to), asset), amount);
  if (asset == pb::ASSET_CRN) Refill(edits, context, to);
}

void Refill(Edits& edits, const Context& context, const base::AccountId& id) {
  if (edits.At(keys::Account(id)).owes()) SettleAccount(id, context, edits);
}

void DebitFree(Edits& edits, const base::AccountId& from, pb::Asset asset, base::Amount amount) {
  TakeFrom(FreeField(edits.At(keys::Account(from)), asset), amount);
}

void MoveFree(Edits& edits, const Context& context, const base::AccountId& from, const base::AccountId& to,
              pb::Asset asset, base::Amount amount) {
  DebitFree(edits, from, asset, amount);
  CreditFree(edits, context, to, asset, amount);
}

void TellPaid(const char* type, Attributes about, const base::AccountId& payer, const base::AccountId& receiver,
              base::Amount amount, const Context& context) {
  if (amount.zero()) return;
  about.insert(about.end(), {{"payer", payer.ToHexString()},
                             {"receiver", receiver.ToHexString()},
                             {"amount", amount.ToString()}});
  context.Emit(type, about);
}

void PayTreasury(Edits& edits, const base::AccountId& from, base::Amount amount) {
  if (amount.zero()) return;
  TakeFrom(edits.At(keys::Account(from)).mutable_crn(), amount);
  pb::Supply& supply = edits.At(keys::Supply(pb::ASSET_CRN));
  TakeFrom(supply.mutable_free(), amount);
  AddTo(supply.mutable_treasury(), amount);
}

void Lock(Edits& edits, const base::AccountId& id, base::Amount amount) {
  if (amount.zero()) return;
  pb::Account& account = edits.At(keys::Account(id));
  TakeFrom(account.mutable_crn(), amount);
  AddTo(account.mutable_locked_crn(), amount);
  pb::Supply& supply = edits.At(keys::Supply(pb::ASSET_CRN));
  TakeFrom(supply.mutable_free(), amount);
  AddTo(supply.mutable_locked(), amount);
}

void Unlock(Edits& edits, const base::AccountId& id, base::Amount amount) {
  if (amount.zero()) return;
  pb::Account& account = edits.At(keys::Account(id));
  TakeFrom(account.mutable_locked_crn(), amount);
  AddTo(account.mutable_crn(), amount);
  pb::Supply& supply = edits.At(keys::Supply(pb::ASSET_CRN));
  TakeFrom(supply.mutable_locked(), amount);
  AddTo(supply.mutable_free(), amount);
}

void GiveBack(Edits& edits, const Context& context, const base::AccountId& id, base::Amount amount) {
  if (amount.zero()) return;
  Unlock(edits, id, amount);
  Refill(edits, context, id);
}

// Not GiveBack: what is on its way to another must not go into the payer's own streams.
void PayFromLocked(Edits& edits, const Context& context, const base::AccountId& from, const base::AccountId& to,
                   base::Amount amount) {
  if (amount.zero()) return;
  Unlock(edits, from, amount);
  MoveFree(edits, context, from, to, pb::ASSET_CRN, amount);
}

}  // namespace cairn::chain
