// Where a provider keeps blobs: immutable bytes under the hash that names them.
//
// Promises of every implementation (tests/conformance/blob_store_suite.h holds them to it):
//   * Acknowledged means durable: only a store makes a `Durable`, after the sync of the bytes.
//   * Bytes are proven against their id before they are handed out: a flipped bit is never served.
//   * A blob is there whole or not at all; Put and Delete are idempotent.
//
//   ASSIGN_OR_RETURN(Durable proof, store.Put(id, bytes));  // a receipt may be signed now
//   RETURN_IF_ERROR(store.ReadRange(id, {0, 4096}, [&](base::ByteView b) { return Send(b); }));
//
// Thread-safe: any number of readers and writers at once; concurrent commits share one sync. A
// BlobWriter belongs to one thread at a time. Calls block on the disk.
//
// Reasons (base::ReasonOf): NO_SUCH_BLOB, BLOB_EXISTS, BLOB_BUSY (another writer has the id: try
// again), BLOB_DAMAGED, HASH_MISMATCH, SIZE_MISMATCH, QUOTA_EXCEEDED, DISK_FULL, STORE_POISONED (a
// sync failed: reopen the store), BLOB_TOO_LARGE.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/bytes.h"
#include "cairn/base/id.h"

namespace cairn::storage {

inline constexpr uint64_t kMaxBlobBytes = uint64_t{1} << 36;  // 64 GiB
inline constexpr size_t kMaxPutMany = 4096;                   // blobs in one PutMany or DeleteMany

// Proof that something was made durable. Receipts are signed from one, so that none can be signed
// too early.
class Durable {
 private:
  friend class BlobStore;
  Durable() = default;
};

struct BlobInfo {
  base::ContentId id;
  uint64_t size = 0;
  friend bool operator==(const BlobInfo&, const BlobInfo&) = default;
};

// A blob of which the first `held` bytes have arrived, and nobody has committed it.
struct PartialBlob {
  base::ContentId id;
  uint64_t size = 0;
  uint64_t held = 0;
};

struct BlobUsage {
  uint64_t blobs = 0;              // whole blobs, damaged ones included
  uint64_t live_bytes = 0;         // their sizes added up
  uint64_t disk_bytes = 0;         // what the store's data files take on the disk
  uint64_t reclaimable_bytes = 0;  // of these, what Compact could free
  uint64_t quota_bytes = 0;        // limit on disk_bytes
  uint64_t damaged = 0;            // blobs known to be damaged
};

struct DamagedBlob {
  base::ContentId id;
  std::string what;   // "payload does not match its id"
  std::string where;  // "pack 00000007 at 4096"
};

struct ScrubReport {
  std::string next_cursor;     // where the next call goes on; empty when finished
  bool finished = false;       // everything has been looked at since the empty cursor
  uint64_t checked_blobs = 0;  // records of blobs: a large blob counts once for each pack piece
  uint64_t checked_bytes = 0;
  std::vector<DamagedBlob> mended;   // records that could not be read, written anew: the blobs are sound
  std::vector<DamagedBlob> damaged;  // found by this call; by the one that finishes, all that is still marked
};

// Receives bytes in order; an error ends the read and is returned by it.
using ByteSink = std::function<absl::Status(base::ByteView)>;

// One blob arriving in order. Destroyed without Commit (and without an error), what was appended
// stays for a later Begin of the same id and size, until DropPartial; a store that is reopened, or
// that many writers have left since, still has a prefix of it.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Bytes held so far: where the sender goes on. After a restart it may be less than was appended.
  virtual uint64_t offset() const = 0;
  // InvalidArgument (SIZE_MISMATCH) beyond the declared size. An error leaves the writer useless
  // but for destruction.
  virtual absl::Status Append(base::ByteView bytes) = 0;
  // Once, after the last byte. InvalidArgument (SIZE_MISMATCH) when bytes are missing; DataLoss
  // (HASH_MISMATCH) when they are not the blob of this id, and then all of them are dropped.
  virtual absl::StatusOr<Durable> Commit() = 0;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // Drawn when the store was created empty; goes into every receipt.
  virtual base::StoreId store_id() const = 0;

  // The whole blob at once. DataLoss (HASH_MISMATCH) unless the bytes hash to `id`.
  virtual absl::StatusOr<Durable> Put(const base::ContentId& id, base::ByteView bytes) = 0;
  // One sync for all. All are verified before anything is stored; at most kMaxPutMany. A failure on
  // the way (quota, disk full) may leave some of them stored; the call can be repeated.
  virtual absl::StatusOr<Durable> PutMany(
      absl::Span<const std::pair<base::ContentId, base::ByteView>> blobs) = 0;
  // Room for the whole size is reserved until the writer goes. AlreadyExists (BLOB_EXISTS) when the
  // blob is there and sound; a damaged one is dropped first. A partial blob of another size is
  // dropped too.
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> Begin(const base::ContentId& id,
                                                            uint64_t size) = 0;
  virtual absl::Status DropPartial(const base::ContentId& id) = 0;  // OK when there is none
  virtual absl::StatusOr<std::vector<PartialBlob>> Partials() = 0;

  // Proof for a blob that is there already, as after BLOB_EXISTS. Errors as Stat.
  virtual absl::StatusOr<Durable> Confirm(const base::ContentId& id) = 0;
  // NotFound (NO_SUCH_BLOB); DataLoss (BLOB_DAMAGED) when it is known to be damaged.
  virtual absl::StatusOr<BlobInfo> Stat(const base::ContentId& id) = 0;
  // The bytes of the range, clipped to the blob, in pieces of at most 1 MiB; each piece is proven
  // before the sink sees it. DataLoss (BLOB_DAMAGED) names the blob and the place, and the blob
  // stays marked.
  virtual absl::Status ReadRange(const base::ContentId& id, base::ByteRange range,
                                 const ByteSink& sink) = 0;
  // A verified slice of the range (base/blake3_tree.h) for a base::SliceDecoder at the receiver.
  virtual absl::Status ReadSlice(const base::ContentId& id, base::ByteRange range,
                                 const ByteSink& sink) = 0;
  // All of it. ResourceExhausted (BLOB_TOO_LARGE) above `max_bytes`.
  virtual absl::StatusOr<base::Bytes> Read(const base::ContentId& id, uint64_t max_bytes);

  // Gone for good when it returns. OK when it was not there. Deletes are accepted beyond the quota
  // and on a full disk as long as the disk takes another hundred bytes.
  virtual absl::StatusOr<Durable> Delete(const base::ContentId& id);
  virtual absl::StatusOr<Durable> DeleteMany(absl::Span<const base::ContentId> ids) = 0;

  // Up to `limit` blobs with an id above `after`, in id order; start with the zero id, which is
  // never listed.
  virtual absl::StatusOr<std::vector<BlobInfo>> List(const base::ContentId& after,
                                                     size_t limit) = 0;
  virtual BlobUsage Usage() = 0;

  // Frees space of deleted blobs, rewriting at most about `budget_bytes`. Returns the bytes freed
  // on the disk.
  virtual absl::StatusOr<uint64_t> Compact(uint64_t budget_bytes) = 0;
  // Reads and proves about `budget_bytes` from `cursor` on (empty: from the start). Damaged blobs
  // stay marked until they are deleted or stored again; a record that cannot be read, of a blob that
  // proves itself all the same, is written anew.
  virtual absl::StatusOr<ScrubReport> Scrub(absl::string_view cursor, uint64_t budget_bytes) = 0;

 protected:
  // For implementations: only after the sync.
  static Durable MadeDurable() { return Durable(); }
};

}  // namespace cairn::storage
