// Pages of the state tree: four levels of nodes, sixteen slots below them. What a page is stored as, and what it hashes to.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "cairn/base/hash.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

inline constexpr int kSlots = 16;
inline constexpr int kMaxDepth = 64;  // pages on a path: 256 bits, four a page

struct Slot {
  enum Kind { kEmpty, kLeaf, kInner } kind = kEmpty;
  base::Digest hash;   // of the key (leaf), or of the page below (inner)
  base::Digest value;  // of the value (leaf)
};
using Page = std::array<Slot, kSlots>;

base::Digest LeafHash(const base::Digest& key, const base::Digest& value);
base::Digest NodeHash(const base::Digest& left, const base::Digest& right);
base::Digest DigestOf(const Slot& slot);

// The slot of `key` in a page at `depth`.
int Nibble(const base::Digest& key, int depth);
// Depth, then the path to it in whole nibbles; the half of the last byte that is not path is zero.
std::string PageKey(int depth, const base::Digest& path);
std::string EncodePage(const Page& page);
// DataLoss (STATE_TREE_BROKEN), naming the page.
absl::Status TreeBroken(absl::string_view what, int depth, const base::Digest& path);
// TreeBroken when a page that must be there is not, or cannot be read.
absl::StatusOr<Page> LoadPage(const ReadView& pages, int depth, const base::Digest& path);

// A page with every node above its slots: node 1 is the whole page, node n covers nodes 2n and 2n + 1, nodes 16 to 31
// are the slots. A node is empty, the one leaf below it, or inner with its hash.
using PageTree = std::array<Slot, 2 * kSlots>;
PageTree TreeOf(const Page& page);
// Node 1 of each page's tree; the pages' nodes are hashed side by side.
std::vector<Slot> SummariesOf(absl::Span<const Page* const> pages);

}  // namespace cairn::chain
