// The writing end of the packs: one log, appended to by many threads, synced once for each group of
// waiting commits.
//
// There is no thread of its own. Records join the group that gathers. Whoever waits while nobody leads
// becomes its leader: it closes the group, leaves out blobs that the index has already, takes a place in
// the newest pack, and writes; the next group gathers, and is given its place, while that goes on.
// Whoever waits for a written group while nobody syncs does so for all that is written up to the first
// group that is still under way. A record enters the catalog once it is written, and all that has a
// place before it; it is durable once a sync that began later has succeeded. Groups become durable in
// the order of their places. Syncs are made one after the other, so that no failure is reported to one
// and missed by another. A pack is synced before the next one is begun, so only the newest can be torn
// by a crash.
//
// After a failed sync every later write fails (STORE_POISONED). A full disk fails the group that
// hit it, is cut off again or covered with a filler, and does no other harm. Thread-safe. Takes the
// store's mutex inside its own, never the other way round.
//
// Sources: pack_log.cc (gathering and writing), pack_sync.cc (waiting, syncing, failing), pack_room.cc
// (space, packs, steps of the index).
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
#include "blob/record_group.h"
#include "cairn/base/gate.h"
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
  // A blob that the index knows as sound when its group is written is left out; so the group's sync
  // covers it all the same.
  enum class Keep { kAlways, kUnlessKnown };
  struct Group;
  using GroupPtr = std::shared_ptr<Group>;

  // Goes on at `size` in `pack`, which is the newest.
  PackLog(StoreParts& parts, uint32_t pack, std::shared_ptr<base::File> file, uint64_t size,
          uint64_t next_sequence);

  // Joins the group that gathers; while that is full, waits or writes it. A header with sequence 0 gets
  // the next number; a copy keeps its own. The payload is copied.
  absl::StatusOr<GroupPtr> Add(RecordHeader header, base::ByteView payload, Room room,
                               Keep keep = Keep::kAlways);
  // Until the group is durable; leads when nobody else does.
  absl::Status WaitDurable(const GroupPtr& group);
  // Until the group is written and in the catalog, without a sync.
  absl::Status Flush(const GroupPtr& group);
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

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct Wake {
    GroupPtr group;
    bool all;
  };

  // Gathering and writing. Whoever leads has set leading_.
  absl::Status WaitForRoom(Lock& lock, uint64_t record_bytes);
  GroupMemory TakeMemory();
  bool CanLead() const;
  bool IsWorthLeading() const;
  void TakeLead(Lock& lock);
  void EndLead(Lock& lock);
  void Lead(Lock& lock);
  absl::Status LeaveOutKnown(Group& group);
  absl::Status FindPlace(Lock& lock, Group& group);
  void ChooseFillers(Group& group) const;
  absl::Status WriteAndApply(Lock& lock, Group& group);
  absl::Status Write(Group& group);
  absl::Status Apply(const Group& group);
  absl::Status Undo(Lock& lock, const Group& group, const absl::Status& cause);
  absl::Status CoverPlace(const Group& group);
  void EndWrite(Lock& lock, const GroupPtr& group, const absl::Status& status);

  // Syncing.
  absl::Status SyncWritten(Lock& lock);
  void NoteWritten();
  void NoteSynced(uint64_t ticket);
  void Settle(const GroupPtr& group);
  void SettleEverybody();
  void OfferRoles();
  void WakeThem(Lock& lock);
  absl::Status Poison(Lock& lock, const absl::Status& cause);
  absl::Status Poison(const absl::Status& cause);

  // Space.
  absl::Status RotateHead(Lock& lock);
  absl::StatusOr<std::shared_ptr<base::File>> CreateNext(const PackHeader& header);
  absl::Status Admit(uint64_t bytes);
  absl::Status CheckSpace(uint64_t bytes, uint64_t waiting);
  uint64_t WaitingBytes() const;
  bool CheckpointDue(size_t steps) const;
  absl::Status Step();  // whoever set checkpointing_

  StoreParts& parts_;

  mutable std::mutex mutex_;
  std::condition_variable moved_;  // somebody has ended to lead, to write or to copy
  std::condition_variable sync_free_;
  std::condition_variable step_ended_;
  GroupPtr open_;                // gathers what is added
  std::deque<GroupPtr> placed_;  // in order; not durable yet
  std::vector<Wake> to_wake_;    // when the lock is not held
  bool leading_ = false;         // somebody gives out places
  size_t writing_ = 0;           // so many groups
  bool syncing_ = false;         // somebody syncs
  uint64_t last_ticket_ = 0;     // of the groups that have a place
  uint64_t written_ticket_ = 0;  // groups up to this one are written
  uint64_t written_size_;        // where the last one of them ends
  std::atomic<uint64_t> bytes_since_step_ = 0;
  std::atomic<size_t> held_back_ = 0;  // changes that no step has taken to the disk
  bool checkpointing_ = false;
  bool index_failed_ = false;   // the last step could not be committed
  uint64_t writing_bytes_ = 0;  // of groups that do not gather any more, not yet in the catalog
  uint64_t reserved_bytes_ = 0;
  int64_t space_left_ = 0;  // what the disk was known to take, counted down
  uint64_t next_sequence_;
  std::vector<GroupMemory> idle_memory_;
  absl::Status poison_;

  // Of the newest pack; it stays the same while somebody writes.
  std::shared_ptr<base::File> head_;
  uint32_t head_pack_;
  uint64_t head_size_;    // where the next group begins
  uint64_t head_synced_;  // what is durable from the front
};

struct PackLog::Group {
  RecordGroup records;
  std::atomic<uint32_t> copying = 0;  // callers
  std::atomic<bool> closed = false;   // takes no records any more

  // Guarded by the log's mutex; `settled` and then `status` are read without it.
  uint64_t ticket = 0;  // with its place: [begin, end) of the newest pack
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t gap = 0;            // filler before the records
  uint64_t tail = 0;           // filler behind them
  uint64_t synced = 0;         // head_synced_ then
  uint64_t index_steps = 0;    // when the index was asked for its blobs
  uint64_t counted_bytes = 0;  // in writing_bytes_
  bool written = false;        // or failed
  std::atomic<bool> settled = false;  // durable or failed
  absl::Status status;
  size_t sleepers = 0;
  base::Gate gate;
};

}  // namespace cairn::storage
