// Authenticated encryption with the nonce in the caller's hands.
//
// `Gcm` (AES-256-GCM) must never see a nonce twice under one key; Cairn's callers count frames under a fresh key.
// `GcmSiv` (AES-256-GCM-SIV) keeps its promise under a repeated nonce: equal inputs give equal outputs and nothing
// else leaks. Both append a 16-byte tag. Thread-safe after construction.
#pragma once

#include <memory>

#include "cairn/base/secret.h"

namespace cairn::base {

inline constexpr size_t kAeadTagBytes = 16;
inline constexpr size_t kAeadNonceBytes = 12;

class Aead {
 public:
  static Aead Gcm(const Secret<32>& key);
  static Aead GcmSiv(const Secret<32>& key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // `out` must have plaintext.size() + 16 bytes; it may be the same memory as `plaintext`.
  void SealTo(ByteView nonce, ByteView aad, ByteView plaintext, MutableByteView out) const;
  Bytes Seal(ByteView nonce, ByteView aad, ByteView plaintext) const;
  // DataLoss (reason DECRYPT_FAILED) when anything differs; `out` (sealed.size() - 16 bytes) is then wiped.
  absl::Status OpenTo(ByteView nonce, ByteView aad, ByteView sealed, MutableByteView out) const;
  absl::StatusOr<Bytes> Open(ByteView nonce, ByteView aad, ByteView sealed) const;

 private:
  struct State;
  explicit Aead(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The 12-byte nonce of a counter: four zero bytes, then the counter, little endian.
std::array<uint8_t, kAeadNonceBytes> CounterNonce(uint64_t counter);

}  // namespace cairn::base
