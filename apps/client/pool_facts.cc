#include "apps/client/pool_facts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

absl::Time TimeOf(uint64_t milliseconds) {
  return absl::FromUnixMillis(static_cast<int64_t>(milliseconds));
}

absl::Status BadCapability(absl::string_view why) {
  return base::Error(absl::StatusCode::kPermissionDenied, "BAD_CAPABILITY", why,
                     "ask the pool's owner for a new one: storectl pool grant");
}

absl::Status Unusable(absl::string_view reason, absl::string_view why) {
  return base::Error(absl::StatusCode::kFailedPrecondition, reason, why,
                     "ask the pool's owner for a new capability: storectl pool grant");
}

}  // namespace

absl::StatusOr<pb::Pool> FindPool(chain::Client& chain, const base::ChannelId& pool) {
  pb::QueryRequest request;
  request.set_pool(chain::ToField(pool));
  auto answer = chain.Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->pools_size() != 1)) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_POOL",
                       absl::StrCat("no pool ", pool.ToHexString()), "storectl pool ls");
  }
  RETURN_IF_ERROR(answer.status());
  return std::move(*answer->mutable_pools(0));
}

absl::StatusOr<PoolRecords> AskPool(chain::Client& chain, const base::ChannelId& pool,
                                    const std::string& signer, const base::AccountId& payee) {
  PoolRecords out;
  ASSIGN_OR_RETURN(out.pool, FindPool(chain, pool));
  pb::QueryRequest request;
  request.mutable_pool_lane()->set_pool(chain::ToField(pool));
  request.mutable_pool_lane()->set_signer(signer);
  request.mutable_pool_lane()->set_payee(chain::ToField(payee));
  ASSIGN_OR_RETURN(pb::QueryResponse lane, chain.Query(request));
  out.lane = std::move(*lane.mutable_pool_lane());
  out.signer = std::move(*lane.mutable_pool_signer());
  return out;
}

absl::StatusOr<PoolLaneView> LaneOf(const base::ChainId& chain, const PoolRecords& records,
                                    const pb::PoolCapability& capability,
                                    const base::AccountId& payee) {
  const pb::Pool& pool = records.pool;
  const auto owner = base::PublicKey::Decode(base::AsBytes(pool.owner_key()));
  const auto signer = base::PublicKey::Decode(base::AsBytes(capability.signer()));
  const auto signature = chain::FromField<base::Signature>(capability.signature());
  if (!owner.ok() || !signer.ok() || !signature) return BadCapability("the capability is malformed");
  const auto id = chain::Trusted<base::ChannelId>(pool.id());
  const base::PoolCapability terms{chain, id, *signer, chain::FromProto(capability.spending_cap()),
                                   capability.expires_ms()};
  if (!owner->Verify(base::SigningDigest(terms), *signature)) {
    return BadCapability("the capability is not signed by the pool's owner");
  }
  PoolLaneView out;
  out.parties = {chain, id, owner->Account(), payee, *signer, chain::FromProto(pool.asset())};
  out.facts.pool_deposit = chain::FromProto(pool.deposit());
  out.facts.pool_paid = chain::FromProto(pool.paid());
  out.facts.pool_open_fee = chain::FromProto(pool.open_fee());
  out.facts.pool_phase = static_cast<payment::ChannelPhase>(pool.state());
  if (pool.due_ms() != 0) out.facts.pool_due = TimeOf(pool.due_ms());
  out.facts.signer_cap = terms.spending_cap;
  out.facts.signer_spent = chain::FromProto(records.signer.spent());
  out.facts.signer_ends = TimeOf(terms.expires_ms);
  if (records.signer.revoked_ms() != 0) {
    // Sooner than the capability ends, and be it by a millisecond: that tells it from an expiry.
    out.facts.signer_ends = TimeOf(std::min(terms.expires_ms - 1, records.signer.revoked_ms()));
  }
  out.facts.redeemed = chain::FromProto(records.lane.redeemed());
  return out;
}

absl::Status PoolShort(const PoolLaneView& lane, base::Amount needed) {
  const auto usdc = [](base::Amount amount) { return amount.ToDecimal(base::kUsdcDecimals); };
  const base::Amount covered = lane.channel().deposit;
  return base::Error(absl::StatusCode::kFailedPrecondition, "POOL_SHORT",
                     absl::StrCat("payments to this provider would reach ", usdc(needed),
                                  " usdc, the pool and the capability cover ", usdc(covered)),
                     "ask the pool's owner to add to it (storectl pool fund), or for a higher cap",
                     {{"pool", lane.parties.pool.ToHexString()},
                      {"covered", usdc(covered)},
                      {"needed", usdc(needed)}});
}

absl::Status CheckUsable(const PoolLaneView& lane, const pb::PoolCapability& capability,
                         const pb::Params& params, absl::Time now) {
  if (lane.facts.pool_phase != payment::ChannelPhase::kOpen) {
    return Unusable("POOL_CLOSED", "the pool is closing, or closed");
  }
  const absl::Time expires = TimeOf(capability.expires_ms());
  if (now >= expires) return Unusable("CAPABILITY_EXPIRED", "the capability has expired");
  if (expires - now > absl::Milliseconds(params.capability_max_ms())) {
    return BadCapability("the capability lasts longer than the ledger redeems under");
  }
  if (lane.facts.signer_ends < expires) {
    return Unusable("SIGNER_REVOKED", "the pool's owner has revoked the capability's signer");
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
