// The inside of BLAKE3 that its C interface does not show: values of 16 KiB groups and of inner
// nodes.
//
// A group is 16 chunks of 1,024 bytes, so every group but the last is a complete subtree, and a
// tree over groups is the upper part of the BLAKE3 tree. `root` marks the node that stands for the
// whole blob: it is hashed with a flag, and its value is then the blob's plain hash.
#pragma once

#include "cairn/base/blake3_tree.h"

namespace cairn::base {

inline constexpr size_t kTreeNodeBytes = 64;  // left and right value
inline constexpr size_t kGroupBatch = 16;

// Bytes under the left child of a node over `size` bytes; `size` is more than one group.
uint64_t LeftSubtreeBytes(uint64_t size);

// The value of group number `index`, which has at most 16 KiB and, unless the blob is empty, at
// least one byte.
Digest GroupValue(ByteView group, uint64_t index, bool root);

// The values of `count` full groups that follow each other, at most kGroupBatch. Wide: keeps all
// vector lanes busy.
void FullGroupValues(const uint8_t* data, size_t count, uint64_t first_index, Digest* values);

Digest ParentValue(const Digest& left, const Digest& right, bool root);

}  // namespace cairn::base
