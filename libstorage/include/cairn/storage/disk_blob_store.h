// The blob store on a disk: append-only segment packs, and an index that can always be rebuilt from
// them.
//
// Records gather in memory; a leader of the callers who wait writes a group of them to the newest pack,
// and one of them syncs all that is written; then they are acknowledged. The index (key-value store) is
// brought up to date in durable steps behind that; opening replays the packs from the last step on, so
// the packs alone are the truth. Layout: libstorage/FORMATS.md. Memory: 16 MiB at most for groups, about
// 1 MiB for each open writer and 0.4 % of the size of the blob it writes, 16 MiB at most for what writers
// that broke off had begun, a bounded piece of the index, 64 bytes for each pack; nothing per blob.
#pragma once

#include <memory>
#include <string>

#include "cairn/base/disk.h"
#include "cairn/base/entropy.h"
#include "cairn/base/kv.h"
#include "cairn/base/observer.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storage {

struct DiskBlobStoreOptions {
  uint64_t quota_bytes = uint64_t{1} << 40;  // on the packs' bytes, headers and garbage included
  uint64_t reserve_bytes = uint64_t{256}
                           << 20;  // refuse new blobs when the disk would have less than this free
  uint64_t pack_bytes = uint64_t{256}
                        << 20;    // a pack is closed when it would grow beyond; at most 1 GiB
  size_t index_step = 8192;       // changes between two durable steps of the index
  uint32_t compact_percent = 50;  // packs with at least this much garbage are rewritten
};

class DiskBlobStore : public BlobStore {
 public:
  // What the store works on; all must outlive it. `disk` is its root: files `store` and
  // `packs/NNNNNNNN.pack`.
  struct Environment {
    base::Disk& disk;
    base::Kv& index;
    base::Entropy& entropy;
    base::Observer& observer;
  };

  // Opens, creating what is missing: replays the packs' tail into the index, all of them when the
  // index is empty.
  static absl::StatusOr<std::unique_ptr<DiskBlobStore>> Open(
      const Environment& environment, const DiskBlobStoreOptions& options = {});
  // The same below the folder `path`, with an LMDB index in its folder `index`. FailedPrecondition
  // (STORE_LOCKED) when another process has it open.
  static absl::StatusOr<std::unique_ptr<DiskBlobStore>> OpenAt(
      absl::string_view path, base::Entropy& entropy, base::Observer& observer,
      const DiskBlobStoreOptions& options = {});

  // The store had blobs and its packs are gone: it has a new store id, and the provider must report
  // the loss.
  virtual bool lost() const = 0;
  // OK, or why nothing can be written any more (Aborted, reason STORE_POISONED).
  virtual absl::Status Health() const = 0;
  // Brings the index up to date; the next open has nothing to replay. Also done by the destructor.
  virtual absl::Status Checkpoint() = 0;
};

}  // namespace cairn::storage
