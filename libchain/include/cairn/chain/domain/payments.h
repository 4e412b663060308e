// Payments: streams of crn, the accounts that pay them, what happens when one runs dry, packages and prices.
//
// Streams are charged by whole seconds of their own clock, which stands still while the ledger does. What a payer pays
// net of what it receives comes from its free balance, then from its buffer; a due entry per payer sees that no buffer
// is ever overdrawn. paying --reserve low--> throttled --reserve spent--> read only --> notice --> clearable; a deposit
// leads back to paying in its block, and the owner can delete at any time.
#pragma once

#include <optional>

#include "cairn/base/amount.h"
#include "cairn/base/charge.h"
#include "cairn/base/hash.h"
#include "cairn/base/stream.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

// Receives the taxes on streams.
inline const base::AccountId& TreasuryId() {
  static const base::AccountId id{};
  return id;
}

// Derived from owner and number; no key hashes to it.
base::AccountId PaymentAccountId(const base::AccountId& owner, uint64_t number);
// What an oracle signs: chain, number, prices, when it observed them.
base::Digest PriceDigest(const base::ChainId& chain, const pb::PostPrice& op);
// Signatures that make a price: more than two thirds of the oracles.
int OracleQuorum(int oracles);
// The price that objects created at `time_ms` get.
const pb::PriceRecord& PriceAt(const pb::PriceState& state, uint64_t time_ms);
// What an object is charged at these prices: `positions` holders keep a part of its `stored_size` bytes, the policy's
// primary may keep all. A copy of bytes that the holders have brings nothing in. nullopt when a sum does not fit.
struct StoredObject {
  uint64_t stored_size = 0;
  base::LayoutKind layout = base::LayoutKind::kCopies;
  int positions = 0;
  bool copy = false;
};
std::optional<base::Charge> ChargeAt(const pb::ProviderPrices& prices, const pb::Params& params,
                                     const pb::Redundancy& policy, const StoredObject& object);
// What a read package of so many bytes a month costs a second; nullopt when it does not fit.
struct PackageRate {
  base::Amount rate;   // to the primary
  base::Amount tax;
  base::Amount total;  // both
};
std::optional<PackageRate> PackageRateAt(const pb::ProviderPrices& prices, const pb::Params& params,
                                         uint64_t bytes_per_month);
// The network's stream terms, in order.
base::StreamTerms StreamTermsOf(const pb::Params& params);
// What the account has paid at once for the consent's bucket and the bucket's unused rate has not worked off at this
// second of the streams' clock.
base::Amount AheadNow(const pb::PaymentConsent& consent, uint64_t stream_s);
// What the account can spend at this second, with everything charged and its reserve filled.
base::Amount Spendable(const ReadView& view, const base::AccountId& id, const Context& context);
const char* NameOf(pb::PayerState state);

Verdict Validate(const pb::CreatePaymentAccount& op);
Verdict Check(const pb::CreatePaymentAccount& op, const Context& context, const ReadView& view);
void Apply(const pb::CreatePaymentAccount& op, const Context& context, Edits& edits);

Verdict Validate(const pb::DepositPayment& op);
Verdict Check(const pb::DepositPayment& op, const Context& context, const ReadView& view);
void Apply(const pb::DepositPayment& op, const Context& context, Edits& edits);

Verdict Validate(const pb::WithdrawPayment& op);
Verdict Check(const pb::WithdrawPayment& op, const Context& context, const ReadView& view);
void Apply(const pb::WithdrawPayment& op, const Context& context, Edits& edits);

Verdict Validate(const pb::CancelWithdrawal& op);
Verdict Check(const pb::CancelWithdrawal& op, const Context& context, const ReadView& view);
void Apply(const pb::CancelWithdrawal& op, const Context& context, Edits& edits);

Verdict Validate(const pb::DisableRefund& op);
Verdict Check(const pb::DisableRefund& op, const Context& context, const ReadView& view);
void Apply(const pb::DisableRefund& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetPaymentConsent& op);
Verdict Check(const pb::SetPaymentConsent& op, const Context& context, const ReadView& view);
void Apply(const pb::SetPaymentConsent& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetPayer& op);
Verdict Check(const pb::SetPayer& op, const Context& context, const ReadView& view);
void Apply(const pb::SetPayer& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetSponsorship& op);
Verdict Check(const pb::SetSponsorship& op, const Context& context, const ReadView& view);
void Apply(const pb::SetSponsorship& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SettleStream& op);
Verdict Check(const pb::SettleStream& op, const Context& context, const ReadView& view);
void Apply(const pb::SettleStream& op, const Context& context, Edits& edits);

Verdict Validate(const pb::ClearUnpaid& op);
Verdict Check(const pb::ClearUnpaid& op, const Context& context, const ReadView& view);
void Apply(const pb::ClearUnpaid& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetPackage& op);
Verdict Check(const pb::SetPackage& op, const Context& context, const ReadView& view);
void Apply(const pb::SetPackage& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetFreeCap& op);
Verdict Check(const pb::SetFreeCap& op, const Context& context, const ReadView& view);
void Apply(const pb::SetFreeCap& op, const Context& context, Edits& edits);

Verdict Validate(const pb::PostPrice& op);
Verdict Check(const pb::PostPrice& op, const Context& context, const ReadView& view);
void Apply(const pb::PostPrice& op, const Context& context, Edits& edits);

Verdict Validate(const pb::RefreshPrice& op);
Verdict Check(const pb::RefreshPrice& op, const Context& context, const ReadView& view);
void Apply(const pb::RefreshPrice& op, const Context& context, Edits& edits);

Verdict Validate(const pb::AnchorJournal& op);
Verdict Check(const pb::AnchorJournal& op, const Context& context, const ReadView& view);
void Apply(const pb::AnchorJournal& op, const Context& context, Edits& edits);

// A provider came, left or asks for other prices: without a feed the median moves, as far as the bound allows. A block
// looks once at what all of them ask; of what changes after that look a later operation, or RefreshPrice, takes account.
void AskedPricesChanged(const Context& context, Edits& edits);
// The due entry of an account's stream.
void PayerStep(const std::string& id, const Context& context, Edits& edits);
// A large withdrawal's delay is over.
void WithdrawalDue(const std::string& id, const Context& context, Edits& edits);

}  // namespace cairn::chain
