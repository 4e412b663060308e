// Moving money between free balances, locked money and the treasury. Checks come first (`CanPay`); the movers keep the
// running totals of keys::Supply right and cannot fail.
#pragma once

#include "cairn/base/amount.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

base::Amount FreeBalance(const ReadView& view, const base::AccountId& id, pb::Asset asset = pb::ASSET_CRN);

// Checked addition and subtraction on a message's field. A result out of range is a defect: it is written as the
// largest amount, which no invariant lets pass.
void AddTo(pb::Amount* field, base::Amount amount);
void TakeFrom(pb::Amount* field, base::Amount amount);
// nullopt when the sum does not fit.
std::optional<base::Amount> Sum(base::Amount a, base::Amount b);

// The account, made when it does not exist.
pb::Account& ExistingAccount(Edits& edits, const Context& context, const base::AccountId& id);
// Free money comes from, or leaves for, elsewhere; the caller keeps the totals. The credited account exists from
// then on; when its streams want money, it uses what it got for them at once.
void CreditFree(Edits& edits, const Context& context, const base::AccountId& to, pb::Asset asset, base::Amount amount);
// The account's streams, when they want money, take what is free now.
void Refill(Edits& edits, const Context& context, const base::AccountId& id);
void DebitFree(Edits& edits, const base::AccountId& from, pb::Asset asset, base::Amount amount);
// Free money of `from` becomes free money of `to`, as above.
void MoveFree(Edits& edits, const Context& context, const base::AccountId& from, const base::AccountId& to,
              pb::Asset asset, base::Amount amount);
// Tells who paid whom; `about` first. Nothing is told of nothing.
void TellPaid(const char* type, Attributes about, const base::AccountId& payer, const base::AccountId& receiver,
              base::Amount amount, const Context& context);
// All of it crn.
void PayTreasury(Edits& edits, const base::AccountId& from, base::Amount amount);
void Lock(Edits& edits, const base::AccountId& id, base::Amount amount);
void Unlock(Edits& edits, const base::AccountId& id, base::Amount amount);
// As Unlock, for money that stays with the account: its streams are refilled from it.
void GiveBack(Edits& edits, const Context& context, const base::AccountId& id, base::Amount amount);
// Locked money of `from` becomes free money of `to`.
void PayFromLocked(Edits& edits, const Context& context, const base::AccountId& from, const base::AccountId& to,
                   base::Amount amount);

}  // namespace cairn::chain
