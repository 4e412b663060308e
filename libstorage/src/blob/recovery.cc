#include "blob/recovery.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "blob/pack_scanner.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kMaxStoreFileBytes = 4096;
constexpr uint64_t kRewriteBytes = 1 << 20;

absl::StatusOr<std::vector<uint32_t>> ListPacks(base::Disk& disk) {
  ASSIGN_OR_RETURN(std::vector<std::string> names, disk.List(kPackFolder));
  std::vector<uint32_t> packs;
  for (const std::string& name : names) {
    if (auto pack = ParsePackName(name); pack.has_value()) packs.push_back(*pack);
  }
  std::sort(packs.begin(), packs.end());
  return packs;
}

// nullopt when there is no such file or it holds something else.
absl::StatusOr<std::optional<base::Bytes>> ReadFront(base::Disk& disk, absl::string_view path,
                                                     uint64_t bytes) {
  auto file = disk.Open(path, base::OpenMode::kRead);
  if (absl::IsNotFound(file.status())) return std::optional<base::Bytes>();
  RETURN_IF_ERROR(file.status());
  base::Bytes out(bytes);
  ASSIGN_OR_RETURN(size_t read, (*file)->ReadAt(0, absl::MakeSpan(out)));
  out.resize(read);
  return std::optional<base::Bytes>(std::move(out));
}

absl::StatusOr<std::optional<StoreFile>> ReadStoreFile(base::Disk& disk) {
  ASSIGN_OR_RETURN(auto bytes, ReadFront(disk, kStoreFileName, kMaxStoreFileBytes));
  if (!bytes.has_value()) return std::optional<StoreFile>();
  return DecodeStoreFile(*bytes);
}

absl::Status WriteStoreFile(base::Disk& disk, const StoreFile& store) {
  const std::string fresh = absl::StrCat(kStoreFileName, ".new");
  ASSIGN_OR_RETURN(auto file, disk.Open(fresh, base::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  RETURN_IF_ERROR(file->WriteAt(0, EncodeStoreFile(store)));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(disk.Rename(fresh, kStoreFileName));
  return disk.SyncDir("");
}

absl::StatusOr<std::optional<StoreFile>> ReadPackIdentity(base::Disk& disk,
                                                          const std::vector<uint32_t>& packs) {
  for (uint32_t pack : packs) {
    ASSIGN_OR_RETURN(auto bytes, ReadFront(disk, PackPath(pack), kPackHeaderBytes));
    const auto header = bytes.has_value() ? DecodePackHeader(*bytes) : std::nullopt;
    if (header.has_value() && header->pack == pack) {
      return std::optional<StoreFile>({header->store, header->salt});
    }
  }
  return std::optional<StoreFile>();
}

// No pack, or one that holds nothing: a creation that was interrupted.
absl::StatusOr<bool> IsOnlyBegun(base::Disk& disk, const std::vector<uint32_t>& packs) {
  if (packs.size() != 1) return packs.empty();
  ASSIGN_OR_RETURN(auto bytes, ReadFront(disk, PackPath(packs[0]), kPackHeaderBytes + 1));
  return !bytes.has_value() || bytes->size() <= kPackHeaderBytes;
}

// Creation makes the first pack before the `store` file, so a file without packs tells of a loss,
// unless the index knows that nothing was in them.
absl::StatusOr<bool> IsLost(base::Kv& index, const std::optional<StoreFile>& remembered) {
  Catalog catalog(index);
  ASSIGN_OR_RETURN(bool claims, catalog.ClaimsBlobs());
  if (claims || !remembered.has_value()) return claims;
  ASSIGN_OR_RETURN(auto position, catalog.Load(remembered->store));
  return !position.has_value();
}

class Replay {
 public:
  explicit Replay(StoreParts& parts)
      : parts_(parts), catalog_(parts.catalog), disk_(parts.files.disk()) {}

  absl::StatusOr<Head> Run();

 private:
  struct Tail {
    std::set<uint64_t> bad;  // offsets of items whose bytes are not what was written
    uint64_t synced = 0;     // what is known to have been durable
    uint64_t end = 0;        // of the last good record
  };

  absl::StatusOr<Place> StartingPoint();
  absl::StatusOr<bool> Fits(Place position);
  absl::Status FinishRemovals();
  absl::Status MarkLostPacks();
  absl::Status ReplaySealed(uint32_t pack, uint64_t from);
  absl::StatusOr<Head> ReplayNewest(uint32_t pack, uint64_t from);
  absl::Status MendHeader(uint32_t pack, base::File& file, uint64_t& size);
  Tail Inspect(base::File& file, uint64_t from, uint64_t size);
  absl::Status Mend(base::File& file, const std::vector<PackScanner::Item>& torn, const Tail& tail,
                    uint64_t size);
  absl::Status Rewrite(base::File& file, uint64_t from, uint64_t end);
  absl::Status Take(const PackScanner::Item& item, uint32_t pack, bool promised, bool bad);
  absl::Status TakeWaitingCommits();
  absl::Status StepIfDue(Place position);
  void ReportGap(uint32_t pack, const PackScanner::Item& item);

  StoreParts& parts_;
  Catalog& catalog_;
  base::Disk& disk_;
  std::vector<uint32_t> packs_;
  // Of the newest pack, not known to have been durable, and before pieces of theirs.
  std::vector<std::pair<RecordHeader, Place>> waiting_commits_;
};

absl::StatusOr<Head> Replay::Run() {
  ASSIGN_OR_RETURN(packs_, ListPacks(disk_));
  ASSIGN_OR_RETURN(const Place start, StartingPoint());
  for (uint32_t pack : packs_) {
    if (pack < start.pack) continue;
    const uint64_t from = pack == start.pack ? start.offset : kPackHeaderBytes;
    if (pack != packs_.back()) {
      RETURN_IF_ERROR(ReplaySealed(pack, from));
      continue;
    }
    ASSIGN_OR_RETURN(Head head, ReplayNewest(pack, from));
    RETURN_IF_ERROR(catalog_.ResolveDeferred());
    return head;
  }
  return absl::InternalError("there is no pack");  // LoadIdentity has made one
}

absl::StatusOr<Place> Replay::StartingPoint() {
  ASSIGN_OR_RETURN(auto position, catalog_.Load(parts_.file.store));
  if (position.has_value()) {
    // Before packs and index are compared: a doomed pack may be gone already.
    RETURN_IF_ERROR(FinishRemovals());
    ASSIGN_OR_RETURN(bool fits, Fits(*position));
    if (fits) {
      RETURN_IF_ERROR(MarkLostPacks());
      return *position;
    }
  }
  RETURN_IF_ERROR(catalog_.Clear());
  parts_.observer.Report({.severity = base::Severity::kInfo,
                          .name = "blob.index_rebuild",
                          .message = "the index is built from the packs",
                          .fields = {{"packs", absl::StrCat(packs_.size())}}});
  return Place{packs_.front(), kPackHeaderBytes};
}

// An index that knows more than the packs hold, or less than it should, belongs to other packs.
absl::StatusOr<bool> Replay::Fits(Place position) {
  if (!std::binary_search(packs_.begin(), packs_.end(), position.pack)) return false;
  for (uint32_t pack : packs_) {
    if (pack < position.pack && catalog_.packs().count(pack) == 0) return false;
  }
  ASSIGN_OR_RETURN(auto file, disk_.Open(PackPath(position.pack), base::OpenMode::kRead));
  ASSIGN_OR_RETURN(uint64_t size, file->Size());
  return size >= position.offset;
}

// Compaction decided this durably and was interrupted.
absl::Status Replay::FinishRemovals() {
  ASSIGN_OR_RETURN(std::vector<uint32_t> doomed, catalog_.Doomed());
  if (doomed.empty()) return absl::OkStatus();
  for (uint32_t pack : doomed) {
    const absl::Status removed = disk_.Remove(PackPath(pack));
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  RETURN_IF_ERROR(disk_.SyncDir(kPackFolder));
  for (uint32_t pack : doomed) {
    catalog_.ErasePack(pack);
    packs_.erase(std::remove(packs_.begin(), packs_.end(), pack), packs_.end());
  }
  return absl::OkStatus();
}

absl::Status Replay::MarkLostPacks() {
  std::vector<uint32_t> missing;
  for (const auto& [pack, stats] : catalog_.packs()) {
    if (!std::binary_search(packs_.begin(), packs_.end(), pack)) missing.push_back(pack);
  }
  for (uint32_t pack : missing) {
    ASSIGN_OR_RETURN(auto ids, catalog_.FindInRegion(pack, 0, kMaxPackBytes + kChunkBytes));
    for (const base::ContentId& id : ids) {
      ASSIGN_OR_RETURN(auto blob, catalog_.FindBlob(id));
      if (blob.has_value()) {
        catalog_.MarkDamaged({.id = id, .what = "its pack is gone", .where = PackName(pack)});
      }
    }
    catalog_.ErasePack(pack);
    parts_.observer.Report(
        {.severity = base::Severity::kError,
         .name = "blob.pack_missing",
         .message = "a pack is gone, its blobs are damaged",
         .fields = {{"pack", PackName(pack)}, {"blobs", absl::StrCat(ids.size())}}});
  }
  return absl::OkStatus();
}

// A pack with a successor was synced before that was begun: its headers are enough.
absl::Status Replay::ReplaySealed(uint32_t pack, uint64_t from) {
  ASSIGN_OR_RETURN(auto file, disk_.Open(PackPath(pack), base::OpenMode::kRead));
  ASSIGN_OR_RETURN(uint64_t size, file->Size());
  catalog_.NotePackBytes(pack, size);
  PackScanner scanner(*file, parts_.codec, from, size, kHeaderReadAhead);
  while (auto item = scanner.Next()) {
    RETURN_IF_ERROR(Take(*item, pack, true, false));
    RETURN_IF_ERROR(StepIfDue({pack, static_cast<uint32_t>(item->offset + item->bytes)}));
  }
  return absl::OkStatus();
}

absl::StatusOr<Head> Replay::ReplayNewest(uint32_t pack, uint64_t from) {
  ASSIGN_OR_RETURN(std::shared_ptr<base::File> file,
                   disk_.Open(PackPath(pack), base::OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(uint64_t size, file->Size());
  RETURN_IF_ERROR(MendHeader(pack, *file, size));
  catalog_.NotePackBytes(pack, std::min(from, size));
  // Twice over the records: how much was durable is told by the last ones.
  const Tail tail = Inspect(*file, from, size);
  std::vector<PackScanner::Item> torn;
  PackScanner scanner(*file, parts_.codec, from, tail.end, kHeaderReadAhead);
  while (auto item = scanner.Next()) {
    const bool bad = tail.bad.count(item->offset) > 0;
    const bool promised = item->offset < tail.synced;
    if (bad && !promised) {
      torn.push_back(*item);
    } else {
      // No step of the index here: it must not be ahead of a pack that is not on the disk yet.
      RETURN_IF_ERROR(Take(*item, pack, promised, bad));
    }
  }
  RETURN_IF_ERROR(TakeWaitingCommits());
  RETURN_IF_ERROR(Mend(*file, torn, tail, size));
  catalog_.NotePackBytes(pack, tail.end);
  return Head{.pack = pack, .file = file, .size = tail.end};
}

// A crash may have left the newest pack without its header; then nothing in it was promised. The bytes of the header
// need not have reached the disk when the length has.
absl::Status Replay::MendHeader(uint32_t pack, base::File& file, uint64_t& size) {
  base::Bytes front(kPackHeaderBytes);
  ASSIGN_OR_RETURN(const size_t read, file.ReadAt(0, absl::MakeSpan(front)));
  const auto found = read == front.size() ? DecodePackHeader(front) : std::nullopt;
  if (found.has_value()) return absl::OkStatus();
  if (size < kPackHeaderBytes) RETURN_IF_ERROR(file.Truncate(0));
  const PackHeader header{.pack = pack,
                          .store = parts_.file.store,
                          .salt = parts_.file.salt,
                          .first_sequence = catalog_.next_sequence()};
  RETURN_IF_ERROR(file.WriteAt(0, EncodePackHeader(header)));
  RETURN_IF_ERROR(file.Sync());
  size = std::max<uint64_t>(size, kPackHeaderBytes);
  return disk_.SyncDir(kPackFolder);
}

Replay::Tail Replay::Inspect(base::File& file, uint64_t from, uint64_t size) {
  // The index takes a step only behind a sync of the packs.
  Tail tail{.bad = {}, .synced = from, .end = from};
  PackScanner scanner(file, parts_.codec, from, size, kPayloadReadAhead);
  while (auto item = scanner.Next()) {
    const auto& header = item->header;
    const bool good = header.has_value() && (header->kind == RecordKind::kFiller ||
                                             Crc32c(scanner.Payload(*item)) == header->payload_crc);
    if (good) {
      tail.synced = std::max<uint64_t>(tail.synced, header->synced);
      tail.end = item->offset + item->bytes;
    } else {
      tail.bad.insert(item->offset);
    }
  }
  return tail;
}

// What comes behind the last good record goes; holes before it get a filler, so that later searches
// find no damage. What is good and not known to be durable is written once more: after a sync that
// failed the system may keep bytes that it will never write, and tell the next sync that all is well.
absl::Status Replay::Mend(base::File& file, const std::vector<PackScanner::Item>& torn,
                          const Tail& tail, uint64_t size) {
  if (torn.empty() && tail.end == size && tail.end == tail.synced) return absl::OkStatus();
  for (const PackScanner::Item& item : torn) {
    // No room for a filler.
    if (item.bytes < kRecordHeaderBytes) continue;
    uint8_t bytes[kRecordHeaderBytes];
    parts_.codec.Encode(Filler(item.bytes), bytes);
    RETURN_IF_ERROR(file.WriteAt(item.offset, bytes));
  }
  if (tail.end < size) RETURN_IF_ERROR(file.Truncate(tail.end));
  // A new pack's header becomes durable with its first records.
  const bool header_too = tail.synced == kPackHeaderBytes;
  RETURN_IF_ERROR(Rewrite(file, header_too ? 0 : tail.synced, tail.end));
  if (!torn.empty() || tail.end < size) {
    parts_.observer.Report({.severity = base::Severity::kInfo,
                            .name = "blob.tail_mended",
                            .message = "unacknowledged records of an interrupted write were dropped",
                            .fields = {{"holes", absl::StrCat(torn.size())},
                                       {"cut_bytes", absl::StrCat(size - tail.end)}}});
  }
  return file.Sync();
}

absl::Status Replay::Rewrite(base::File& file, uint64_t from, uint64_t end) {
  base::Bytes buffer;
  for (uint64_t at = from; at < end; at += buffer.size()) {
    buffer.resize(std::min(kRewriteBytes, end - at));
    ASSIGN_OR_RETURN(const size_t read, file.ReadAt(at, absl::MakeSpan(buffer)));
    if (read != buffer.size()) {
      return base::Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED", "a pack became shorter while it was read",
                         "Check the disk, then restart the process.");
    }
    RETURN_IF_ERROR(file.WriteAt(at, buffer));
  }
  return absl::OkStatus();
}

// `promised`: it had been durable. `bad`: its payload is not what it was.
absl::Status Replay::Take(const PackScanner::Item& item, uint32_t pack, bool promised, bool bad) {
  if (!item.header.has_value()) {
    ReportGap(pack, item);
    return absl::OkStatus();
  }
  const Place at{pack, static_cast<uint32_t>(item.offset)};
  ASSIGN_OR_RETURN(auto applied, catalog_.Apply(*item.header, at));
  if (applied == Catalog::Applied::kIncomplete) {
    if (promised) return catalog_.Defer(*item.header, at);
    waiting_commits_.emplace_back(*item.header, at);
  }
  if (bad && applied == Catalog::Applied::kLive && item.header->kind == RecordKind::kBlob) {
    catalog_.MarkDamaged(
        {.id = item.header->id, .what = "its bytes have changed", .where = ToString(at)});
  }
  return absl::OkStatus();
}

// Compaction may have copied pieces behind their commit before one sync covered both: nothing in the
// pack tells then that the commit was durable, and it may have been acknowledged.
absl::Status Replay::TakeWaitingCommits() {
  for (const auto& [commit, at] : waiting_commits_) {
    ASSIGN_OR_RETURN(const auto applied, catalog_.Apply(commit, at));
    if (applied == Catalog::Applied::kIncomplete) catalog_.Garbage(commit.id, at.pack);
  }
  return absl::OkStatus();
}

absl::Status Replay::StepIfDue(Place position) {
  if (catalog_.held_back() < parts_.options.index_step) return absl::OkStatus();
  const base::KvBatch batch = catalog_.Freeze(parts_.file.store, position);
  const absl::Status status = catalog_.kv().Commit(batch);
  catalog_.Thaw(status.ok());
  return status;
}

void Replay::ReportGap(uint32_t pack, const PackScanner::Item& item) {
  parts_.observer.Report({.severity = base::Severity::kError,
                          .name = "blob.pack_damaged",
                          .message = "a part of a pack holds no record",
                          .fields = {{"pack", PackName(pack)},
                                     {"offset", absl::StrCat(item.offset)},
                                     {"bytes", absl::StrCat(item.bytes)}}});
}

}  // namespace

absl::StatusOr<Identity> LoadIdentity(const DiskBlobStore::Environment& environment) {
  base::Disk& disk = environment.disk;
  RETURN_IF_ERROR(disk.MakeDirs(kPackFolder));
  ASSIGN_OR_RETURN(const std::vector<uint32_t> packs, ListPacks(disk));
  ASSIGN_OR_RETURN(const auto remembered, ReadStoreFile(disk));
  ASSIGN_OR_RETURN(const auto written, ReadPackIdentity(disk, packs));
  if (written.has_value()) {
    const bool same = remembered.has_value() && remembered->store == written->store;
    if (!same) RETURN_IF_ERROR(WriteStoreFile(disk, *written));
    // Another one is remembered when taking note of a loss was interrupted.
    return Identity{.file = *written, .lost = remembered.has_value() && !same};
  }
  if (!packs.empty() && remembered.has_value()) return Identity{.file = *remembered, .lost = false};
  ASSIGN_OR_RETURN(const bool begun, IsOnlyBegun(disk, packs));
  if (!begun) {
    return base::Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED",
                       "no pack of the blob store has a readable header",
                       "Restore the file `store` of this folder from a copy.");
  }
  ASSIGN_OR_RETURN(const bool lost, IsLost(environment.index, remembered));
  // The folder of the packs is on the disk before the `store` file is: see IsLost.
  RETURN_IF_ERROR(disk.SyncDir(""));
  Identity identity{.file = {}, .lost = lost};
  if (remembered.has_value() && !lost) {
    identity.file = *remembered;
  } else {
    identity.file = {environment.entropy.Draw<base::StoreId>(),
                     environment.entropy.Draw<PackSalt>()};
  }
  const uint32_t first = packs.empty() ? 1 : packs.front();
  RETURN_IF_ERROR(CreatePack(disk, {.pack = first,
                                    .store = identity.file.store,
                                    .salt = identity.file.salt,
                                    .first_sequence = 1})
                      .status());
  RETURN_IF_ERROR(WriteStoreFile(disk, identity.file));
  return identity;
}

absl::StatusOr<Head> Recover(StoreParts& parts) { return Replay(parts).Run(); }

}  // namespace cairn::storage
