#include <algorithm>

#include "absl/strings/str_cat.h"
#include "blob/disk_store.h"
#include "blob/piece_reader.h"
#include "blob/small_bytes.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr size_t kOutboardReadAhead = 4096;

}  // namespace

// Tells apart, in one read, the failures of the source from those of the receiver.
class DiskStore::VerifiedRead {
 public:
  VerifiedRead(DiskStore& store, const base::ContentId& id, const Catalog::Entry& entry,
               const ByteSink& sink)
      : store_(store),
        id_(id),
        sequence_(entry.sequence),
        sink_(sink),
        chunks_(*store.parts_, store.parts_->files, RecordKind::kChunk, id, entry.size, 0),
        outboard_(*store.parts_, store.parts_->files, RecordKind::kOutboard, id,
                  base::OutboardSize(entry.size), kOutboardReadAhead) {}

  base::BlobReadFn content() { return Source(chunks_); }
  base::BlobReadFn outboard() { return Source(outboard_); }
  ByteSink sink() {
    return [this](base::ByteView bytes) { return received_ = sink_(bytes); };
  }

  absl::Status Judge(const absl::Status& status) {
    if (status.ok() || !received_.ok() || !absl::IsDataLoss(status)) return status;
    return store_.Damaged(id_, sequence_, status.message(), last_->where());
  }

 private:
  base::BlobReadFn Source(PieceReader& reader) {
    return [this, &reader](uint64_t offset, base::MutableByteView out) {
      last_ = &reader;
      return reader.Read(offset, out);
    };
  }

  DiskStore& store_;
  const base::ContentId& id_;
  const uint64_t sequence_;
  const ByteSink& sink_;
  PieceReader chunks_;
  PieceReader outboard_;
  PieceReader* last_ = &outboard_;
  absl::Status received_;
};

absl::Status DiskStore::ReadRange(const base::ContentId& id, base::ByteRange range,
                                  const ByteSink& sink) {
  SmallBytes bytes;
  if (!ReadHot(id, kSmallBlobBytes, bytes)) {
    ASSIGN_OR_RETURN(const Catalog::Entry entry, Locate(id));
    if (!IsSmall(entry.size)) {
      if (range.length == 0 || range.offset >= entry.size) return absl::OkStatus();
      VerifiedRead read(*this, id, entry, sink);
      return read.Judge(base::ReadVerified(id.digest, entry.size, read.outboard(), range,
                                           read.content(), read.sink()));
    }
    RETURN_IF_ERROR(ReadSmall(id, entry, bytes));
  }
  const uint64_t from = std::min<uint64_t>(range.offset, bytes.view().size());
  const base::ByteView wanted = bytes.view().subspan(from, range.length);
  return wanted.empty() ? absl::OkStatus() : sink(wanted);
}

absl::StatusOr<base::Bytes> DiskStore::Read(const base::ContentId& id, uint64_t max_bytes) {
  SmallBytes bytes;
  if (!ReadHot(id, max_bytes, bytes)) {
    ASSIGN_OR_RETURN(const Catalog::Entry entry, Locate(id));
    if (!IsSmall(entry.size) || entry.size > max_bytes) return BlobStore::Read(id, max_bytes);
    RETURN_IF_ERROR(ReadSmall(id, entry, bytes));
  }
  return base::ToBytes(bytes.view());
}

// Whether it was there; otherwise it has to be looked up.
bool DiskStore::ReadHot(const base::ContentId& id, uint64_t max_bytes, SmallBytes& out) {
  const auto hint = parts_->catalog.Hint(id);
  if (!hint.has_value() || hint->size > max_bytes) return false;
  const auto file = parts_->files.Get(hint->pack);
  if (!file.ok()) return false;
  const base::MutableByteView bytes = out.Resize(hint->size);
  const auto read = (*file)->ReadAt(hint->offset + kRecordHeaderBytes, bytes);
  // No lock was held: the blob may have moved, or be another one. The hash decides.
  return read.ok() && *read == bytes.size() && base::ContentId::Of(bytes) == id;
}

absl::Status DiskStore::ReadSlice(const base::ContentId& id, base::ByteRange range,
                                  const ByteSink& sink) {
  ASSIGN_OR_RETURN(const Catalog::Entry entry, Locate(id));
  if (!IsSmall(entry.size)) {
    VerifiedRead read(*this, id, entry, sink);
    return read.Judge(base::EncodeSlice(id.digest, entry.size, read.outboard(), range,
                                        read.content(), read.sink()));
  }
  SmallBytes bytes;
  RETURN_IF_ERROR(ReadSmall(id, entry, bytes));
  base::TreeBuilder tree;
  tree.Update(bytes.view());
  const base::Bytes outboard = std::move(tree).Finish().outboard;
  const auto content = [&bytes](uint64_t offset, base::MutableByteView out) {
    std::copy_n(bytes.view().begin() + offset, out.size(), out.begin());
    return absl::OkStatus();
  };
  return base::EncodeSlice(id.digest, entry.size, base::ByteView(outboard), range, content, sink);
}

absl::Status DiskStore::ReadSmall(const base::ContentId& id, Catalog::Entry entry,
                                  SmallBytes& out) {
  absl::StatusOr<std::shared_ptr<base::File>> file = parts_->files.Get(entry.place.pack);
  if (absl::IsNotFound(file.status())) {
    // Compaction may have moved it meanwhile.
    ASSIGN_OR_RETURN(entry, Locate(id));
    file = parts_->files.Get(entry.place.pack);
    if (absl::IsNotFound(file.status())) {
      return Damaged(id, entry.sequence, "its pack is gone", ToString(entry.place));
    }
  }
  RETURN_IF_ERROR(file.status());
  const base::MutableByteView bytes = out.Resize(entry.size);
  ASSIGN_OR_RETURN(const size_t read,
                   (*file)->ReadAt(entry.place.offset + kRecordHeaderBytes, bytes));
  if (read == bytes.size() && base::ContentId::Of(bytes) == id) return absl::OkStatus();
  return Damaged(id, entry.sequence, "its bytes have changed", ToString(entry.place));
}

absl::StatusOr<base::Bytes> DiskStore::ReadChunk(const base::ContentId& id, uint32_t index,
                                                 uint32_t bytes) {
  std::optional<Catalog::Entry> piece;
  {
    std::shared_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(piece, parts_->catalog.FindPiece(RecordKind::kChunk, id, index));
  }
  if (!piece.has_value()) return absl::NotFoundError("no such chunk");
  ASSIGN_OR_RETURN(auto file, parts_->files.Get(piece->place.pack));
  base::Bytes record(kRecordHeaderBytes + bytes);
  ASSIGN_OR_RETURN(const size_t read, file->ReadAt(piece->place.offset, absl::MakeSpan(record)));
  const auto header = parts_->codec.Decode(record);
  if (read < record.size() || !header.has_value()) return absl::DataLossError("no record");
  record.erase(record.begin(), record.begin() + kRecordHeaderBytes);
  if (Crc32c(record) != header->payload_crc) return absl::DataLossError("the chunk has changed");
  return record;
}

absl::Status DiskStore::Damaged(const base::ContentId& id, uint64_t sequence,
                                absl::string_view what, absl::string_view where) {
  RETURN_IF_ERROR(MarkDamaged({id, std::string(what), std::string(where)}, sequence).status());
  RETURN_IF_ERROR(Locate(id).status());  // the mark says it all
  return base::Error(absl::StatusCode::kUnavailable, "BLOB_BUSY",
                     absl::StrCat("blob ", id.ToText(), " was replaced while it was read"),
                     "Try again.");
}

absl::StatusOr<bool> DiskStore::MarkDamaged(const DamagedBlob& damage,
                                            std::optional<uint64_t> sequence) {
  {
    std::unique_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(auto blob, parts_->catalog.FindBlob(damage.id));
    // Under its number only: what was stored again since is another copy of the bytes.
    if (!blob.has_value() || blob->sequence != sequence.value_or(blob->sequence)) return false;
    parts_->catalog.MarkDamaged(damage);
  }
  parts_->observer.Report({.severity = base::Severity::kError,
                           .name = "blob.damaged",
                           .message = damage.what,
                           .fields = {{"blob", damage.id.ToText()}, {"where", damage.where}}});
  return true;
}

}  // namespace cairn::storage
