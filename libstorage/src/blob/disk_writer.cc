#include "blob/disk_writer.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
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
    const absl::StatusOr<base::Bytes> chunk = ReadChunk(id, i, PieceBytes(size, i));
    if (!chunk.ok()) break;
    tree.Update(*chunk);
  }
  return tree;
}

absl::Status DiskStore::Drop(RecordKind kind, const base::ContentId& id) {
  ASSIGN_OR_RETURN(PackLog::GroupPtr group, AddTombstone(kind, id));
  return log_->Flush(group);
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

absl::StatusOr<PackLog::GroupPtr> DiskStore::AddLarge(const base::ContentId& id,
                                                      base::ByteView bytes,
                                                      base::ByteView outboard) {
  if (!Claim(id)) return BlobBusy(id);
  absl::Cleanup release = [&] { Release(id); };
  begun_.Forget(id);
  RETURN_IF_ERROR(ClearTheWay(id, bytes.size()).status());
  uint64_t reserved = FootprintBytes(bytes.size());
  RETURN_IF_ERROR(log_->Reserve(reserved));
  absl::Cleanup unreserve = [&] { log_->Unreserve(reserved); };
  for (uint64_t at = 0; at < bytes.size(); at += kChunkBytes) {
    const base::ByteView chunk = bytes.subspan(at, kChunkBytes);
    reserved -= kRecordHeaderBytes + chunk.size();
    RETURN_IF_ERROR(WritePiece(RecordKind::kChunk, id, bytes.size(), at, chunk));
  }
  reserved -= outboard.size() + Pieces(outboard.size()) * kRecordHeaderBytes;
  return FinishLarge(id, bytes.size(), outboard);
}

absl::StatusOr<PackLog::GroupPtr> DiskStore::FinishLarge(const base::ContentId& id, uint64_t size,
                                                         base::ByteView outboard) {
  for (uint64_t at = 0; at < outboard.size(); at += kChunkBytes) {
    RETURN_IF_ERROR(
        WritePiece(RecordKind::kOutboard, id, size, at, outboard.subspan(at, kChunkBytes)));
  }
  RecordHeader header;
  header.kind = RecordKind::kCommit;
  header.id = id;
  header.size = size;
  ASSIGN_OR_RETURN(PackLog::GroupPtr group, log_->Add(header, {}, PackLog::Room::kReserved));
  // In the catalog before the claim on the id is given up.
  RETURN_IF_ERROR(log_->Flush(group));
  RETURN_IF_ERROR(Locate(id).status());
  return group;
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
  return store_.WritePiece(RecordKind::kChunk, id_, size_, offset_ - chunk.size(), chunk);
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
  ASSIGN_OR_RETURN(PackLog::GroupPtr group, store_.AddSmall(id_, chunk_));
  return store_.SyncGroup(group);
}

absl::StatusOr<Durable> DiskBlobWriter::CommitLarge() {
  const base::TreeBuilder::Result result = std::move(tree_).Finish();
  if (result.root != id_.digest) {
    RETURN_IF_ERROR(store_.Drop(RecordKind::kAbandon, id_));
    return HashMismatch(id_);
  }
  const uint64_t outboard = result.outboard.size();
  reserved_bytes_ -= outboard + Pieces(outboard) * kRecordHeaderBytes;
  ASSIGN_OR_RETURN(PackLog::GroupPtr group, store_.FinishLarge(id_, size_, result.outboard));
  return store_.SyncGroup(group);
}

absl::Status DiskBlobWriter::WrongSize(absl::string_view what) const {
  return base::Error(absl::StatusCode::kInvalidArgument, "SIZE_MISMATCH",
                     absl::StrCat(what, ": ", size_, " bytes of ", id_.ToText(), ", at ", offset_),
                     "Begin again with the right size.");
}

}  // namespace cairn::storage
