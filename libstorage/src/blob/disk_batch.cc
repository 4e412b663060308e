#include "blob/disk_batch.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "cairn/base/status.h"

namespace cairn::storage {

absl::Status LogGroups::Note(absl::StatusOr<PackLog::GroupPtr> group) {
  RETURN_IF_ERROR(group.status());
  if (*group == nullptr || *group == last_) return absl::OkStatus();
  last_ = *std::move(group);
  unwritten_.push_back(last_);
  return absl::OkStatus();
}

absl::Status LogGroups::Flush() {
  absl::Status status;
  for (const PackLog::GroupPtr& group : unwritten_) status.Update(log_.Flush(group));
  unwritten_.clear();
  return status;
}

DiskStore::Batch::~Batch() {
  // Whoever claims the id next looks into the catalog for what has been written under it.
  if (!claimed_.empty()) (void)groups_.Flush();
  for (const base::ContentId& id : claimed_) store_.Release(id);
}

absl::Status DiskStore::Batch::Put(const base::ContentId& id, base::ByteView bytes,
                                   base::ByteView outboard) {
  if (IsSmall(bytes.size())) {
    ASSIGN_OR_RETURN(PackLog::GroupPtr group, store_.AddSmall(id, bytes));
    found_here_ = found_here_ || group == nullptr;
    return groups_.Note(std::move(group));
  }
  ASSIGN_OR_RETURN(const bool has, store_.Has(id));
  found_here_ = found_here_ || has;
  const bool twice = std::find(claimed_.begin(), claimed_.end(), id) != claimed_.end();
  return has || twice ? absl::OkStatus() : PutLarge(id, bytes, outboard);
}

absl::Status DiskStore::Batch::PutLarge(const base::ContentId& id, base::ByteView bytes,
                                        base::ByteView outboard) {
  if (!store_.Claim(id)) return BlobBusy(id);
  claimed_.push_back(id);
  store_.begun_.Forget(id);
  ASSIGN_OR_RETURN(const bool partial, store_.ClearTheWay(id, bytes.size()));
  // Its chunks are not proven: one of them must not stand in for a chunk that a full disk refuses.
  if (partial) RETURN_IF_ERROR(store_.Drop(RecordKind::kAbandon, id));
  uint64_t reserved = FootprintBytes(bytes.size());
  RETURN_IF_ERROR(store_.log_->Reserve(reserved));
  absl::Cleanup unreserve = [&] { store_.log_->Unreserve(reserved); };
  for (uint64_t at = 0; at < bytes.size(); at += kChunkBytes) {
    const base::ByteView chunk = bytes.subspan(at, kChunkBytes);
    // The log itself takes off what it is given.
    reserved -= kRecordHeaderBytes + chunk.size();
    RETURN_IF_ERROR(
        groups_.Note(store_.AddPiece(RecordKind::kChunk, id, bytes.size(), at, chunk)));
  }
  reserved -= EndBytes(outboard.size());
  RETURN_IF_ERROR(store_.AddEnd(id, bytes.size(), outboard, groups_));
  store_.log_->CheckpointIfDue();
  return absl::OkStatus();
}

absl::StatusOr<Durable> DiskStore::Batch::Finish() {
  if (!claimed_.empty()) {
    RETURN_IF_ERROR(groups_.Flush());
    // A commit of which a piece was refused has not made a blob.
    for (const base::ContentId& id : claimed_) RETURN_IF_ERROR(store_.Locate(id).status());
  }
  // What was here already may be written and not synced yet, in a group behind the last of ours.
  const bool ours_alone = groups_.last() != nullptr && !found_here_;
  ASSIGN_OR_RETURN(Durable durable,
                   ours_alone ? store_.SyncGroup(groups_.last()) : store_.SyncEverything());
  RETURN_IF_ERROR(groups_.Flush());  // none before the last has failed
  return durable;
}

}  // namespace cairn::storage
