#include "blake3_groups.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "check.h"

extern "C" {
#include <blake3_impl.h>
}

namespace cairn::base {
namespace {

constexpr size_t kChunkBytes = BLAKE3_CHUNK_LEN;
constexpr size_t kChunkBlocks = kChunkBytes / BLAKE3_BLOCK_LEN;
constexpr size_t kGroupChunks = kTreeGroupBytes / kChunkBytes;
constexpr size_t kValueBytes = BLAKE3_OUT_LEN;

Digest Stored(uint32_t words[8]) {
  Digest value;
  store_cv_words(value.value.data(), words);
  return value;
}

// Block by block: for a chunk that is short or that is the root.
Digest ChunkValue(ByteView chunk, uint64_t counter, bool root) {
  uint32_t words[8];
  std::copy(std::begin(IV), std::end(IV), words);
  uint8_t flags = CHUNK_START;
  do {
    uint8_t block[BLAKE3_BLOCK_LEN] = {};
    const ByteView taken = chunk.subspan(0, sizeof block);
    std::copy(taken.begin(), taken.end(), block);
    chunk.remove_prefix(taken.size());
    if (chunk.empty()) flags |= CHUNK_END | (root ? ROOT : 0);
    blake3_compress_in_place(words, block, static_cast<uint8_t>(taken.size()), counter, flags);
    flags = 0;
  } while (!chunk.empty());
  return Stored(words);
}

// Hashes `count` inputs of `blocks` blocks that follow each other, as many at a time as the widest
// vector unit takes. `values` does not overlap them.
void HashMany(const uint8_t* data, size_t count, size_t blocks, uint64_t counter, bool chunks,
              uint8_t* values) {
  const size_t input_bytes = blocks * BLAKE3_BLOCK_LEN;
  const uint8_t* inputs[MAX_SIMD_DEGREE_OR_2] = {};
  while (count > 0) {
    const size_t batch = std::min(count, std::size(inputs));
    for (size_t i = 0; i < batch; ++i) inputs[i] = data + i * input_bytes;
    blake3_hash_many(inputs, batch, blocks, IV, counter, /*increment_counter=*/chunks,
                     chunks ? 0 : PARENT, chunks ? CHUNK_START : 0, chunks ? CHUNK_END : 0, values);
    data += batch * input_bytes;
    values += batch * kValueBytes;
    counter += chunks ? batch : 0;
    count -= batch;
  }
}

void FullChunkValues(const uint8_t* data, size_t count, uint64_t counter, uint8_t* values) {
  HashMany(data, count, kChunkBlocks, counter, /*chunks=*/true, values);
}

// One level up: `count` / 2 pairs.
void PairValues(const uint8_t* values, size_t count, uint8_t* parents) {
  HashMany(values, count / 2, 1, 0, /*chunks=*/false, parents);
}

Digest NodeValue(const uint8_t node[kTreeNodeBytes], bool root) {
  uint32_t words[8];
  std::copy(std::begin(IV), std::end(IV), words);
  blake3_compress_in_place(words, node, kTreeNodeBytes, 0, PARENT | (root ? ROOT : 0));
  return Stored(words);
}

// Joins up to 16 chunk values, an odd last one moving up unchanged: the shape of BLAKE3's tree.
Digest Join(uint8_t* values, size_t count, bool root) {
  uint8_t parents[kGroupChunks / 2 * kValueBytes];
  for (; count > 2; count = (count + 1) / 2) {
    PairValues(values, count, parents);
    const size_t bytes = count / 2 * kValueBytes;
    if (count % 2 != 0) std::memmove(values + bytes, values + 2 * bytes, kValueBytes);
    std::memcpy(values, parents, bytes);
  }
  return NodeValue(values, root);
}

}  // namespace

uint64_t LeftSubtreeBytes(uint64_t size) {
  Require(size > kTreeGroupBytes);
  return std::bit_floor(size - 1);
}

Digest GroupValue(ByteView group, uint64_t index, bool root) {
  Require(group.size() <= kTreeGroupBytes);
  const uint64_t counter = index * kGroupChunks;
  if (group.size() <= kChunkBytes) return ChunkValue(group, counter, root);
  uint8_t values[kGroupChunks * kValueBytes];
  const size_t full = group.size() / kChunkBytes;
  size_t count = full;
  FullChunkValues(group.data(), full, counter, values);
  if (group.size() % kChunkBytes != 0) {
    const Digest last = ChunkValue(group.subspan(full * kChunkBytes), counter + full, false);
    std::memcpy(values + full * kValueBytes, last.value.data(), kValueBytes);
    ++count;
  }
  return Join(values, count, root);
}

void FullGroupValues(const uint8_t* data, size_t count, uint64_t first_index, Digest* values) {
  Require(count <= kGroupBatch);
  uint8_t odd[kGroupBatch * kGroupChunks * kValueBytes];
  uint8_t even[sizeof odd / 2];
  FullChunkValues(data, count * kGroupChunks, first_index * kGroupChunks, odd);
  // Four levels, to and fro between two buffers: values must not overlap what they are made of.
  static_assert(kGroupChunks == 16);
  PairValues(odd, count * 16, even);
  PairValues(even, count * 8, odd);
  PairValues(odd, count * 4, even);
  PairValues(even, count * 2, odd);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(values[i].value.data(), odd + i * kValueBytes, kValueBytes);
  }
}

Digest ParentValue(const Digest& left, const Digest& right, bool root) {
  uint8_t node[kTreeNodeBytes];
  std::memcpy(node, left.value.data(), kValueBytes);
  std::memcpy(node + kValueBytes, right.value.data(), kValueBytes);
  return NodeValue(node, root);
}

}  // namespace cairn::base
