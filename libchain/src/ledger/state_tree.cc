#include <algorithm>
#include <deque>

#include "cairn/base/status.h"
#include "cairn/chain/proof.h"
#include "ledger/tree_pages.h"

namespace cairn::chain {
namespace {

struct Change {
  base::Digest key;
  std::optional<base::Digest> value;
};

bool Before(const Change& a, const Change& b) { return a.key < b.key; }

// First the changes go down to their pages; then the pages are hashed, all of one depth at once, from the deepest up.
class Updater {
 public:
  explicit Updater(const ReadView& pages) : pages_(pages), touched_(kMaxDepth) {}

  // `changes` are sorted and not empty. Says what the whole tree now amounts to.
  absl::StatusOr<Slot> Apply(absl::Span<const Change> changes) {
    ASSIGN_OR_RETURN(const Page root, LoadPage(pages_, 0, base::Digest{}));
    Slot whole;
    RETURN_IF_ERROR(Touch(0, root, /*stored=*/true, changes, &whole));
    for (int depth = kMaxDepth - 1; depth >= 0; --depth) Finish(depth);
    return whole;
  }
  ChangeSet TakePages() { return std::move(written_); }

 private:
  struct Touched {
    base::Digest path;
    Page page;
    bool stored;
    Slot* above;  // where what the page amounts to belongs
  };

  absl::Status Touch(int depth, const Page& before, bool stored, absl::Span<const Change> changes, Slot* above) {
    if (depth == kMaxDepth) return TreeBroken("the state tree is deeper than a hash is long", depth, changes.front().key);
    // A deque: what is below keeps a pointer to its slot.
    Touched& touched = touched_[depth].emplace_back(Touched{changes.front().key, before, stored, above});
    for (size_t begin = 0; begin < changes.size();) {
      const int nibble = Nibble(changes[begin].key, depth);
      size_t end = begin + 1;
      while (end < changes.size() && Nibble(changes[end].key, depth) == nibble) ++end;
      RETURN_IF_ERROR(ApplyTo(touched.page[nibble], depth, changes.subspan(begin, end - begin)));
      begin = end;
    }
    return absl::OkStatus();
  }

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
    return Touch(depth + 1, below, stored, changes, &slot);
  }

  void Finish(int depth) {
    const std::deque<Touched>& touched = touched_[depth];
    std::vector<const Page*> pages;
    pages.reserve(touched.size());
    for (const Touched& each : touched) pages.push_back(&each.page);
    const std::vector<Slot> summaries = SummariesOf(pages);
    for (size_t i = 0; i < touched.size(); ++i) {
      const Slot& summary = summaries[i];
      *touched[i].above = summary;
      // A leaf alone under a page stands in the page above it, so that the pages follow from the state and not from its
      // history. Above the root's page there is none.
      if (summary.kind == Slot::kInner || (depth == 0 && summary.kind == Slot::kLeaf)) {
        written_[PageKey(depth, touched[i].path)] = MakeRecord(EncodePage(touched[i].page));
      } else if (touched[i].stored) {
        written_[PageKey(depth, touched[i].path)] = nullptr;
      }
    }
  }

  const ReadView& pages_;
  std::vector<std::deque<Touched>> touched_;  // by depth
  ChangeSet written_;
};

// Keys and values of the records, hashed and sorted.
std::vector<Change> Hashed(const ChangeSet& changes) {
  std::vector<base::ByteView> bytes;
  bytes.reserve(2 * changes.size());
  for (const auto& [key, record] : changes) bytes.push_back(base::AsBytes(key));
  for (const auto& [key, record] : changes) {
    if (record) bytes.push_back(base::AsBytes(record->bytes()));
  }
  std::vector<base::Digest> digests(bytes.size());
  base::Blake3Many(bytes, absl::MakeSpan(digests));
  std::vector<Change> hashed;
  hashed.reserve(changes.size());
  size_t value = changes.size();
  for (const auto& [key, record] : changes) {
    Change& change = hashed.emplace_back(Change{digests[hashed.size()], std::nullopt});
    if (record) change.value = digests[value++];
  }
  std::sort(hashed.begin(), hashed.end(), Before);
  return hashed;
}

// What the leaves, sorted and all under one path, amount to; every page on the way must be there as they make it.
absl::StatusOr<Slot> CheckPages(const ReadView& pages, int depth, absl::Span<const Change> leaves) {
  // As Finish leaves it: no page of its own for one leaf, but at the root.
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
    return TreeBroken("a page of the state tree is not what the records make it", depth, path);
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
  Updater updater(pages);
  ASSIGN_OR_RETURN(const Slot whole, updater.Apply(Hashed(changes)));
  update.root = DigestOf(whole);
  update.pages = updater.TakePages();
  return update;
}

absl::StatusOr<base::Digest> TreeRoot(const ReadView& pages) {
  ASSIGN_OR_RETURN(const Page root, LoadPage(pages, 0, base::Digest{}));
  return DigestOf(TreeOf(root)[1]);
}

absl::StatusOr<base::Digest> CheckTree(const ReadView& pages, const ReadView& state) {
  std::vector<Change> leaves;
  state.Scan("", "", [&](const std::string& key, const Record& record) {
    leaves.push_back({base::Blake3(base::AsBytes(key)), base::Blake3(base::AsBytes(record.bytes()))});
    return true;
  });
  RETURN_IF_ERROR(state.health());
  std::sort(leaves.begin(), leaves.end(), Before);
  ASSIGN_OR_RETURN(const Slot summary, CheckPages(pages, 0, leaves));
  return DigestOf(summary);
}

}  // namespace cairn::chain
