// Scrub: packs in order, record by record, so that the disk is read from front to back.
//
// The cursor is the next place, as text: "pack:offset".
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "blob/disk_store.h"
#include "blob/piece_reader.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr size_t kOutboardReadAhead = 4096;

absl::StatusOr<Place> ParseCursor(absl::string_view cursor) {
  if (cursor.empty()) return Place{0, kPackHeaderBytes};
  const std::vector<std::string> parts = absl::StrSplit(cursor, ':');
  Place place;
  if (parts.size() == 2 && absl::SimpleAtoi(parts[0], &place.pack) &&
      absl::SimpleAtoi(parts[1], &place.offset) && place.offset >= kPackHeaderBytes) {
    return place;
  }
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_CURSOR",
                     "the cursor is not one that a scrub has returned", "Start with an empty one.");
}

}  // namespace

void DiskStore::Note(const DamagedBlob& damage, ScrubReport* report) {
  if (report == nullptr) return;
  const auto same = [&](const DamagedBlob& known) { return known.id == damage.id; };
  if (std::none_of(report->damaged.begin(), report->damaged.end(), same)) {
    report->damaged.push_back(damage);
  }
}

absl::StatusOr<ScrubReport> DiskStore::Scrub(absl::string_view cursor, uint64_t budget_bytes) {
  std::lock_guard lock(maintenance_mutex_);
  ASSIGN_OR_RETURN(Place at, ParseCursor(cursor));
  ScrubReport report;
  RETURN_IF_ERROR(log_->SyncAll());
  for (uint64_t seen = 0;;) {
    {
      std::shared_lock catalog(parts_->mutex);
      const auto next = parts_->catalog.packs().lower_bound(at.pack);
      report.finished = next == parts_->catalog.packs().end();
      if (!report.finished && next->first != at.pack) at = {next->first, kPackHeaderBytes};
    }
    if (report.finished || seen >= budget_bytes) break;
    absl::StatusOr<PackFile> pack = OpenPack(at.pack);
    if (absl::IsNotFound(pack.status())) {
      RETURN_IF_ERROR(MendRegion({at.pack, 0, UINT32_MAX}, "its pack is gone", &report));
      at = {at.pack + 1, kPackHeaderBytes};
      continue;
    }
    RETURN_IF_ERROR(pack.status());
    PackScanner scanner(*pack->file, parts_->codec, at.offset, pack->bytes, kPayloadReadAhead);
    while (seen < budget_bytes) {
      const auto item = scanner.Next();
      if (!item.has_value()) break;
      const base::ByteView payload =
          item->header.has_value() ? scanner.Payload(*item) : base::ByteView();
      RETURN_IF_ERROR(ScrubRecord(*pack, *item, payload, &report));
      at.offset = static_cast<uint32_t>(item->offset + item->bytes);
      seen += item->bytes;
    }
    if (at.offset < pack->bytes) continue;
    if (pack->bytes < pack->claimed) {
      RETURN_IF_ERROR(MendRegion({at.pack, pack->bytes, UINT32_MAX}, "its pack was cut", &report));
    }
    at = {at.pack + 1, kPackHeaderBytes};
  }
  if (report.finished) {
    // What is known from reads and earlier rounds may have no record left that tells.
    std::shared_lock catalog(parts_->mutex);
    ASSIGN_OR_RETURN(const std::vector<DamagedBlob> known, parts_->catalog.Damage());
    for (const DamagedBlob& damage : known) Note(damage, &report);
  }
  if (!report.finished) report.next_cursor = absl::StrCat(at.pack, ":", at.offset);
  if (!report.damaged.empty()) RETURN_IF_ERROR(log_->Checkpoint());  // remembered from here on
  return report;
}

absl::Status DiskStore::ScrubRecord(const PackFile& pack, const PackScanner::Item& item,
                                    base::ByteView payload, ScrubReport* report) {
  if (!item.header.has_value()) {
    return MendRegion({pack.pack, item.offset, item.offset + item.bytes}, "its record cannot be read",
                      report);
  }
  const RecordHeader& header = *item.header;
  const Place at{pack.pack, static_cast<uint32_t>(item.offset)};
  ASSIGN_OR_RETURN(const bool live, IsLiveOrFound(header, at));
  if (!live) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool sound, IsSound(header, payload));
  report->checked_blobs += header.kind == RecordKind::kBlob || header.kind == RecordKind::kChunk;
  report->checked_bytes += item.bytes;
  if (sound) return absl::OkStatus();
  return MarkAndNote({header.id, "its bytes have changed", ToString(at)}, report);
}

absl::StatusOr<bool> DiskStore::IsSound(const RecordHeader& header, base::ByteView payload) {
  if (header.kind == RecordKind::kBlob) return base::ContentId::Of(payload) == header.id;
  if (Crc32c(payload) != header.payload_crc) return false;
  if (header.kind != RecordKind::kChunk) return true;
  const absl::Status proven = ProveChunk(header, payload);
  // A disk that cannot open a file just now says nothing about the blob.
  if (absl::IsUnavailable(proven)) return proven;
  return proven.ok();
}

// A partial blob is nobody's loss: whoever goes on with it begins again at the broken chunk.
absl::Status DiskStore::MarkAndNote(const DamagedBlob& damage, ScrubReport* report) {
  ASSIGN_OR_RETURN(const bool marked, MarkDamaged(damage, std::nullopt));
  if (marked) Note(damage, report);
  return absl::OkStatus();
}

// A record that a damaged index has forgotten is taken in again, and one of which it has wrong numbers corrects them.
absl::StatusOr<bool> DiskStore::IsLiveOrFound(const RecordHeader& header, Place at) {
  bool mistaken = false;
  {
    std::shared_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(const bool live, parts_->catalog.IsLive(header, at));
    ASSIGN_OR_RETURN(mistaken, parts_->catalog.IsMistaken(header, at));
    if (live && !mistaken) return true;
    ASSIGN_OR_RETURN(const bool forgotten, parts_->catalog.IsForgotten(header, at.pack));
    if (!forgotten && !mistaken) return false;
  }
  parts_->observer.Report({.severity = base::Severity::kError,
                           .name = "blob.index_damaged",
                           .message = mistaken ? "the index was wrong about a record" : "the index did not know a record",
                           .fields = {{"blob", header.id.ToText()}, {"where", ToString(at)}}});
  std::unique_lock lock(parts_->mutex);
  ASSIGN_OR_RETURN(mistaken, parts_->catalog.IsMistaken(header, at));
  if (mistaken) parts_->catalog.Correct(header, at);
  ASSIGN_OR_RETURN(const Catalog::Applied applied, parts_->catalog.Apply(header, at));
  return applied == Catalog::Applied::kLive;
}

// Against the tree of its blob. A chunk of a partial blob has nothing yet but its checksum.
absl::Status DiskStore::ProveChunk(const RecordHeader& header, base::ByteView payload) {
  const absl::StatusOr<Catalog::Entry> blob = Locate(header.id);
  if (!blob.ok()) return absl::OkStatus();
  PieceReader outboard(*parts_, parts_->files, RecordKind::kOutboard, header.id,
                       base::OutboardSize(header.size), kOutboardReadAhead);
  return base::ReadVerified(
      header.id.digest, header.size,
      [&](uint64_t offset, base::MutableByteView out) { return outboard.Read(offset, out); },
      {header.offset, header.length},
      [&](uint64_t offset, base::MutableByteView out) {
        const base::ByteView part = payload.subspan(offset - header.offset, out.size());
        std::copy(part.begin(), part.end(), out.begin());
        return absl::OkStatus();
      },
      [](base::ByteView) { return absl::OkStatus(); });
}

}  // namespace cairn::storage
