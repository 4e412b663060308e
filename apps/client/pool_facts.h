// Pools as both ends see them: a deposit of one owner, capabilities that let keys sign for it, and a
// lane for each signer and payee, which works like a channel.
//
// Pure but for FindPool and AskPool, which block on the ledger. Rule: JS-15.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cairn/chain/pb.h"
#include "cairn/payment/pool_watch.h"

namespace cairn::chain {
class Client;
}

namespace cairn::client {

// What the ledger says; empty records of a lane or signer that nothing was redeemed for.
struct PoolRecords {
  chain::pb::Pool pool;
  chain::pb::PoolLane lane;
  chain::pb::PoolSigner signer;
};
// NotFound (NO_SUCH_POOL).
absl::StatusOr<chain::pb::Pool> FindPool(chain::Client& chain, const base::ChannelId& pool);
// The pool, and what was redeemed for the signer and for its lane to the payee. NotFound (NO_SUCH_POOL). `signer` is an
// encoded public key.
absl::StatusOr<PoolRecords> AskPool(chain::Client& chain, const base::ChannelId& pool,
                                    const std::string& signer, const base::AccountId& payee);

struct PoolLaneView;
// FailedPrecondition (POOL_SHORT): the pool, or the signer's cap, does not cover a lane's claims up to
// `needed`.
absl::Status PoolShort(const PoolLaneView& lane, base::Amount needed);

// A lane under one capability, as the ledger stands.
struct PoolLaneView {
  payment::LaneFacts facts;
  payment::LaneParties parties;
  payment::ChannelFacts channel() const { return payment::LaneAsChannel(facts, parties); }
};
// PermissionDenied (BAD_CAPABILITY): not what the pool's owner signed.
absl::StatusOr<PoolLaneView> LaneOf(const base::ChainId& chain, const PoolRecords& records,
                                    const chain::pb::PoolCapability& capability,
                                    const base::AccountId& payee);
// May it be used from now on? FailedPrecondition: CAPABILITY_EXPIRED, SIGNER_REVOKED, POOL_CLOSED;
// PermissionDenied (BAD_CAPABILITY): it lasts longer than the ledger redeems under.
absl::Status CheckUsable(const PoolLaneView& lane, const chain::pb::PoolCapability& capability,
                         const chain::pb::Params& params, absl::Time now);

}  // namespace cairn::client
