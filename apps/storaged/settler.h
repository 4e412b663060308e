// What this provider does about its channels on the ledger: withdraw, dispute, forget.
//
// One round looks at every channel that pays us and at every claim in the store. It never closes a
// channel: a withdrawal is a lower bound and a dispute only raises, so neither can harm us when the
// store is an older one. Of a pool, which pays first come, first served, it takes what a lane is owed
// as soon as the pool holds less than three windows, something ends soon, or the sum is worth a
// transaction. RunOnce is for one thread. Rules: CD-15, CD-16, CD-18, JS-15.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>

#include "apps/storaged/read_channels.h"
#include "apps/storaged/submitter.h"

namespace cairn::storaged {

class Settler {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    payment::ClaimStore& store;
    ReadChannels& reads;
    Submitter& lane;
    const base::Clock& clock;
    // Told of every open channel with a claim, in every round.
    std::function<void(const payment::ChannelFacts&, const base::Claim&)> held;
    PoolLanes* lanes = nullptr;
    payment::LanePolicy lane_policy{};
  };
  Settler(const Environment& environment, const payment::PayeePolicy& policy)
      : env_(environment), policy_(policy) {}

  // The first error; everything that it does not concern is done all the same.
  absl::Status RunOnce();

  uint64_t withdrawals() const { return withdrawals_; }
  uint64_t disputes() const { return disputes_; }
  uint64_t redeemed() const { return redeemed_; }

 private:
  void Decide(const payment::ChannelFacts& facts, const base::Claim& claim);
  void Submit(const base::ChannelId& channel, pb::Operation operation, std::atomic<uint64_t>& done);
  absl::Status RunChannel(const pb::Channel& record, std::set<base::ChannelId>& known);
  absl::Status RunLanes(std::set<base::ChannelId>& known);
  absl::Status ForgetLane(const base::ChannelId& lane);
  absl::Status RunLane(const base::ChannelId& lane, std::set<base::ChannelId>& known);
  bool WorthRedeeming(const payment::LaneFacts& facts, base::Amount promised) const;
  absl::Status ForgetGone(const std::set<base::ChannelId>& known);

  const Environment env_;
  const payment::PayeePolicy policy_;
  std::mutex mutex_;
  std::set<base::ChannelId> under_way_;
  std::atomic<uint64_t> withdrawals_{0};
  std::atomic<uint64_t> disputes_{0};
  std::atomic<uint64_t> redeemed_{0};
};

// What a daemon of a tower, or a payee, puts on the ledger.
pb::Operation DisputeOperation(const base::ChannelId& channel, const base::Claim& claim);

}  // namespace cairn::storaged
