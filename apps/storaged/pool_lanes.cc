#include "apps/storaged/pool_lanes.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

constexpr char kLanes[] = "v";  // lane -> rpc.v1.PoolGrant
constexpr size_t kMaxLanes = 100'000;
// A pool is opened once for all its lanes, so they are no proof of money each.
constexpr size_t kMaxLanesOfPool = 64;

std::string KeyOf(const base::ChannelId& lane) { return kLanes + chain::ToField(lane); }

absl::Status WrongLane() {
  return base::Error(absl::StatusCode::kPermissionDenied, "WRONG_LANE",
                     "that is not the lane of the capability's signer to this provider",
                     "use a current version of the program");
}

}  // namespace

absl::Status PoolLanes::Load() {
  const auto view = env_.writes.kv().Snapshot();
  const auto cursor = view->NewCursor();
  const std::lock_guard lock(mutex_);
  for (cursor->Seek(kLanes); cursor->Valid() && cursor->key()[0] == kLanes[0]; cursor->Next()) {
    rpc::v1::PoolGrant grant;
    const auto lane = chain::FromField<base::ChannelId>(std::string(cursor->key().substr(1)));
    const bool parsed = grant.ParseFromString(std::string(cursor->value()));
    const auto pool = chain::FromField<base::ChannelId>(grant.pool());
    if (!lane || !parsed || !pool) continue;
    lanes_[*lane] = {*pool, grant.capability()};
    ++of_pool_[*pool];
  }
  return cursor->status();
}

absl::Status PoolLanes::CheckRoom(const base::ChannelId& pool) const {
  const std::lock_guard lock(mutex_);
  const auto of_pool = of_pool_.find(pool);
  const size_t used = of_pool == of_pool_.end() ? 0 : of_pool->second;
  if (lanes_.size() < kMaxLanes && used < kMaxLanesOfPool) return absl::OkStatus();
  return base::Error(absl::StatusCode::kResourceExhausted, "TOO_MANY_LANES",
                     absl::StrCat("this provider serves ", lanes_.size(), " lanes, ", used,
                                  " of them of this pool"),
                     "use a signer that it serves already, or another pool");
}

// Neither ends sooner nor allows less; or the one that was kept is of no use any more.
bool PoolLanes::Better(const pb::PoolCapability& shown, const pb::PoolCapability& kept) const {
  const auto now = static_cast<uint64_t>(absl::ToUnixMillis(env_.clock.Now()));
  if (kept.expires_ms() <= now) return true;
  return shown.expires_ms() >= kept.expires_ms() &&
         chain::FromProto(shown.spending_cap()) >= chain::FromProto(kept.spending_cap());
}

absl::StatusOr<payment::ChannelFacts> PoolLanes::Meet(const base::ChannelId& lane,
                                                      const rpc::v1::PoolGrant& grant) {
  const auto pool = chain::FromField<base::ChannelId>(grant.pool());
  if (!pool) return WrongLane();
  ASSIGN_OR_RETURN(const client::PoolRecords records,
                   env_.ledger.Pool(*pool, grant.capability().signer(), env_.identity.id()));
  ASSIGN_OR_RETURN(const Record<pb::Params> params, env_.ledger.Params());
  ASSIGN_OR_RETURN(
      const client::PoolLaneView view,
      client::LaneOf(env_.identity.chain, records, grant.capability(), env_.identity.id()));
  if (view.channel().id != lane) return WrongLane();
  RETURN_IF_ERROR(client::CheckUsable(view, grant.capability(), *params, env_.clock.Now()));
  const std::optional<Lane> kept = Find(lane);
  if (kept && !Better(grant.capability(), kept->capability)) {
    ASSIGN_OR_RETURN(const client::PoolLaneView best, Look(lane));
    return best.channel();
  }
  // The better capability of a lane that is served already takes the place of the one kept.
  if (!kept) RETURN_IF_ERROR(CheckRoom(*pool));
  base::KvBatch batch;
  batch.Put(KeyOf(lane), grant.SerializeAsString());
  RETURN_IF_ERROR(env_.writes.Commit(batch));
  const std::lock_guard lock(mutex_);
  if (lanes_.insert_or_assign(lane, Lane{*pool, grant.capability()}).second) ++of_pool_[*pool];
  return view.channel();
}

std::optional<PoolLanes::Lane> PoolLanes::Find(const base::ChannelId& lane) const {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? std::nullopt : std::optional(found->second);
}

absl::StatusOr<client::PoolLaneView> PoolLanes::Look(const base::ChannelId& lane) {
  const std::optional<Lane> kept = Find(lane);
  if (!kept) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_CHANNEL",
                       absl::StrCat("no lane ", lane.ToHexString()), "");
  }
  ASSIGN_OR_RETURN(const client::PoolRecords records,
                   env_.ledger.Pool(kept->pool, kept->capability.signer(), env_.identity.id()));
  return client::LaneOf(env_.identity.chain, records, kept->capability, env_.identity.id());
}

absl::StatusOr<pb::Operation> PoolLanes::Redeem(const base::ChannelId& lane,
                                                const base::Claim& claim) {
  const std::optional<Lane> kept = Find(lane);
  if (!kept) return absl::NotFoundError("no such lane");
  pb::Operation operation;
  pb::RedeemPool& redeem = *operation.mutable_redeem_pool();
  redeem.set_pool(chain::ToField(kept->pool));
  *redeem.mutable_capability() = kept->capability;
  *redeem.mutable_claim() = chain::ToProto(claim);
  return operation;
}

absl::Status PoolLanes::Forget(const base::ChannelId& lane) {
  base::KvBatch gone;
  gone.Delete(KeyOf(lane));
  RETURN_IF_ERROR(env_.writes.Commit(gone));
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return absl::OkStatus();
  const auto of_pool = of_pool_.find(found->second.pool);
  if (of_pool != of_pool_.end() && --of_pool->second == 0) of_pool_.erase(of_pool);
  lanes_.erase(found);
  return absl::OkStatus();
}

absl::Time PoolLanes::Expiry(const base::ChannelId& lane) const {
  const std::optional<Lane> kept = Find(lane);
  if (!kept) return absl::InfinitePast();
  return absl::FromUnixMillis(static_cast<int64_t>(kept->capability.expires_ms()));
}

bool PoolLanes::Has(const base::ChannelId& lane) const { return Find(lane).has_value(); }

bool PoolLanes::HasPool(const base::ChannelId& pool) const {
  const std::lock_guard lock(mutex_);
  return of_pool_.contains(pool);
}

std::vector<base::ChannelId> PoolLanes::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<base::ChannelId> all;
  for (const auto& [lane, kept] : lanes_) all.push_back(lane);
  return all;
}

}  // namespace cairn::storaged
