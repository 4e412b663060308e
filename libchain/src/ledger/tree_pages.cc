#include "ledger/tree_pages.h"

#include <algorithm>
#include <cstring>

#include "cairn/base/codec.h"
#include "cairn/base/hash_context.h"
#include "cairn/base/status.h"

namespace cairn::chain {
namespace {

constexpr size_t kPairBytes = 2 * base::Digest::kSize;
using Pair = std::array<uint8_t, kPairBytes>;

const base::HashContext& LeafContext() {
  static const base::HashContext context("cairn v1 state leaf");
  return context;
}
const base::HashContext& NodeContext() {
  static const base::HashContext context("cairn v1 state node");
  return context;
}

Pair Join(const base::Digest& first, const base::Digest& second) {
  Pair pair;
  std::memcpy(pair.data(), first.value.data(), base::Digest::kSize);
  std::memcpy(pair.data() + base::Digest::kSize, second.value.data(), base::Digest::kSize);
  return pair;
}

// Pairs of digests, hashed side by side.
class Pairs {
 public:
  void Add(const base::Digest& first, const base::Digest& second, base::Digest* into) {
    pairs_.push_back(Join(first, second));
    into_.push_back(into);
  }
  void Hash(const base::HashContext& context) {
    std::vector<base::ByteView> blobs(pairs_.begin(), pairs_.end());
    std::vector<base::Digest> digests(pairs_.size());
    context.HashMany(blobs, absl::MakeSpan(digests));
    for (size_t i = 0; i < into_.size(); ++i) *into_[i] = digests[i];
    pairs_.clear();
    into_.clear();
  }

 private:
  std::vector<Pair> pairs_;
  std::vector<base::Digest*> into_;
};

// Works out the nodes that cover two others each, `first` to 2 * first - 1 of every tree.
void HashLevel(absl::Span<PageTree> trees, int first) {
  struct Inner {
    Slot* node;
    base::Digest left, right;
  };
  std::vector<Inner> inner;
  inner.reserve(trees.size() * static_cast<size_t>(first));
  Pairs leaves;
  const auto digest = [&leaves](const Slot& child, base::Digest* into) {
    if (child.kind == Slot::kLeaf) {
      leaves.Add(child.hash, child.value, into);
    } else {
      *into = child.hash;
    }
  };
  for (PageTree& tree : trees) {
    for (int n = first; n < 2 * first; ++n) {
      const Slot& left = tree[2 * n];
      const Slot& right = tree[2 * n + 1];
      // A leaf rises until it has a neighbour: a path is as long as two keys agree, not as long as a hash. An inner
      // node stays where it is, since its place is part of what it says.
      if (left.kind == Slot::kEmpty && right.kind != Slot::kInner) {
        tree[n] = right;
      } else if (right.kind == Slot::kEmpty && left.kind != Slot::kInner) {
        tree[n] = left;
      } else {
        tree[n].kind = Slot::kInner;
        Inner& pair = inner.emplace_back(Inner{&tree[n], {}, {}});
        digest(left, &pair.left);
        digest(right, &pair.right);
      }
    }
  }
  leaves.Hash(LeafContext());
  Pairs nodes;
  for (const Inner& pair : inner) nodes.Add(pair.left, pair.right, &pair.node->hash);
  nodes.Hash(NodeContext());
}

void HashTrees(absl::Span<PageTree> trees) {
  for (int first = kSlots / 2; first > 0; first /= 2) HashLevel(trees, first);
}

PageTree Unhashed(const Page& page) {
  PageTree tree;
  std::copy(page.begin(), page.end(), tree.begin() + kSlots);
  return tree;
}

absl::StatusOr<Page> DecodePage(const std::string& bytes) {
  base::Reader reader(base::AsBytes(bytes));
  const uint16_t leaves = reader.U16();
  const uint16_t inners = reader.U16();
  if ((leaves & inners) != 0) reader.Fail("a slot is leaf and inner at once");
  Page page;
  for (int i = 0; i < kSlots && reader.ok(); ++i) {
    if ((leaves >> i & 1) == 0 && (inners >> i & 1) == 0) continue;
    page[i].kind = (leaves >> i & 1) != 0 ? Slot::kLeaf : Slot::kInner;
    page[i].hash = reader.Fixed<base::Digest>();
    if (page[i].kind == Slot::kLeaf) page[i].value = reader.Fixed<base::Digest>();
  }
  RETURN_IF_ERROR(reader.Finish());
  return page;
}

}  // namespace

base::Digest LeafHash(const base::Digest& key, const base::Digest& value) {
  return LeafContext().Hash(Join(key, value));
}

base::Digest NodeHash(const base::Digest& left, const base::Digest& right) {
  return NodeContext().Hash(Join(left, right));
}

base::Digest DigestOf(const Slot& slot) {
  return slot.kind == Slot::kLeaf ? LeafHash(slot.hash, slot.value) : slot.hash;
}

int Nibble(const base::Digest& key, int depth) {
  const uint8_t byte = key.value[depth / 2];
  return depth % 2 == 0 ? byte >> 4 : byte & 15;
}

std::string PageKey(int depth, const base::Digest& path) {
  std::string key(1, static_cast<char>(depth));
  for (int i = 0; i < depth; i += 2) {
    const uint8_t byte = path.value[i / 2];
    key.push_back(static_cast<char>(i + 1 < depth ? byte : byte & 0xf0));
  }
  return key;
}

std::string EncodePage(const Page& page) {
  uint16_t leaves = 0, inners = 0;
  for (int i = 0; i < kSlots; ++i) {
    if (page[i].kind == Slot::kLeaf) leaves |= 1 << i;
    if (page[i].kind == Slot::kInner) inners |= 1 << i;
  }
  base::Writer writer;
  writer.U16(leaves);
  writer.U16(inners);
  for (const Slot& slot : page) {
    if (slot.kind == Slot::kEmpty) continue;
    writer.Raw(slot.hash.view());
    if (slot.kind == Slot::kLeaf) writer.Raw(slot.value.view());
  }
  return base::ToString(writer.view());
}

absl::Status TreeBroken(absl::string_view what, int depth, const base::Digest& path) {
  return base::Error(absl::StatusCode::kDataLoss, "STATE_TREE_BROKEN", what, "restore the ledger's store from a copy",
                     {{"page", base::ToHex(base::AsBytes(PageKey(std::min(depth, kMaxDepth), path)))}});
}

absl::StatusOr<Page> LoadPage(const ReadView& pages, int depth, const base::Digest& path) {
  const RecordPtr record = pages.Get(PageKey(depth, path));
  RETURN_IF_ERROR(pages.health());
  if (!record) {
    // An empty state has no page at all.
    if (depth == 0) return Page{};
    return TreeBroken("a page of the state tree is missing", depth, path);
  }
  return DecodePage(record->bytes());
}

PageTree TreeOf(const Page& page) {
  PageTree tree = Unhashed(page);
  HashTrees({&tree, 1});
  return tree;
}

std::vector<Slot> SummariesOf(absl::Span<const Page* const> pages) {
  // As many at once as fit a cache.
  constexpr size_t kAtOnce = 64;
  std::vector<Slot> summaries;
  summaries.reserve(pages.size());
  std::vector<PageTree> trees;
  for (size_t first = 0; first < pages.size(); first += kAtOnce) {
    trees.clear();
    for (const Page* page : pages.subspan(first, kAtOnce)) trees.push_back(Unhashed(*page));
    HashTrees(absl::MakeSpan(trees));
    for (const PageTree& tree : trees) summaries.push_back(tree[1]);
  }
  return summaries;
}

}  // namespace cairn::chain
