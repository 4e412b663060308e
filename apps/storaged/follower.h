// What happens on the ledger, as far as it concerns this provider.
//
// Every block drops the records it touched from the cache; deleted, cancelled, expired and rejected
// objects have their parts dropped at once; new objects of our groups are asked for in one query
// before their uploads arrive; copies and successions wake the puller; paid upload requests are
// answered. The last block seen is kept, so a restart goes on there; whatever was missed (a pruned
// ledger, a crash in between) is found by Reconcile, which compares every part with the ledger. One
// thread at a time, but for height().
#pragma once

#include <atomic>
#include <functional>
#include <set>

#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "apps/storaged/part_index.h"
#include "apps/storaged/puller.h"
#include "apps/storaged/sealer.h"
#include "cairn/base/channel.h"

namespace cairn::storaged {

class Follower {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    PartIndex& index;
    WriteQueue& writes;
    Sealer& sealer;
    Puller& puller;
    std::function<absl::Status()>
        willing;  // whether we take an upload that its owner paid to request
    std::function<void()> wake_puller;
    std::function<void()> clearable = {};  // a payer may be cleared
    // A channel, anybody's, changed; may be empty.
    std::function<void(const base::ChannelId&)> channel_changed{};
    std::function<void(const base::ChannelId&)> pool_changed{};  // as this
  };
  explicit Follower(const Environment& environment) : env_(environment) {}

  // Where the last run stopped. Zero for a first run.
  absl::Status Load();
  // Follows blocks until `stopping` or the ledger goes away. OutOfRange: blocks were pruned; call
  // Reconcile and Skip.
  absl::Status Run(const std::function<bool()>& stopping);
  // An error: the ledger could not be asked about something in it; the block is to be met again.
  absl::Status OnBlock(const pb::Block& block, uint64_t height);
  // Goes on after `height`.
  void Skip(uint64_t height);

  // Drops the parts of objects that are gone and of positions that are not ours any more; hands what
  // we signed for and do not have (a pack that rotted before it was read anew) to repair. Returns
  // dropped objects.
  absl::StatusOr<size_t> Reconcile(const std::function<bool()>& stopping);

  uint64_t height() const { return height_; }
  uint64_t dropped() const { return dropped_; }

 private:
  struct Touched {
    std::set<base::ObjectId> objects;  // ours, or about to be
    std::set<base::ObjectId> posted;   // receipts were posted for them
    std::set<base::ObjectId> requested;  // their owner paid for an answer
    std::vector<pb::CreateObjects> created;
  };
  void OnOperation(const pb::Operation& operation, const base::AccountId& signer, Touched& touched);
  absl::Status OnCreated(const pb::CreateObjects& create, Touched& touched);
  void OnSealed(const pb::SealObjects& seal, const base::AccountId& signer);
  void OnPayer(const pb::Event& event);
  void OnEvent(const pb::Event& event, Touched& touched);
  absl::Status Settle(Touched& touched);
  absl::Status SealPosted(const std::set<base::ObjectId>& posted);
  absl::Status AnswerRequests(const std::set<base::ObjectId>& requested);
  bool StillOurs(const base::ObjectId& object, const pb::Object& record);
  void RepairMissing(const base::ObjectId& object, const pb::Object& record);

  Environment env_;
  std::atomic<uint64_t> height_{0};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace cairn::storaged
