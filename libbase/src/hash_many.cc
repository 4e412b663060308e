#include <algorithm>
#include <cassert>
#include <cstring>

#include "cairn/base/hash.h"
#include "cairn/base/hash_context.h"

extern "C" {
#include <blake3.h>
#include <blake3_impl.h>
}

namespace cairn::base {
namespace {

constexpr size_t kLanes = MAX_SIMD_DEGREE_OR_2;

// What a hash begins from: the key, and the flags of its mode.
struct Mode {
  const uint32_t* key;
  uint8_t flags;
};

// `count` blobs of `size` bytes, 1 to one chunk, side by side. The vector code knows whole blocks only, so a last block
// that is shorter is compressed on its own.
void HashSideBySide(Mode mode, const ByteView* blobs, size_t count, size_t size, Digest* digests) {
  const uint8_t* inputs[kLanes] = {};
  for (size_t i = 0; i < count; ++i) inputs[i] = blobs[i].data();
  const size_t blocks = size / BLAKE3_BLOCK_LEN;
  const size_t rest = size % BLAKE3_BLOCK_LEN;
  const uint8_t end = rest == 0 ? CHUNK_END | ROOT : 0;
  uint8_t values[kLanes * BLAKE3_OUT_LEN];
  if (blocks > 0) {
    blake3_hash_many(inputs, count, blocks, mode.key, 0, /*increment_counter=*/false, mode.flags, CHUNK_START, end,
                     values);
  }
  for (size_t i = 0; i < count; ++i) {
    uint8_t* digest = digests[i].value.data();
    if (blocks > 0) std::memcpy(digest, values + i * BLAKE3_OUT_LEN, BLAKE3_OUT_LEN);
    if (rest == 0) continue;
    uint32_t words[8];
    if (blocks > 0) {
      load_key_words(digest, words);
    } else {
      std::copy_n(mode.key, std::size(words), words);
    }
    uint8_t block[BLAKE3_BLOCK_LEN] = {};
    std::memcpy(block, inputs[i] + blocks * BLAKE3_BLOCK_LEN, rest);
    blake3_compress_in_place(words, block, static_cast<uint8_t>(rest), 0,
                             mode.flags | CHUNK_END | ROOT | (blocks > 0 ? 0 : CHUNK_START));
    store_cv_words(digest, words);
  }
}

// How many blobs from `first` on can be hashed side by side.
size_t AlikeFrom(absl::Span<const ByteView> blobs, size_t first) {
  size_t past = first + 1;
  while (past < blobs.size() && past - first < kLanes && blobs[past].size() == blobs[first].size()) ++past;
  return past - first;
}

}  // namespace

void Blake3Many(absl::Span<const ByteView> blobs, absl::Span<Digest> digests) {
  assert(blobs.size() == digests.size());
  for (size_t first = 0; first < blobs.size();) {
    const size_t size = blobs[first].size();
    size_t count = 1;
    if (size == 0 || size > BLAKE3_CHUNK_LEN) {
      digests[first] = Blake3(blobs[first]);
    } else {
      count = AlikeFrom(blobs, first);
      HashSideBySide({IV, 0}, &blobs[first], count, size, &digests[first]);
    }
    first += count;
  }
}

HashContext::HashContext(absl::string_view context) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key_raw(&hasher, context.data(), context.size());
  std::copy_n(hasher.key, key_.size(), key_.begin());
}

Digest HashContext::Hash(ByteView bytes) const {
  Digest digest;
  HashMany({&bytes, 1}, {&digest, 1});
  return digest;
}

void HashContext::HashMany(absl::Span<const ByteView> blobs, absl::Span<Digest> digests) const {
  assert(blobs.size() == digests.size());
  for (size_t first = 0; first < blobs.size();) {
    assert(!blobs[first].empty() && blobs[first].size() <= BLAKE3_CHUNK_LEN);
    const size_t count = AlikeFrom(blobs, first);
    HashSideBySide({key_.data(), DERIVE_KEY_MATERIAL}, &blobs[first], count, blobs[first].size(), &digests[first]);
    first += count;
  }
}

}  // namespace cairn::base
