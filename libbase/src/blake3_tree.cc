#include "cairn/base/blake3_tree.h"

#include <bit>

#include "blake3_groups.h"

namespace cairn::base {

uint64_t OutboardSize(uint64_t size) {
  return size == 0 ? 0 : (size - 1) / kTreeGroupBytes * kTreeNodeBytes;
}

struct TreeBuilder::State {
  const bool keep_outboard;
  uint64_t size = 0;
  uint64_t groups = 0;
  // With outboard: the value of every group. Without: the values of the complete subtrees so far,
  // largest first.
  std::vector<Digest> values;
  Bytes pending;  // the beginning of a group

  void Push(const Digest& value) {
    // Joining waits for the next group, because the last join of all is the root and hashed
    // differently.
    // So many groups form as many complete subtrees as their number has bits set.
    while (!keep_outboard && values.size() > static_cast<size_t>(std::popcount(groups)))
      Join(false);
    values.push_back(value);
    ++groups;
  }

  void Join(bool root) {
    const Digest right = values.back();
    values.pop_back();
    values.back() = ParentValue(values.back(), right, root);
  }
};

namespace {

// Writes the nodes over `values` in pre-order and returns the value of the topmost.
Digest WriteOutboard(absl::Span<const Digest> values, uint8_t* out, bool root) {
  if (values.size() == 1) return values[0];
  const size_t left_count = std::bit_floor(values.size() - 1);
  uint8_t* const below = out + kTreeNodeBytes;
  const Digest left = WriteOutboard(values.subspan(0, left_count), below, false);
  const Digest right =
      WriteOutboard(values.subspan(left_count), below + (left_count - 1) * kTreeNodeBytes, false);
  std::copy(left.value.begin(), left.value.end(), out);
  std::copy(right.value.begin(), right.value.end(), out + Digest::kSize);
  return ParentValue(left, right, root);
}

}  // namespace

TreeBuilder::TreeBuilder(bool keep_outboard)
    : state_(new State{.keep_outboard = keep_outboard, .values = {}, .pending = {}}) {}
TreeBuilder::~TreeBuilder() = default;
TreeBuilder::TreeBuilder(TreeBuilder&&) noexcept = default;
TreeBuilder& TreeBuilder::operator=(TreeBuilder&&) noexcept = default;

uint64_t TreeBuilder::size() const { return state_->size; }

void TreeBuilder::Update(ByteView bytes) {
  State& state = *state_;
  state.size += bytes.size();
  if (!state.pending.empty()) {
    const ByteView taken = bytes.subspan(0, kTreeGroupBytes - state.pending.size());
    state.pending.insert(state.pending.end(), taken.begin(), taken.end());
    bytes.remove_prefix(taken.size());
    // The first group waits for a byte behind it: alone it is the root.
    if (state.pending.size() < kTreeGroupBytes || (state.groups == 0 && bytes.empty())) return;
    state.Push(GroupValue(state.pending, state.groups, false));
    state.pending.clear();
  }
  while (bytes.size() >= kTreeGroupBytes + (state.groups == 0 ? 1 : 0)) {
    const size_t count = std::min<size_t>(bytes.size() / kTreeGroupBytes, kGroupBatch);
    Digest values[kGroupBatch];
    FullGroupValues(bytes.data(), count, state.groups, values);
    for (size_t i = 0; i < count; ++i) state.Push(values[i]);
    bytes.remove_prefix(count * kTreeGroupBytes);
  }
  state.pending.assign(bytes.begin(), bytes.end());
}

TreeBuilder::Result TreeBuilder::Finish() && {
  State& state = *state_;
  Result result{.root = {}, .size = state.size, .outboard = {}};
  if (state.groups == 0) {
    result.root = GroupValue(state.pending, 0, true);
    return result;
  }
  if (!state.pending.empty()) state.Push(GroupValue(state.pending, state.groups, false));
  if (state.keep_outboard) {
    result.outboard.resize(OutboardSize(state.size));
    result.root = WriteOutboard(state.values, result.outboard.data(), true);
    return result;
  }
  while (state.values.size() > 2) state.Join(false);
  state.Join(true);
  result.root = state.values.front();
  return result;
}

}  // namespace cairn::base
