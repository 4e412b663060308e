#include "cairn/base/key.h"

#include <openssl/curve25519.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/hpke.h>

#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "cairn/base/status.h"
#include "check.h"

namespace cairn::base {
namespace {

// The y coordinates, little endian, of the eight points whose order divides 8. The first two also have a
// non-canonical encoding (y + p); IsCanonical refuses those.
constexpr uint8_t kSmallOrder[5][32] = {
    {0x00},
    {0x01},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

// y < p = 2^255 - 19. The top bit is the sign of x and does not count.
bool IsCanonical(const uint8_t* point) {
  if ((point[31] & 0x7f) != 0x7f) return true;
  for (int i = 30; i > 0; --i) {
    if (point[i] != 0xff) return true;
  }
  return point[0] < 0xed;
}

bool IsSmallOrder(const uint8_t* point) {
  for (const auto& y : kSmallOrder) {
    if (std::memcmp(point, y, 31) == 0 && (point[31] & 0x7f) == y[31]) return true;
  }
  return false;
}

// Under a key of small order one signature fits many messages, and a second encoding of a key would be a second
// account.
bool IsSoundPoint(const uint8_t* point) { return IsCanonical(point) && !IsSmallOrder(point); }

constexpr size_t kEncapsulatedBytes = 32;
constexpr size_t kHpkeOverhead = kEncapsulatedBytes + 16;

// BoringSSL cleans its contexts up without wiping the keys in them.
template <class Context>
void ResetAndWipe(Context& context) {
  context.Reset();
  SecureWipe(context.get(), sizeof(*context.get()));
}

absl::Status WrongKey() {
  return Error(absl::StatusCode::kPermissionDenied, "WRONG_KEY",
               "the wrapped bytes do not open with this key in this place",
               "check that the secret was wrapped to this account and for this purpose");
}

}  // namespace

AccountId PublicKey::Account() const {
  Digest digest = Blake3(Encode());
  AccountId out;
  std::copy_n(digest.value.begin(), AccountId::kSize, out.value.begin());
  return out;
}

Bytes PublicKey::Encode() const {
  Bytes out;
  out.reserve(1 + bytes.kSize);
  out.push_back(static_cast<uint8_t>(type));
  out.insert(out.end(), bytes.value.begin(), bytes.value.end());
  return out;
}

absl::StatusOr<PublicKey> PublicKey::Decode(ByteView encoded) {
  if (encoded.size() != 33 || encoded[0] != static_cast<uint8_t>(KeyType::kEd25519)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_KEY",
                 "a public key is 33 bytes, beginning with a known key type");
  }
  PublicKey out;
  std::copy(encoded.begin() + 1, encoded.end(), out.bytes.value.begin());
  return out;
}

// BoringSSL refuses S >= L and compares R byte for byte with the canonical encoding of what it computed.
bool PublicKey::Verify(const Digest& digest, const Signature& signature) const {
  if (type != KeyType::kEd25519) return false;
  if (!IsSoundPoint(bytes.value.data()) || !IsSoundPoint(signature.value.data())) return false;
  return ED25519_verify(digest.value.data(), digest.kSize, signature.value.data(), bytes.value.data()) == 1;
}

SigningKey SigningKey::Generate(Entropy& entropy) { return FromSeed(entropy.DrawSecret<32>()); }

SigningKey SigningKey::FromSeed(const Secret<32>& seed) {
  SigningKey out;
  out.seed_ = seed.Clone();
  ED25519_keypair_from_seed(out.public_key_.bytes.value.data(), out.expanded_.Fill().data(), seed.Reveal().data());
  return out;
}

SigningKey SigningKey::Clone() const {
  SigningKey out;
  out.seed_ = seed_.Clone();
  out.expanded_ = expanded_.Clone();
  out.public_key_ = public_key_;
  return out;
}

Signature SigningKey::Sign(const Digest& digest) const {
  Signature out;
  Require(ED25519_sign(out.value.data(), digest.value.data(), digest.kSize, expanded_.Reveal().data()) == 1);
  return out;
}

Bytes Hkdf(ByteView secret, ByteView salt, ByteView info, size_t length) {
  Bytes out(length);
  Require(HKDF(out.data(), out.size(), EVP_sha256(), secret.data(), secret.size(), salt.data(), salt.size(),
               info.data(), info.size()) == 1);
  return out;
}

Secret<32> DeriveSecret(absl::string_view context, const Secret<32>& parent, ByteView info) {
  Secret<32> out;
  Hasher::DeriveKey(context).Field(parent.Reveal()).Field(info).FinishXof(out.Fill());
  return out;
}

WrapKey WrapKey::FromSeed(const Secret<32>& seed) {
  WrapKey out;
  out.private_key_ = seed.Clone();
  X25519_public_from_private(out.public_key_.value.data(), seed.Reveal().data());
  return out;
}

absl::StatusOr<Bytes> HpkeSeal(Entropy& entropy, const WrapPublicKey& to, ByteView info, ByteView aad,
                               ByteView plaintext) {
  Secret<32> ephemeral = entropy.DrawSecret<32>();
  Bytes out(plaintext.size() + kHpkeOverhead);
  size_t encapsulated = 0;
  bssl::ScopedEVP_HPKE_CTX context;
  absl::Cleanup wipe = [&] { ResetAndWipe(context); };
  // "For testing" is BoringSSL's word for naming the source of randomness; Cairn always names it.
  if (!EVP_HPKE_CTX_setup_sender_with_seed_for_testing(
          context.get(), out.data(), &encapsulated, kEncapsulatedBytes, EVP_hpke_x25519_hkdf_sha256(),
          EVP_hpke_hkdf_sha256(), EVP_hpke_aes_256_gcm(), to.value.data(), to.kSize, info.data(), info.size(),
          ephemeral.Reveal().data(), ephemeral.kSize)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_KEY", "nothing can be wrapped to a key of small order", "",
                 {{"key", to.ToHexString()}});
  }
  size_t written = 0;
  Require(encapsulated == kEncapsulatedBytes &&
          EVP_HPKE_CTX_seal(context.get(), out.data() + kEncapsulatedBytes, &written,
                            out.size() - kEncapsulatedBytes, plaintext.data(), plaintext.size(), aad.data(),
                            aad.size()) == 1 &&
          written == out.size() - kEncapsulatedBytes);
  return out;
}

absl::StatusOr<Bytes> HpkeOpen(const WrapKey& key, ByteView info, ByteView aad, ByteView sealed) {
  if (sealed.size() < kHpkeOverhead) return WrongKey();
  bssl::ScopedEVP_HPKE_KEY own;
  ByteView secret = key.private_key().Reveal();
  Require(EVP_HPKE_KEY_init(own.get(), EVP_hpke_x25519_hkdf_sha256(), secret.data(), secret.size()) == 1);
  bssl::ScopedEVP_HPKE_CTX context;
  absl::Cleanup wipe = [&] {
    ResetAndWipe(context);
    ResetAndWipe(own);
  };
  if (!EVP_HPKE_CTX_setup_recipient(context.get(), own.get(), EVP_hpke_hkdf_sha256(), EVP_hpke_aes_256_gcm(),
                                    sealed.data(), kEncapsulatedBytes, info.data(), info.size())) {
    return WrongKey();
  }
  ByteView ciphertext = sealed.subspan(kEncapsulatedBytes);
  Bytes out(ciphertext.size());
  size_t written = 0;
  if (!EVP_HPKE_CTX_open(context.get(), out.data(), &written, out.size(), ciphertext.data(), ciphertext.size(),
                         aad.data(), aad.size())) {
    return WrongKey();
  }
  out.resize(written);
  return out;
}

}  // namespace cairn::base
