// Where the bytes of a put come from. Read in passes: the second must give what the first gave, or
// it is told apart.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cairn/base/bytes.h"

namespace cairn::client {

// One thread at a time.
class Source {
 public:
  virtual ~Source() = default;
  virtual uint64_t size() const = 0;
  virtual int64_t mtime_ms() const { return 0; }
  virtual std::string content_type() const { return ""; }
  // What a journal recognises the source by: path, size, times, inode. Empty: cannot be resumed by
  // another process.
  virtual std::string identity() const { return ""; }
  // Fills as much of `out` as there is at `offset`.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) = 0;
};

// NotFound (NO_SUCH_FILE), InvalidArgument (NOT_A_FILE), PermissionDenied; local errors carry the
// reason LOCAL_FILE.
absl::StatusOr<std::unique_ptr<Source>> OpenFileSource(const std::string& path);
std::unique_ptr<Source> MemorySource(base::Bytes bytes, std::string content_type = "");
// "text/html" for "a/b.html"; "" when unknown.
std::string ContentTypeOf(absl::string_view name);

}  // namespace cairn::client
