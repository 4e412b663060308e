// The writing end of the packs: one log, appended to by many threads, synced once for each group of
// waiting commits.
//
// There is no thread of its own. Small records join the waiting group; whoever waits first while
// nobody leads becomes the leader and writes the whole group, while the next one gathers. Large
// records go to the disk by themselves, in whole blocks.
// Whoever waits for a written group while nobody syncs does so for all that is written; writing goes
// on meanwhile. A record enters the catalog once it is written; it is durable once a sync that began
// later has succeeded. Syncs are made one after the other, so that no failure is reported to one
// and missed by another. A pack is synced before the next one is begun, so only the newest can be
// torn by a crash.
//
// After a failed sync every later write fails (STORE_POISONED). A full disk fails the group that
// hit it, is cut off again and does no other harm. Thread-safe. Takes the store's mutex inside its
// own, never the other way round.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "blob/catalog.h"
#include "blob/pack_files.h"
#include "blob/record_blocks.h"
#include "cairn/base/observer.h"
#include "cairn/storage/disk_blob_store.h"

namespace cairn::storage {

// What the parts of the disk store share.
struct StoreParts {
  StoreParts(const DiskBlobStore::Environment& environment, const DiskBlobStoreOptions& chosen,
             const StoreFile& id)
      : options(chosen),
        file(id),
        codec(id.salt),
        observer(environment.observer),
        files(environment.disk),
        catalog(environment.index) {}

  const DiskBlobStoreOptions options;
  const StoreFile file;
  const RecordCodec codec;
  base::Observer& observer;
  PackFiles files;
  mutable std::shared_mutex mutex;
  Catalog catalog;  // guarded by mutex
};

// A new pack, with its header, of which the name is durable; the header is with the next sync of the file.
absl::StatusOr<std::shared_ptr<base::File>> CreatePack(base::Disk& disk, const PackHeader& header);

class PackLog {
 public:
  // Who pays for the room: it must be within the quota; it was reserved before; or it may always be
  // written.
  enum class Room { kChecked, kReserved, kFree };
  struct Group;
  using GroupPtr = std::shared_ptr<Group>;

  // Goes on at `size` in `pack`, which is the newest.
  PackLog(StoreParts& parts, uint32_t pack, std::shared_ptr<base::File> file, uint64_t size,
          uint64_t next_sequence);

  // Joins the waiting group. A header with sequence 0 gets the next number; a copy keeps its own.
  // The payload is copied.
  absl::StatusOr<GroupPtr> Add(RecordHeader header, base::ByteView payload, Room room);
  // Until the group is durable; leads when nobody else does.
  absl::Status WaitDurable(const GroupPtr& group);
  // Writes the waiting group without a sync.
  absl::Status Flush(const GroupPtr& group);
  // Writes a large record without a sync. Room: reserved.
  absl::Status WriteNow(RecordHeader header, base::ByteView payload);
  // Until everything that has been written or added so far is durable.
  absl::Status SyncAll();

  // ResourceExhausted: QUOTA_EXCEEDED, DISK_FULL.
  absl::Status Reserve(uint64_t bytes);
  void Unreserve(uint64_t bytes);

  // A durable step of the index. Due after `index_step` changes or a pack's worth of bytes.
  absl::Status Checkpoint();
  absl::Status Health() const;
  void CheckpointIfDue();

  // Begins a new pack, so that the newest one can be rewritten.
  absl::Status Rotate();
  uint32_t head_pack() const;
  uint64_t synced_ticket() const { return synced_ticket_; }

 private:
  using Lock = std::unique_lock<std::mutex>;

  class Sleeper;

  void Settle(Group& group);
  void WakeSleepers(Lock& lock);
  void WaitForLead(Lock& lock);
  void EndLead(Lock& lock);
  void Lead(Lock& lock);
  absl::Status SyncWritten(Lock& lock);
  void NoteSynced(uint64_t ticket, uint64_t writes);
  void EndSync(Lock& lock);
  void SettleEverybody(Lock& lock);
  RecordBlocks TakeBlocks();
  absl::Status WriteRecord(RecordHeader header, base::ByteView payload);
  absl::Status WriteBlocks(RecordHeader header, RecordBlocks& blocks);
  absl::Status WriteGroup(Group& group);
  absl::Status WriteRun(const Group& group, size_t first, size_t last, size_t begin, size_t end);
  absl::Status MakeRoom(uint64_t record_bytes);
  absl::Status RotateHead();
  absl::Status Undo(const absl::Status& cause);
  absl::Status ApplyAll(absl::Span<const RecordHeader> headers);
  absl::Status Poison(const absl::Status& cause);
  absl::Status Admit(uint64_t bytes);
  absl::Status CheckSpace(uint64_t bytes, uint64_t waiting);
  bool CheckpointDue(size_t steps) const;
  absl::Status Step();  // whoever set checkpointing_

  StoreParts& parts_;

  mutable std::mutex mutex_;
  std::condition_variable lead_free_;
  std::condition_variable sync_free_;
  std::condition_variable step_ended_;
  GroupPtr open_;                  // gathers what is added
  std::deque<GroupPtr> unsynced_;  // written; the oldest first
  std::vector<Sleeper*> to_wake_;
  bool leading_ = false;           // somebody writes
  bool syncing_ = false;           // somebody syncs
  uint64_t writes_ = 0;            // how often somebody has written
  uint64_t synced_writes_ = 0;     // of these, how many are durable
  uint64_t written_size_;          // of the newest pack when somebody last had written
  std::atomic<uint64_t> synced_ticket_ = 0;  // groups up to this one are durable
  std::atomic<uint64_t> bytes_since_step_ = 0;
  std::atomic<size_t> held_back_ = 0;  // changes that no step has taken to the disk
  bool checkpointing_ = false;
  bool index_failed_ = false;   // the last step could not be committed
  uint64_t writing_bytes_ = 0;  // taken by a leader, not yet in the catalog
  uint64_t reserved_bytes_ = 0;
  int64_t space_left_ = 0;  // what the disk was known to take, counted down
  uint64_t next_sequence_;
  base::Bytes spare_;  // memory for the next group's buffer
  std::vector<RecordBlocks> idle_blocks_;
  absl::Status poison_;

  // The leader's own.
  std::shared_ptr<base::File> head_;
  uint32_t head_pack_;
  uint64_t head_size_;
  std::atomic<uint64_t> head_synced_;  // also set by who syncs
};

}  // namespace cairn::storage
