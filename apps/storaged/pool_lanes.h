// Lanes of pools that pay us: which there are, under which capability, and what the ledger covers of
// each now.
//
// A lane works like a channel whose deposit is what its pool can still pay to us: it falls when other
// payees are faster, and serving stops there. A capability is kept on disk before the first payment
// under it is answered, because without it a claim cannot be redeemed. Thread-safe; Meet and Look ask
// the ledger. Rule: JS-15.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "apps/client/pool_facts.h"
#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "apps/storaged/write_queue.h"

namespace cairn::rpc::v1 {
class PoolGrant;
}

namespace cairn::storaged {

class PoolLanes {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    WriteQueue& writes;
    const base::Clock& clock;
  };
  explicit PoolLanes(const Environment& environment) : env_(environment) {}

  // What was kept before, once, before anything else.
  absl::Status Load();
  // A payer shows its capability: genuine, usable, and for this lane; then it is kept. Of two that are
  // genuine the better one stays. PermissionDenied (BAD_CAPABILITY, WRONG_LANE), FailedPrecondition
  // (see client::CheckUsable), ResourceExhausted (TOO_MANY_LANES), NotFound (NO_SUCH_POOL).
  absl::StatusOr<payment::ChannelFacts> Meet(const base::ChannelId& lane,
                                             const rpc::v1::PoolGrant& grant);
  // NotFound (NO_SUCH_CHANNEL) when no such lane was met, NO_SUCH_POOL when the ledger dropped it.
  absl::StatusOr<client::PoolLaneView> Look(const base::ChannelId& lane);
  absl::StatusOr<pb::Operation> Redeem(const base::ChannelId& lane, const base::Claim& claim);
  absl::Status Forget(const base::ChannelId& lane);

  // Of the lane's capability.
  absl::Time Expiry(const base::ChannelId& lane) const;
  bool Has(const base::ChannelId& lane) const;
  bool HasPool(const base::ChannelId& pool) const;
  std::vector<base::ChannelId> All() const;

 private:
  struct Lane {
    base::ChannelId pool;
    pb::PoolCapability capability;
  };
  std::optional<Lane> Find(const base::ChannelId& lane) const;
  absl::Status CheckRoom(const base::ChannelId& pool) const;
  bool Better(const pb::PoolCapability& shown, const pb::PoolCapability& kept) const;

  const Environment env_;
  mutable std::mutex mutex_;
  std::map<base::ChannelId, Lane> lanes_;
  std::map<base::ChannelId, size_t> of_pool_;
};

}  // namespace cairn::storaged
