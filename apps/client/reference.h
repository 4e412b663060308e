// References: how a user names what is stored. "cairn://bucket", "cairn://bucket/",
// "cairn://bucket/photos/2026/a.jpg", and "0-99" of what such a name stands for.
//
// A reference without a key stands for the bucket, one that ends in '/' for everything below a
// folder. Plain values.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cairn/base/blake3_tree.h"

namespace cairn::client {

inline constexpr absl::string_view kScheme = "cairn://";

struct Reference {
  std::string bucket;
  std::string key;  // empty: the bucket; may end in '/'

  std::string ToText() const;
  // No key, or a key that ends in '/': more than one object may be meant.
  bool folder() const { return key.empty() || key.back() == '/'; }
  // The object called `name` below this folder (or beside this key's last component when it is no
  // folder).
  Reference Child(absl::string_view name) const;
  friend bool operator==(const Reference&, const Reference&) = default;
};

// Does the text begin like a reference (whether or not the rest is sound)?
bool IsReference(absl::string_view text);
// InvalidArgument: BAD_REFERENCE (no scheme), BAD_BUCKET_NAME, BAD_NAME (a key that breaks the
// rules of names).
absl::StatusOr<Reference> ParseReference(absl::string_view text);
// 3 to 63 characters a-z 0-9 - ., beginning and ending with a letter or digit.
absl::Status CheckBucketName(absl::string_view name);

// "FIRST-LAST" or "FIRST-", bytes counted from 0, both included; "FIRST-" goes to the end of whatever
// it is taken of, as a LAST beyond the end does. InvalidArgument: BAD_RANGE (anything else, also a
// LAST below FIRST or a number beyond 64 bits).
absl::StatusOr<base::ByteRange> ParseByteRange(absl::string_view text);

// The last component of a path or key ("a/b.txt" -> "b.txt").
std::string BaseName(absl::string_view path);

}  // namespace cairn::client
