// A payee's eye on a pool: may more be delivered against it, and when to redeem.
//
// A pool pays first come, first served, and may have promised more than it holds. A payee therefore
// serves a lane only as far as the pool's free balance and the signer's cap cover what it has not
// redeemed yet, and redeems early when the balance gets short. Pure functions. Rule: JS-15.
#pragma once

#include "absl/time/time.h"
#include "cairn/payment/channel_facts.h"

namespace cairn::payment {

// What the ledger says about a pool and one lane of it.
struct LaneFacts {
  base::Amount pool_deposit{};
  base::Amount pool_paid{};
  base::Amount pool_open_fee{};
  ChannelPhase pool_phase = ChannelPhase::kOpen;
  absl::Time pool_due = absl::InfiniteFuture();  // closing: nothing is paid from then on
  base::Amount signer_cap{};
  base::Amount signer_spent{};
  absl::Time signer_ends = absl::InfiniteFuture();  // expiry or revocation, the earlier one
  base::Amount redeemed{};                          // of this lane
};

struct LanePolicy {
  base::Amount window{};  // what a whole credit window costs at the rate asked
  absl::Duration margin = absl::Hours(6);  // redeem so long before anything ends
};

enum class LaneDecision : uint8_t {
  kServe = 0,
  kRedeem = 1,  // serve on, but take the money now
  kStop = 2,    // nothing more is covered; redeem what is owed
};

// What the pool can still pay to this lane.
base::Amount LaneCover(const LaneFacts& facts);
// Who a lane is between.
struct LaneParties {
  base::ChainId chain;
  base::ChannelId pool;
  base::AccountId owner;
  base::AccountId payee;
  base::PublicKey signer;
  base::Asset asset = base::Asset::kUsdc;
};
// The lane as a channel: what a Payee or a Payer of it works with. Its deposit is what the pool can
// still pay to it and what it paid before, so both fall when other payees are faster.
ChannelFacts LaneAsChannel(const LaneFacts& facts, const LaneParties& parties);

// `promised` is the worth of the lane's best claim, `next` what would be unpaid beyond it at most.
LaneDecision WatchLane(const LaneFacts& facts, base::Amount promised, base::Amount next,
                       const LanePolicy& policy, absl::Time now);

}  // namespace cairn::payment
