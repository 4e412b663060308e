#include "cairn/base/hash.h"

#include "cairn/base/entropy.h"
#include "catch.h"

namespace cairn::base {
namespace {

// The official test input of BLAKE3: bytes 0, 1, ... 250, 0, 1, ...
Bytes Input(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i % 251);
  return bytes;
}

TEST_CASE("the plain hash is what b3sum prints") {
  const std::pair<size_t, const char*> vectors[] = {
      {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
      {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
      {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
      {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
      {16385, "1dabe216be2578830263b049de1639f39f05a4da616b9b78c7a5e4e41662fd1f"},
      {1048577, "2f053cd7472cf0cd2f9adaf45c1180255b91b9a865404a63671a0ee5f792ed33"},
  };
  for (const auto& [size, expected] : vectors) {
    INFO(size);
    CHECK(Blake3(Input(size)).ToHexString() == expected);
    Hasher pieces;
    const Bytes input = Input(size);
    for (size_t at = 0; at < size; at += 1000) pieces.Update(ByteView(input).subspan(at, 1000));
    CHECK(pieces.Finish().ToHexString() == expected);
  }
}

TEST_CASE("a blob hashed at once has the hash of one that comes in two pieces, at every size around chunks and groups") {
  Bytes bytes(3 * 16'384);
  SeededEntropy(5).Fill(absl::MakeSpan(bytes));
  for (size_t whole = 0; whole <= bytes.size(); whole += 1'024) {
    for (const size_t size : {whole, whole + 1, whole + 63, whole + 64, whole + 65, whole + 1'023}) {
      if (size > bytes.size()) continue;
      CAPTURE(size);
      const ByteView view = ByteView(bytes).subspan(0, size);
      Hasher hasher;
      hasher.Update(view.subspan(0, size / 3)).Update(view.subspan(size / 3));
      CHECK(Blake3(view) == hasher.Finish());
    }
  }
}

TEST_CASE("derive-key and keyed mode are b3sum's --derive-key and --keyed") {
  CHECK(Hasher::DeriveKey("cairn v1 voucher").Update("abc").Finish().ToHexString() ==
        "6ca70bca34d621f2b60c79a2fc21050dd0fe9fc500cdd7219a2b91f30afe7fb5");
  CHECK(Hasher::Keyed(Digest{}).Update("abc").Finish().ToHexString() ==
        "a77fc933cbb22a3738a01105ab6ec3c183b0eb0e582311f7881dd3bb8393ffa5");
}

TEST_CASE("longer output continues the digest") {
  Bytes out(80);
  Hasher().Update("abc").FinishXof(absl::MakeSpan(out));
  CHECK(ToHex(out) ==
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        "1fb250ae7393f5d02813b65d521a0d492d9ba09cf7ce7f4cffd900f23374bf0b"
        "c08a1fb0b38ed276181ccbd9f7b7edbd");
}

TEST_CASE("fields do not run into each other") {
  CHECK(Hasher().Field("ab").Field("c").Finish() != Hasher().Field("a").Field("bc").Finish());
  const Bytes wire = {2, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 5, 0, 0, 0, 0, 0, 0, 0};
  CHECK(Hasher().Field("ab").Field(uint64_t{5}).Finish() == Blake3(wire));
}

TEST_CASE("a copied hasher goes on alone") {
  Hasher first;
  first.Update("a");
  Hasher second = first;
  first.Update("b");
  second.Update("c");
  CHECK(first.Finish() == Blake3(AsBytes("ab")));
  CHECK(second.Finish() == Blake3(AsBytes("ac")));
  second = first;
  CHECK(second.Finish() == Blake3(AsBytes("ab")));
}

TEST_CASE("many blobs at a time hash as one by one") {
  const Bytes input = Input(3000);
  std::vector<ByteView> blobs;
  for (size_t size : {0, 1, 63, 64, 65, 256, 1000, 1023, 1024, 1025, 3000}) {
    for (size_t i = 0; i < 1 + size % 40; ++i) {
      blobs.push_back(ByteView(input).subspan(i * 3 % (input.size() - size + 1), size));
    }
  }
  std::vector<Digest> digests(blobs.size());
  Blake3Many(blobs, absl::MakeSpan(digests));
  for (size_t i = 0; i < blobs.size(); ++i) {
    INFO(i << ": " << blobs[i].size() << " bytes");
    CHECK(digests[i] == Blake3(blobs[i]));
  }
}

}  // namespace
}  // namespace cairn::base
