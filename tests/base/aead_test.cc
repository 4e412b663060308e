#include "cairn/base/aead.h"

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base {
namespace {

Secret<32> Key(uint8_t first, uint8_t step) {
  Secret<32> out;
  for (size_t i = 0; i < 32; ++i) out.Fill()[i] = static_cast<uint8_t>(first + step * i);
  return out;
}

Bytes Counting(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i);
  return out;
}

TEST_CASE("AES-256-GCM gives the outputs of its specification") {
  Aead zero = Aead::Gcm(Key(0, 0));
  Bytes nonce(12);
  CHECK(ToHex(zero.Seal(nonce, {}, {})) == "530f8afbc74536b9a963b4f1c4cb738b");
  CHECK(ToHex(zero.Seal(nonce, {}, Bytes(16))) == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  CHECK(ToHex(Aead::Gcm(Key(0, 1)).Seal(Counting(12), AsBytes("header"), AsBytes("the quick brown fox"))) ==
        "336ab33bb490ab78e661f5f9de9e164de5b9ff1172a0e84eb1cd0073b41ef20fa868be");
}

TEST_CASE("AES-256-GCM-SIV gives the outputs of RFC 8452") {
  Secret<32> key;
  key.Fill()[0] = 1;
  Bytes nonce(12), plaintext(8);
  nonce[0] = 3;
  plaintext[0] = 1;
  CHECK(ToHex(Aead::GcmSiv(key).Seal(nonce, {}, plaintext)) == "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28");
  CHECK(ToHex(Aead::GcmSiv(Key(0, 1)).Seal(Counting(12), AsBytes("header"), AsBytes("the quick brown fox"))) ==
        "19e89e0c29ba0f208afa5613c7ea7fedb8a53300fc78f6f38838d619ab414bd03fa19c");
}

void RoundTrips(const Aead& aead) {
  Bytes nonce = Counting(12);
  for (size_t size : {0, 1, 15, 16, 17, 255, 65536, 100000}) {
    Bytes plaintext = Counting(size);
    Bytes sealed = aead.Seal(nonce, AsBytes("aad"), plaintext);
    REQUIRE(sealed.size() == size + kAeadTagBytes);
    CHECK(*aead.Open(nonce, AsBytes("aad"), sealed) == plaintext);

    Bytes memory = plaintext;
    memory.resize(size + kAeadTagBytes);
    aead.SealTo(nonce, AsBytes("aad"), ByteView(memory).subspan(0, size), MutableByteView(memory));
    CHECK(memory == sealed);
    REQUIRE(aead.OpenTo(nonce, AsBytes("aad"), memory, MutableByteView(memory).subspan(0, size)).ok());
    CHECK(ByteView(memory).subspan(0, size) == ByteView(plaintext));
  }
}

void RefusesWhatDiffers(const Aead& aead, const Aead& other) {
  Bytes nonce = Counting(12), plaintext = Counting(40);
  Bytes sealed = aead.Seal(nonce, AsBytes("aad"), plaintext);
  auto refused = [&](const Aead& opener, ByteView n, absl::string_view aad, ByteView bytes) {
    Bytes out(bytes.size() < kAeadTagBytes ? 0 : bytes.size() - kAeadTagBytes, 0xee);
    absl::Status status = opener.OpenTo(n, AsBytes(aad), bytes, MutableByteView(out));
    CHECK(status.code() == absl::StatusCode::kDataLoss);
    CHECK(ReasonOf(status) == "DECRYPT_FAILED");
    CHECK(out == Bytes(out.size(), 0));
  };
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 0x80;
    refused(aead, nonce, "aad", changed);
    refused(aead, nonce, "aad", ByteView(sealed).subspan(0, i));
  }
  Bytes other_nonce = nonce;
  other_nonce[11] ^= 1;
  refused(aead, other_nonce, "aad", sealed);
  refused(aead, nonce, "aae", sealed);
  refused(other, nonce, "aad", sealed);
}

TEST_CASE("what was sealed opens, in place too") {
  RoundTrips(Aead::Gcm(Key(3, 5)));
  RoundTrips(Aead::GcmSiv(Key(3, 5)));
}

TEST_CASE("what differs in key, nonce, aad or any byte does not open and leaves no plaintext") {
  RefusesWhatDiffers(Aead::Gcm(Key(3, 5)), Aead::Gcm(Key(4, 5)));
  RefusesWhatDiffers(Aead::GcmSiv(Key(3, 5)), Aead::GcmSiv(Key(4, 5)));
}

TEST_CASE("a moved sealer keeps working") {
  Aead first = Aead::Gcm(Key(0, 1));
  Bytes sealed = first.Seal(Counting(12), {}, AsBytes("text"));
  Aead second = std::move(first);
  CHECK(ToString(*second.Open(Counting(12), {}, sealed)) == "text");
}

TEST_CASE("a counter nonce is four zero bytes and the counter, little endian") {
  CHECK(ToHex(CounterNonce(0x0102030405060708)) == "000000000807060504030201");
}

}  // namespace
}  // namespace cairn::base
