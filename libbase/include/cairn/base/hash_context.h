// A derive-key context whose key is worked out once: for many short structures of one kind.
#pragma once

#include <array>

#include "cairn/base/hash.h"

namespace cairn::base {

// Immutable: any number of threads.
class HashContext {
 public:
  explicit HashContext(absl::string_view context);
  // Hasher::DeriveKey(context).Update(bytes).Finish(); 1 byte to 1 KiB.
  Digest Hash(ByteView bytes) const;
  // digests[i] = Hash(blobs[i]), several at a time as in Blake3Many.
  void HashMany(absl::Span<const ByteView> blobs, absl::Span<Digest> digests) const;

 private:
  std::array<uint32_t, 8> key_;
};

}  // namespace cairn::base
