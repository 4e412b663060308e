// Compaction: what counts in a pack is copied to the newest one, then the pack goes.
//
// The order is what makes it safe: the copies are synced; then one durable step of the index says
// where they are, which garbage goes and that the pack is doomed; then the file is removed. A crash
// in between leaves copies of records that have one sequence number, which the catalog resolves, or
// a doomed file, which the next open removes.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "blob/disk_batch.h"
#include "cairn/base/status.h"

namespace cairn::storage {

absl::StatusOr<uint64_t> DiskStore::Compact(uint64_t budget_bytes) {
  std::lock_guard lock(maintenance_mutex_);
  uint64_t freed = 0, copied = 0;
  std::set<uint32_t> tried;
  while (copied <= budget_bytes) {
    const uint32_t pack = ChooseVictim(tried);
    if (pack == 0) break;
    tried.insert(pack);
    if (pack == log_->head_pack()) RETURN_IF_ERROR(log_->Rotate());
    ASSIGN_OR_RETURN(const PackFile victim, OpenPack(pack));
    ASSIGN_OR_RETURN(const uint64_t moved, CopyLive(victim));
    copied += moved;
    ASSIGN_OR_RETURN(const uint64_t removed, RemovePack(victim));
    freed += removed - std::min(removed, moved);
  }
  return freed;
}

uint32_t DiskStore::ChooseVictim(const std::set<uint32_t>& tried) {
  std::shared_lock lock(parts_->mutex);
  uint32_t best = 0;
  uint64_t best_percent = 0;
  for (const auto& [pack, stats] : parts_->catalog.packs()) {
    const uint64_t percent = stats.bytes == 0 ? 0 : stats.garbage() * 100 / stats.bytes;
    if (percent < parts_->options.compact_percent || tried.count(pack) > 0) continue;
    if (best != 0 && percent <= best_percent) continue;
    best = pack;
    best_percent = percent;
  }
  return best;
}

absl::StatusOr<DiskStore::PackFile> DiskStore::OpenPack(uint32_t pack) {
  PackFile out{.pack = pack, .file = nullptr, .bytes = 0, .claimed = 0};
  {
    std::shared_lock lock(parts_->mutex);
    const auto stats = parts_->catalog.packs().find(pack);
    if (stats == parts_->catalog.packs().end()) return absl::NotFoundError("no such pack");
    out.claimed = stats->second.bytes;
  }
  ASSIGN_OR_RETURN(out.file, parts_->files.Get(pack));
  ASSIGN_OR_RETURN(const uint64_t size, out.file->Size());
  out.bytes = std::min(out.claimed, size);
  return out;
}

// Returns the bytes copied; they are durable.
absl::StatusOr<uint64_t> DiskStore::CopyLive(const PackFile& victim) {
  PackScanner scanner(*victim.file, parts_->codec, kPackHeaderBytes, victim.bytes,
                      kPayloadReadAhead);
  LogGroups groups(*log_);
  uint64_t copied = 0;
  while (auto item = scanner.Next()) {
    if (!item->header.has_value()) continue;
    ASSIGN_OR_RETURN(PackLog::GroupPtr group, CopyRecord(victim, *item, scanner.Payload(*item)));
    if (group == nullptr) continue;
    RETURN_IF_ERROR(groups.Note(std::move(group)));
    copied += item->bytes;
  }
  if (groups.last() == nullptr) return copied;
  RETURN_IF_ERROR(log_->WaitDurable(groups.last()));
  RETURN_IF_ERROR(groups.Flush());  // none before the last has failed
  return copied;
}

// As it is, under its old number: damage is noticed, but not mended and not hidden. Null when
// nobody needs it.
absl::StatusOr<PackLog::GroupPtr> DiskStore::CopyRecord(const PackFile& victim,
                                                        const PackScanner::Item& item,
                                                        base::ByteView payload) {
  const RecordHeader& header = *item.header;
  const Place at{victim.pack, static_cast<uint32_t>(item.offset)};
  {
    std::unique_lock lock(parts_->mutex);
    ASSIGN_OR_RETURN(const bool live, parts_->catalog.IsLive(header, at));
    if (!live) return PackLog::GroupPtr();
    if (header.kind == RecordKind::kTombstone || header.kind == RecordKind::kAbandon) {
      ASSIGN_OR_RETURN(const bool needed, parts_->catalog.HasGarbage(header.id));
      if (!needed) {
        RETURN_IF_ERROR(parts_->catalog.DropTombstones(header.id));
        return PackLog::GroupPtr();
      }
    }
  }
  // Without the lock: what dies from here on is dead when the copy arrives, for that keeps its
  // number.
  if (Crc32c(payload) != header.payload_crc) {
    RETURN_IF_ERROR(
        MarkDamaged({header.id, "its bytes have changed", ToString(at)}, std::nullopt).status());
  }
  return log_->Add(header, payload, PackLog::Room::kFree);
}

// Returns the bytes freed: 0 when something in the pack still counts but could not be read.
absl::StatusOr<uint64_t> DiskStore::RemovePack(const PackFile& victim) {
  uint64_t live;
  {
    std::unique_lock lock(parts_->mutex);
    const auto stats = parts_->catalog.packs().find(victim.pack);
    live = stats == parts_->catalog.packs().end() ? 0 : stats->second.live;
    // Before the garbage is forgotten: a step that another caller takes from here on may hold only
    // a part of that. Without this mark a crash would then leave the pack, and dead records in it
    // whose tombstones are gone.
    if (live == 0) parts_->catalog.Doom(victim.pack);
  }
  if (live > 0) {
    RETURN_IF_ERROR(MendRegion({victim.pack, 0, UINT32_MAX}, "its record cannot be read", nullptr));
    return uint64_t{0};
  }
  PackScanner scanner(*victim.file, parts_->codec, kPackHeaderBytes, victim.bytes,
                      kHeaderReadAhead);
  while (auto item = scanner.Next()) {
    if (!item->header.has_value()) continue;
    std::unique_lock lock(parts_->mutex);
    // The lock is taken for each record, so that readers get in between.
    RETURN_IF_ERROR(parts_->catalog.ForgetGarbage(item->header->id, victim.pack));
  }
  RETURN_IF_ERROR(log_->Checkpoint());
  RETURN_IF_ERROR(parts_->files.disk().Remove(PackPath(victim.pack)));
  parts_->files.Forget(victim.pack);
  RETURN_IF_ERROR(parts_->files.disk().SyncDir(kPackFolder));
  std::unique_lock lock(parts_->mutex);
  parts_->catalog.ErasePack(victim.pack);
  return victim.bytes;
}

}  // namespace cairn::storage
