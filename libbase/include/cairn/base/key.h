// Keys: Ed25519 for accounts and nodes, X25519 for wrapping, HKDF, HPKE.
//
// A signature always covers a 32-byte digest made with a derive-key context (see hash.h), never raw input, so the
// purpose is part of what is signed. Verification is strict (canonical S, no small-order keys) and single: batching
// would change verdicts at the edges. Values are immutable and may be shared between threads.
#pragma once

#include "absl/status/statusor.h"
#include "cairn/base/entropy.h"
#include "cairn/base/id.h"
#include "cairn/base/secret.h"

namespace cairn::base {

enum class KeyType : uint8_t { kEd25519 = 1 };

using Signature = FixedBytes<struct SignatureTag, 64>;

struct PublicKey {
  KeyType type = KeyType::kEd25519;
  FixedBytes<struct PublicKeyTag, 32> bytes;

  AccountId Account() const;
  // Type byte, then the key: 33 bytes. Decode refuses other lengths and types (InvalidArgument, reason BAD_KEY); whether
  // the point is a sound key shows in Verify.
  Bytes Encode() const;
  static absl::StatusOr<PublicKey> Decode(ByteView encoded);
  bool Verify(const Digest& digest, const Signature& signature) const;
  friend bool operator==(const PublicKey&, const PublicKey&) = default;
};

class SigningKey {
 public:
  static SigningKey Generate(Entropy& entropy);
  static SigningKey FromSeed(const Secret<32>& seed);
  SigningKey(SigningKey&&) noexcept = default;
  SigningKey& operator=(SigningKey&&) noexcept = default;
  SigningKey Clone() const;

  const PublicKey& public_key() const { return public_key_; }
  AccountId account() const { return public_key_.Account(); }
  Signature Sign(const Digest& digest) const;
  // The 32-byte seed; for key files and derivation only.
  const Secret<32>& seed() const { return seed_; }

 private:
  SigningKey() = default;
  Secret<32> seed_;
  Secret<64> expanded_;
  PublicKey public_key_;
};

// HKDF-SHA256 (RFC 5869): extract, then expand. `length` is at most 8,160 bytes.
Bytes Hkdf(ByteView secret, ByteView salt, ByteView info, size_t length);
// A 32-byte key for a purpose: BLAKE3 derive-key over the parent and the length-prefixed context fields.
Secret<32> DeriveSecret(absl::string_view context, const Secret<32>& parent, ByteView info = {});

using WrapPublicKey = FixedBytes<struct WrapPublicKeyTag, 32>;  // X25519

// An X25519 key pair to which others wrap secrets.
class WrapKey {
 public:
  static WrapKey FromSeed(const Secret<32>& seed);
  const WrapPublicKey& public_key() const { return public_key_; }
  const Secret<32>& private_key() const { return private_key_; }

 private:
  Secret<32> private_key_;
  WrapPublicKey public_key_;
};

// HPKE base mode (RFC 9180), DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, single shot.
// Output: 32-byte encapsulated key, then ciphertext and tag (plaintext + 48 bytes in all).
// `info` and `aad` bind the wrap to its place. The ephemeral key comes from `entropy`. InvalidArgument (reason BAD_KEY)
// when `to` is no key that anything can be wrapped to.
absl::StatusOr<Bytes> HpkeSeal(Entropy& entropy, const WrapPublicKey& to, ByteView info, ByteView aad,
                               ByteView plaintext);
// PermissionDenied (reason WRONG_KEY) when the key, info, aad or bytes differ.
absl::StatusOr<Bytes> HpkeOpen(const WrapKey& key, ByteView info, ByteView aad, ByteView sealed);

}  // namespace cairn::base
