// Bringing home the parts that we should hold and do not: after succession, store loss, damage, an
// incomplete upload, or a copy within the ledger.
//
// A part is taken whole from a holder of the same bytes where there is one; a shard is otherwise
// computed from any k others, range by range, every byte proven against the shard ids that the
// manifest lists and the ledger's layout root covers. A holder whose bytes do not fit is left out
// for the rest of that part. What was brought home is made durable, receipted on the ledger in
// batches, and a finished succession is completed.
//
// Under a policy with +primary the group's primary also keeps the stored bytes whole: fetched from
// a copy, or put together from any k shards, as soon as its seal is on the ledger; that copy has no
// position there and no receipt. All of a group is looked at again when its epoch changed (a new
// primary among them), when the store is new, and once after every start.
//
// The methods that pull belong to one thread; the others are thread-safe.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "apps/storaged/ingest.h"
#include "apps/storaged/part_source.h"
#include "apps/storaged/sealer.h"
#include "apps/storaged/submitter.h"
#include "cairn/storage/erasure.h"

namespace cairn::storaged {

struct PullerOptions {
  // How long the client of a sealed object is given to deliver the rest itself.
  absl::Duration grace = absl::Seconds(30);
  uint64_t window_bytes = 16 << 20;  // held at a time while a shard is computed
};

class Puller {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    PartIndex& index;
    storage::BlobStore& blobs;
    Ingest& ingest;
    Sealer& sealer;
    Submitter& submitter;
    PartSource& source;
    const base::Clock& clock;
  };
  Puller(const Environment& environment, const PullerOptions& options)
      : env_(environment), options_(options) {}

  // A new object whose bytes are those of `source`, which its group holds already.
  struct Copy {
    base::ObjectId object;
    base::ObjectId source;
  };
  void AddCopies(base::GroupId group, std::vector<Copy> copies);
  // An object that we sealed as primary of a group with +primary.
  void AddWhole(const base::ObjectId& object);
  // A blob of ours that is damaged: fetched again from others.
  void AddDamaged(const base::ContentId& id);
  // What waits now or was missing at the last round.
  uint64_t due() const { return due_; }
  uint64_t pulled() const { return pulled_; }
  // Our store is new: everything is missing, nothing waits for a client.
  void SetLost() { rebuilding_ = true; }
  bool lost_parts() const { return rebuilding_; }

  // One round over damage, copies and every group that names us. Errors of single objects are
  // logged and tried again in the next round; Aborted, which a store that failed answers,
  // ends it.
  absl::Status RunOnce(const std::function<bool()>& stopping);

 private:
  using Gathered = std::vector<std::pair<base::ContentId, base::Bytes>>;
  struct Target {  // one position of ours
    const pb::Group& group;
    uint32_t position;
  };
  struct Wanted {
    Record<pb::Object> object;
    base::ObjectId source;  // what reads name
  };
  struct Holder {
    base::AccountId provider;
    uint32_t position;
  };

  using CopyBatch = std::pair<base::GroupId, std::vector<Copy>>;
  absl::Status RunCopies();
  absl::StatusOr<CopyBatch> PullCopies(const CopyBatch& batch);
  absl::Status RunDamaged();
  // ---- whole copies, in puller_whole.cc ----
  bool KeepsWhole(const pb::Group& group) const;
  absl::Status RunWholes(const std::vector<pb::Group>& groups,
                         const std::function<bool()>& stopping);
  absl::Status KeepGroupWhole(const pb::Group& group, const std::function<bool()>& stopping);
  // Nothing to do when it is kept already.
  absl::Status KeepWhole(const pb::Group& group, const Wanted& wanted);
  // The stored bytes from `offset` on, from any k shards.
  absl::Status Assemble(const Target& target, const Wanted& wanted, const Part& part,
                        const std::vector<base::ContentId>& shard_ids, uint64_t offset,
                        const storage::ByteSink& sink);
  absl::Status CheckGroup(const pb::Group& group, const std::function<bool()>& stopping);
  absl::Status PullMissing(const Target& target, const std::function<bool()>& stopping);
  // Brings home the parts of up to 256 objects and posts one receipt over those that it got.
  absl::Status PullBatch(const Target& target, const std::vector<Wanted>& wanted);
  absl::StatusOr<std::vector<Part>> Obtain(const Target& target, const Wanted& wanted,
                                           Gathered& gathered);
  absl::StatusOr<base::Bytes> ObtainManifest(const Target& target, const Wanted& wanted, Part* part,
                                             Gathered& gathered);
  absl::Status FetchPart(const Target& target, const Wanted& wanted, const Part& part,
                         const std::vector<base::ContentId>& shard_ids, Gathered& gathered);
  // Bytes from `offset` on, from the first holder of the same bytes that has them; continues with
  // the next.
  absl::Status CopyFrom(const std::vector<Holder>& holders, const Wanted& wanted, const Part& part,
                        uint64_t& offset, const storage::ByteSink& sink);
  static absl::Status FillData(const storage::Coder& coder, uint64_t length,
                               std::map<uint32_t, base::Bytes>& have);
  // The range of any `count` shards. Holders that fail are taken out of the list.
  absl::StatusOr<std::map<uint32_t, base::Bytes>> ReadShards(
      std::vector<Holder>& holders, const Wanted& wanted,
      const std::vector<base::ContentId>& shard_ids, base::ByteRange range, uint32_t count);
  absl::Status Compute(const Target& target, const Wanted& wanted, const Part& part,
                       const std::vector<base::ContentId>& shard_ids, uint64_t offset,
                       const storage::ByteSink& sink);
  std::vector<Holder> HoldersOf(const Target& target, const pb::Object& object,
                                bool same_bytes) const;
  absl::Status Store(Gathered& gathered, const std::vector<Part>& parts);

  Environment env_;
  PullerOptions options_;
  std::map<std::pair<uint64_t, uint32_t>, absl::Duration> missing_since_;
  std::atomic<uint64_t> due_{0};
  std::atomic<uint64_t> pulled_{0};
  std::atomic<bool> rebuilding_{false};
  std::mutex mutex_;
  std::deque<CopyBatch> copies_;
  std::set<base::ContentId> damaged_;
  std::set<base::ObjectId> wholes_;
  std::map<uint64_t, uint64_t> whole_epochs_;  // group -> epoch when all of it was last looked at
};

}  // namespace cairn::storaged
