#include "cairn/payment/pool_watch.h"

#include <algorithm>

namespace cairn::payment {

base::Amount LaneCover(const LaneFacts& facts) {
  return std::min(facts.pool_deposit.MinusOrZero(facts.pool_paid),
                  facts.signer_cap.MinusOrZero(facts.signer_spent));
}

ChannelFacts LaneAsChannel(const LaneFacts& facts, const LaneParties& parties) {
  ChannelFacts channel;
  channel.chain = parties.chain;
  channel.id = base::LaneIdFor(parties.chain, parties.pool, parties.signer, parties.payee);
  channel.payer = parties.owner;
  channel.payee = parties.payee;
  channel.signer = parties.signer;
  channel.asset = parties.asset;
  channel.deposit = facts.redeemed.Plus(LaneCover(facts)).value_or(base::Amount::Max());
  channel.withdrawn = facts.redeemed;
  channel.claimed = facts.redeemed;
  channel.open_fee = facts.pool_open_fee;
  channel.phase = facts.pool_phase;
  channel.expires = std::min(facts.pool_due, facts.signer_ends);
  return channel;
}

LaneDecision WatchLane(const LaneFacts& facts, base::Amount promised, base::Amount next,
                       const LanePolicy& policy, absl::Time now) {
  const absl::Time ends = std::min(facts.pool_due, facts.signer_ends);
  if (facts.pool_phase != ChannelPhase::kOpen || now >= ends) return LaneDecision::kStop;
  const base::Amount owed = promised.MinusOrZero(facts.redeemed);
  const base::Amount cover = LaneCover(facts);
  const auto needed = owed.Plus(next);
  if (!needed || *needed > cover) return LaneDecision::kStop;
  if (owed.zero()) return LaneDecision::kServe;
  // A pool pays whoever comes first: what a redemption takes to arrive, others may draw meanwhile.
  const base::Amount reserve = policy.window.Times(3).value_or(base::Amount::Max());
  const bool soon = now + policy.margin >= ends || cover < reserve;
  return soon ? LaneDecision::kRedeem : LaneDecision::kServe;
}

}  // namespace cairn::payment
