// What an owner does with its pools: one deposit that several keys may sign for, up to a cap each. And the lanes that a
// key has under a grant, as both of them look at them.
// Calls block. Rule: JS-15.
#pragma once

#include <vector>

#include "apps/client/pool_facts.h"
#include "apps/client/session.h"
#include "cairn/chain/pb.h"

namespace cairn::client {

// `deposit` in the smallest units of usdc; capabilities are signed by this wallet's key.
absl::StatusOr<base::ChannelId> OpenPool(Client& client, base::Amount deposit);
absl::Status FundPool(Client& client, const base::ChannelId& pool, base::Amount amount);
// No key signs for the pool any more once the dispute window is over; what it promised until then can be
// redeemed before.
absl::Status RevokeSigner(Client& client, const base::ChannelId& pool, const base::PublicKey& signer);
// Payees redeem until the window ends, then the rest comes back.
absl::Status ClosePool(Client& client, const base::ChannelId& pool);
absl::StatusOr<std::vector<chain::pb::Pool>> ListPools(chain::Client& chain,
                                                       const base::AccountId& owner);

// A capability for `signer`, cap over all its lanes. FailedPrecondition (NOT_OWNER): the pool is
// another's; OutOfRange (BAD_DURATION): it would last longer than the ledger redeems under.
absl::StatusOr<rpc::v1::PoolGrant> GrantPool(Client& client, const base::ChannelId& pool,
                                             const base::PublicKey& signer, base::Amount cap,
                                             absl::Duration life);
// Lanes of the grant's signer: what was redeemed over them, or was promised by this wallet. The capability's own terms do
// not matter, so any grant for that key and pool will do, an expired one too. PermissionDenied (BAD_CAPABILITY).
absl::StatusOr<std::vector<PoolLaneView>> ListLanes(Client& client, const rpc::v1::PoolGrant& grant);
// The lane of that id. NotFound (NO_SUCH_CHANNEL): of no registered provider; NO_SUCH_POOL.
absl::StatusOr<payment::ChannelFacts> FindLane(Client& client, const rpc::v1::PoolGrant& grant,
                                               const base::ChannelId& lane);
// As text to hand on, and back. InvalidArgument (BAD_GRANT).
std::string ToText(const rpc::v1::PoolGrant& grant);
absl::StatusOr<rpc::v1::PoolGrant> ParseGrant(absl::string_view text);

}  // namespace cairn::client
