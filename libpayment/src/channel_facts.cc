#include "cairn/payment/channel_facts.h"

namespace cairn::payment {

LockExplanation ExplainLock(const ChannelFacts& facts, absl::Time now) {
  const base::Amount held = facts.deposit.MinusOrZero(facts.withdrawn);
  const base::Amount locked = held.Plus(facts.reserve).value_or(base::Amount::Max());
  switch (facts.phase) {
    case ChannelPhase::kSettled:
      return {base::Amount(), now, "ledger", "The channel is settled; nothing is locked."};
    case ChannelPhase::kClosing:
      return {locked, facts.due, "ledger",
              "The dispute window is open; the ledger settles by itself when it ends. Whoever holds "
              "a higher claim must show it before."};
    case ChannelPhase::kOpen:
      break;
  }
  if (now >= facts.expires) {
    return {locked, absl::InfiniteFuture(), "payer",
            "The channel has expired; the payer may reclaim it, which opens the dispute window and "
            "carries no penalty."};
  }
  return {locked, facts.expires, "payer",
          "The channel is open; both parties together close it at once, either one with a dispute "
          "window, and from the expiry on the payer may reclaim it."};
}

bool ClaimHolds(const ChannelFacts& facts, const base::Claim& claim) {
  const base::Voucher& voucher = claim.voucher;
  if (voucher.chain != facts.chain || voucher.channel != facts.id) return false;
  if (voucher.asset != facts.asset) return false;
  if (base::CheckClaim(claim, facts.signer) != base::ClaimFault::kNone) return false;
  return *base::WorthOf(claim) <= facts.deposit;
}

}  // namespace cairn::payment
