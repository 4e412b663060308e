// BLAKE3-256, the one hash of Cairn's own formats.
//
// Structures that are hashed or signed use a derive-key context of their own ("cairn v1 voucher"), so that bytes made
// for one purpose never pass for another. `Blake3` is the plain hash: what b3sum prints, and what a ContentId is.
#pragma once

#include <memory>

#include "cairn/base/bytes.h"

namespace cairn::base {

using Digest = FixedBytes<struct DigestTag, 32>;

Digest Blake3(ByteView bytes);
// digests[i] = Blake3(blobs[i]), several at a time: made for many blobs of at most 1 KiB. Equal lengths that stand
// together are hashed side by side. `digests` has one place for each blob.
void Blake3Many(absl::Span<const ByteView> blobs, absl::Span<Digest> digests);

// Streaming. Copyable (a copy continues on its own). One thread at a time.
class Hasher {
 public:
  Hasher();                                             // plain
  static Hasher DeriveKey(absl::string_view context);   // derive-key mode
  static Hasher Keyed(const Digest& key);
  Hasher(const Hasher&);
  Hasher& operator=(const Hasher&);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  Hasher& Update(ByteView bytes);
  Hasher& Update(absl::string_view text) { return Update(AsBytes(text)); }
  // A length-prefixed field (u64 length): what structures are made of.
  Hasher& Field(ByteView bytes);
  Hasher& Field(absl::string_view text) { return Field(AsBytes(text)); }
  Hasher& Field(uint64_t number);                       // 8 bytes, little endian, no prefix
  Digest Finish() const;
  void FinishXof(MutableByteView out) const;            // any length; equal prefixes for equal input

 private:
  struct State;
  explicit Hasher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::base
