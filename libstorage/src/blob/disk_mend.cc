// What lies in bytes of a pack that hold no record any more. The index knows what should begin there: a blob that still
// proves itself gets the records that hit it written anew, as compaction copies them; any other is marked.
#include "absl/strings/str_cat.h"
#include "blob/disk_store.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

// The header of a piece as it was written.
RecordHeader PieceHeader(RecordKind kind, const base::ContentId& id, uint64_t size, uint32_t index,
                         const Catalog::Entry& piece) {
  RecordHeader header;
  header.kind = kind;
  header.sequence = piece.sequence;
  header.id = id;
  header.size = size;
  header.offset = index * kChunkBytes;
  header.length = static_cast<uint32_t>(piece.size);
  return header;
}

}  // namespace

absl::Status DiskStore::MendRegion(const Region& region, absl::string_view what,
                                   ScrubReport* report) {
  std::set<base::ContentId> ids;
  {
    std::shared_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(ids, parts_->catalog.FindInRegion(region.pack, region.from, region.to));
  }
  for (const base::ContentId& id : ids) {
    const DamagedBlob damage{id, std::string(what),
                             ToString(Place{region.pack, static_cast<uint32_t>(region.from)})};
    ASSIGN_OR_RETURN(const bool mended, Mend(id, region));
    if (mended) {
      if (report != nullptr) report->mended.push_back(damage);
      parts_->observer.Report({.severity = base::Severity::kError,
                               .name = "blob.record_mended",
                               .message = damage.what,
                               .fields = {{"blob", id.ToText()}, {"where", damage.where}}});
      continue;
    }
    RETURN_IF_ERROR(MarkAndNote(damage, report));
  }
  return MendTombstones(region);
}

// Without them a rebuilt index would bring back what they killed, and the pack could never go.
absl::Status DiskStore::MendTombstones(const Region& region) {
  std::vector<RecordHeader> tombstones;
  {
    std::shared_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(tombstones,
                     parts_->catalog.TombstonesInRegion(region.pack, region.from, region.to));
  }
  PackLog::GroupPtr last;
  for (RecordHeader& tombstone : tombstones) {
    tombstone.payload_crc = Crc32c({});
    ASSIGN_OR_RETURN(last, log_->Add(tombstone, {}, PackLog::Room::kFree));
  }
  return last == nullptr ? absl::OkStatus() : log_->WaitDurable(last);
}

absl::StatusOr<bool> DiskStore::Mend(const base::ContentId& id, const Region& region) {
  const absl::StatusOr<Catalog::Entry> blob = Locate(id);
  if (!blob.ok()) return false;
  const auto nowhere = [](base::ByteView) { return absl::OkStatus(); };
  const absl::Status proven = ReadRange(id, {0, blob->size}, nowhere);
  if (absl::IsUnavailable(proven)) return proven;
  // Whatever else keeps it from being read, a bad sector as well, keeps it from being mended.
  if (!proven.ok()) return false;
  ASSIGN_OR_RETURN(const auto records, RecordsIn(region, id, *blob));
  PackLog::GroupPtr last;
  for (const auto& [known, place] : records) {
    RecordHeader header = known;
    base::Bytes payload(header.length);
    ASSIGN_OR_RETURN(const auto file, parts_->files.Get(place.pack));
    ASSIGN_OR_RETURN(const size_t read,
                     file->ReadAt(place.offset + kRecordHeaderBytes, absl::MakeSpan(payload)));
    if (read != payload.size()) return false;
    // The check was lost with the header; the bytes have just been proven against the id.
    header.payload_crc = Crc32c(payload);
    ASSIGN_OR_RETURN(last, log_->Add(header, payload, PackLog::Room::kFree));
  }
  if (last != nullptr) RETURN_IF_ERROR(log_->WaitDurable(last));
  return true;
}

absl::StatusOr<std::vector<std::pair<RecordHeader, Place>>> DiskStore::RecordsIn(
    const Region& region, const base::ContentId& id, const Catalog::Entry& blob) const {
  std::vector<std::pair<RecordHeader, Place>> records;
  const auto take = [&](const RecordHeader& header, Place at) {
    const bool inside = at.pack == region.pack && at.offset >= region.from && at.offset < region.to;
    if (inside) records.emplace_back(header, at);
  };
  std::shared_lock lock(parts_->mutex);
  if (IsSmall(blob.size)) {
    take(PieceHeader(RecordKind::kBlob, id, blob.size, 0, blob), blob.place);
    return records;
  }
  for (const auto& [kind, bytes] : {std::pair(RecordKind::kChunk, blob.size),
                                    std::pair(RecordKind::kOutboard, base::OutboardSize(blob.size))}) {
    for (uint32_t i = 0; i < Pieces(bytes); ++i) {
      ASSIGN_OR_RETURN(const auto piece, parts_->catalog.FindPiece(kind, id, i));
      if (piece.has_value()) take(PieceHeader(kind, id, blob.size, i, *piece), piece->place);
    }
  }
  RecordHeader commit = PieceHeader(RecordKind::kCommit, id, blob.size, 0, blob);
  commit.length = 0;
  take(commit, blob.place);
  return records;
}

}  // namespace cairn::storage
