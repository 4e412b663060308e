#include "blob/pack_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

// Nearer to full than this, the disk is asked each time.
constexpr uint64_t kSpaceMargin = uint64_t{64} << 20;
// Index steps held back: before writers wait for the one under way; and, when steps fail, before
// new blobs are refused.
constexpr size_t kWaitSteps = 4;
constexpr size_t kRefuseSteps = 8;

absl::Status Full(absl::string_view reason, absl::string_view message, absl::string_view hint) {
  return base::Error(absl::StatusCode::kResourceExhausted, reason, message, hint);
}

}  // namespace

struct PackLog::Group {
  explicit Group(uint64_t number) : ticket(number) {}
  const uint64_t ticket;
  base::Bytes buffer;  // header room and payload of each record
  std::vector<RecordHeader> records;
  bool written = false;
  absl::Status status;
};

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
      open_(std::make_shared<Group>(1)),
      next_sequence_(next_sequence),
      head_(std::move(file)),
      head_pack_(pack),
      head_size_(size),
      head_synced_(size) {}

absl::StatusOr<PackLog::GroupPtr> PackLog::Add(RecordHeader header, base::ByteView payload,
                                               Room room) {
  header.payload_crc = header.sequence == 0 ? Crc32c(payload) : header.payload_crc;
  Lock lock(mutex_);
  RETURN_IF_ERROR(poison_);
  if (room == Room::kChecked) RETURN_IF_ERROR(Admit(header.record_bytes()));
  if (header.sequence == 0) header.sequence = next_sequence_++;
  Group& group = *open_;
  group.records.push_back(header);
  group.buffer.resize(group.buffer.size() + kRecordHeaderBytes);
  group.buffer.insert(group.buffer.end(), payload.begin(), payload.end());
  return open_;
}

absl::Status PackLog::WaitDurable(const GroupPtr& group) {
  Lock lock(mutex_);
  for (;;) {
    RETURN_IF_ERROR(group->status);
    if (group->ticket <= synced_ticket_) return absl::OkStatus();
    RETURN_IF_ERROR(poison_);
    if (leading_) {
      changed_.wait(lock);
    } else {
      (void)Lead(lock, true);  // the outcome is in the group
    }
  }
}

absl::Status PackLog::Flush(const GroupPtr& group) {
  Lock lock(mutex_);
  while (!group->written) {
    RETURN_IF_ERROR(poison_);
    if (leading_) {
      changed_.wait(lock);
    } else {
      (void)Lead(lock, false);
    }
  }
  return group->status;
}

absl::Status PackLog::WriteNow(RecordHeader header, base::ByteView payload) {
  header.payload_crc = Crc32c(payload);
  Lock lock(mutex_);
  WaitForLead(lock);
  absl::Status status = poison_;
  if (status.ok()) {
    header.sequence = next_sequence_++;
    dirty_ = true;
    writing_bytes_ = header.record_bytes();
    reserved_bytes_ -= std::min(reserved_bytes_, header.record_bytes());
    lock.unlock();
    status = MakeRoom(header.record_bytes());
    if (status.ok()) {
      header.synced = static_cast<uint32_t>(head_synced_);
      uint8_t bytes[kRecordHeaderBytes];
      parts_.codec.Encode(header, bytes);
      status = head_->WriteAt(head_size_, bytes);
      if (status.ok()) status = head_->WriteAt(head_size_ + kRecordHeaderBytes, payload);
      status = status.ok() ? ApplyAll(absl::MakeConstSpan(&header, 1)) : Undo(status);
    }
    lock.lock();
  }
  EndLead(lock);
  return status;
}

absl::Status PackLog::SyncAll() {
  GroupPtr group;
  {
    Lock lock(mutex_);
    RETURN_IF_ERROR(poison_);
    if (!dirty_ && open_->records.empty()) return absl::OkStatus();
    group = open_;
  }
  return WaitDurable(group);
}

void PackLog::WaitForLead(Lock& lock) {
  changed_.wait(lock, [this] { return !leading_; });
  leading_ = true;
}

void PackLog::EndLead(Lock&) {
  leading_ = false;
  writing_bytes_ = 0;
  changed_.notify_all();
}

absl::Status PackLog::Lead(Lock& lock, bool sync) {
  leading_ = true;
  const GroupPtr group = std::exchange(open_, std::make_shared<Group>(open_->ticket + 1));
  dirty_ = dirty_ || !group->records.empty();
  writing_bytes_ = group->buffer.size();
  lock.unlock();
  const absl::Status written = WriteGroup(*group);
  const absl::Status synced = sync ? SyncHead() : absl::OkStatus();
  base::Bytes().swap(group->buffer);
  lock.lock();
  group->status = written;
  group->written = true;
  if (sync && synced.ok()) {
    synced_ticket_ = group->ticket;
    dirty_ = false;
  }
  EndLead(lock);
  return written.ok() ? synced : written;
}

// Writes the records in as few pieces as the ends of packs allow.
absl::Status PackLog::WriteGroup(Group& group) {
  size_t first = 0, begin = 0, at = 0;
  for (size_t i = 0; i < group.records.size(); ++i) {
    const uint64_t bytes = group.records[i].record_bytes();
    if (head_size_ + (at - begin) + bytes > parts_.options.pack_bytes) {
      RETURN_IF_ERROR(WriteRun(group, first, i, begin, at));
      RETURN_IF_ERROR(MakeRoom(bytes));
      first = i;
      begin = at;
    }
    group.records[i].synced = static_cast<uint32_t>(head_synced_);
    parts_.codec.Encode(group.records[i], group.buffer.data() + at);
    at += bytes;
  }
  return WriteRun(group, first, group.records.size(), begin, at);
}

absl::Status PackLog::WriteRun(const Group& group, size_t first, size_t last, size_t begin,
                               size_t end) {
  if (begin == end) return absl::OkStatus();
  const base::ByteView run = base::ByteView(group.buffer).subspan(begin, end - begin);
  if (absl::Status status = head_->WriteAt(head_size_, run); !status.ok()) return Undo(status);
  return ApplyAll(absl::MakeConstSpan(group.records).subspan(first, last - first));
}

absl::Status PackLog::MakeRoom(uint64_t record_bytes) {
  const bool empty = head_size_ <= kPackHeaderBytes;
  const bool fits = head_size_ + record_bytes <= parts_.options.pack_bytes;
  return empty || fits ? absl::OkStatus() : RotateHead();
}

absl::Status PackLog::RotateHead() {
  RETURN_IF_ERROR(SyncHead());
  PackHeader header{.pack = head_pack_ + 1, .store = parts_.file.store, .salt = parts_.file.salt};
  {
    Lock lock(mutex_);
    header.first_sequence = next_sequence_;
  }
  base::Disk& disk = parts_.files.disk();
  absl::StatusOr<std::shared_ptr<base::File>> file = CreatePack(disk, header);
  if (!file.ok()) {
    // A newer pack must not stay behind while this one is still written to: only the newest is
    // searched for torn ends.
    absl::Status gone = disk.Remove(PackPath(header.pack));
    if (gone.ok()) gone = disk.SyncDir(kPackFolder);
    const bool harmless =
        absl::IsResourceExhausted(file.status()) && (gone.ok() || absl::IsNotFound(gone));
    return harmless ? file.status() : Poison(file.status());
  }
  parts_.files.Adopt(header.pack, *file);
  {
    std::unique_lock lock(parts_.mutex);
    parts_.catalog.NotePackBytes(header.pack, kPackHeaderBytes);
  }
  Lock lock(mutex_);
  head_ = *std::move(file);
  head_pack_ = header.pack;
  head_size_ = head_synced_ = kPackHeaderBytes;
  return absl::OkStatus();
}

absl::Status PackLog::SyncHead() {
  {
    Lock lock(mutex_);
    RETURN_IF_ERROR(poison_);
  }
  if (absl::Status status = head_->Sync(); !status.ok()) return Poison(status);
  head_synced_ = head_size_;
  return absl::OkStatus();
}

// Cuts off what a failed write has left.
absl::Status PackLog::Undo(const absl::Status& cause) {
  const absl::Status cut = head_->Truncate(head_size_);
  if (!cut.ok() || !absl::IsResourceExhausted(cause)) return Poison(cause);
  return cause;
}

absl::Status PackLog::ApplyAll(absl::Span<const RecordHeader> headers) {
  std::unique_lock lock(parts_.mutex);
  for (const RecordHeader& header : headers) {
    const Place at{head_pack_, static_cast<uint32_t>(head_size_)};
    const auto applied = parts_.catalog.Apply(header, at);
    if (!applied.ok()) {
      lock.unlock();
      return Poison(applied.status());
    }
    if (*applied == Catalog::Applied::kIncomplete) parts_.catalog.Garbage(header.id, at.pack);
    head_size_ += header.record_bytes();
    bytes_since_step_ += header.record_bytes();
  }
  return absl::OkStatus();
}

absl::Status PackLog::Poison(const absl::Status& cause) {
  Lock lock(mutex_);
  if (poison_.ok()) {
    poison_ = base::Error(absl::StatusCode::kAborted, "STORE_POISONED",
                          absl::StrCat("writing to the blob store failed: ", cause.message()),
                          "Check the disk, then restart the process.");
    parts_.observer.Report({.severity = base::Severity::kError,
                            .name = "blob.poisoned",
                            .message = std::string(cause.message()),
                            .fields = {{"pack", PackName(head_pack_)}}});
  }
  return poison_;
}

absl::Status PackLog::Reserve(uint64_t bytes) {
  Lock lock(mutex_);
  RETURN_IF_ERROR(poison_);
  RETURN_IF_ERROR(Admit(bytes));
  reserved_bytes_ += bytes;
  return absl::OkStatus();
}

void PackLog::Unreserve(uint64_t bytes) {
  Lock lock(mutex_);
  reserved_bytes_ -= std::min(reserved_bytes_, bytes);
}

absl::Status PackLog::Admit(uint64_t bytes) {
  const uint64_t waiting = open_->buffer.size() + writing_bytes_ + reserved_bytes_;
  uint64_t used;
  {
    std::shared_lock lock(parts_.mutex);
    used = parts_.catalog.disk_bytes();
    const bool behind = parts_.catalog.held_back() > kRefuseSteps * parts_.options.index_step;
    if (behind && index_failed_) {
      return Full("DISK_FULL", "the index of the blob store cannot be written", "Free some space.");
    }
  }
  const uint64_t quota = parts_.options.quota_bytes;
  if (used + waiting + bytes > quota) {
    return Full("QUOTA_EXCEEDED",
                absl::StrCat(bytes, " more bytes would exceed the quota: ", used + waiting, " of ",
                             quota, " are in use"),
                "Delete blobs and compact, or raise the quota.");
  }
  return CheckSpace(bytes, waiting);
}

absl::Status PackLog::CheckSpace(uint64_t bytes, uint64_t waiting) {
  const int64_t wanted = static_cast<int64_t>(bytes);
  if (space_left_ - wanted < static_cast<int64_t>(kSpaceMargin)) {
    ASSIGN_OR_RETURN(base::DiskSpace space, parts_.files.disk().Space());
    space_left_ = static_cast<int64_t>(space.free_bytes) -
                  static_cast<int64_t>(parts_.options.reserve_bytes + waiting);
    // Others write to the disk too: do not count down for too long.
    space_left_ = std::min(space_left_, static_cast<int64_t>(16 * kSpaceMargin));
    if (space_left_ < wanted) {
      return Full("DISK_FULL",
                  absl::StrCat("the disk has ", space.free_bytes, " bytes left, of which ",
                               parts_.options.reserve_bytes, " stay free"),
                  "Free some space, or put the store on a larger disk.");
    }
  }
  space_left_ -= wanted;
  return absl::OkStatus();
}

bool PackLog::CheckpointDue(size_t steps) {
  if (bytes_since_step_ >= steps * parts_.options.pack_bytes) return true;
  std::shared_lock lock(parts_.mutex);
  return parts_.catalog.held_back() >= steps * parts_.options.index_step;
}

void PackLog::CheckpointIfDue() {
  {
    Lock lock(mutex_);
    if (!poison_.ok() || !CheckpointDue(checkpointing_ ? kWaitSteps : 1)) return;
    if (checkpointing_) {
      changed_.wait(lock, [this] { return !checkpointing_; });
      return;
    }
    checkpointing_ = true;
  }
  if (absl::Status status = Step(); !status.ok()) {
    parts_.observer.Report({.severity = base::Severity::kWarning,
                            .name = "blob.index_behind",
                            .message = std::string(status.message()),
                            .fields = {}});
  }
}

absl::Status PackLog::Checkpoint() {
  {
    Lock lock(mutex_);
    changed_.wait(lock, [this] { return !checkpointing_; });
    checkpointing_ = true;
  }
  return Step();
}

absl::Status PackLog::Step() {
  Lock lock(mutex_);
  WaitForLead(lock);
  const uint64_t written = open_->ticket - 1;
  lock.unlock();
  absl::Status status = SyncHead();
  base::KvBatch batch;
  if (status.ok()) {
    std::unique_lock catalog(parts_.mutex);
    batch =
        parts_.catalog.Freeze(parts_.file.store, {head_pack_, static_cast<uint32_t>(head_size_)});
    bytes_since_step_ = 0;
  }
  lock.lock();
  if (status.ok()) {
    synced_ticket_ = std::max(synced_ticket_, written);
    dirty_ = false;
  }
  EndLead(lock);
  lock.unlock();
  if (status.ok()) {
    // Readers and writers go on meanwhile.
    status = parts_.catalog.kv().Commit(batch);
    std::unique_lock catalog(parts_.mutex);
    parts_.catalog.Thaw(status.ok());
  }
  if (!status.ok() && !absl::IsResourceExhausted(status)) status = Poison(status);
  lock.lock();
  index_failed_ = !status.ok();
  checkpointing_ = false;
  changed_.notify_all();
  return status;
}

absl::Status PackLog::Rotate() {
  Lock lock(mutex_);
  WaitForLead(lock);
  lock.unlock();
  const absl::Status status = RotateHead();
  lock.lock();
  if (status.ok()) {
    synced_ticket_ = std::max(synced_ticket_, open_->ticket - 1);
    dirty_ = false;
  }
  EndLead(lock);
  return status;
}

uint32_t PackLog::head_pack() const {
  Lock lock(mutex_);
  return head_pack_;
}

uint64_t PackLog::synced_ticket() const {
  Lock lock(mutex_);
  return synced_ticket_;
}

}  // namespace cairn::storage
