// Sealing: what turns a private object's plaintext into the stored bytes that leave the client.
//
// Stored bytes = a 64-byte header, then frames: up to 64 KiB of plaintext under AES-256-GCM, each
// with its 16-byte tag; only the last may be shorter. The key is fresh and random for each version;
// the nonce is the frame's index; the associated data are index, final flag and key id, so frames
// cannot be moved, dropped or cut off. The header commits to the key. An empty plaintext is stored
// as no bytes at all. Layout table: libstorage/FORMATS.md.
//
// One key seals one plaintext. Sealing other bytes under a key already used gives the key away: a
// second pass over a source goes through ObjectEncoder with the tags of the first (encode.h), which
// stops before such bytes leave.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/base/aead.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/secret.h"

namespace cairn::storage {

using VersionKey = base::Secret<32>;
// Names a version key without telling it: the first 16 bytes of a hash of the key.
using KeyId = base::FixedBytes<struct KeyIdTag, 16>;
KeyId KeyIdOf(const VersionKey& key);

inline constexpr size_t kSealHeaderBytes = 64;
inline constexpr uint64_t kFrameBytes = 64 * 1024;  // plaintext of a full frame
inline constexpr uint64_t kSealedFrameBytes = kFrameBytes + base::kAeadTagBytes;

// Stored bytes of a sealed object; 0 for 0.
uint64_t SealedSize(uint64_t plaintext_size);
// The inverse. InvalidArgument (reason BAD_SEALED_SIZE) for a size that no plaintext has.
absl::StatusOr<uint64_t> UnsealedSize(uint64_t stored_size);
// Frames of a plaintext; 0 for 0.
uint64_t FrameCount(uint64_t plaintext_size);
// The stored range to read for a plaintext range (clipped to the object): whole frames, and the
// header when frame 0 is among them. Empty for an empty range.
base::ByteRange SealedRange(base::ByteRange plaintext, uint64_t plaintext_size);

// Do these first bytes of an object (at least 16) begin a seal header that this library writes? Needs no key: what a
// holder checks before it keeps a private object.
inline constexpr size_t kSealMarkBytes = 16;
bool LooksSealed(base::ByteView first_bytes);

// Seals frames, each on its own, into the caller's memory. Thread-safe.
class Sealer {
 public:
  explicit Sealer(const VersionKey& key);
  const KeyId& key_id() const { return key_id_; }
  // `out` has kSealHeaderBytes bytes.
  void WriteHeader(base::MutableByteView out) const;
  // `out` has plaintext.size() + 16 bytes and may be the memory of `plaintext`. 1 to 64 KiB; less
  // than 64 KiB only when `final`.
  void SealFrame(uint64_t index, bool final, base::ByteView plaintext,
                 base::MutableByteView out) const;

 private:
  KeyId key_id_;
  base::Digest commitment_;
  base::Aead aead_;
};

// Opens frames in any order. Thread-safe.
class Opener {
 public:
  // PermissionDenied (reason WRONG_KEY) unless `key` is the one that `key_id` names. DataLoss when
  // `stored_size` is no sealed size.
  static absl::StatusOr<Opener> Create(const VersionKey& key, const KeyId& key_id,
                                       uint64_t stored_size);

  uint64_t plaintext_size() const { return plaintext_size_; }
  uint64_t frame_count() const { return FrameCount(plaintext_size_); }
  // Plaintext bytes of a frame; stored, it has 16 more and begins at kSealHeaderBytes + index *
  // kSealedFrameBytes.
  uint64_t FrameSize(uint64_t index) const;
  // The object's first 64 bytes. PermissionDenied (reason WRONG_KEY) when they commit to another
  // key, DataLoss (reason BAD_SEAL_HEADER) when they are damaged.
  absl::Status CheckHeader(base::ByteView header) const;
  // `out` has FrameSize(index) bytes, `sealed` 16 more. DataLoss (reason DECRYPT_FAILED) when any
  // bit differs.
  absl::Status OpenFrame(uint64_t index, base::ByteView sealed, base::MutableByteView out) const;

 private:
  Opener(const VersionKey& key, const KeyId& key_id, uint64_t plaintext_size);
  KeyId key_id_;
  base::Digest commitment_;
  base::Aead aead_;
  uint64_t plaintext_size_;
};

using ByteSink = std::function<absl::Status(base::ByteView)>;

// Seals a source whose size is not known beforehand (a pipe that is spooled as ciphertext). One
// thread at a time.
//
//   StreamSealer s(key, sink);  while (more) RETURN_IF_ERROR(s.Feed(piece));
//   RETURN_IF_ERROR(s.Finish());
class StreamSealer {
 public:
  StreamSealer(const VersionKey& key, ByteSink sink);
  absl::Status Feed(base::ByteView plaintext);
  absl::Status Finish();
  const KeyId& key_id() const { return sealer_.key_id(); }
  uint64_t plaintext_size() const { return plaintext_size_; }

 private:
  absl::Status Flush(bool final);
  Sealer sealer_;
  ByteSink sink_;
  base::Bytes frame_;  // plaintext so far, with room for the tag
  size_t filled_ = 0;
  uint64_t index_ = 0;
  uint64_t plaintext_size_ = 0;
};

}  // namespace cairn::storage
