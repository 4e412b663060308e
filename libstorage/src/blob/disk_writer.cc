#include "blob/disk_writer.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "blob/disk_batch.h"
#include "cairn/base/status.h"

namespace cairn::storage {

absl::StatusOr<std::unique_ptr<BlobWriter>> DiskStore::Begin(const base::ContentId& id,
                                                             uint64_t size) {
  if (size > kMaxBlobBytes) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, "BLOB_TOO_LARGE",
        absl::StrCat("a blob of ", size, " bytes, at most ", kMaxBlobBytes, " are allowed"));
  }
  if (!Claim(id)) return BlobBusy(id);
  absl::Cleanup release = [&] { Release(id); };
  ASSIGN_OR_RETURN(const bool has, Has(id));
  if (has) {
    begun_.Forget(id);
    return base::Error(absl::StatusCode::kAlreadyExists, "BLOB_EXISTS",
                       absl::StrCat("blob ", id.ToText(), " is here already"));
  }
  ASSIGN_OR_RETURN(base::TreeBuilder tree, Resume(id, size));
  const uint64_t written = tree.size();
  const uint64_t reserved = FootprintBytes(size) - written - Pieces(written) * kRecordHeaderBytes;
  // All of it at once, or two uploads begin in room for one and neither ends.
  RETURN_IF_ERROR(log_->Reserve(reserved));
  std::move(release).Cancel();
  return std::make_unique<DiskBlobWriter>(*this, id, size, written, std::move(tree),
                                          begun_.Take(id, size, written), reserved);
}

// A damaged blob under this id, or a partial one of another size, goes. Returns whether one of this
// size is left.
absl::StatusOr<bool> DiskStore::ClearTheWay(const base::ContentId& id, uint64_t size) {
  std::optional<uint64_t> partial;
  std::optional<Catalog::Entry> damaged;
  {
    std::shared_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(partial, parts_->catalog.FindPartial(id));
    ASSIGN_OR_RETURN(damaged, parts_->catalog.FindBlob(id));
  }
  if (damaged.has_value()) RETURN_IF_ERROR(Drop(RecordKind::kTombstone, id));
  const bool fits = partial.has_value() && *partial == size;
  if (partial.has_value() && !fits) RETURN_IF_ERROR(Drop(RecordKind::kAbandon, id));
  return fits && !damaged.has_value();
}

// Goes on behind the chunks from the front that are whole and as they were written.
absl::StatusOr<base::TreeBuilder> DiskStore::Resume(const base::ContentId& id, uint64_t size) {
  ASSIGN_OR_RETURN(const bool partial, ClearTheWay(id, size));
  base::TreeBuilder tree;
  for (uint32_t i = 0; partial && i < Pieces(size); ++i) {
    // Its checksum is enough: the whole is proven against the id before it is committed.
    const absl::StatusOr<base::Bytes> chunk = ReadChunk(id, i, PieceBytes(size, i));
    if (!chunk.ok()) break;
    tree.Update(*chunk);
  }
  return tree;
}

// Durable, because others come behind it: if a crash took the tombstone and one new chunk, and left
// the new commit, the old chunk would count as a piece of that.
absl::Status DiskStore::Drop(RecordKind kind, const base::ContentId& id) {
  ASSIGN_OR_RETURN(PackLog::GroupPtr group, AddTombstone(kind, id));
  return log_->WaitDurable(group);
}

absl::Status DiskStore::DropPartial(const base::ContentId& id) {
  if (!Claim(id)) return BlobBusy(id);
  absl::Cleanup release = [&] { Release(id); };
  begun_.Forget(id);
  std::optional<uint64_t> partial;
  {
    std::shared_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(partial, parts_->catalog.FindPartial(id));
  }
  return partial.has_value() ? Drop(RecordKind::kAbandon, id) : absl::OkStatus();
}

absl::StatusOr<std::vector<PartialBlob>> DiskStore::Partials() {
  const std::vector<BegunChunks::Place> begun = begun_.List();
  std::shared_lock lock(parts_->mutex);
  ASSIGN_OR_RETURN(std::vector<PartialBlob> partials, parts_->catalog.Partials());
  for (const BegunChunks::Place& more : begun) {
    const auto known = std::find_if(partials.begin(), partials.end(),
                                    [&](const PartialBlob& it) { return it.id == more.id; });
    if (known != partials.end()) {
      if (known->size == more.size && known->held == more.offset) known->held += more.bytes;
    } else if (more.offset == 0) {
      ASSIGN_OR_RETURN(auto whole, parts_->catalog.FindBlob(more.id));
      if (!whole.has_value()) partials.push_back({more.id, more.size, more.bytes});
    }
  }
  return partials;
}

uint64_t EndBytes(uint64_t outboard_bytes) {
  return outboard_bytes + (Pieces(outboard_bytes) + 1) * kRecordHeaderBytes;
}

absl::Status DiskStore::AddEnd(const base::ContentId& id, uint64_t size, base::ByteView outboard,
                               LogGroups& groups) {
  for (uint64_t at = 0; at < outboard.size(); at += kChunkBytes) {
    const base::ByteView piece = outboard.subspan(at, kChunkBytes);
    RETURN_IF_ERROR(groups.Note(AddPiece(RecordKind::kOutboard, id, size, at, piece)));
  }
  RecordHeader header;
  header.kind = RecordKind::kCommit;
  header.id = id;
  header.size = size;
  return groups.Note(log_->Add(header, {}, PackLog::Room::kReserved));
}

DiskBlobWriter::DiskBlobWriter(DiskStore& store, const base::ContentId& id, uint64_t size,
                               uint64_t written, base::TreeBuilder tree, base::Bytes chunk,
                               uint64_t reserved_bytes)
    : store_(store),
      id_(id),
      size_(size),
      offset_(written + chunk.size()),
      tree_(std::move(tree)),
      reserved_bytes_(reserved_bytes),
      chunk_(std::move(chunk)) {
  if (!IsSmall(size_)) tree_.Update(chunk_);
  chunk_.reserve(std::min<uint64_t>(size, IsSmall(size) ? kSmallBlobBytes : kChunkBytes));
}

DiskBlobWriter::~DiskBlobWriter() {
  store_.log_->Unreserve(reserved_bytes_);
  if (failed_.ok()) {
    // Before the id is free: whoever claims it next goes on from here.
    store_.begun_.Keep(id_, {size_, offset_ - chunk_.size(), std::move(chunk_)});
  }
  store_.Release(id_);
}

absl::Status DiskBlobWriter::Append(base::ByteView bytes) {
  RETURN_IF_ERROR(failed_);
  if (bytes.size() > size_ - offset_) return failed_ = WrongSize("more bytes than declared");
  while (!bytes.empty() && failed_.ok()) {
    const uint64_t chunk_start = offset_ - chunk_.size();
    const uint64_t chunk_bytes = std::min(size_ - chunk_start, kChunkBytes);
    const base::ByteView part = bytes.subspan(0, chunk_bytes - chunk_.size());
    bytes.remove_prefix(part.size());
    if (!IsSmall(size_)) tree_.Update(part);
    offset_ += part.size();
    if (IsSmall(size_) || part.size() < chunk_bytes) {
      failed_ = AppendToChunk(part);
    } else {
      failed_ = WriteChunk(part);
    }
  }
  return failed_;
}

absl::Status DiskBlobWriter::AppendToChunk(base::ByteView bytes) {
  chunk_.insert(chunk_.end(), bytes.begin(), bytes.end());
  if (IsSmall(size_) || (offset_ < size_ && chunk_.size() < kChunkBytes)) return absl::OkStatus();
  const absl::Status status = WriteChunk(chunk_);
  chunk_.clear();
  return status;
}

absl::Status DiskBlobWriter::WriteChunk(base::ByteView chunk) {
  reserved_bytes_ -= kRecordHeaderBytes + chunk.size();
  LogGroups groups(*store_.log_);
  RETURN_IF_ERROR(groups.Note(
      store_.AddPiece(RecordKind::kChunk, id_, size_, offset_ - chunk.size(), chunk)));
  // Written, so that a writer holds one chunk in memory at most; the sync of the commit covers it.
  RETURN_IF_ERROR(groups.Flush());
  store_.log_->CheckpointIfDue();
  return absl::OkStatus();
}

absl::StatusOr<Durable> DiskBlobWriter::Commit() {
  RETURN_IF_ERROR(failed_);
  if (offset_ != size_) return WrongSize("fewer bytes than declared");
  absl::StatusOr<Durable> durable = IsSmall(size_) ? CommitSmall() : CommitLarge();
  failed_ = base::Error(absl::StatusCode::kFailedPrecondition, "ALREADY_COMMITTED",
                        "the writer has been committed");
  return durable;
}

absl::StatusOr<Durable> DiskBlobWriter::CommitSmall() {
  if (base::ContentId::Of(chunk_) != id_) return HashMismatch(id_);
  store_.log_->Unreserve(std::exchange(reserved_bytes_, 0));
  ASSIGN_OR_RETURN(const PackLog::GroupPtr group, store_.AddSmall(id_, chunk_));
  return group == nullptr ? store_.SyncEverything() : store_.SyncGroup(group);
}

absl::StatusOr<Durable> DiskBlobWriter::CommitLarge() {
  const base::TreeBuilder::Result result = std::move(tree_).Finish();
  if (result.root != id_.digest) {
    RETURN_IF_ERROR(store_.Drop(RecordKind::kAbandon, id_));
    return HashMismatch(id_);
  }
  reserved_bytes_ -= EndBytes(result.outboard.size());
  LogGroups groups(*store_.log_);
  RETURN_IF_ERROR(store_.AddEnd(id_, size_, result.outboard, groups));
  RETURN_IF_ERROR(groups.Flush());
  RETURN_IF_ERROR(store_.Locate(id_).status());
  return store_.SyncGroup(groups.last());
}

absl::Status DiskBlobWriter::WrongSize(absl::string_view what) const {
  return base::Error(absl::StatusCode::kInvalidArgument, "SIZE_MISMATCH",
                     absl::StrCat(what, ": ", size_, " bytes of ", id_.ToText(), ", at ", offset_),
                     "Begin again with the right size.");
}

}  // namespace cairn::storage
