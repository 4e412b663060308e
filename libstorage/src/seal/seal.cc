#include "cairn/storage/seal.h"

#include <algorithm>
#include <cassert>

#include "cairn/base/codec.h"
#include "cairn/base/hash.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr absl::string_view kMagic = "CAIRNSEA";
constexpr uint16_t kVersion = 1;
constexpr uint8_t kFrameLog2 = 16;
constexpr uint8_t kCipherAes256Gcm = 1;
static_assert(uint64_t{1} << kFrameLog2 == kFrameBytes);

base::Digest CommitmentOf(const VersionKey& key) {
  return base::Hasher::DeriveKey("cairn v1 seal key commitment").Field(key.Reveal()).Finish();
}

using FrameAad = std::array<uint8_t, 8 + 1 + KeyId::kSize>;

FrameAad AadOf(uint64_t index, bool final, const KeyId& key_id) {
  FrameAad aad;
  for (int i = 0; i < 8; ++i) aad[i] = static_cast<uint8_t>(index >> (8 * i));
  aad[8] = final ? 1 : 0;
  std::copy(key_id.value.begin(), key_id.value.end(), aad.begin() + 9);
  return aad;
}

base::Bytes HeaderOf(const KeyId& key_id, const base::Digest& commitment) {
  base::Writer w;
  w.Raw(base::AsBytes(kMagic));
  w.U16(kVersion);
  w.U8(kFrameLog2);
  w.U8(kCipherAes256Gcm);
  w.U32(0);
  w.Raw(key_id.view());
  w.Raw(commitment.view());
  return std::move(w).Take();
}

base::Bytes MarkOf() {
  base::Bytes header = HeaderOf({}, {});
  header.resize(kSealMarkBytes);
  return header;
}

absl::Status WrongKey() {
  return base::Error(absl::StatusCode::kPermissionDenied, "WRONG_KEY",
                     "the key is not the one this version was sealed with",
                     "Use the account or grant that can read the bucket.");
}

}  // namespace

KeyId KeyIdOf(const VersionKey& key) {
  base::Digest digest =
      base::Hasher::DeriveKey("cairn v1 seal key id").Field(key.Reveal()).Finish();
  KeyId id;
  std::copy_n(digest.value.begin(), KeyId::kSize, id.value.begin());
  return id;
}

uint64_t FrameCount(uint64_t plaintext_size) {
  return plaintext_size / kFrameBytes + (plaintext_size % kFrameBytes != 0);
}

bool LooksSealed(base::ByteView first_bytes) {
  static const base::Bytes& mark = *new base::Bytes(MarkOf());
  return first_bytes.size() >= kSealMarkBytes && std::equal(mark.begin(), mark.end(), first_bytes.begin());
}

uint64_t SealedSize(uint64_t plaintext_size) {
  if (plaintext_size == 0) return 0;
  return kSealHeaderBytes + plaintext_size + FrameCount(plaintext_size) * base::kAeadTagBytes;
}

absl::StatusOr<uint64_t> UnsealedSize(uint64_t stored_size) {
  if (stored_size == 0) return 0;
  auto bad = [&] {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_SEALED_SIZE",
                       "no plaintext is sealed into " + std::to_string(stored_size) + " bytes");
  };
  if (stored_size <= kSealHeaderBytes) return bad();
  const uint64_t frames = stored_size - kSealHeaderBytes;
  const uint64_t last = frames % kSealedFrameBytes;
  // No frame without plaintext is ever written.
  if (last != 0 && last <= base::kAeadTagBytes) return bad();
  const uint64_t count = frames / kSealedFrameBytes + (last != 0);
  return frames - count * base::kAeadTagBytes;
}

base::ByteRange SealedRange(base::ByteRange plaintext, uint64_t plaintext_size) {
  if (plaintext.offset >= plaintext_size || plaintext.length == 0) return {};
  const uint64_t end =
      plaintext.offset + std::min(plaintext.length, plaintext_size - plaintext.offset);
  const uint64_t first = plaintext.offset / kFrameBytes;
  const uint64_t past = FrameCount(end);
  // With frame 0 the header: it tells a wrong key from damage.
  const uint64_t from = first == 0 ? 0 : kSealHeaderBytes + first * kSealedFrameBytes;
  const uint64_t to =
      std::min(kSealHeaderBytes + past * kSealedFrameBytes, SealedSize(plaintext_size));
  return {from, to - from};
}

Sealer::Sealer(const VersionKey& key)
    : key_id_(KeyIdOf(key)), commitment_(CommitmentOf(key)), aead_(base::Aead::Gcm(key)) {}

void Sealer::WriteHeader(base::MutableByteView out) const {
  assert(out.size() == kSealHeaderBytes);
  base::Bytes header = HeaderOf(key_id_, commitment_);
  std::copy(header.begin(), header.end(), out.begin());
}

void Sealer::SealFrame(uint64_t index, bool final, base::ByteView plaintext,
                       base::MutableByteView out) const {
  assert(!plaintext.empty() && plaintext.size() <= kFrameBytes);
  assert(final || plaintext.size() == kFrameBytes);
  aead_.SealTo(base::CounterNonce(index), AadOf(index, final, key_id_), plaintext, out);
}

Opener::Opener(const VersionKey& key, const KeyId& key_id, uint64_t plaintext_size)
    : key_id_(key_id),
      commitment_(CommitmentOf(key)),
      aead_(base::Aead::Gcm(key)),
      plaintext_size_(plaintext_size) {}

absl::StatusOr<Opener> Opener::Create(const VersionKey& key, const KeyId& key_id,
                                      uint64_t stored_size) {
  if (KeyIdOf(key) != key_id) return WrongKey();
  absl::StatusOr<uint64_t> size = UnsealedSize(stored_size);
  if (!size.ok()) {
    return base::Error(absl::StatusCode::kDataLoss, "BAD_SEALED_SIZE", size.status().message());
  }
  return Opener(key, key_id, *size);
}

uint64_t Opener::FrameSize(uint64_t index) const {
  return std::min(kFrameBytes, plaintext_size_ - index * kFrameBytes);
}

absl::Status Opener::CheckHeader(base::ByteView header) const {
  base::Bytes expected = HeaderOf(key_id_, commitment_);
  if (header == base::ByteView(expected)) return absl::OkStatus();
  // A header that is right up to the key's id was made with another key.
  constexpr size_t kBeforeKey = 16;
  if (header.size() == kSealHeaderBytes &&
      header.first(kBeforeKey) == base::ByteView(expected).first(kBeforeKey)) {
    return WrongKey();
  }
  return base::Error(absl::StatusCode::kDataLoss, "BAD_SEAL_HEADER",
                     "the sealed header is not one this version could have");
}

absl::Status Opener::OpenFrame(uint64_t index, base::ByteView sealed,
                               base::MutableByteView out) const {
  assert(index < frame_count() && out.size() == FrameSize(index));
  if (sealed.size() != out.size() + base::kAeadTagBytes) {
    return base::Error(absl::StatusCode::kDataLoss, "DECRYPT_FAILED", "a frame of the wrong size");
  }
  const bool final = index + 1 == frame_count();
  return aead_.OpenTo(base::CounterNonce(index), AadOf(index, final, key_id_), sealed, out);
}

StreamSealer::StreamSealer(const VersionKey& key, ByteSink sink)
    : sealer_(key), sink_(std::move(sink)), frame_(kSealedFrameBytes) {}

absl::Status StreamSealer::Feed(base::ByteView plaintext) {
  while (!plaintext.empty()) {
    // A full frame waits for the next byte: only then is it known not to be the final one.
    if (filled_ == kFrameBytes) RETURN_IF_ERROR(Flush(false));
    const size_t n = std::min<size_t>(plaintext.size(), kFrameBytes - filled_);
    std::copy_n(plaintext.begin(), n, frame_.begin() + filled_);
    filled_ += n;
    plaintext.remove_prefix(n);
    plaintext_size_ += n;
  }
  return absl::OkStatus();
}

absl::Status StreamSealer::Finish() { return filled_ == 0 ? absl::OkStatus() : Flush(true); }

absl::Status StreamSealer::Flush(bool final) {
  if (index_ == 0) {
    std::array<uint8_t, kSealHeaderBytes> header;
    sealer_.WriteHeader(absl::MakeSpan(header));
    RETURN_IF_ERROR(sink_(header));
  }
  base::MutableByteView sealed = base::MutableByteView(frame_).first(filled_ + base::kAeadTagBytes);
  sealer_.SealFrame(index_++, final, sealed.first(filled_), sealed);
  filled_ = 0;
  return sink_(sealed);
}

}  // namespace cairn::storage
