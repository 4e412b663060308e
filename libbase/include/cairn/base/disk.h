// Files as a parameter: the one door from the libraries to a file system.
//
// Semantics are those of a crash-prone POSIX file system, and SimDisk enforces them: written bytes survive a crash only
// after `Sync`; a created, renamed or removed name survives only after `SyncDir` of its folder. A failed Sync poisons
// the file: every later Sync fails too, because the kernel may have dropped the dirty pages.
// Paths are relative to the disk's root, '/' separated, without empty, "." or ".." parts (InvalidArgument, reason
// BAD_PATH); where a folder is meant, "" is the root. A rename is one change and belongs to the folder of the new
// name. Thread-safe; several threads may use one File at once, for WriteAt as long as their ranges do not overlap.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/base/bytes.h"

namespace cairn::base {

inline constexpr size_t kBlockBytes = 4096;

class File {
 public:
  virtual ~File() = default;
  // Reads up to out.size() bytes; fewer only at the end of the file. Returns the count.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, MutableByteView out) = 0;
  // Many whole blocks (kBlockBytes) from memory aligned to them are written fastest: a POSIX disk does not copy them
  // into the page cache.
  virtual absl::Status WriteAt(uint64_t offset, ByteView bytes) = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
  virtual absl::Status Sync() = 0;  // data and size (fdatasync)
  // Frees the disk blocks of a range that is not needed any more; it reads as zeros. Best effort.
  virtual absl::Status PunchHole(uint64_t offset, uint64_t length) = 0;
};

enum class OpenMode { kRead, kReadWrite, kCreate /* or open existing */, kCreateNew /* AlreadyExists if there */ };

struct DiskSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  // NotFound when there is no such file, Unavailable (reason TOO_MANY_FILES) when the process or the machine has too
  // many open. ResourceExhausted (reason DISK_FULL) whenever space runs out, here and below.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(absl::string_view path, OpenMode mode) = 0;
  virtual absl::Status MakeDirs(absl::string_view path) = 0;  // with its parents; fine when it is there
  virtual absl::Status Rename(absl::string_view from, absl::string_view to) = 0;  // replaces a file named `to`
  virtual absl::Status Remove(absl::string_view path) = 0;                        // a file or an empty folder
  virtual absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) = 0;  // names, sorted
  virtual absl::StatusOr<bool> Exists(absl::string_view path) = 0;
  virtual absl::Status SyncDir(absl::string_view folder) = 0;
  virtual absl::StatusOr<DiskSpace> Space() = 0;
};

// Below `root`, which must exist.
std::unique_ptr<Disk> OpenPosixDisk(absl::string_view root);

// In memory, with the power switch and the faults in the test's hands.
class SimDisk final : public Disk {
 public:
  explicit SimDisk(uint64_t capacity_bytes = uint64_t{1} << 40);
  ~SimDisk() override;

  // Everything that was not made durable may be gone: for each unsynced write and name change, in the order in which
  // they were made, `keep(index)` decides. A write is torn at every multiple of 4,096 bytes into pieces of their own.
  // What a failed Sync covered stays unsynced for good, and is lost once newer changes of the file were synced. Open
  // files are dead afterwards (every call fails with Aborted).
  void Crash(const std::function<bool(size_t index)>& keep);
  // How many changes a crash would ask about now.
  size_t unsynced_count() const;
  // The next calls of a kind fail with this status after `after` more successes. Clear with OkStatus.
  enum class Op { kRead, kWrite, kSync, kOpen, kRename, kRemove, kSyncDir };
  void FailAfter(Op op, uint64_t after, absl::Status status);
  // Flips bits of a stored byte, as rot does.
  absl::Status Corrupt(absl::string_view path, uint64_t offset, uint8_t mask);
  uint64_t sync_count() const;  // successful calls of Sync and SyncDir

  absl::StatusOr<std::unique_ptr<File>> Open(absl::string_view path, OpenMode mode) override;
  absl::Status MakeDirs(absl::string_view path) override;
  absl::Status Rename(absl::string_view from, absl::string_view to) override;
  absl::Status Remove(absl::string_view path) override;
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override;
  absl::StatusOr<bool> Exists(absl::string_view path) override;
  absl::Status SyncDir(absl::string_view folder) override;
  absl::StatusOr<DiskSpace> Space() override;

  struct State;  // shared with the open files

 private:
  std::shared_ptr<State> state_;
};

}  // namespace cairn::base
