#include "cairn/storage/seal.h"

#include "base/vectors.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::ByteRange;
using base::Bytes;
using base::ByteView;

Bytes SealAll(const VersionKey& key, ByteView plaintext) {
  Bytes out;
  StreamSealer sealer(key, [&](ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  });
  for (size_t at = 0; at < plaintext.size(); at += 10'007) {
    REQUIRE(sealer.Feed(plaintext.subspan(at, 10'007)).ok());
  }
  REQUIRE(sealer.Finish().ok());
  return out;
}

ByteView FrameOf(ByteView stored, uint64_t index) {
  return stored.subspan(kSealHeaderBytes + index * kSealedFrameBytes, kSealedFrameBytes);
}

TEST_CASE("sealed sizes are exact and can be inverted", "[CS-25]") {
  for (uint64_t size : {0, 1, 65'535, 65'536, 65'537, 131'072, 16'777'217}) {
    INFO(size);
    Bytes stored = SealAll(TestKey(), Bytes(size));
    CHECK(stored.size() == SealedSize(size));
    CHECK(UnsealedSize(stored.size()).value() == size);
  }
  for (uint64_t bad : {uint64_t{1}, uint64_t{64}, uint64_t{80}, 64 + kSealedFrameBytes + 16}) {
    INFO(bad);
    CHECK(base::ReasonOf(UnsealedSize(bad).status()) == "BAD_SEALED_SIZE");
  }
}

TEST_CASE("a frame opens alone, with its own key and at its own place", "[CS-25]") {
  const VersionKey key = TestKey();
  const Bytes plaintext = RandomBytes(3 * kFrameBytes + 5, 7);
  const Bytes stored = SealAll(key, plaintext);
  const Opener opener = Opener::Create(key, KeyIdOf(key), stored.size()).value();
  REQUIRE(opener.plaintext_size() == plaintext.size());
  REQUIRE(opener.CheckHeader(ByteView(stored).first(64)).ok());
  for (uint64_t i : {3, 0, 2, 1}) {
    Bytes out(opener.FrameSize(i));
    REQUIRE(opener.OpenFrame(i, FrameOf(stored, i), absl::MakeSpan(out)).ok());
    CHECK(ByteView(out) == ByteView(plaintext).subspan(i * kFrameBytes, out.size()));
  }
  Bytes out(kFrameBytes);
  CHECK(opener.OpenFrame(0, FrameOf(stored, 1), absl::MakeSpan(out)).code() ==
        absl::StatusCode::kDataLoss);
}

TEST_CASE("a wrong key is told at once, from key id and from header", "[GF-42]") {
  const VersionKey key = TestKey(1), other = TestKey(2);
  const Bytes stored = SealAll(key, Bytes(100));
  CHECK(base::ReasonOf(Opener::Create(other, KeyIdOf(key), stored.size()).status()) == "WRONG_KEY");
  const Opener wrong = Opener::Create(other, KeyIdOf(other), stored.size()).value();
  CHECK_FALSE(wrong.CheckHeader(ByteView(stored).first(64)).ok());
  Bytes forged = stored;  // an other key's commitment under the right id
  forged[40] ^= 1;
  const Opener right = Opener::Create(key, KeyIdOf(key), stored.size()).value();
  CHECK(base::ReasonOf(right.CheckHeader(ByteView(forged).first(64))) == "WRONG_KEY");
}

TEST_CASE("a flip anywhere in header or frames is found", "[CS-25]") {
  const VersionKey key = TestKey();
  const Bytes stored = SealAll(key, RandomBytes(kFrameBytes + 300, 3));
  const Opener opener = Opener::Create(key, KeyIdOf(key), stored.size()).value();
  for (size_t at = 0; at < kSealHeaderBytes; ++at) {
    Bytes header(stored.begin(), stored.begin() + 64);
    header[at] ^= 0x10;
    CHECK_FALSE(opener.CheckHeader(header).ok());
  }
  for (uint64_t frame : {0, 1}) {
    const Bytes sealed = base::ToBytes(FrameOf(stored, frame));
    Bytes out(opener.FrameSize(frame));
    for (size_t at = 0; at < sealed.size(); at += frame == 0 ? 997 : 1) {
      Bytes flipped = sealed;
      flipped[at] ^= 1;
      if (opener.OpenFrame(frame, flipped, absl::MakeSpan(out)).ok()) FAIL("byte " << at);
    }
  }
}

TEST_CASE("frames cannot be cut off at a frame's end", "[CS-25]") {
  const VersionKey key = TestKey();
  const Bytes stored = SealAll(key, Bytes(2 * kFrameBytes));
  const uint64_t cut = kSealHeaderBytes + kSealedFrameBytes;
  const Opener opener = Opener::Create(key, KeyIdOf(key), cut).value();
  Bytes out(kFrameBytes);
  CHECK_FALSE(opener.OpenFrame(0, FrameOf(stored, 0), absl::MakeSpan(out)).ok());
}

TEST_CASE("a range reads the frames it touches and no more", "[GF-42]") {
  const uint64_t size = 10 * kFrameBytes + 1;
  const uint64_t h = kSealHeaderBytes, f = kSealedFrameBytes;
  CHECK(SealedRange({0, 1}, size) == ByteRange{0, h + f});
  CHECK(SealedRange({kFrameBytes, 1}, size) == ByteRange{h + f, f});
  CHECK(SealedRange({kFrameBytes - 1, 2}, size) == ByteRange{0, h + 2 * f});
  CHECK(SealedRange({10 * kFrameBytes, 99}, size) == ByteRange{h + 10 * f, 17});
  CHECK(SealedRange({0, ~uint64_t{0}}, size) == ByteRange{0, SealedSize(size)});
  CHECK(SealedRange({size, 5}, size) == ByteRange{});
  CHECK(SealedRange({5, 0}, size) == ByteRange{});
}

TEST_CASE("the sealed form stays what it is: golden file") {
  base::CheckVector("storage/sealed.hex", SealAll(TestKey(42), base::AsBytes("a cairn stands")));
}

}  // namespace
}  // namespace cairn::storage
