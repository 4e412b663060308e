// Payment channels: their identifiers, what is signed about them besides vouchers, and the splits of their money.
//
// A channel carries money from one payer to one payee; a pool from one owner to many payees, in
// lanes. Payer, payee, watchtower and ledger share these definitions. Pure values and functions;
// safe from any thread. Rules: CD-09 to CD-18, CD-36, CD-46. Layouts: libbase/FORMATS.md.
#pragma once

#include "cairn/base/amount.h"
#include "cairn/base/key.h"

namespace cairn::base {

enum class Asset : uint8_t { kCrn = 1, kUsdc = 2 };
absl::string_view NameOf(Asset asset);  // "crn", "usdc"
int DecimalsOf(Asset asset);            // that a whole one has more than its smallest unit

// 16 bytes: names a channel, a pool, or a lane of a pool; the three are hashed under contexts of
// their own. The ledger hands out every number once, so an id never comes back.
using ChannelId = FixedBytes<struct ChannelIdTag, 16>;
ChannelId ChannelIdFor(const ChainId& chain, uint64_t number);
ChannelId PoolIdFor(const ChainId& chain, uint64_t number);
// What a voucher of a pool names as its channel: one pool, one signer, one payee.
ChannelId LaneIdFor(const ChainId& chain, const ChannelId& pool, const PublicKey& signer,
                    const AccountId& payee);

// The payee's key lets an account watch over a channel and take its bounty.
struct TowerAppointment {
  ChainId chain;
  ChannelId channel;
  AccountId tower;
  uint64_t expires_ms = 0;  // ledger time: void from then on
};
Digest SigningDigest(const TowerAppointment& appointment);

// Both parties agree on what the payee gets over the channel's whole life. Signed by the channel's
// pinned signer and by the payee's key.
struct CooperativeClose {
  ChainId chain;
  ChannelId channel;
  Amount amount;
  uint64_t expires_ms = 0;  // ledger time: void from then on
};
Digest SigningDigest(const CooperativeClose& close);

// A pool's owner lets a key sign vouchers against the pool, up to a cap over all its lanes.
struct PoolCapability {
  ChainId chain;
  ChannelId pool;
  PublicKey signer;
  Amount spending_cap;
  uint64_t expires_ms = 0;  // ledger time: nothing is redeemed under it from then on
};
Digest SigningDigest(const PoolCapability& capability);

// Where what a channel pays out goes. The parts add up to the amount: treasury and burnt are
// truncated, the operator gets the rest, which is never below `kOperatorFloorPpm` of the amount.
struct FeeSplit {
  Amount operator_part;
  Amount treasury;
  Amount burnt;  // crn only; zero for every other asset
  friend bool operator==(const FeeSplit&, const FeeSplit&) = default;
};
inline constexpr uint32_t kOperatorFloorPpm = 400'000;
FeeSplit SplitFees(Asset asset, Amount amount, uint32_t treasury_ppm, uint32_t burn_ppm);

// A share of an amount, rounded up, but at least `least`: the penalty for a close that hid `amount`,
// and the reserve that covers the worst penalty of a deposit of `amount`. Amount::Max() on overflow.
Amount PenaltyFor(Amount amount, uint32_t ppm, Amount least);

// Does `amount` pay for `bytes` at the floor (per 2^20 bytes) at least? Never overflows (CD-49).
bool MeetsFloor(Amount amount, uint64_t bytes, Price floor);

}  // namespace cairn::base
