#include "blob/pack_log.h"

#include <algorithm>

#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kAlignedBytes = 64 * 1024;  // groups with a record of so many are whole blocks
constexpr uint64_t kGatherBytes = 128 * 1024;
// So that the disk has the next group while the one before it enters the catalog.
constexpr size_t kWriters = 2;
constexpr size_t kIdleMemory = kWriters + 1;

}  // namespace

absl::StatusOr<std::shared_ptr<base::File>> CreatePack(base::Disk& disk, const PackHeader& header) {
  const std::string path = PackPath(header.pack);
  ASSIGN_OR_RETURN(std::shared_ptr<base::File> file, disk.Open(path, base::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  // Durable with the first records; a header that a crash has lost is written again.
  RETURN_IF_ERROR(file->WriteAt(0, EncodePackHeader(header)));
  RETURN_IF_ERROR(disk.SyncDir(kPackFolder));
  return file;
}

PackLog::PackLog(StoreParts& parts, uint32_t pack, std::shared_ptr<base::File> file, uint64_t size,
                 uint64_t next_sequence)
    : parts_(parts),
      open_(std::make_shared<Group>()),
      written_size_(size),
      next_sequence_(next_sequence),
      head_(std::move(file)),
      head_pack_(pack),
      head_size_(size),
      head_synced_(size) {}

absl::StatusOr<PackLog::GroupPtr> PackLog::Add(RecordHeader header, base::ByteView payload,
                                               Room room, Keep keep) {
  const bool copy = header.sequence != 0;
  const uint64_t bytes = header.record_bytes();
  Lock lock(mutex_);
  RETURN_IF_ERROR(WaitForRoom(lock, bytes));
  if (room == Room::kChecked) RETURN_IF_ERROR(Admit(bytes));
  if (room == Room::kReserved) reserved_bytes_ -= std::min(reserved_bytes_, bytes);
  if (!copy) header.sequence = next_sequence_++;
  const GroupPtr group = open_;
  if (group->records.empty()) group->records.Adopt(TakeMemory());
  uint8_t* to = group->records.Take(
      {.header = header, .copy = copy, .unless_known = keep == Keep::kUnlessKnown});
  ++group->copying;
  lock.unlock();
  RecordGroup::Fill(to, payload);
  // The leader looks at `copying` under the lock; taken here, it cannot miss this between that look
  // and its wait.
  if (--group->copying == 0 && group->closed) {
    lock.lock();
    moved_.notify_all();
  }
  return group;
}

absl::Status PackLog::WaitForRoom(Lock& lock, uint64_t record_bytes) {
  while (poison_.ok() && !open_->records.Fits(record_bytes, parts_.options.pack_bytes)) {
    if (CanLead()) {
      Lead(lock);
    } else {
      moved_.wait(lock);
    }
  }
  return poison_;
}

GroupMemory PackLog::TakeMemory() {
  // Reused: memory of this size comes fresh from the system, and the first touch of each page is a
  // fault.
  if (idle_memory_.empty()) return GroupMemory::New();
  GroupMemory memory = std::move(idle_memory_.back());
  idle_memory_.pop_back();
  return memory;
}

bool PackLog::CanLead() const { return !leading_ && writing_ < kWriters; }

// A small group gathers on while somebody writes or syncs: the next sync takes it along.
bool PackLog::IsWorthLeading() const {
  return (!syncing_ && writing_ == 0) || open_->records.bytes() >= kGatherBytes;
}

void PackLog::TakeLead(Lock& lock) {
  moved_.wait(lock, [this] { return !leading_; });
  leading_ = true;
}

void PackLog::EndLead(Lock& lock) {
  leading_ = false;
  moved_.notify_all();
  OfferRoles();
  WakeThem(lock);
}

void PackLog::Lead(Lock& lock) {
  leading_ = true;
  const GroupPtr group = std::exchange(open_, std::make_shared<Group>());
  group->closed = true;
  // Remembered, because the group may shrink and as much must be taken off again.
  group->counted_bytes = group->records.bytes();
  writing_bytes_ += group->counted_bytes;
  moved_.wait(lock, [&] { return group->copying == 0; });
  absl::Status status = FindPlace(lock, *group);
  const bool empty = group->records.empty();
  if (status.ok()) placed_.push_back(group);
  // Counted before the lead is given up: whoever leads next waits for it before the pack is
  // changed.
  ++writing_;
  EndLead(lock);
  if (status.ok() && !empty) status = WriteAndApply(lock, *group);
  EndWrite(lock, group, status);
}

// Groups enter the catalog in the order of their places: a commit comes behind its pieces.
absl::Status PackLog::WriteAndApply(Lock& lock, Group& group) {
  lock.unlock();
  const absl::Status written = Write(group);
  lock.lock();
  if (!written.ok()) return Undo(lock, group, written);
  moved_.wait(lock, [&] {
    const auto first = std::find_if(placed_.begin(), placed_.end(),
                                    [](const GroupPtr& placed) { return !placed->written; });
    return first->get() == &group;
  });
  lock.unlock();
  absl::Status applied = Apply(group);
  lock.lock();
  // The catalog may have taken half of what is in the pack: only a replay tells it the rest.
  return applied.ok() ? applied : Poison(lock, applied);
}

// The index is asked with one snapshot for all, and before the write: Apply has less to do then, with
// the lock that readers wait for.
absl::Status PackLog::LeaveOutKnown(Group& group) {
  const auto may_be_known = [](const RecordGroup::Item& item) { return item.unless_known; };
  std::vector<RecordGroup::Item>& items = group.records.items();
  if (std::none_of(items.begin(), items.end(), may_be_known)) return absl::OkStatus();
  bool known = false;
  {
    std::shared_lock catalog(parts_.mutex);
    // Under the lock of the snapshot: a step between the two would go unnoticed by Apply.
    group.index_steps = parts_.catalog.steps();
    const auto snapshot = parts_.catalog.Snapshot();
    for (RecordGroup::Item& item : items) {
      if (!item.unless_known) continue;
      ASSIGN_OR_RETURN(const auto standing, parts_.catalog.StandingOf(item.header.id, *snapshot));
      item.unknown = standing == Catalog::Standing::kUnknown;
      item.unless_known = standing == Catalog::Standing::kSound;
      known = known || item.unless_known;
    }
  }
  if (known) group.records.Remove(may_be_known);
  return absl::OkStatus();
}

absl::Status PackLog::FindPlace(Lock& lock, Group& group) {
  RETURN_IF_ERROR(poison_);
  lock.unlock();
  const absl::Status asked = LeaveOutKnown(group);
  lock.lock();
  RETURN_IF_ERROR(asked);
  ChooseFillers(group);
  const uint64_t end = head_size_ + group.gap + group.records.bytes() + group.tail;
  // A pack that is still empty takes a group of any size: the next one would have no more room.
  if (end > parts_.options.pack_bytes && head_size_ > kPackHeaderBytes && !group.records.empty()) {
    RETURN_IF_ERROR(RotateHead(lock));
    ChooseFillers(group);
  }
  RETURN_IF_ERROR(poison_);
  group.ticket = ++last_ticket_;
  group.begin = head_size_;
  group.end = head_size_ += group.gap + group.records.bytes() + group.tail;
  group.synced = head_synced_;
  return absl::OkStatus();
}

// So that a group with a large record begins and ends with a block, and goes past the page cache: there
// it would cost more than it is worth. Small blobs are read again soon. Copies do without fillers:
// compaction is to free room.
void PackLog::ChooseFillers(Group& group) const {
  group.gap = group.tail = 0;
  const uint64_t bytes = group.records.bytes();
  if (group.records.largest() < kAlignedBytes || group.records.has_copies()) return;
  const uint64_t gap = FillerBytes(head_size_), tail = FillerBytes(bytes);
  const uint64_t used = parts_.catalog.disk_bytes() + WaitingBytes();
  // Nobody was asked for this room: the last bytes of the quota go to what was admitted.
  if (used + gap + tail > parts_.options.quota_bytes) return;
  group.gap = gap;
  group.tail = tail;
}

absl::Status PackLog::Write(Group& group) {
  group.records.Seal(parts_.codec, group.synced, group.tail);
  absl::Status status;
  if (group.gap > 0) {
    uint8_t filler[kRecordHeaderBytes];
    parts_.codec.Encode(Filler(group.gap), filler);
    status = head_->WriteAt(group.begin, filler);
  }
  if (status.ok()) {
    status = head_->WriteAt(group.begin + group.gap, group.records.view(group.tail));
  }
  return status;
}

absl::Status PackLog::Apply(const Group& group) {
  std::unique_lock lock(parts_.mutex);
  Catalog& catalog = parts_.catalog;
  catalog.NotePackBytes(head_pack_, group.end);
  const bool same_index = catalog.steps() == group.index_steps;
  for (const RecordGroup::Item& item : group.records.items()) {
    const RecordHeader& header = item.header;
    const Place at{head_pack_, static_cast<uint32_t>(group.begin + group.gap + item.at)};
    const auto applied = item.unknown && same_index ? catalog.ApplyUnknown(header, at)
                                                    : catalog.Apply(header, at);
    RETURN_IF_ERROR(applied.status());
    // A full disk has refused a piece: whoever put the blob looks for it, and is told.
    if (*applied == Catalog::Applied::kIncomplete) catalog.Garbage(header.id, at.pack);
  }
  bytes_since_step_ += group.end - group.begin;
  held_back_ = catalog.held_back();
  return absl::OkStatus();
}

// Cuts off what a failed write has left; nobody takes a place behind it meanwhile, for the lock is held.
absl::Status PackLog::Undo(Lock& lock, const Group& group, const absl::Status& cause) {
  const bool last = placed_.back().get() == &group;
  const absl::Status undone = last ? head_->Truncate(group.begin) : CoverPlace(group);
  // What any other error leaves in the file nobody knows.
  if (!undone.ok() || !absl::IsResourceExhausted(cause)) return Poison(lock, cause);
  if (last) head_size_ = group.begin;
  return cause;
}

// Others have their places behind it.
absl::Status PackLog::CoverPlace(const Group& group) {
  uint8_t filler[kRecordHeaderBytes];
  parts_.codec.Encode(Filler(group.end - group.begin), filler);
  RETURN_IF_ERROR(head_->WriteAt(group.begin, filler));
  std::unique_lock lock(parts_.mutex);
  parts_.catalog.NotePackBytes(head_pack_, group.end);
  return absl::OkStatus();
}

void PackLog::EndWrite(Lock& lock, const GroupPtr& group, const absl::Status& status) {
  --writing_;
  writing_bytes_ -= group->counted_bytes;
  GroupMemory memory = group->records.GiveBack();
  if (memory.data() != nullptr && idle_memory_.size() < kIdleMemory) {
    idle_memory_.push_back(std::move(memory));
  }
  group->written = true;
  group->status = status;
  if (!status.ok()) {
    placed_.erase(std::remove(placed_.begin(), placed_.end(), group), placed_.end());
    Settle(group);
  }
  NoteWritten();
  if (!poison_.ok()) SettleEverybody();
  moved_.notify_all();
  OfferRoles();
  WakeThem(lock);
}

absl::Status PackLog::Flush(const GroupPtr& group) {
  Lock lock(mutex_);
  while (!group->written && poison_.ok()) {
    if (group == open_ && CanLead()) {
      Lead(lock);
    } else {
      moved_.wait(lock);
    }
  }
  return group->written ? group->status : poison_;
}

}  // namespace cairn::storage
