// What the packs hold, as a fold over their records: the index.
//
// `Apply` takes one record at a time, from the running store as from a replay, and the outcome does
// not depend on where compaction has copied records to: of two records for one thing the higher
// sequence number wins, and of two copies of one record the later copy. A record that has lost is
// garbage, and a `garbage` entry remembers which pack still holds it, because a tombstone must
// outlive what it killed.
//
// Not thread-safe: the owner's lock covers it, shared for const calls. Errors are those of the
// key-value store.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "blob/index_table.h"
#include "blob/pack_format.h"
#include "blob/place_cache.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storage {

// Where a record begins.
struct Place {
  uint32_t pack = 0;
  uint32_t offset = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};
std::string ToString(const Place& place);  // "pack 00000007 at 4096"

class Catalog {
 public:
  // A record as the index knows it: of a small blob, a piece, a commit or a tombstone of either
  // kind.
  struct Entry {
    uint64_t sequence = 0;
    uint64_t size = 0;  // of the blob; of the payload for a piece
    Place place;
  };
  struct PackStats {
    uint64_t bytes = 0;  // size of the file
    uint64_t live = 0;   // bytes of records that count
    uint64_t garbage() const {
      return bytes < live + kPackHeaderBytes ? 0 : bytes - live - kPackHeaderBytes;
    }
  };
  enum class Applied {
    kLive,
    kGarbage,
    kIncomplete,  // a commit whose pieces are not all there; nothing has been noted
  };

  explicit Catalog(base::Kv& store) : table_(store) {}

  // Reads the index's own state. nullopt when there is none for this store: then Clear and replay
  // everything. Otherwise the place up to which the packs are in the index.
  absl::StatusOr<std::optional<Place>> Load(const base::StoreId& store);
  // Whether the index names any blob, whatever store it belongs to.
  absl::StatusOr<bool> ClaimsBlobs() const;
  absl::Status Clear();

  absl::StatusOr<Applied> Apply(const RecordHeader& header, Place at);

  // How a blob stands in the index, for many at once with one snapshot of it that was made under the owner's lock.
  enum class Standing {
    kUnknown,  // nothing is known of its id that concerns a small blob
    kSound,    // it need not be stored again
    kOther,
  };
  std::unique_ptr<base::KvSnapshot> Snapshot() const { return kv().Snapshot(); }
  absl::StatusOr<Standing> StandingOf(const base::ContentId& id,
                                      const base::KvSnapshot& snapshot) const;
  // The same as Apply for a small blob that was kUnknown when steps() was what it still is; it looks into nothing but
  // what is in memory.
  absl::StatusOr<Applied> ApplyUnknown(const RecordHeader& header, Place at);
  uint64_t steps() const { return table_.steps(); }

  // A commit that was kIncomplete in a replay, where compaction may have copied its pieces to later
  // packs: looked at again when everything is replayed. If pieces are missing then, the blob is
  // there, and damaged.
  absl::Status Defer(const RecordHeader& commit, Place at);
  absl::Status ResolveDeferred();

  absl::StatusOr<std::optional<Entry>> FindBlob(const base::ContentId& id) const;
  // `kind` is kChunk or kOutboard.
  absl::StatusOr<std::optional<Entry>> FindPiece(RecordKind kind, const base::ContentId& id,
                                                 uint32_t index) const;
  absl::StatusOr<std::optional<uint64_t>> FindPartial(
      const base::ContentId& id) const;  // its declared size
  absl::StatusOr<std::optional<DamagedBlob>> FindDamage(const base::ContentId& id) const;
  absl::StatusOr<std::vector<DamagedBlob>> Damage() const;  // all that is marked
  // Whether the record at `at` is the one the index means.
  absl::StatusOr<bool> IsLive(const RecordHeader& header, Place at) const;
  // Whether the index means the record at `at` but has other numbers for it than the record itself: the index is
  // damaged. Correct takes them from the record; what was counted by it was counted before the damage.
  absl::StatusOr<bool> IsMistaken(const RecordHeader& header, Place at) const;
  void Correct(const RecordHeader& header, Place at);
  absl::StatusOr<bool> HasGarbage(const base::ContentId& id) const;
  // A record with content that the index neither means nor has noted as garbage, of something it does not know at all:
  // the index is damaged. Packs that are about to go have no notes left.
  absl::StatusOr<bool> IsForgotten(const RecordHeader& header, uint32_t pack) const;
  absl::StatusOr<std::vector<BlobInfo>> List(const base::ContentId& after, size_t limit) const;
  absl::StatusOr<std::vector<PartialBlob>> Partials() const;
  // Blobs and partial blobs with a record that begins in [from, to) of a pack. Walks the whole
  // index.
  absl::StatusOr<std::set<base::ContentId>> FindInRegion(uint32_t pack, uint64_t from,
                                                         uint64_t to) const;

  // Tombstones and abandons that count, of which the record begins there.
  absl::StatusOr<std::vector<RecordHeader>> TombstonesInRegion(uint32_t pack, uint64_t from,
                                                               uint64_t to) const;

  // A sound small blob; told by whoever has looked it up, under the owner's lock.
  void Remember(const base::ContentId& id, const Entry& entry) const;
  // Without the owner's lock too. Only a hint: see place_cache.h.
  std::optional<PlaceCache::Hint> Hint(const base::ContentId& id) const { return hot_.Find(id); }

  void MarkDamaged(const DamagedBlob& damage);
  // The pack holds a record of this id that does not count.
  void Garbage(const base::ContentId& id, uint32_t pack);
  // The pack's garbage of this id is about to go; a tombstone that has nothing left to kill goes
  // too.
  absl::Status ForgetGarbage(const base::ContentId& id, uint32_t pack);
  absl::Status DropTombstones(const base::ContentId& id);

  // A doomed pack holds nothing that counts and is to be removed, at the next open at the latest.
  void Doom(uint32_t pack);
  absl::StatusOr<std::vector<uint32_t>> Doomed() const;
  void ErasePack(uint32_t pack);
  void NotePackBytes(uint32_t pack, uint64_t bytes);

  const std::map<uint32_t, PackStats>& packs() const { return packs_; }
  uint64_t next_sequence() const { return next_sequence_; }
  uint64_t blobs() const { return totals_.blobs; }
  uint64_t live_bytes() const { return totals_.live_bytes; }
  uint64_t damaged() const { return totals_.damaged; }
  uint64_t disk_bytes() const { return disk_bytes_; }  // without the owner's lock too

  size_t held_back() const { return table_.held_back(); }
  // The step to commit: all changes, and that the packs are in the index up to `position`.
  base::KvBatch Freeze(const base::StoreId& store, Place position);
  void Thaw(bool committed) { table_.Thaw(committed); }
  base::Kv& kv() const { return table_.store(); }

 private:
  struct Totals {
    uint64_t blobs = 0;
    uint64_t live_bytes = 0;
    uint64_t damaged = 0;
  };

  absl::StatusOr<Applied> ApplyBlob(const RecordHeader& header, Place at);
  absl::Status Accept(const RecordHeader& header, Place at, const std::optional<Entry>& old);
  absl::StatusOr<Applied> ApplyPiece(const RecordHeader& header, Place at);
  absl::StatusOr<Applied> ApplyTombstone(const RecordHeader& header, Place at);
  absl::Status KillBlob(const RecordHeader& tombstone);
  absl::Status KillPieces(const RecordHeader& tombstone);
  // `kind` is kTombstone or kAbandon.
  absl::StatusOr<std::optional<Entry>> FindTombstone(RecordKind kind,
                                                     const base::ContentId& id) const;
  absl::StatusOr<bool> IsDead(const RecordHeader& header) const;
  absl::StatusOr<bool> PiecesComplete(const RecordHeader& commit) const;
  absl::Status ReleasePieces(RecordKind kind, const base::ContentId& id, uint64_t below_sequence);
  absl::StatusOr<std::optional<Entry>> Find(absl::string_view key) const;
  static std::string KeyOf(const RecordHeader& header);  // empty: of a filler
  void Set(absl::string_view key, const Entry& entry);
  void Release(const base::ContentId& id, Place place, uint64_t record_bytes);
  void AddLive(uint32_t pack, int64_t bytes);
  absl::Status DropDamage(const base::ContentId& id);

  IndexTable table_;
  mutable PlaceCache hot_;
  std::map<uint32_t, PackStats> packs_;
  std::set<uint32_t> changed_packs_;
  Totals totals_;
  std::atomic<uint64_t> disk_bytes_ = 0;
  uint64_t next_sequence_ = 1;
};

}  // namespace cairn::storage
