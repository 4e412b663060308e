#include "cairn/payment/settlement.h"

namespace cairn::payment {

Settlement DecidePayee(const ChannelFacts& facts, const std::optional<base::Claim>& best,
                       const PayeePolicy& policy, absl::Time now) {
  if (facts.phase == ChannelPhase::kSettled) return Settlement::kForget;
  if (!best || !ClaimHolds(facts, *best)) return Settlement::kNothing;
  const base::Amount worth = *base::WorthOf(*best);
  if (facts.phase == ChannelPhase::kClosing) {
    return worth > facts.claimed && now < facts.due ? Settlement::kDispute : Settlement::kNothing;
  }
  const base::Amount unredeemed = worth.MinusOrZero(facts.withdrawn);
  if (unredeemed.zero()) return Settlement::kNothing;
  // However little it is: what is not withdrawn before the expiry may have to be disputed for.
  const bool late = now + policy.before_expiry >= facts.expires;
  return late || unredeemed >= policy.withdraw_from ? Settlement::kWithdraw : Settlement::kNothing;
}

Settlement DecidePayer(const Payer& payer, const PayerWish& wish, absl::Time now) {
  const ChannelFacts& facts = payer.facts();
  if (facts.phase == ChannelPhase::kSettled) return Settlement::kForget;
  if (facts.phase == ChannelPhase::kClosing || !wish.close) return Settlement::kNothing;
  if (now >= facts.expires) return Settlement::kReclaim;
  if (wish.payee_answers) return Settlement::kCloseTogether;
  // The ledger has seen more than we know of: the store is old, whatever anybody says.
  const bool behind_ledger = facts.claimed > payer.promised();
  const bool sure = payer.certain() || wish.owner_vouches;
  return sure && !behind_ledger ? Settlement::kClose : Settlement::kNothing;
}

bool StoreWasRestored(const StoreHello& ours, const StoreHello& theirs) {
  return theirs.seen_of_peer >= ours.generation;
}

}  // namespace cairn::payment
