// Local files that appear under their name only complete: written beside it, synced, renamed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cairn/base/hash.h"
#include "cairn/base/id.h"
#include "cairn/storage/seal.h"

namespace cairn::client {

// Through a temporary file beside `path`; `fill` gets the sink. A failure leaves nothing behind. Modification time is
// set when `mtime_ms` is not 0. LOCAL_FILE, LOCAL_DISK_FULL.
absl::Status WriteFileWhole(const std::string& path, int64_t mtime_ms,
                            const std::function<absl::Status(const storage::ByteSink&)>& fill);

// The beginning of an object that is fetched for money: it stays beside `path` when the process ends before the rest
// is there, and the next one goes on from it. Locked while it is open. What it holds is trusted by nobody: whoever
// publishes compares `hash` first. One thread.
class PartFile {
 public:
  // Opens or creates it, and reads what is there. Null when another process fetches the same to the same place; longer
  // than `most`: begun anew.
  static absl::StatusOr<std::unique_ptr<PartFile>> Open(const std::string& path,
                                                        const base::ObjectId& object,
                                                        uint64_t most);
  ~PartFile();
  PartFile(const PartFile&) = delete;

  uint64_t size() const { return size_; }
  base::Digest hash() const { return base::Hasher(hasher_).Finish(); }  // of all that it holds
  absl::Status Append(base::ByteView bytes);
  absl::Status Clear();
  // Synced and renamed to its place; the object is of no use afterwards.
  absl::Status Publish(int64_t mtime_ms);

 private:
  PartFile(std::string path, std::string part, int fd)
      : path_(std::move(path)), part_(std::move(part)), fd_(fd) {}
  absl::Status ReadBack(uint64_t most);

  const std::string path_;
  const std::string part_;
  int fd_;
  bool locked_ = false;
  uint64_t size_ = 0;
  base::Hasher hasher_;
};

}  // namespace cairn::client
