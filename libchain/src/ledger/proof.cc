#include "cairn/chain/proof.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "absl/types/span.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "ledger/bad_proof.h"

namespace cairn::chain {
namespace {

constexpr int kSlots = 16;
constexpr int kMaxDepth = 64;  // pages on a path: 256 bits, four a page
constexpr int kMaxSiblings = 256;

struct Slot {
  enum Kind { kEmpty, kLeaf, kInner } kind = kEmpty;
  base::Digest hash;   // of the key (leaf), or of the page below (inner)
  base::Digest value;  // of the value (leaf)
};
using Page = std::array<Slot, kSlots>;

struct Change {
  base::Digest key;
  std::optional<base::Digest> value;
};

base::Digest LeafHash(const base::Digest& key, const base::Digest& value) {
  return base::Hasher::DeriveKey("cairn v1 state leaf").Field(key.view()).Field(value.view()).Finish();
}

base::Digest NodeHash(const base::Digest& left, const base::Digest& right) {
  return base::Hasher::DeriveKey("cairn v1 state node").Field(left.view()).Field(right.view()).Finish();
}

int Nibble(const base::Digest& key, int depth) {
  const uint8_t byte = key.value[depth / 2];
  return depth % 2 == 0 ? byte >> 4 : byte & 15;
}

// Depth, then the path to it in whole nibbles; the half of the last byte that is not path is zero.
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

absl::StatusOr<Page> LoadPage(const ReadView& pages, int depth, const base::Digest& path) {
  const std::string key = PageKey(depth, path);
  const std::optional<std::string> bytes = pages.Get(key);
  RETURN_IF_ERROR(pages.health());
  if (!bytes) {
    if (depth == 0) return Page{};
    return base::Error(absl::StatusCode::kDataLoss, "STATE_TREE_BROKEN", "a page of the state tree is missing",
                       "restore the ledger's store from a copy", {{"page", base::ToHex(base::AsBytes(key))}});
  }
  return DecodePage(*bytes);
}

base::Digest DigestOf(const Slot& slot) {
  return slot.kind == Slot::kLeaf ? LeafHash(slot.hash, slot.value) : slot.hash;
}

// A page with every node above its slots: node 1 is the whole page, node n covers nodes 2n and 2n + 1, nodes 16 to 31
// are the slots. A node is empty, the one leaf below it, or inner with its hash.
using PageTree = std::array<Slot, 2 * kSlots>;

PageTree TreeOf(const Page& page) {
  PageTree tree;
  std::copy(page.begin(), page.end(), tree.begin() + kSlots);
  for (int n = kSlots - 1; n > 0; --n) {
    const Slot& left = tree[2 * n];
    const Slot& right = tree[2 * n + 1];
    if (left.kind == Slot::kEmpty && right.kind != Slot::kInner) {
      tree[n] = right;
    } else if (right.kind == Slot::kEmpty && left.kind != Slot::kInner) {
      tree[n] = left;
    } else {
      tree[n].kind = Slot::kInner;
      tree[n].hash = NodeHash(DigestOf(left), DigestOf(right));
    }
  }
  return tree;
}

class Updater {
 public:
  explicit Updater(const ReadView& pages) : pages_(pages) {}

  // Applies sorted changes, all under the path of the page, and says what the page now amounts to.
  absl::StatusOr<Slot> Apply(int depth, Page page, bool stored, absl::Span<const Change> changes) {
    const base::Digest path = changes.front().key;
    for (size_t begin = 0; begin < changes.size();) {
      const int nibble = Nibble(changes[begin].key, depth);
      size_t end = begin + 1;
      while (end < changes.size() && Nibble(changes[end].key, depth) == nibble) ++end;
      RETURN_IF_ERROR(ApplyTo(page[nibble], depth, changes.subspan(begin, end - begin)));
      begin = end;
    }
    const Slot summary = TreeOf(page)[1];
    if (summary.kind == Slot::kInner || (depth == 0 && summary.kind == Slot::kLeaf)) {
      written_[PageKey(depth, path)] = EncodePage(page);
    } else if (stored) {
      written_[PageKey(depth, path)] = std::nullopt;
    }
    return summary;
  }
  ChangeSet TakePages() { return std::move(written_); }

 private:
  absl::Status ApplyTo(Slot& slot, int depth, absl::Span<const Change> changes) {
    const Change& first = changes.front();
    const bool alone = slot.kind == Slot::kEmpty || (slot.kind == Slot::kLeaf && slot.hash == first.key);
    if (changes.size() == 1 && alone) {
      slot = first.value ? Slot{Slot::kLeaf, first.key, *first.value} : Slot{};
      return absl::OkStatus();
    }
    Page below;
    const bool stored = slot.kind == Slot::kInner;
    if (stored) {
      ASSIGN_OR_RETURN(below, LoadPage(pages_, depth + 1, first.key));
    } else if (slot.kind == Slot::kLeaf) {
      below[Nibble(slot.hash, depth + 1)] = slot;
    }
    ASSIGN_OR_RETURN(slot, Apply(depth + 1, below, stored, changes));
    return absl::OkStatus();
  }

  const ReadView& pages_;
  ChangeSet written_;
};

// Proofs of several keys of one state; the pages they share are read once.
class Prover {
 public:
  Prover(const ReadView& pages, const ReadView& state) : pages_(pages), state_(state) {}

  absl::StatusOr<pb::StateProof> Prove(const std::string& key) {
    const base::Digest hash = base::Blake3(base::AsBytes(key));
    std::vector<base::Digest> siblings;  // from root to leaf
    Slot end;
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      ASSIGN_OR_RETURN(const PageTree* tree, Load(depth, hash));
      const int nibble = Nibble(hash, depth);
      int node = 1;
      for (int bit = 3; bit >= 0 && (*tree)[node].kind == Slot::kInner; --bit) {
        node = 2 * node + (nibble >> bit & 1);
        siblings.push_back(DigestOf((*tree)[node ^ 1]));
      }
      end = (*tree)[node];
      if (end.kind != Slot::kInner) break;
    }
    return Build(key, hash, end, siblings);
  }

 private:
  absl::StatusOr<const PageTree*> Load(int depth, const base::Digest& path) {
    const std::string key = PageKey(depth, path);
    const auto known = trees_.find(key);
    if (known != trees_.end()) return &known->second;
    ASSIGN_OR_RETURN(const Page page, LoadPage(pages_, depth, path));
    return &trees_.emplace(key, TreeOf(page)).first->second;
  }
  absl::StatusOr<pb::StateProof> Build(const std::string& key, const base::Digest& hash, const Slot& end,
                                       const std::vector<base::Digest>& siblings) const {
    pb::StateProof proof;
    proof.set_key(key);
    proof.set_present(end.kind == Slot::kLeaf && end.hash == hash);
    if (proof.present()) {
      proof.set_value(state_.Get(key).value_or(""));
    } else if (end.kind == Slot::kLeaf) {
      proof.set_other_leaf(ToField(end.hash) + ToField(end.value));
    }
    proof.set_depth_bits(siblings.size());
    for (auto it = siblings.rbegin(); it != siblings.rend(); ++it) proof.add_siblings(ToField(*it));
    RETURN_IF_ERROR(state_.health());
    return proof;
  }

  const ReadView& pages_;
  const ReadView& state_;
  std::map<std::string, PageTree> trees_;
};

// What the leaves, sorted and all under one path, amount to; every page on the way must be there as they make it.
absl::StatusOr<Slot> CheckPages(const ReadView& pages, int depth, absl::Span<const Change> leaves) {
  if (depth > 0 && leaves.size() == 1) return Slot{Slot::kLeaf, leaves[0].key, *leaves[0].value};
  Page page;
  for (size_t begin = 0; begin < leaves.size();) {
    const int nibble = Nibble(leaves[begin].key, depth);
    size_t end = begin + 1;
    while (end < leaves.size() && Nibble(leaves[end].key, depth) == nibble) ++end;
    ASSIGN_OR_RETURN(page[nibble], CheckPages(pages, depth + 1, leaves.subspan(begin, end - begin)));
    begin = end;
  }
  const base::Digest path = leaves.empty() ? base::Digest{} : leaves[0].key;
  ASSIGN_OR_RETURN(const Page stored, LoadPage(pages, depth, path));
  if (EncodePage(stored) != EncodePage(page)) {
    return base::Error(absl::StatusCode::kDataLoss, "STATE_TREE_BROKEN",
                       "a page of the state tree is not what the records make it",
                       "restore the ledger's store from a copy", {{"page", base::ToHex(base::AsBytes(PageKey(depth, path)))}});
  }
  return TreeOf(page)[1];
}

}  // namespace

absl::StatusOr<TreeUpdate> UpdateTree(const ReadView& pages, const ChangeSet& changes) {
  TreeUpdate update;
  if (changes.empty()) {
    ASSIGN_OR_RETURN(update.root, TreeRoot(pages));
    return update;
  }
  std::vector<Change> sorted;
  sorted.reserve(changes.size());
  for (const auto& [key, value] : changes) {
    Change change;
    change.key = base::Blake3(base::AsBytes(key));
    if (value) change.value = base::Blake3(base::AsBytes(*value));
    sorted.push_back(change);
  }
  std::sort(sorted.begin(), sorted.end(), [](const Change& a, const Change& b) { return a.key < b.key; });
  ASSIGN_OR_RETURN(Page root, LoadPage(pages, 0, base::Digest{}));
  Updater updater(pages);
  ASSIGN_OR_RETURN(const Slot summary, updater.Apply(0, root, true, sorted));
  update.root = DigestOf(summary);
  update.pages = updater.TakePages();
  return update;
}

absl::StatusOr<base::Digest> TreeRoot(const ReadView& pages) {
  ASSIGN_OR_RETURN(const Page root, LoadPage(pages, 0, base::Digest{}));
  return DigestOf(TreeOf(root)[1]);
}

absl::StatusOr<base::Digest> CheckTree(const ReadView& pages, const ReadView& state) {
  std::vector<Change> leaves;
  state.Scan("", "", [&](const std::string& key, const std::string& value) {
    leaves.push_back({base::Blake3(base::AsBytes(key)), base::Blake3(base::AsBytes(value))});
    return true;
  });
  RETURN_IF_ERROR(state.health());
  std::sort(leaves.begin(), leaves.end(), [](const Change& a, const Change& b) { return a.key < b.key; });
  ASSIGN_OR_RETURN(const Slot summary, CheckPages(pages, 0, leaves));
  return DigestOf(summary);
}

absl::StatusOr<pb::StateProof> Prove(const ReadView& pages, const ReadView& state, const std::string& key) {
  return Prover(pages, state).Prove(key);
}

absl::StatusOr<StateProofs> ProveAll(const ReadView& pages, const ReadView& state,
                                     const std::vector<std::string>& keys) {
  Prover prover(pages, state);
  StateProofs proofs;
  std::set<std::string> proven;
  for (const std::string& key : keys) {
    if (!proven.insert(key).second) continue;
    ASSIGN_OR_RETURN(*proofs.Add(), prover.Prove(key));
  }
  return proofs;
}

absl::Status VerifyProof(const base::Digest& root, const pb::StateProof& proof) {
  const base::Digest key = base::Blake3(base::AsBytes(proof.key()));
  base::Digest digest;
  if (proof.present()) {
    if (!proof.other_leaf().empty()) return BadProof("a proof of presence names another leaf");
    digest = LeafHash(key, base::Blake3(base::AsBytes(proof.value())));
  } else {
    if (!proof.value().empty()) return BadProof("a proof of absence carries a value");
    if (!proof.other_leaf().empty()) {
      if (proof.other_leaf().size() != 2 * base::Digest::kSize) return BadProof("the leaf in the way is malformed");
      const auto other = Trusted<base::Digest>(proof.other_leaf().substr(0, base::Digest::kSize));
      if (other == key) return BadProof("the leaf in the way is the key's own");
      digest = LeafHash(other, Trusted<base::Digest>(proof.other_leaf().substr(base::Digest::kSize)));
    }
  }
  const int depth = proof.siblings_size();
  if (depth > kMaxSiblings || proof.depth_bits() != static_cast<uint64_t>(depth)) return BadProof("wrong depth");
  for (int i = 0; i < depth; ++i) {
    const auto sibling = FromField<base::Digest>(proof.siblings(i));
    if (!sibling) return BadProof("a sibling is malformed");
    const int bit = depth - 1 - i;
    const bool right = (key.value[bit / 8] >> (7 - bit % 8) & 1) != 0;
    digest = right ? NodeHash(*sibling, digest) : NodeHash(digest, *sibling);
  }
  return digest == root ? absl::OkStatus() : BadProof("the proof does not lead to the state root");
}

base::Digest HeaderDigest(absl::string_view header) {
  return base::Hasher::DeriveKey("cairn v1 block header").Field(header).Finish();
}

absl::StatusOr<pb::BlockHeader> VerifyHeader(const base::ChainId& chain, const base::PublicKey& engine_key,
                                             const std::string& header, const std::string& signature) {
  const auto sig = FromField<base::Signature>(signature);
  if (!sig || !engine_key.Verify(HeaderDigest(header), *sig)) return BadProof("the header is not the engine's");
  pb::BlockHeader parsed;
  if (!parsed.ParseFromString(header)) return BadProof("the header is malformed");
  if (parsed.chain_id() != ToField(chain)) return BadProof("the header is of another ledger");
  return parsed;
}

absl::Status VerifyAnswer(const base::ChainId& chain, const base::PublicKey& engine_key,
                          const pb::QueryResponse& response) {
  ASSIGN_OR_RETURN(const pb::BlockHeader header,
                   VerifyHeader(chain, engine_key, response.header(), response.header_signature()));
  const auto root = FromField<base::Digest>(header.state_root());
  if (!root) return BadProof("the header has no state root");
  for (const pb::StateProof& proof : response.proofs()) RETURN_IF_ERROR(VerifyProof(*root, proof));
  return absl::OkStatus();
}

}  // namespace cairn::chain
