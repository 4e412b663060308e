#include <algorithm>

#include "absl/strings/str_cat.h"
#include "blob/pack_log.h"
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

absl::Status PackLog::RotateHead(Lock& lock) {
  moved_.wait(lock, [this] { return writing_ == 0; });
  // Recovery searches the newest pack alone for torn ends, so all of this one must be on the disk
  // before.
  RETURN_IF_ERROR(SyncWritten(lock));
  PackHeader header{.pack = head_pack_ + 1, .store = parts_.file.store, .salt = parts_.file.salt};
  header.first_sequence = next_sequence_;
  lock.unlock();
  absl::StatusOr<std::shared_ptr<base::File>> file = CreateNext(header);
  lock.lock();
  RETURN_IF_ERROR(file.status());
  // Nobody leads but us, so nothing was written since; a sync under way is of the old pack.
  sync_free_.wait(lock, [this] { return !syncing_; });
  head_ = *std::move(file);
  head_pack_ = header.pack;
  head_size_ = written_size_ = head_synced_ = kPackHeaderBytes;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<base::File>> PackLog::CreateNext(const PackHeader& header) {
  base::Disk& disk = parts_.files.disk();
  absl::StatusOr<std::shared_ptr<base::File>> file = CreatePack(disk, header);
  if (!file.ok()) {
    // A newer pack must not stay behind while this one is still written to: only the newest is
    // searched for torn ends.
    absl::Status gone = disk.Remove(PackPath(header.pack));
    if (gone.ok()) gone = disk.SyncDir(kPackFolder);
    const bool passes = absl::IsResourceExhausted(file.status()) || absl::IsUnavailable(file.status());
    const bool harmless = passes && (gone.ok() || absl::IsNotFound(gone));
    return harmless ? file.status() : Poison(file.status());
  }
  parts_.files.Adopt(header.pack, *file);
  std::unique_lock catalog(parts_.mutex);
  parts_.catalog.NotePackBytes(header.pack, kPackHeaderBytes);
  return file;
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

uint64_t PackLog::WaitingBytes() const {
  return open_->records.bytes() + writing_bytes_ + reserved_bytes_;
}

absl::Status PackLog::Admit(uint64_t bytes) {
  const uint64_t waiting = WaitingBytes();
  const uint64_t used = parts_.catalog.disk_bytes();
  // Every blob adds to what is held back in memory, for as long as the index cannot take it.
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
  // Without the lock: this is asked after every put.
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
  TakeLead(lock);
  moved_.wait(lock, [this] { return writing_ == 0; });
  const Place position{head_pack_, static_cast<uint32_t>(head_size_)};
  lock.unlock();
  base::KvBatch batch;
  {
    std::unique_lock catalog(parts_.mutex);
    batch = parts_.catalog.Freeze(parts_.file.store, position);
    bytes_since_step_ = 0;
  }
  lock.lock();
  EndLead(lock);
  // Others may write from here on: that lies behind `position`, where the next replay begins.
  absl::Status status = SyncWritten(lock);
  lock.unlock();
  if (status.ok()) status = parts_.catalog.kv().Commit(batch);
  {
    std::unique_lock catalog(parts_.mutex);
    parts_.catalog.Thaw(status.ok());
    held_back_ = parts_.catalog.held_back();
  }
  // After any other error nobody knows what the index holds; the next open finds out.
  if (!status.ok() && !absl::IsResourceExhausted(status)) status = Poison(status);
  lock.lock();
  index_failed_ = !status.ok();
  checkpointing_ = false;
  step_ended_.notify_all();
  return status;
}

absl::Status PackLog::Rotate() {
  Lock lock(mutex_);
  TakeLead(lock);
  const absl::Status status = RotateHead(lock);
  EndLead(lock);
  return status;
}

uint32_t PackLog::head_pack() const {
  Lock lock(mutex_);
  return head_pack_;
}

}  // namespace cairn::storage
