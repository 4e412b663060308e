#include "cairn/base/blake3_tree.h"

#include <random>

#include "cairn/base/codec.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "vectors.h"

namespace cairn::base {
namespace {

constexpr uint64_t kGroup = kTreeGroupBytes;
constexpr uint64_t kMiB = 1 << 20;

Bytes RandomBytes(size_t size, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

TreeBuilder::Result Tree(ByteView bytes) {
  TreeBuilder builder;
  builder.Update(bytes);
  return std::move(builder).Finish();
}

BlobReadFn ReadFrom(ByteView blob) {
  return [blob](uint64_t offset, MutableByteView out) {
    const ByteView part = blob.subspan(offset, out.size());
    if (part.size() != out.size()) return absl::OutOfRangeError("read past the end");
    std::copy(part.begin(), part.end(), out.begin());
    return absl::OkStatus();
  };
}

Bytes Slice(ByteView blob, ByteRange range) {
  const auto tree = Tree(blob);
  Bytes slice;
  REQUIRE(EncodeSlice(tree.root, blob.size(), tree.outboard, range, ReadFrom(blob),
                      [&](ByteView piece) {
                        slice.insert(slice.end(), piece.begin(), piece.end());
                        return absl::OkStatus();
                      })
              .ok());
  return slice;
}

struct Decoded {
  absl::Status status;
  Bytes bytes;
  uint64_t size = 0;
  bool size_proven = false;
};

// Also checks what must hold whatever the slice is: bytes come in order, gapless, from inside the
// range.
Decoded Decode(const Digest& root, ByteRange range, ByteView slice, size_t piece_bytes) {
  SliceDecoder decoder(root, range);
  Decoded out;
  for (size_t at = 0; at < slice.size() && out.status.ok(); at += piece_bytes) {
    out.status = decoder.Feed(slice.subspan(at, piece_bytes), [&](uint64_t offset, ByteView ok) {
      REQUIRE(offset == range.offset + out.bytes.size());
      REQUIRE(out.bytes.size() + ok.size() <= range.length);
      out.bytes.insert(out.bytes.end(), ok.begin(), ok.end());
      return absl::OkStatus();
    });
  }
  REQUIRE(decoder.verified_bytes() == out.bytes.size());
  const auto size = decoder.Finish();
  if (out.status.ok()) out.status = size.status();
  if (size.ok()) out.size = *size;
  out.size_proven = decoder.size_proven();
  return out;
}

ByteView Part(ByteView blob, ByteRange range) {
  return range.offset < blob.size() ? blob.subspan(range.offset, range.length) : ByteView();
}

std::vector<uint64_t> Sizes() {
  std::vector<uint64_t> sizes = {
      0,           1,           1023,     1024,       1025,       2 * 1024,
      5000,        kGroup - 1,  kGroup,   kGroup + 1, 2 * kGroup, 3 * kGroup + 7,
      16 * kGroup, 17 * kGroup, kMiB - 1, kMiB,       kMiB + 1};
  std::mt19937_64 random(3);
  for (int i = 0; i < 10; ++i) sizes.push_back(random() % (2 * kMiB));
  return sizes;
}

TEST_CASE("the root is the plain hash, whatever the pieces the blob arrives in") {
  for (uint64_t size : Sizes()) {
    const Bytes blob = RandomBytes(size);
    const auto whole = Tree(blob);
    INFO(size);
    REQUIRE(whole.root == Blake3(blob));
    REQUIRE(whole.size == size);
    REQUIRE(whole.outboard.size() == OutboardSize(size));
    for (size_t piece : {size_t{1000}, size_t{kGroup}, size_t{3 * kGroup - 1}, size_t{300'000}}) {
      TreeBuilder with, without(false);
      for (size_t at = 0; at < size; at += piece) {
        with.Update(ByteView(blob).subspan(at, piece));
        without.Update(ByteView(blob).subspan(at, piece));
        without.Update({});
      }
      REQUIRE(with.size() == size);
      const auto pieces = std::move(with).Finish();
      REQUIRE(pieces.root == whole.root);
      REQUIRE(pieces.outboard == whole.outboard);
      const auto bare = std::move(without).Finish();
      REQUIRE(bare.root == whole.root);
      REQUIRE(bare.outboard.empty());
    }
  }
}

TEST_CASE("the outboard has 64 bytes for every inner node over 16 KiB groups") {
  CHECK(OutboardSize(0) == 0);
  CHECK(OutboardSize(kGroup) == 0);
  CHECK(OutboardSize(kGroup + 1) == 64);
  CHECK(OutboardSize(64 * kGroup) == 63 * 64);
  CHECK(OutboardSize(uint64_t{1} << 63) == ((uint64_t{1} << 49) - 1) * 64);
}

TEST_CASE("a slice gives the bytes of its range and nothing else") {
  std::mt19937_64 random(4);
  for (uint64_t size : Sizes()) {
    const Bytes blob = RandomBytes(size);
    const Digest root = Blake3(blob);
    std::vector<ByteRange> ranges = {
        {0, size}, {0, UINT64_MAX}, {0, 0},        {size / 2, 0},
        {0, 1},    {size, 1},       {size + 9, 9}, {UINT64_MAX, UINT64_MAX}};
    if (size > 0) ranges.push_back({size - 1, 1});
    if (size > kGroup) ranges.push_back({kGroup - 1, 2});
    for (int i = 0; i < 4; ++i) ranges.push_back({random() % (size + 2), random() % (size + 2)});
    for (const ByteRange& range : ranges) {
      INFO(size << " bytes, range " << range.offset << " + " << range.length);
      const Bytes slice = Slice(blob, range);
      const size_t piece = 1 + random() % (3 * kGroup);
      const Decoded decoded = Decode(root, range, slice, piece);
      REQUIRE(decoded.status.ok());
      REQUIRE(decoded.bytes == ToBytes(Part(blob, range)));
      REQUIRE(decoded.size == size);
      const uint64_t last_group = size == 0 ? 0 : (size - 1) / kGroup * kGroup;
      const bool has_last_group = range.length == 0 || range.offset >= size ||
                                  range.length > last_group ||
                                  range.offset + range.length > last_group;
      REQUIRE(decoded.size_proven == (has_last_group || size <= kGroup));
    }
  }
}

TEST_CASE("a slice costs its groups and the path to them") {
  const Bytes blob = RandomBytes(64 * kGroup);
  CHECK(Slice(blob, {5 * kGroup + 3, 10}).size() == 8 + 6 * 64 + kGroup);
  CHECK(Slice(blob, {0, blob.size()}).size() == 8 + blob.size() + OutboardSize(blob.size()));
}

TEST_CASE("a slice with any byte changed is refused, and no changed byte comes out") {
  const Bytes blob = RandomBytes(3 * kGroup + 100);
  const Digest root = Blake3(blob);
  for (const ByteRange range : {ByteRange{kGroup + 5, 3}, ByteRange{3 * kGroup, 100}}) {
    const Bytes slice = Slice(blob, range);
    for (size_t i = 0; i < slice.size(); ++i) {
      Bytes bad = slice;
      bad[i] ^= static_cast<uint8_t>(1 << (i % 8));
      const Decoded decoded = Decode(root, range, bad, bad.size());
      // Only the size may be stated wrongly, and then it is not called proven.
      if (decoded.status.ok() && i < 8 && !decoded.size_proven) {
        REQUIRE(decoded.bytes == ToBytes(Part(blob, range)));
        continue;
      }
      INFO("byte " << i);
      REQUIRE_FALSE(decoded.status.ok());
      REQUIRE(decoded.status.code() == absl::StatusCode::kDataLoss);
      REQUIRE(decoded.bytes.empty());
    }
  }
}

TEST_CASE("every single bit of a small slice is guarded") {
  const Bytes blob = RandomBytes(1500);
  const ByteRange range = {200, 900};
  const Bytes slice = Slice(blob, range);
  for (size_t bit = 0; bit < 8 * slice.size(); ++bit) {
    Bytes bad = slice;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const Decoded decoded = Decode(Blake3(blob), range, bad, 700);
    INFO("bit " << bit);
    REQUIRE_FALSE(decoded.status.ok());
    REQUIRE(decoded.bytes.empty());
  }
}

TEST_CASE("a slice cut short or with bytes behind it is refused") {
  const Bytes blob = RandomBytes(2 * kGroup + 50);
  const Digest root = Blake3(blob);
  const ByteRange range = {kGroup, blob.size()};
  const Bytes slice = Slice(blob, range);
  for (size_t length = 0; length < slice.size(); length += 1 + length / 97) {
    const Decoded decoded = Decode(root, range, ByteView(slice).subspan(0, length), 4096);
    INFO(length);
    REQUIRE(ReasonOf(decoded.status) == "SLICE_INCOMPLETE");
  }
  Bytes longer = slice;
  longer.push_back(0);
  CHECK(ReasonOf(Decode(root, range, longer, longer.size()).status) == "HASH_MISMATCH");
  CHECK(ReasonOf(Decode(root, range, longer, slice.size()).status) == "HASH_MISMATCH");
}

TEST_CASE("after a failure nothing further is accepted") {
  const Bytes blob = RandomBytes(kGroup + 1);
  const Bytes slice = Slice(blob, {0, blob.size()});
  SliceDecoder decoder(Blake3(blob), {0, blob.size()});
  int handed_out = 0;
  const auto sink = [&](uint64_t, ByteView) {
    ++handed_out;
    return absl::OkStatus();
  };
  Bytes bad = slice;
  bad[8] ^= 1;
  CHECK_FALSE(decoder.Feed(bad, sink).ok());
  CHECK_FALSE(decoder.Feed(slice, sink).ok());
  CHECK_FALSE(decoder.Finish().ok());
  CHECK(handed_out == 0);
}

TEST_CASE("an error of the sink is returned and sticks") {
  const Bytes blob = RandomBytes(100);
  SliceDecoder decoder(Blake3(blob), {0, 100});
  const auto full = [](uint64_t, ByteView) { return absl::ResourceExhaustedError("full"); };
  CHECK(absl::IsResourceExhausted(decoder.Feed(Slice(blob, {0, 100}), full)));
  CHECK(absl::IsResourceExhausted(decoder.Finish().status()));
}

TEST_CASE("a slice that claims more than the caller allows is refused at its eighth byte") {
  const Bytes blob = RandomBytes(1000);
  const Bytes slice = Slice(blob, {0, 1000});
  const auto sink = [](uint64_t, ByteView) { return absl::OkStatus(); };
  SliceDecoder exact(Blake3(blob), {0, 1000}, 1000);
  CHECK(exact.Feed(slice, sink).ok());
  SliceDecoder tight(Blake3(blob), {0, 1000}, 999);
  CHECK(tight.Feed(ByteView(slice).subspan(0, 7), sink).ok());
  CHECK(ReasonOf(tight.Feed(ByteView(slice).subspan(7, 1), sink)) == "HASH_MISMATCH");
  SliceDecoder wide(Blake3(blob), {0, 1000}, UINT64_MAX);
  Bytes huge = slice;
  std::fill_n(huge.begin(), 8, uint8_t{0xff});
  CHECK(ReasonOf(wide.Feed(huge, sink)) == "HASH_MISMATCH");
}

TEST_CASE("a wrong size never shortens a range unnoticed") {
  const Bytes blob = RandomBytes(5 * kGroup);
  const ByteRange range = {kGroup, 2 * kGroup};
  const auto tree = Tree(blob);
  for (uint64_t claimed : {uint64_t{0}, kGroup, 2 * kGroup, 3 * kGroup - 1}) {
    // What a liar would send: the true nodes and groups, in the order the wrong size asks for.
    Bytes slice = Slice(ByteView(blob).subspan(0, claimed), range);
    INFO(claimed);
    const Decoded decoded = Decode(tree.root, range, slice, slice.size());
    REQUIRE(ReasonOf(decoded.status) == "HASH_MISMATCH");
    REQUIRE(decoded.bytes.empty());
  }
}

TEST_CASE("an encoder passes on nothing that does not match the outboard", "[GF-41]") {
  const Bytes blob = RandomBytes(4 * kGroup);
  const auto tree = Tree(blob);
  const auto encode = [&](ByteView source, ByteView outboard, size_t& sent) {
    return EncodeSlice(tree.root, blob.size(), outboard, {0, blob.size()}, ReadFrom(source),
                       [&](ByteView piece) {
                         sent += piece.size();
                         return absl::OkStatus();
                       });
  };
  Bytes damaged = blob;
  damaged[2 * kGroup + 9] ^= 4;
  size_t sent = 0;
  const absl::Status status = encode(damaged, tree.outboard, sent);
  CHECK(ReasonOf(status) == "HASH_MISMATCH");
  CHECK(DetailOf(status).evidence == Evidence{{"offset", std::to_string(2 * kGroup)}});
  CHECK(sent == 8 + 2 * 64 + 2 * kGroup);  // the two good groups before it
  for (size_t i = 0; i < tree.outboard.size(); ++i) {
    Bytes outboard = tree.outboard;
    outboard[i] ^= 1;
    REQUIRE(ReasonOf(encode(blob, outboard, sent)) == "HASH_MISMATCH");
  }
  CHECK_FALSE(encode(blob, ByteView(tree.outboard).subspan(64), sent).ok());
  CHECK_FALSE(encode(ByteView(blob).subspan(0, kGroup), tree.outboard, sent).ok());
}

// 40,000 bytes: three groups, the last one short. Bytes as in the official BLAKE3 vectors.
Bytes VectorBlob() {
  Bytes blob(40'000);
  for (size_t i = 0; i < blob.size(); ++i) blob[i] = static_cast<uint8_t>(i % 251);
  return blob;
}

TEST_CASE("outboard and slice are the bytes of their golden files") {
  const Bytes blob = VectorBlob();
  const auto tree = Tree(blob);
  CheckVector("base/outboard.hex", tree.outboard);
  const Bytes slice = Slice(blob, {39'990, 10});
  CheckVector("base/slice.hex", slice);
  const Bytes golden = ReadVector("base/slice.hex");
  const Decoded decoded = Decode(Blake3(blob), {39'990, 10}, golden, 1000);
  CHECK(decoded.status.ok());
  CHECK(decoded.bytes == ToBytes(ByteView(blob).subspan(39'990)));
}

TEST_CASE("a longer blob keeps the nodes of its complete left subtree") {
  const Bytes blob = RandomBytes(4 * kGroup + 1);
  const auto left = Tree(ByteView(blob).subspan(0, 4 * kGroup));
  const auto whole = Tree(blob);
  // Pre-order: the new root comes first, then the four groups' nodes as they were.
  REQUIRE(whole.outboard.size() == left.outboard.size() + 64);
  CHECK(std::equal(left.outboard.begin(), left.outboard.end(), whole.outboard.begin() + 64));
}

}  // namespace
}  // namespace cairn::base
