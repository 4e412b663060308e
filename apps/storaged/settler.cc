#include "apps/storaged/settler.h"

#include <algorithm>

#include "apps/client/channel_facts.h"
#include "apps/common/log.h"
#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

using payment::Settlement;

pb::Operation WithdrawOperation(const base::ChannelId& channel, const base::Claim& claim) {
  pb::Operation operation;
  operation.mutable_withdraw_channel()->set_channel(chain::ToField(channel));
  *operation.mutable_withdraw_channel()->mutable_claim() = chain::ToProto(claim);
  return operation;
}

}  // namespace

pb::Operation DisputeOperation(const base::ChannelId& channel, const base::Claim& claim) {
  pb::Operation operation;
  operation.mutable_dispute_channel()->set_channel(chain::ToField(channel));
  *operation.mutable_dispute_channel()->mutable_claim() = chain::ToProto(claim);
  return operation;
}

void Settler::Submit(const base::ChannelId& channel, pb::Operation operation,
                     std::atomic<uint64_t>& done) {
  {
    const std::lock_guard lock(mutex_);
    if (!under_way_.insert(channel).second) return;
  }
  env_.lane.Post(std::move(operation), [this, channel, &done](const absl::Status& status, uint64_t) {
    if (status.ok()) {
      ++done;
    } else {
      app::LogError("channel.submit", status, {{"channel", channel.ToHexString()}});
    }
    const std::lock_guard lock(mutex_);
    under_way_.erase(channel);
  });
}

void Settler::Decide(const payment::ChannelFacts& facts, const base::Claim& claim) {
  switch (payment::DecidePayee(facts, claim, policy_, env_.clock.Now())) {
    case Settlement::kWithdraw:
      return Submit(facts.id, WithdrawOperation(facts.id, claim), withdrawals_);
    case Settlement::kDispute:
      return Submit(facts.id, DisputeOperation(facts.id, claim), disputes_);
    default:
      return;
  }
}

// A settled channel's record stays for a while, and our statement with it.
absl::Status Settler::ForgetGone(const std::set<base::ChannelId>& known) {
  ASSIGN_OR_RETURN(const auto claims, env_.store.All());
  bool forgotten = false;
  for (const base::Claim& claim : claims) {
    const base::ChannelId& id = claim.voucher.channel;
    if (known.contains(id) || !absl::IsNotFound(env_.ledger.Channel(id).status())) continue;
    env_.reads.Forget(id);
    forgotten = true;
  }
  return forgotten ? env_.store.Commit().status() : absl::OkStatus();
}

bool Settler::WorthRedeeming(const payment::LaneFacts& facts, base::Amount promised) const {
  const base::Amount owed = promised.MinusOrZero(facts.redeemed);
  if (owed.zero() || payment::LaneCover(facts).zero()) return false;
  const absl::Time now = env_.clock.Now();
  if (now >= std::min(facts.pool_due, facts.signer_ends)) return false;
  const auto decision =
      payment::WatchLane(facts, promised, env_.lane_policy.window, env_.lane_policy, now);
  return decision != payment::LaneDecision::kServe || owed >= policy_.withdraw_from;
}

absl::Status Settler::ForgetLane(const base::ChannelId& lane) {
  env_.reads.Forget(lane);
  RETURN_IF_ERROR(env_.store.Commit().status());
  return env_.lanes->Forget(lane);
}

// A lane without a claim is kept for as long as its capability can be used.
absl::Status Settler::RunLane(const base::ChannelId& lane, std::set<base::ChannelId>& known) {
  // Whatever comes of it: the ledger has no channel of that id, and ForgetGone would drop it.
  known.insert(lane);
  ASSIGN_OR_RETURN(const auto claim, env_.store.Find(lane));
  if (!claim) {
    // Anybody with a pool can have us keep lanes: those that owe nothing cost no question to the ledger.
    return env_.clock.Now() >= env_.lanes->Expiry(lane) ? ForgetLane(lane) : absl::OkStatus();
  }
  const auto view = env_.lanes->Look(lane);
  if (absl::IsNotFound(view.status())) return ForgetLane(lane);
  RETURN_IF_ERROR(view.status());
  env_.reads.OnFacts(view->channel());
  const base::Amount promised = base::WorthOf(*claim).value_or(base::Amount());
  if (!WorthRedeeming(view->facts, promised)) return absl::OkStatus();
  ASSIGN_OR_RETURN(pb::Operation operation, env_.lanes->Redeem(lane, *claim));
  Submit(lane, std::move(operation), redeemed_);
  return absl::OkStatus();
}

absl::Status Settler::RunLanes(std::set<base::ChannelId>& known) {
  if (env_.lanes == nullptr) return absl::OkStatus();
  absl::Status first;
  for (const base::ChannelId& lane : env_.lanes->All()) first.Update(RunLane(lane, known));
  return first;
}

absl::Status Settler::RunChannel(const pb::Channel& record, std::set<base::ChannelId>& known) {
  known.insert(chain::Trusted<base::ChannelId>(record.id()));
  ASSIGN_OR_RETURN(const auto facts, client::FactsOf(env_.identity.chain, record));
  env_.reads.OnFacts(facts);
  ASSIGN_OR_RETURN(const auto claim, env_.store.Find(facts.id));
  if (!claim || facts.phase == payment::ChannelPhase::kSettled) return absl::OkStatus();
  // First what cannot wait: a tower that is slow must not cost a dispute.
  Decide(facts, *claim);
  if (env_.held) env_.held(facts, *claim);
  return absl::OkStatus();
}

// What fails for one channel keeps nobody from the money of the others.
absl::Status Settler::RunOnce() {
  ASSIGN_OR_RETURN(const auto records, env_.ledger.ChannelsOfPayee(env_.identity.id()));
  std::set<base::ChannelId> known;
  absl::Status first;
  for (const pb::Channel& record : records) first.Update(RunChannel(record, known));
  first.Update(RunLanes(known));
  first.Update(ForgetGone(known));
  return first;
}

}  // namespace cairn::storaged
