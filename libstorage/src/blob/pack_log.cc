#include "blob/pack_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kAlignedBytes = 256 * 1024;  // records from here on are written in whole blocks
constexpr size_t kGatherBytes = 64 * 1024;
constexpr size_t kIdleBlocks = 4;
constexpr size_t kSpareBytes = 8 << 20;  // of a group's buffer, kept for the next one
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

// A caller who sleeps. Each is woken by itself: a hundred that wake at once for one lock would spend
// more on the lock than on their records.
class PackLog::Sleeper {
 public:
  void Sleep() {
    std::unique_lock lock(mutex_);
    told_.wait(lock, [this] { return awake_; });
  }
  // The sleeper may be gone when this returns.
  void Wake() {
    std::lock_guard lock(mutex_);
    awake_ = true;
    told_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable told_;
  bool awake_ = false;
};

// Guarded by the log's mutex; `settled` and then `status` are read without it.
struct PackLog::Group {
  explicit Group(uint64_t number) : ticket(number) {}
  const uint64_t ticket;
  base::Bytes buffer;  // header room and payload of each record
  std::vector<RecordHeader> records;
  bool written = false;
  std::atomic<bool> settled = false;  // durable or failed
  absl::Status status;
  std::condition_variable on_written;
  std::vector<Sleeper*> sleepers;  // until it is settled, or one has to take over a role

  void OfferRole() {
    if (sleepers.empty()) return;
    sleepers.back()->Wake();
    sleepers.pop_back();
  }
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
      written_size_(size),
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
  if (group.records.empty()) group.buffer.swap(spare_);
  group.records.push_back(header);
  const size_t at = group.buffer.size();
  group.buffer.resize(at + kRecordHeaderBytes);
  group.buffer.insert(group.buffer.end(), payload.begin(), payload.end());
  return open_;
}

absl::Status PackLog::WaitDurable(const GroupPtr& group) {
  Lock lock(mutex_);
  while (!group->settled) {
    // A small group gathers on while somebody syncs, and the next sync takes it along.
    const bool worth = !syncing_ || group->buffer.size() >= kGatherBytes;
    if (!group->written && !leading_ && worth) {
      Lead(lock);
    } else if (group->written && !syncing_) {
      if (!leading_ && !open_->records.empty()) Lead(lock);
      if (!syncing_) (void)SyncWritten(lock);  // a failure has poisoned the log
    } else {
      Sleeper self;
      group->sleepers.push_back(&self);
      lock.unlock();
      self.Sleep();
      if (group->settled) return group->status;
      lock.lock();
    }
  }
  return group->status;
}

// Their callers are woken by WakeSleepers, when the lock is not held.
void PackLog::Settle(Group& group) {
  group.settled = true;
  to_wake_.insert(to_wake_.end(), group.sleepers.begin(), group.sleepers.end());
  group.sleepers.clear();
}

void PackLog::WakeSleepers(Lock& lock) {
  if (to_wake_.empty()) return;
  const std::vector<Sleeper*> sleepers = std::exchange(to_wake_, {});
  lock.unlock();
  for (Sleeper* sleeper : sleepers) sleeper->Wake();
  lock.lock();
}

absl::Status PackLog::Flush(const GroupPtr& group) {
  Lock lock(mutex_);
  while (!group->written && poison_.ok()) {
    if (leading_) {
      group->on_written.wait(lock);
    } else {
      Lead(lock);
    }
  }
  return group->written ? group->status : poison_;
}

absl::Status PackLog::WriteNow(RecordHeader header, base::ByteView payload) {
  std::optional<RecordBlocks> blocks;
  if (header.record_bytes() >= kAlignedBytes) {
    blocks.emplace(TakeBlocks());
    payload = blocks->Fill(header, payload);
  }
  header.payload_crc = Crc32c(payload);
  Lock lock(mutex_);
  WaitForLead(lock);
  absl::Status status = poison_;
  if (status.ok()) {
    header.sequence = next_sequence_++;
    writing_bytes_ = header.record_bytes();
    reserved_bytes_ -= std::min(reserved_bytes_, header.record_bytes());
    lock.unlock();
    status = blocks.has_value() ? WriteBlocks(header, *blocks) : WriteRecord(header, payload);
    lock.lock();
  }
  EndLead(lock);
  if (blocks.has_value() && idle_blocks_.size() < kIdleBlocks) {
    idle_blocks_.push_back(*std::move(blocks));
  }
  return status;
}

RecordBlocks PackLog::TakeBlocks() {
  Lock lock(mutex_);
  if (idle_blocks_.empty()) return RecordBlocks();
  RecordBlocks blocks = std::move(idle_blocks_.back());
  idle_blocks_.pop_back();
  return blocks;
}

absl::Status PackLog::WriteRecord(RecordHeader header, base::ByteView payload) {
  RETURN_IF_ERROR(MakeRoom(header.record_bytes()));
  header.synced = static_cast<uint32_t>(head_synced_);
  uint8_t bytes[kRecordHeaderBytes];
  parts_.codec.Encode(header, bytes);
  absl::Status status = head_->WriteAt(head_size_, bytes);
  if (status.ok()) status = head_->WriteAt(head_size_ + kRecordHeaderBytes, payload);
  return status.ok() ? ApplyAll(absl::MakeConstSpan(&header, 1)) : Undo(status);
}

// Fillers before and behind, so that the record and the next one begin with a block.
absl::Status PackLog::WriteBlocks(RecordHeader header, RecordBlocks& blocks) {
  RETURN_IF_ERROR(MakeRoom(FillerBytes(head_size_) + blocks.bytes().size()));
  std::vector<RecordHeader> headers;
  const uint64_t gap = FillerBytes(head_size_);
  if (gap > 0) {
    headers.push_back(Filler(gap));
    uint8_t bytes[kRecordHeaderBytes];
    parts_.codec.Encode(headers.back(), bytes);
    if (absl::Status status = head_->WriteAt(head_size_, bytes); !status.ok()) return Undo(status);
  }
  header.synced = static_cast<uint32_t>(head_synced_);
  headers.push_back(header);
  blocks.Seal(parts_.codec, header, headers);
  const absl::Status status = head_->WriteAt(head_size_ + gap, blocks.bytes());
  return status.ok() ? ApplyAll(headers) : Undo(status);
}

absl::Status PackLog::SyncAll() {
  GroupPtr group;
  {
    Lock lock(mutex_);
    RETURN_IF_ERROR(poison_);
    if (!leading_ && writes_ == synced_writes_ && open_->records.empty()) return absl::OkStatus();
    group = open_;
  }
  return WaitDurable(group);
}

void PackLog::WaitForLead(Lock& lock) {
  lead_free_.wait(lock, [this] { return !leading_; });
  leading_ = true;
}

// Whoever is woken and finds that another was faster waits again.
void PackLog::EndLead(Lock&) {
  leading_ = false;
  writing_bytes_ = 0;
  ++writes_;
  written_size_ = head_size_;
  lead_free_.notify_one();
  open_->on_written.notify_one();
  open_->OfferRole();
}

void PackLog::Lead(Lock& lock) {
  leading_ = true;
  const GroupPtr group = std::exchange(open_, std::make_shared<Group>(open_->ticket + 1));
  writing_bytes_ = group->buffer.size();
  lock.unlock();
  const absl::Status written = WriteGroup(*group);
  lock.lock();
  group->status = written;
  group->written = true;
  group->buffer.clear();
  if (group->buffer.capacity() <= kSpareBytes) spare_.swap(group->buffer);
  base::Bytes().swap(group->buffer);
  if (written.ok()) {
    unsynced_.push_back(group);
  } else {
    Settle(*group);
  }
  group->on_written.notify_all();
  if (!poison_.ok()) SettleEverybody(lock);
  EndLead(lock);
  WakeSleepers(lock);
}

// Syncs what has been written so far, while the next group may be written already.
absl::Status PackLog::SyncWritten(Lock& lock) {
  sync_free_.wait(lock, [this] { return !syncing_; });
  RETURN_IF_ERROR(poison_);
  syncing_ = true;
  const std::shared_ptr<base::File> file = head_;
  const uint64_t size = written_size_;
  const uint64_t writes = writes_;
  const uint64_t ticket = unsynced_.empty() ? synced_ticket_.load() : unsynced_.back()->ticket;
  lock.unlock();
  absl::Status status = file->Sync();
  if (!status.ok()) status = Poison(status);
  lock.lock();
  if (status.ok()) {
    head_synced_ = size;
    NoteSynced(ticket, writes);
  }
  EndSync(lock);
  WakeSleepers(lock);
  return status;
}

void PackLog::NoteSynced(uint64_t ticket, uint64_t writes) {
  synced_ticket_ = std::max(synced_ticket_.load(), ticket);
  synced_writes_ = std::max(synced_writes_, writes);
  while (!unsynced_.empty() && unsynced_.front()->ticket <= ticket) {
    Settle(*unsynced_.front());
    unsynced_.pop_front();
  }
}

void PackLog::EndSync(Lock&) {
  syncing_ = false;
  sync_free_.notify_all();
  for (const GroupPtr& group : unsynced_) group->OfferRole();
  open_->OfferRole();
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
  Lock lock(mutex_);
  RETURN_IF_ERROR(SyncWritten(lock));
  PackHeader header{.pack = head_pack_ + 1, .store = parts_.file.store, .salt = parts_.file.salt};
  header.first_sequence = next_sequence_;
  lock.unlock();
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
    std::unique_lock catalog(parts_.mutex);
    parts_.catalog.NotePackBytes(header.pack, kPackHeaderBytes);
  }
  lock.lock();
  // Nobody leads but us, so nothing was written since; a sync under way is of the old pack.
  sync_free_.wait(lock, [this] { return !syncing_; });
  head_ = *std::move(file);
  head_pack_ = header.pack;
  head_size_ = written_size_ = head_synced_ = kPackHeaderBytes;
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
  held_back_ = parts_.catalog.held_back();
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
    SettleEverybody(lock);
  }
  return poison_;
}

// With the failure that has poisoned the log.
void PackLog::SettleEverybody(Lock& lock) {
  unsynced_.push_back(open_);
  for (const GroupPtr& group : unsynced_) {
    group->status.Update(poison_);
    Settle(*group);
    group->on_written.notify_all();
  }
  unsynced_.clear();
  WakeSleepers(lock);
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
  const uint64_t used = parts_.catalog.disk_bytes();
  if (index_failed_ && held_back_ > kRefuseSteps * parts_.options.index_step) {
    return Full("DISK_FULL", "the index of the blob store cannot be written", "Free some space.");
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

bool PackLog::CheckpointDue(size_t steps) const {
  return bytes_since_step_ >= steps * parts_.options.pack_bytes ||
         held_back_ >= steps * parts_.options.index_step;
}

void PackLog::CheckpointIfDue() {
  if (!CheckpointDue(1)) return;
  {
    Lock lock(mutex_);
    if (!poison_.ok() || !CheckpointDue(checkpointing_ ? kWaitSteps : 1)) return;
    if (checkpointing_) {
      step_ended_.wait(lock, [this] { return !checkpointing_; });
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

absl::Status PackLog::Health() const {
  Lock lock(mutex_);
  return poison_;
}

absl::Status PackLog::Checkpoint() {
  {
    Lock lock(mutex_);
    step_ended_.wait(lock, [this] { return !checkpointing_; });
    checkpointing_ = true;
  }
  return Step();
}

// Packs first, then the index that says what is in them. Readers and writers go on meanwhile, but
// for the moment in which the changes are taken.
absl::Status PackLog::Step() {
  Lock lock(mutex_);
  WaitForLead(lock);
  lock.unlock();
  base::KvBatch batch;
  {
    std::unique_lock catalog(parts_.mutex);
    batch =
        parts_.catalog.Freeze(parts_.file.store, {head_pack_, static_cast<uint32_t>(head_size_)});
    bytes_since_step_ = 0;
  }
  lock.lock();
  EndLead(lock);
  absl::Status status = SyncWritten(lock);
  lock.unlock();
  if (status.ok()) status = parts_.catalog.kv().Commit(batch);
  {
    std::unique_lock catalog(parts_.mutex);
    parts_.catalog.Thaw(status.ok());
    held_back_ = parts_.catalog.held_back();
  }
  if (!status.ok() && !absl::IsResourceExhausted(status)) status = Poison(status);
  lock.lock();
  index_failed_ = !status.ok();
  checkpointing_ = false;
  step_ended_.notify_all();
  return status;
}

absl::Status PackLog::Rotate() {
  Lock lock(mutex_);
  WaitForLead(lock);
  lock.unlock();
  const absl::Status status = RotateHead();
  lock.lock();
  EndLead(lock);
  return status;
}

uint32_t PackLog::head_pack() const {
  Lock lock(mutex_);
  return head_pack_;
}

}  // namespace cairn::storage
