#include "cairn/base/key.h"

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base {
namespace {

Secret<32> Counting(uint8_t first) {
  Secret<32> out;
  for (size_t i = 0; i < 32; ++i) out.Fill()[i] = static_cast<uint8_t>(first + i);
  return out;
}

Digest CountingDigest(uint8_t first) { return *Digest::From(Counting(first).Reveal()); }

template <class F>
F FromHexAs(absl::string_view hex) {
  return *F::From(*FromHex(hex));
}

using KeyBytes = decltype(PublicKey::bytes);

constexpr char kPublicHex[] = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
constexpr char kSignatureHex[] =
    "0e6d264980051744d1e68c83a5c480a44aaf8178de36baa71b3c95eeaa825b1d"
    "5a435bbd6ea103d1e39a82d6b134f59f56c38c4d1496e64227847dba0552e80e";

TEST_CASE("public keys and signatures are those of RFC 8032") {
  Secret<32> seed =
      *Secret<32>::From(*FromHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  CHECK(SigningKey::FromSeed(seed).public_key().bytes.ToHexString() ==
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  // Computed with another implementation (OpenSSL): the seed 00..1f signs the digest 64..83.
  SigningKey key = SigningKey::FromSeed(Counting(0));
  CHECK(key.public_key().bytes.ToHexString() == kPublicHex);
  CHECK(key.Sign(CountingDigest(100)).ToHexString() == kSignatureHex);
  CHECK(key.public_key().Verify(CountingDigest(100), FromHexAs<Signature>(kSignatureHex)));
}

TEST_CASE("a signature with any bit flipped is refused, and so is one over another digest or by another key") {
  SigningKey key = SigningKey::FromSeed(Counting(0));
  Digest digest = CountingDigest(100);
  Signature signature = key.Sign(digest);
  for (size_t bit = 0; bit < 512; ++bit) {
    Signature other = signature;
    other.value[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    CHECK_FALSE(key.public_key().Verify(digest, other));
  }
  CHECK_FALSE(key.public_key().Verify(CountingDigest(101), signature));
  CHECK_FALSE(SigningKey::FromSeed(Counting(1)).public_key().Verify(digest, signature));
}

TEST_CASE("a signature whose S is not below the group order is refused") {
  SigningKey key = SigningKey::FromSeed(Counting(0));
  Signature signature = key.Sign(CountingDigest(100));
  Bytes order = *FromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += signature.value[32 + i] + order[i];
    signature.value[32 + i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  REQUIRE(carry == 0);
  CHECK_FALSE(key.public_key().Verify(CountingDigest(100), signature));
}

// The y of all encodings of the eight points of small order; the last two are the non-canonical ones.
const char* const kSmallOrderY[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

TEST_CASE("a public key of small order verifies nothing, though the equation holds") {
  // R is the base point and S is 1, so S B = R + h A holds whenever h is a multiple of the order of A, which is at most
  // 8: for some of the digests, without anybody knowing a secret.
  Signature signature = FromHexAs<Signature>(
      "5866666666666666666666666666666666666666666666666666666666666666"
      "0100000000000000000000000000000000000000000000000000000000000000");
  for (const char* hex : kSmallOrderY) {
    for (uint8_t sign : {0x00, 0x80}) {
      PublicKey key{.bytes = FromHexAs<KeyBytes>(hex)};
      key.bytes.value[31] |= sign;
      for (uint8_t i = 0; i < 64; ++i) CHECK_FALSE(key.Verify(CountingDigest(i), signature));
    }
  }
}

TEST_CASE("a signature whose R has small order is refused, though the equation holds") {
  // R is the neutral point and S = h a, computed from the secret scalar.
  Signature signature = FromHexAs<Signature>(
      "0100000000000000000000000000000000000000000000000000000000000000"
      "41c645807fc0dc829ce0722619cdc1d030276aa766fe8a3327a9f17e68fa8809");
  CHECK_FALSE(SigningKey::FromSeed(Counting(0)).public_key().Verify(CountingDigest(100), signature));
}

TEST_CASE("an encoded public key reads back, and nothing else does") {
  PublicKey key = SigningKey::FromSeed(Counting(0)).public_key();
  Bytes encoded = key.Encode();
  REQUIRE(encoded.size() == 33);
  CHECK(*PublicKey::Decode(encoded) == key);
  encoded[0] = 2;
  CHECK(ReasonOf(PublicKey::Decode(encoded).status()) == "BAD_KEY");
  encoded[0] = 1;
  encoded.push_back(0);
  CHECK_FALSE(PublicKey::Decode(encoded).ok());
  CHECK_FALSE(PublicKey::Decode({}).ok());
}

TEST_CASE("an account id is the first 20 bytes of the hash of key type and key") {
  SigningKey key = SigningKey::FromSeed(Counting(0));
  Digest digest = Blake3(key.public_key().Encode());
  CHECK(AsText(key.account().view()) == AsText(digest.view()).substr(0, 20));
}

TEST_CASE("a generated key comes from the entropy alone, and a clone signs the same") {
  SeededEntropy a(1), b(1);
  SigningKey key = SigningKey::Generate(a);
  CHECK(key.public_key() == SigningKey::Generate(b).public_key());
  CHECK_FALSE(key.public_key() == SigningKey::Generate(a).public_key());
  SigningKey clone = key.Clone();
  CHECK(clone.Sign(CountingDigest(1)) == key.Sign(CountingDigest(1)));
}

TEST_CASE("HKDF gives the output of RFC 5869, case 1") {
  Bytes secret(22, 0x0b), salt, info;
  for (uint8_t i = 0; i < 13; ++i) salt.push_back(i);
  for (uint8_t i = 0xf0; i < 0xfa; ++i) info.push_back(i);
  CHECK(ToHex(Hkdf(secret, salt, info, 42)) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST_CASE("a derived secret depends on context, parent and info, and not on how they are cut") {
  auto derive = [](absl::string_view context, uint8_t parent, absl::string_view info) {
    return ToHex(DeriveSecret(context, Counting(parent), AsBytes(info)).Reveal());
  };
  std::string secret = derive("cairn v1 test", 0, "a");
  CHECK(secret == derive("cairn v1 test", 0, "a"));
  CHECK(secret != derive("cairn v1 test a", 0, ""));
  CHECK(secret != derive("cairn v1 test", 1, "a"));
  CHECK(secret != derive("cairn v1 test", 0, ""));
}

// Gives the bytes 32 33 .. 51, from which RFC 9180 was computed independently.
class FixedEntropy final : public Entropy {
 public:
  void Fill(MutableByteView out) override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(50 + i);
  }
};

TEST_CASE("HPKE seals as RFC 9180 says") {
  FixedEntropy entropy;
  WrapKey key = WrapKey::FromSeed(Counting(0));
  CHECK(key.public_key().ToHexString() == "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f");
  Bytes sealed =
      *HpkeSeal(entropy, key.public_key(), AsBytes("bucket 7"), AsBytes("epoch 3"), AsBytes("epoch key"));
  CHECK(ToHex(sealed) ==
        "e05b1ae322024838095ffdefd865468ddb77b14b2dd275175ea0ab4294fa6d7a8a6fe9b89d6dd9b7ea19e117ee6cd68e299d8578df13"
        "eb9f4b");
  CHECK(ToString(*HpkeOpen(key, AsBytes("bucket 7"), AsBytes("epoch 3"), sealed)) == "epoch key");
}

TEST_CASE("a wrap opens only with its key, in its place, unchanged") {
  SeededEntropy entropy(1);
  WrapKey key = WrapKey::FromSeed(Counting(0));
  Bytes sealed = *HpkeSeal(entropy, key.public_key(), AsBytes("info"), AsBytes("aad"), AsBytes("text"));
  CHECK(sealed.size() == 4 + 48);
  auto reason = [&](const WrapKey& k, absl::string_view info, absl::string_view aad, ByteView bytes) {
    absl::Status status = HpkeOpen(k, AsBytes(info), AsBytes(aad), bytes).status();
    CHECK(status.code() == absl::StatusCode::kPermissionDenied);
    return ReasonOf(status);
  };
  CHECK(reason(WrapKey::FromSeed(Counting(1)), "info", "aad", sealed) == "WRONG_KEY");
  CHECK(reason(key, "inf", "aad", sealed) == "WRONG_KEY");
  CHECK(reason(key, "info", "aa", sealed) == "WRONG_KEY");
  for (size_t size = 0; size < sealed.size(); ++size) {
    CHECK(reason(key, "info", "aad", ByteView(sealed).subspan(0, size)) == "WRONG_KEY");
  }
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes other = sealed;
    other[i] ^= 1;
    CHECK(reason(key, "info", "aad", other) == "WRONG_KEY");
  }
}

TEST_CASE("nothing is wrapped to an X25519 key of small order") {
  SeededEntropy entropy(1);
  CHECK(ReasonOf(HpkeSeal(entropy, WrapPublicKey(), {}, {}, AsBytes("text")).status()) == "BAD_KEY");
}

}  // namespace
}  // namespace cairn::base
