// The disk store put together from log, catalog and files. Sources: disk_store.cc (put, stat,
// delete, open), disk_batch.cc (many puts at once), disk_read.cc (reads), disk_writer.cc (blobs that
// arrive in order), disk_compact.cc, disk_scrub.cc, disk_mend.cc.
#pragma once

#include <memory>
#include <mutex>
#include <set>

#include "absl/container/flat_hash_set.h"
#include "blob/begun_chunks.h"
#include "blob/pack_log.h"
#include "blob/pack_scanner.h"

namespace cairn::storage {

class LogGroups;
class SmallBytes;

class DiskStore final : public DiskBlobStore {
 public:
  // What OpenAt has opened and the store keeps.
  struct Owned {
    std::unique_ptr<base::Disk> disk;
    std::unique_ptr<base::Kv> index;
  };

  static absl::StatusOr<std::unique_ptr<DiskBlobStore>> Open(const Environment& environment,
                                                             const DiskBlobStoreOptions& options,
                                                             Owned owned);
  DiskStore(Owned owned, std::unique_ptr<StoreParts> parts, std::unique_ptr<PackLog> log,
            bool lost);
  ~DiskStore() override;

  bool lost() const override { return lost_; }
  absl::Status Health() const override { return log_->Health(); }
  absl::Status Checkpoint() override { return log_->Checkpoint(); }
  base::StoreId store_id() const override { return parts_->file.store; }

  absl::StatusOr<Durable> Put(const base::ContentId& id, base::ByteView bytes) override;
  absl::StatusOr<Durable> PutMany(
      absl::Span<const std::pair<base::ContentId, base::ByteView>> blobs) override;
  absl::StatusOr<std::unique_ptr<BlobWriter>> Begin(const base::ContentId& id,
                                                    uint64_t size) override;
  absl::Status DropPartial(const base::ContentId& id) override;
  absl::StatusOr<std::vector<PartialBlob>> Partials() override;
  absl::StatusOr<Durable> Confirm(const base::ContentId& id) override;
  absl::StatusOr<BlobInfo> Stat(const base::ContentId& id) override;
  absl::Status ReadRange(const base::ContentId& id, base::ByteRange range,
                         const ByteSink& sink) override;
  absl::StatusOr<base::Bytes> Read(const base::ContentId& id, uint64_t max_bytes) override;
  absl::Status ReadSlice(const base::ContentId& id, base::ByteRange range,
                         const ByteSink& sink) override;
  absl::StatusOr<Durable> DeleteMany(absl::Span<const base::ContentId> ids) override;
  absl::StatusOr<std::vector<BlobInfo>> List(const base::ContentId& after, size_t limit) override;
  BlobUsage Usage() override;
  absl::StatusOr<uint64_t> Compact(uint64_t budget_bytes) override;
  absl::StatusOr<ScrubReport> Scrub(absl::string_view cursor, uint64_t budget_bytes) override;

 private:
  friend class DiskBlobWriter;
  class Batch;
  class VerifiedRead;

  // A blob that is whole and sound; otherwise NO_SUCH_BLOB or BLOB_DAMAGED.
  absl::StatusOr<Catalog::Entry> Locate(const base::ContentId& id) const;
  // Whether it need not be stored again.
  absl::StatusOr<bool> Has(const base::ContentId& id) const;
  absl::StatusOr<PackLog::GroupPtr> AddSmall(const base::ContentId& id, base::ByteView bytes);
  absl::StatusOr<PackLog::GroupPtr> AddPiece(RecordKind kind, const base::ContentId& id,
                                             uint64_t size, uint64_t offset, base::ByteView bytes);
  // Outboard and commit of a blob of which all chunks have been added and proven.
  absl::Status AddEnd(const base::ContentId& id, uint64_t size, base::ByteView outboard,
                      LogGroups& groups);
  absl::StatusOr<PackLog::GroupPtr> AddTombstone(RecordKind kind, const base::ContentId& id);
  absl::Status Drop(RecordKind kind, const base::ContentId& id);
  absl::StatusOr<bool> ClearTheWay(const base::ContentId& id, uint64_t size);
  absl::StatusOr<base::TreeBuilder> Resume(const base::ContentId& id, uint64_t size);
  // One chunk of a partial blob, checked against what was written.
  absl::StatusOr<base::Bytes> ReadChunk(const base::ContentId& id, uint32_t index, uint32_t bytes);
  absl::StatusOr<Durable> SyncGroup(const PackLog::GroupPtr& group);
  absl::StatusOr<Durable> SyncEverything();

  bool Claim(const base::ContentId& id);  // for one writer at a time
  void Release(const base::ContentId& id);

  // Bytes that are proven, of a blob that is small.
  bool ReadHot(const base::ContentId& id, uint64_t max_bytes, SmallBytes& out);
  absl::Status ReadSmall(const base::ContentId& id, Catalog::Entry entry, SmallBytes& out);
  // Remembers that the blob stored under this sequence number is damaged, and returns the error
  // that says so.
  absl::Status Damaged(const base::ContentId& id, uint64_t sequence, absl::string_view what,
                       absl::string_view where);
  // False: there is no such blob; it was deleted, replaced, or is not whole yet.
  absl::StatusOr<bool> MarkDamaged(const DamagedBlob& damage, std::optional<uint64_t> sequence);

  // A pack worth rewriting that has not been tried; 0: none.
  uint32_t ChooseVictim(const std::set<uint32_t>& tried);
  struct PackFile {
    uint32_t pack;
    std::shared_ptr<base::File> file;
    uint64_t bytes;    // what the file holds of what the index knows
    uint64_t claimed;  // what the index knows
  };
  absl::StatusOr<PackFile> OpenPack(uint32_t pack);
  absl::StatusOr<uint64_t> CopyLive(const PackFile& victim);
  absl::StatusOr<PackLog::GroupPtr> CopyRecord(const PackFile& victim,
                                               const PackScanner::Item& item,
                                               base::ByteView payload);
  absl::StatusOr<uint64_t> RemovePack(const PackFile& victim);

  // `report` may be null.
  absl::Status ScrubRecord(const PackFile& pack, const PackScanner::Item& item,
                           base::ByteView payload, ScrubReport* report);
  absl::StatusOr<bool> IsLiveOrFound(const RecordHeader& header, Place at);
  absl::StatusOr<bool> IsSound(const RecordHeader& header, base::ByteView payload);
  absl::Status ProveChunk(const RecordHeader& header, base::ByteView payload);
  struct Region {
    uint32_t pack;
    uint64_t from, to;
  };
  // Nothing in the region can be read as a record.
  absl::Status MendRegion(const Region& region, absl::string_view what, ScrubReport* report);
  // Writes the blob's records that begin in the region anew, from what the index knows of them. False: the blob does
  // not prove itself.
  absl::StatusOr<bool> Mend(const base::ContentId& id, const Region& region);
  absl::StatusOr<std::vector<std::pair<RecordHeader, Place>>> RecordsIn(
      const Region& region, const base::ContentId& id, const Catalog::Entry& blob) const;
  absl::Status MendTombstones(const Region& region);
  absl::Status MarkAndNote(const DamagedBlob& damage, ScrubReport* report);
  static void Note(const DamagedBlob& damage, ScrubReport* report);

  Owned owned_;
  std::unique_ptr<StoreParts> parts_;
  std::unique_ptr<PackLog> log_;
  const bool lost_;
  std::mutex claims_mutex_;
  absl::flat_hash_set<base::ContentId> claims_;
  BegunChunks begun_;
  std::mutex maintenance_mutex_;  // one compaction or scrub at a time
};

// What AddEnd takes of the room that was reserved.
uint64_t EndBytes(uint64_t outboard_bytes);

absl::Status HashMismatch(const base::ContentId& id);
absl::Status BlobBusy(const base::ContentId& id);

}  // namespace cairn::storage
