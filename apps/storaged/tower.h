// The watchtower of this daemon for channels of its peers, and what it gives its own towers.
//
// A peer appoints us with its key and sends the best claim of a channel whenever it has a better
// one; both are kept on disk before we answer. When somebody closes the channel below the claim, we
// dispute and earn the bounty, even while the peer is dead. The other way round every channel of our
// own is handed to `towers` other providers, of other operators than ours where there are such.
// Thread-safe; calls ask the ledger. Rule: CD-39.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>

#include "apps/storaged/part_source.h"
#include "apps/storaged/submitter.h"
#include "apps/storaged/write_queue.h"
#include "cairn/payment/watchtower.h"

namespace cairn::rpc::v1 {
class WatchRequest;
class WatchResponse;
}  // namespace cairn::rpc::v1

namespace cairn::storaged {

class Tower {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    WriteQueue& writes;
    Submitter& lane;
    PartSource& peers;
    const base::Clock& clock;
  };
  Tower(const Environment& environment, size_t towers)
      : env_(environment), wanted_(towers), tower_(environment.identity.id()) {}

  // What the last run watched. Channels that the ledger has no more are dropped. An error leaves
  // some of it unwatched: to be called again.
  absl::Status Load();
  // Errors of payment::Watchtower::WatchPeer.
  absl::Status Watch(const rpc::v1::WatchRequest& request, rpc::v1::WatchResponse& response);
  // The ledger says something new about a channel; it may be none of ours. An error: it could not
  // be asked what; to be called again.
  absl::Status OnChannel(const base::ChannelId& channel);
  // Orders that the ledger does not show yet, once more.
  void OnTime();
  // A channel that pays us, with its best claim: our towers hear of it when it is a better one.
  void Entrust(const payment::ChannelFacts& facts, const base::Claim& claim);

  uint64_t watched() const;
  uint64_t disputes() const { return disputes_; }
  // Units that our towers would show for us, each tower counted.
  base::Amount entrusted() const;

 private:
  absl::StatusOr<payment::ChannelFacts> Ask(const base::ChannelId& channel);
  absl::StatusOr<base::ChannelId> Take(const rpc::v1::WatchRequest& request);
  absl::Status Keep(const base::ChannelId& channel);
  bool Concerns(const base::ChannelId& channel) const;
  void Drop(const base::ChannelId& channel);
  void Give(const payment::DisputeOrder& order);
  absl::StatusOr<std::vector<base::AccountId>> Towers();
  absl::StatusOr<rpc::v1::WatchRequest> RequestFor(const payment::ChannelFacts& facts,
                                                   const base::Claim& claim,
                                                   const base::AccountId& tower);

  const Environment env_;
  const size_t wanted_;
  std::mutex keeping_;  // before mutex_: what is written last for a channel is the best there was
  mutable std::mutex mutex_;
  payment::Watchtower tower_;
  std::map<std::pair<base::ChannelId, base::AccountId>, base::Amount> told_;
  std::vector<base::AccountId> towers_;  // of our own channels, asked for again now and then
  absl::Duration towers_until_;
  std::map<base::AccountId, absl::Duration> silent_until_;  // towers that did not answer
  std::atomic<uint64_t> disputes_{0};
};

}  // namespace cairn::storaged
