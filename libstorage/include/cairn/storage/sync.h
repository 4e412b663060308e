// Sync: two listings in, an ordered list of actions out.
//
// The target shall have what the source has. Entries are equal when size and modification time (to
// the second) agree, or, with `checksum`, when size and content hash agree. A name cannot be a file
// and a folder at once ("a" and "a/b"): what stands in the way is deleted first when `delete_extra`
// allows it, and is a conflict otherwise. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/hash.h"

namespace cairn::storage {

struct SyncEntry {
  std::string name{};  // '/' separated, relative to the root that is synchronised
  uint64_t size = 0;
  int64_t mtime_ms = 0;
  std::optional<base::Digest> hash{};  // of the plaintext
};

struct SyncOptions {
  bool delete_extra = false;  // --delete: remove from the target what the source has not
  bool checksum = false;      // --checksum: compare content, not times
  bool protect_newer =
      false;  // a target entry with a later time is a conflict instead of being replaced
};

struct SyncAction {
  enum class Kind { kCopy, kDelete, kSkip, kConflict };
  Kind kind = Kind::kSkip;
  std::string name{};
  std::string reason;  // "new", "size differs", "content differs", "same", ...
  uint64_t size = 0;   // bytes to copy; 0 otherwise
  friend bool operator==(const SyncAction&, const SyncAction&) = default;
};

// Order: deletes that make room, then copies, skips and conflicts by name, then the other deletes.
// Inputs need not be sorted. InvalidArgument (reason BAD_LISTING) when a listing names something
// twice.
absl::StatusOr<std::vector<SyncAction>> PlanSync(std::vector<SyncEntry> source,
                                                 std::vector<SyncEntry> target,
                                                 const SyncOptions& options);

}  // namespace cairn::storage
