// A verified slice from a stranger: u16 piece size, u32 offset, u32 length, then the slice as it arrives.
// Whatever comes, nothing is handed out that is not the blob's own byte at its place inside the range.
#include <algorithm>

#include "cairn/base/blake3_tree.h"
#include "cairn/base/codec.h"
#include "fuzz.h"

namespace cairn {
namespace {

struct Blob {
  Blob() : bytes(40'000) {
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i % 251);
    root = base::Blake3(bytes);
  }
  base::Bytes bytes;
  base::Digest root;
};

}  // namespace

void FuzzOne(base::ByteView input) {
  static const Blob blob;
  base::Reader reader(input);
  size_t piece = size_t{reader.U16()} + 1;
  base::ByteRange range{.offset = reader.U32(), .length = reader.U32()};
  base::ByteView slice = reader.Raw(reader.remaining());
  if (!reader.ok()) return;

  base::SliceDecoder decoder(blob.root, range);
  uint64_t next = range.offset;
  auto sink = [&](uint64_t offset, base::ByteView bytes) {
    FUZZ_CHECK(offset == next && offset + bytes.size() <= range.offset + range.length);
    FUZZ_CHECK(offset + bytes.size() <= blob.bytes.size());
    FUZZ_CHECK(base::ByteView(blob.bytes).subspan(offset, bytes.size()) == bytes);
    next += bytes.size();
    return absl::OkStatus();
  };
  bool fits = true;
  for (size_t at = 0; at < slice.size() && fits; at += piece) fits = decoder.Feed(slice.subspan(at, piece), sink).ok();
  FUZZ_CHECK(decoder.verified_bytes() == next - range.offset);
  auto size = decoder.Finish();
  FUZZ_CHECK(fits || !size.ok());
  if (!size.ok()) return;
  if (decoder.size_proven()) FUZZ_CHECK(*size == blob.bytes.size());
  uint64_t end = std::min<uint64_t>(range.offset + range.length, blob.bytes.size());
  FUZZ_CHECK(next == std::max(end, range.offset));
}

}  // namespace cairn
