// An ordered key-value store with snapshots and one durable write at a time.
//
// Keys are at most 511 bytes and not empty; values at most 16 MiB. A write is a `Batch` applied whole: after Commit
// returned OK it is durable (unless `durable` is false), after a crash either all or nothing of it is there. Reads see
// one snapshot. Implementations: LMDB on disk, and memory; tests/conformance holds both to the same suite.
// Thread-safe: any number of snapshots beside one committing thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cairn/base/bytes.h"
#include "cairn/base/disk.h"

namespace cairn::base {

inline constexpr size_t kMaxKvKeyBytes = 511;
inline constexpr size_t kMaxKvValueBytes = 16 << 20;

// Ordered changes; the last one to a key counts.
class KvBatch {
 public:
  void Put(absl::string_view key, absl::string_view value) { changes_.emplace_back(key, std::string(value)); }
  void Delete(absl::string_view key) { changes_.emplace_back(std::string(key), std::nullopt); }
  const std::vector<std::pair<std::string, std::optional<std::string>>>& changes() const { return changes_; }
  bool empty() const { return changes_.empty(); }
  void Clear() { changes_.clear(); }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> changes_;
};

// In key order (bytes, unsigned). Starts invalid; stepping over either end makes it invalid until the next seek. Valid
// as long as its snapshot.
class KvCursor {
 public:
  virtual ~KvCursor() = default;
  virtual void Seek(absl::string_view key) = 0;   // first key >= `key`
  virtual void SeekBefore(absl::string_view key) = 0;  // last key < `key`
  virtual bool Valid() const = 0;
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual absl::string_view key() const = 0;      // until the cursor moves
  virtual absl::string_view value() const = 0;
  // Not OK when the cursor became invalid because the store cannot be read, not because the keys ended.
  virtual absl::Status status() const { return absl::OkStatus(); }
};

// A consistent view. Keep it short-lived: old pages cannot be reused while it lives. One thread at a time.
class KvSnapshot {
 public:
  virtual ~KvSnapshot() = default;
  // nullopt when absent. The view is valid as long as the snapshot.
  virtual absl::StatusOr<std::optional<absl::string_view>> Get(absl::string_view key) const = 0;
  virtual std::unique_ptr<KvCursor> NewCursor() const = 0;
};

class Kv {
 public:
  virtual ~Kv() = default;
  virtual std::unique_ptr<KvSnapshot> Snapshot() const = 0;
  // InvalidArgument when a key or value is outside the limits. ResourceExhausted (reason DISK_FULL or MAP_FULL) leaves
  // the store as it was. After an I/O error (reason IO_ERROR), and on a full disk when an earlier commit was not
  // `durable` and nothing has synced it since, every later commit fails with Aborted (reason
  // STORE_FAILED): reopen. Without `durable` the commit costs one flush less and a crash may undo it, and every commit
  // after it that was not durable either; order and atomicity hold all the same.
  virtual absl::Status Commit(const KvBatch& batch, bool durable = true) = 0;
  // Makes everything committed so far durable.
  virtual absl::Status Sync() = 0;
  virtual absl::StatusOr<uint64_t> EntryCount() const = 0;
};

std::unique_ptr<Kv> NewMemoryKv();

inline constexpr uint64_t kKvJournalBytes = 1 << 20;

// A store in front of `below` whose durable commits cost one sync of a file that does not grow: for many small commits.
// A commit is appended to a journal (`path` on `disk`, of `bytes`, made when it is not there) and kept in memory; when
// the journal is full, `below` takes all of it in one durable commit, during which Snapshot waits. A commit that the
// journal cannot hold goes to `below` at once. Whoever opens `below` afterwards must open it with the journal: a store
// that had one and has none is DataLoss (reason STORE_DAMAGED), as is a broken record that was durable. One key of
// `below` is the journal's own: it is not seen through the store and refused in a batch (InvalidArgument, reason
// RESERVED_KEY).
absl::StatusOr<std::unique_ptr<Kv>> OpenJournaledKv(std::shared_ptr<Kv> below, std::shared_ptr<Disk> disk,
                                                    absl::string_view path, uint64_t bytes = kKvJournalBytes);

struct LmdbOptions {
  uint64_t map_bytes = uint64_t{64} << 30;  // address space, not disk
  bool create = true;
  // Above 0: behind a journal in the same folder. A store that has one is opened with it in any case.
  uint64_t journal_bytes = 0;
};
// `folder` must exist (or its parent, when `create`). FailedPrecondition (reason STORE_LOCKED) when another process
// has it open for writing.
absl::StatusOr<std::unique_ptr<Kv>> OpenLmdb(absl::string_view folder, const LmdbOptions& options = {});

}  // namespace cairn::base
