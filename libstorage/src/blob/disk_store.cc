#include "blob/disk_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "blob/disk_batch.h"
#include "blob/recovery.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

absl::Status CheckOptions(const DiskBlobStoreOptions& options) {
  const bool sound = options.pack_bytes >= kPackHeaderBytes &&
                     options.pack_bytes <= kMaxPackBytes && options.index_step > 0 &&
                     options.compact_percent > 0 && options.compact_percent <= 100;
  if (sound) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_OPTIONS",
                     absl::StrCat("pack_bytes is at most ", kMaxPackBytes,
                                  ", index_step positive, compact_percent 1 to 100"));
}

absl::Status NoSuchBlob(const base::ContentId& id) {
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_BLOB",
                     absl::StrCat("there is no blob ", id.ToText()));
}

absl::Status CheckMany(size_t count) {
  if (count <= kMaxPutMany) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, "TOO_MANY_BLOBS",
                     absl::StrCat(count, " blobs at once, at most ", kMaxPutMany, " are allowed"));
}

}  // namespace

absl::Status HashMismatch(const base::ContentId& id) {
  return base::Error(absl::StatusCode::kDataLoss, "HASH_MISMATCH",
                     absl::StrCat("the bytes are not those of ", id.ToText()),
                     "Send the blob again.", {{"blob", id.ToText()}});
}

absl::Status BlobBusy(const base::ContentId& id) {
  return base::Error(absl::StatusCode::kUnavailable, "BLOB_BUSY",
                     absl::StrCat("blob ", id.ToText(), " is being written by another caller"),
                     "Try again shortly.");
}

absl::StatusOr<std::unique_ptr<DiskBlobStore>> DiskBlobStore::Open(
    const Environment& environment, const DiskBlobStoreOptions& options) {
  return DiskStore::Open(environment, options, {});
}

absl::StatusOr<std::unique_ptr<DiskBlobStore>> DiskBlobStore::OpenAt(
    absl::string_view path, base::Entropy& entropy, base::Observer& observer,
    const DiskBlobStoreOptions& options) {
  DiskStore::Owned owned{.disk = base::OpenPosixDisk(path), .index = nullptr};
  const std::string folder = absl::StrCat(path, "/index");
  absl::StatusOr<std::unique_ptr<base::Kv>> index = base::OpenLmdb(folder);
  if (absl::IsDataLoss(index.status())) {
    // Nothing is in the index that the packs do not know.
    ASSIGN_OR_RETURN(std::vector<std::string> names, owned.disk->List("index"));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(owned.disk->Remove(absl::StrCat("index/", name)));
    }
    index = base::OpenLmdb(folder);
  }
  RETURN_IF_ERROR(index.status());
  owned.index = *std::move(index);
  const Environment environment{*owned.disk, *owned.index, entropy, observer};
  return DiskStore::Open(environment, options, std::move(owned));
}

absl::StatusOr<std::unique_ptr<DiskBlobStore>> DiskStore::Open(const Environment& environment,
                                                               const DiskBlobStoreOptions& options,
                                                               Owned owned) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const Identity identity, LoadIdentity(environment));
  auto parts = std::make_unique<StoreParts>(environment, options, identity.file);
  ASSIGN_OR_RETURN(Head head, Recover(*parts));
  parts->files.Adopt(head.pack, head.file);
  auto log = std::make_unique<PackLog>(*parts, head.pack, head.file, head.size,
                                       parts->catalog.next_sequence());
  if (parts->catalog.held_back() > 0) {
    const absl::Status stepped = log->Checkpoint();
    // On a full disk the packs can tell it all once more, and deletes are what makes room.
    if (!stepped.ok() && !absl::IsResourceExhausted(stepped)) return stepped;
  }
  if (identity.lost) {
    environment.observer.Report({.severity = base::Severity::kError,
                                 .name = "blob.store_lost",
                                 .message = "the packs of this blob store are gone",
                                 .fields = {{"store", identity.file.store.ToHexString()}}});
  }
  return std::make_unique<DiskStore>(std::move(owned), std::move(parts), std::move(log),
                                     identity.lost);
}

DiskStore::DiskStore(Owned owned, std::unique_ptr<StoreParts> parts, std::unique_ptr<PackLog> log,
                     bool lost)
    : owned_(std::move(owned)), parts_(std::move(parts)), log_(std::move(log)), lost_(lost) {}

DiskStore::~DiskStore() {
  (void)log_->Checkpoint();
}  // what it cannot write, the next open replays

absl::StatusOr<Catalog::Entry> DiskStore::Locate(const base::ContentId& id) const {
  std::shared_lock lock(parts_->mutex);
  ASSIGN_OR_RETURN(auto entry, parts_->catalog.FindBlob(id));
  if (!entry.has_value()) return NoSuchBlob(id);
  ASSIGN_OR_RETURN(auto damage, parts_->catalog.FindDamage(id));
  if (!damage.has_value()) {
    parts_->catalog.Remember(id, *entry);
    return *entry;
  }
  return base::Error(
      absl::StatusCode::kDataLoss, "BLOB_DAMAGED",
      absl::StrCat("blob ", id.ToText(), " is damaged: ", damage->what, " (", damage->where, ")"),
      "Store it again from another copy.",
      {{"blob", id.ToText()}, {"what", damage->what}, {"where", damage->where}});
}

absl::StatusOr<bool> DiskStore::Has(const base::ContentId& id) const {
  std::shared_lock lock(parts_->mutex);
  ASSIGN_OR_RETURN(auto entry, parts_->catalog.FindBlob(id));
  if (!entry.has_value() || parts_->catalog.damaged() == 0) return entry.has_value();
  ASSIGN_OR_RETURN(auto damage, parts_->catalog.FindDamage(id));
  return !damage.has_value();
}

absl::StatusOr<Durable> DiskStore::SyncGroup(const PackLog::GroupPtr& group) {
  RETURN_IF_ERROR(log_->WaitDurable(group));
  log_->CheckpointIfDue();
  return MadeDurable();
}

absl::StatusOr<Durable> DiskStore::SyncEverything() {
  RETURN_IF_ERROR(log_->SyncAll());
  return MadeDurable();
}

absl::StatusOr<Durable> DiskStore::Put(const base::ContentId& id, base::ByteView bytes) {
  if (!IsSmall(bytes.size())) {
    const std::pair<base::ContentId, base::ByteView> blob(id, bytes);
    return PutMany(absl::MakeConstSpan(&blob, 1));
  }
  if (base::ContentId::Of(bytes) != id) return HashMismatch(id);
  ASSIGN_OR_RETURN(const PackLog::GroupPtr group, AddSmall(id, bytes));
  return group == nullptr ? SyncEverything() : SyncGroup(group);
}

absl::StatusOr<Durable> DiskStore::PutMany(
    absl::Span<const std::pair<base::ContentId, base::ByteView>> blobs) {
  RETURN_IF_ERROR(CheckMany(blobs.size()));
  std::vector<base::Bytes> outboards(blobs.size());
  for (size_t i = 0; i < blobs.size(); ++i) {
    const auto& [id, bytes] = blobs[i];
    base::Digest root;
    if (IsSmall(bytes.size())) {
      root = base::Blake3(bytes);
    } else {
      base::TreeBuilder tree;
      tree.Update(bytes);
      base::TreeBuilder::Result result = std::move(tree).Finish();
      root = result.root;
      outboards[i] = std::move(result.outboard);
    }
    if (root != id.digest) return HashMismatch(id);
  }
  Batch batch(*this);
  for (size_t i = 0; i < blobs.size(); ++i) {
    const auto& [id, bytes] = blobs[i];
    RETURN_IF_ERROR(batch.Put(id, bytes, outboards[i]));
  }
  return batch.Finish();
}

// Null: it is here already, and there is no room to find that out on the way.
// Needs no claim on the id: of two records of one small blob either will do.
absl::StatusOr<PackLog::GroupPtr> DiskStore::AddSmall(const base::ContentId& id,
                                                      base::ByteView bytes) {
  RecordHeader header;
  header.kind = RecordKind::kBlob;
  header.id = id;
  header.size = bytes.size();
  header.length = static_cast<uint32_t>(bytes.size());
  absl::StatusOr<PackLog::GroupPtr> group =
      log_->Add(header, bytes, PackLog::Room::kChecked, PackLog::Keep::kUnlessKnown);
  if (!absl::IsResourceExhausted(group.status())) return group;
  ASSIGN_OR_RETURN(const bool has, Has(id));
  return has ? PackLog::GroupPtr() : group;
}

absl::StatusOr<PackLog::GroupPtr> DiskStore::AddPiece(RecordKind kind, const base::ContentId& id,
                                                      uint64_t size, uint64_t offset,
                                                      base::ByteView bytes) {
  RecordHeader header;
  header.kind = kind;
  header.id = id;
  header.size = size;
  header.offset = offset;
  header.length = static_cast<uint32_t>(bytes.size());
  return log_->Add(header, bytes, PackLog::Room::kReserved);
}

absl::StatusOr<PackLog::GroupPtr> DiskStore::AddTombstone(RecordKind kind,
                                                          const base::ContentId& id) {
  RecordHeader header;
  header.kind = kind;
  header.id = id;
  return log_->Add(header, {}, PackLog::Room::kFree);
}

bool DiskStore::Claim(const base::ContentId& id) {
  std::lock_guard lock(claims_mutex_);
  return claims_.insert(id).second;
}

void DiskStore::Release(const base::ContentId& id) {
  std::lock_guard lock(claims_mutex_);
  claims_.erase(id);
}

absl::StatusOr<Durable> DiskStore::Confirm(const base::ContentId& id) {
  // Found in the catalog it is written, perhaps by another caller, and not yet synced.
  RETURN_IF_ERROR(Locate(id).status());
  return SyncEverything();
}

absl::StatusOr<BlobInfo> DiskStore::Stat(const base::ContentId& id) {
  ASSIGN_OR_RETURN(Catalog::Entry entry, Locate(id));
  return BlobInfo{id, entry.size};
}

absl::StatusOr<Durable> DiskStore::DeleteMany(absl::Span<const base::ContentId> ids) {
  RETURN_IF_ERROR(CheckMany(ids.size()));
  PackLog::GroupPtr group;
  for (const base::ContentId& id : ids) {
    const absl::StatusOr<Catalog::Entry> entry = Locate(id);
    if (absl::IsNotFound(entry.status())) continue;
    // Damage is no reason to keep a blob.
    if (!absl::IsDataLoss(entry.status())) RETURN_IF_ERROR(entry.status());
    ASSIGN_OR_RETURN(group, AddTombstone(RecordKind::kTombstone, id));
  }
  return group == nullptr ? SyncEverything() : SyncGroup(group);
}

absl::StatusOr<std::vector<BlobInfo>> DiskStore::List(const base::ContentId& after, size_t limit) {
  std::shared_lock lock(parts_->mutex);
  return parts_->catalog.List(after, limit);
}

BlobUsage DiskStore::Usage() {
  std::shared_lock lock(parts_->mutex);
  const Catalog& catalog = parts_->catalog;
  BlobUsage usage{.blobs = catalog.blobs(),
                  .live_bytes = catalog.live_bytes(),
                  .disk_bytes = catalog.disk_bytes(),
                  .reclaimable_bytes = 0,
                  .quota_bytes = parts_->options.quota_bytes,
                  .damaged = catalog.damaged()};
  for (const auto& [pack, stats] : catalog.packs()) usage.reclaimable_bytes += stats.garbage();
  return usage;
}

}  // namespace cairn::storage
