// Stored bytes of a sealed object from a holder that need not be honest, as edits of the true ones: u16 place and u8
// mask each. First u8: the claimed size is the true one, 1 less or so many more; 255: u32, any at all. Plaintext comes
// out only where nothing was changed.
#include <algorithm>

#include "cairn/base/codec.h"
#include "cairn/base/entropy.h"
#include "cairn/storage/decode.h"
#include "cairn/storage/seal.h"
#include "fuzz.h"

namespace cairn {
namespace {

constexpr size_t kPlain = 2 * storage::kFrameBytes + 100;

struct Object {
  Object() : plain(kPlain) {
    entropy.Fill(absl::MakeSpan(plain));
    storage::StreamSealer sealer(key, [this](base::ByteView piece) {
      stored.insert(stored.end(), piece.begin(), piece.end());
      return absl::OkStatus();
    });
    FUZZ_CHECK(sealer.Feed(plain).ok() && sealer.Finish().ok() && stored.size() == storage::SealedSize(kPlain));
  }
  base::SeededEntropy entropy{42};
  storage::VersionKey key = entropy.DrawSecret<32>();
  base::Bytes plain;
  base::Bytes stored;
};

// Whether [from, to) of the two are the same.
bool Same(const base::Bytes& a, const base::Bytes& b, size_t from, size_t to) {
  return std::equal(a.begin() + static_cast<long>(from), a.begin() + static_cast<long>(to),
                    b.begin() + static_cast<long>(from));
}

}  // namespace

void FuzzOne(base::ByteView input) {
  static const Object object;
  base::Reader reader(input);
  base::Bytes stored = object.stored;
  const uint8_t delta = reader.U8();
  const uint64_t claimed = delta == 255 ? reader.U32() : object.stored.size() + delta - 1;
  for (int edits = reader.U8() % 8; edits > 0 && reader.ok(); --edits) {
    const size_t at = (size_t{reader.U16()} * 3) % stored.size();
    stored[at] = static_cast<uint8_t>(stored[at] ^ reader.U8());
  }
  FUZZ_CHECK(storage::LooksSealed(stored) == Same(stored, object.stored, 0, storage::kSealMarkBytes));
  auto size = storage::UnsealedSize(claimed);
  if (size.ok()) FUZZ_CHECK(storage::SealedSize(*size) == claimed);
  auto opener = storage::Opener::Create(object.key, storage::KeyIdOf(object.key), claimed);
  FUZZ_CHECK(opener.ok() == size.ok());
  if (!opener.ok()) return;
  const bool header_fits = opener->CheckHeader(base::ByteView(stored).first(storage::kSealHeaderBytes)).ok();
  FUZZ_CHECK(header_fits == Same(stored, object.stored, 0, storage::kSealHeaderBytes));
  for (uint64_t frame = 0; frame < opener->frame_count(); ++frame) {
    const size_t from = storage::kSealHeaderBytes + frame * storage::kSealedFrameBytes;
    const size_t bytes = opener->FrameSize(frame) + base::kAeadTagBytes;
    if (from + bytes > stored.size()) break;
    base::Bytes out(bytes - base::kAeadTagBytes);
    FUZZ_CHECK(!opener->OpenFrame(frame, base::ByteView(stored).subspan(from, bytes - 1), absl::MakeSpan(out)).ok());
    const bool opened =
        opener->OpenFrame(frame, base::ByteView(stored).subspan(from, bytes), absl::MakeSpan(out)).ok();
    if (!opened) continue;
    FUZZ_CHECK(Same(stored, object.stored, from, from + bytes));
    FUZZ_CHECK(std::equal(out.begin(), out.end(), object.plain.begin() + static_cast<long>(frame * storage::kFrameBytes)));
  }
}

}  // namespace cairn
