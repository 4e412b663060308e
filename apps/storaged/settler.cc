#include "apps/storaged/settler.h"

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

absl::Status Settler::RunOnce() {
  ASSIGN_OR_RETURN(const auto records, env_.ledger.ChannelsOfPayee(env_.identity.id()));
  std::set<base::ChannelId> known;
  for (const pb::Channel& record : records) {
    ASSIGN_OR_RETURN(const auto facts, client::FactsOf(env_.identity.chain, record));
    known.insert(facts.id);
    env_.reads.OnFacts(facts);
    ASSIGN_OR_RETURN(const auto claim, env_.store.Find(facts.id));
    if (!claim || facts.phase == payment::ChannelPhase::kSettled) continue;
    if (env_.held) env_.held(facts, *claim);
    Decide(facts, *claim);
  }
  return ForgetGone(known);
}

}  // namespace cairn::storaged
