#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "blake3_groups.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::base {
namespace {

constexpr size_t kHeaderBytes = 8;
// No tree over a size of 64 bits is deeper.
constexpr size_t kMaxDepth = 64;

absl::Status Mismatch(absl::string_view what, uint64_t offset) {
  return Error(absl::StatusCode::kDataLoss, "HASH_MISMATCH",
               absl::StrCat(what, " at offset ", offset, " does not match the content id"), "",
               {{"offset", absl::StrCat(offset)}});
}

// The nodes and groups of a slice in their order, each with the value that it must have. Encoder
// and decoder walk alike; what they differ in is where the bytes come from.
class SliceWalk {
 public:
  struct Node {
    uint64_t offset = 0;    // in the blob
    uint64_t size = 0;      // bytes of the blob below
    uint64_t position = 0;  // in the outboard
    Digest value;
    bool root = false;

    bool is_group() const { return size <= kTreeGroupBytes; }
    uint64_t wire_bytes() const { return is_group() ? size : kTreeNodeBytes; }
  };

  SliceWalk(const Digest& root, uint64_t size, ByteRange range) {
    begin_ = std::min(range.offset, size);
    end_ = begin_ + std::min(range.length, size - begin_);
    // An empty range touches the last byte, so that the last group proves the size.
    touched_begin_ = begin_ < end_ || size == 0 ? begin_ : size - 1;
    touched_end_ = begin_ < end_ || size == 0 ? end_ : size;
    covers_end_ = size == 0 || touched_end_ > (size - 1) / kTreeGroupBytes * kTreeGroupBytes;
    stack_.push_back({.offset = 0, .size = size, .position = 0, .value = root, .root = true});
  }

  bool done() const { return stack_.empty(); }
  const Node& top() const { return stack_.back(); }
  // A wrong size makes the last group another one, so a slice that has it proves the size.
  bool covers_end() const { return covers_end_; }

  // Takes the bytes of the top node: its two values, or the content of its group.
  absl::Status Accept(ByteView bytes) {
    const Node node = top();
    stack_.pop_back();
    if (node.is_group()) {
      const uint64_t index = node.offset / kTreeGroupBytes;
      if (GroupValue(bytes, index, node.root) == node.value) return absl::OkStatus();
      return Mismatch("a group", node.offset);
    }
    // Both values are proven here, before anything below is read: a wrong one cannot lead anywhere.
    Node left = node, right = node;
    left.root = right.root = false;
    std::copy_n(bytes.begin(), Digest::kSize, left.value.value.begin());
    std::copy_n(bytes.begin() + Digest::kSize, Digest::kSize, right.value.value.begin());
    if (ParentValue(left.value, right.value, node.root) != node.value) {
      return Mismatch("an inner node", node.offset);
    }
    left.size = LeftSubtreeBytes(node.size);
    left.position = node.position + kTreeNodeBytes;
    right.offset = node.offset + left.size;
    right.size = node.size - left.size;
    right.position = left.position + OutboardSize(left.size);
    if (Touched(right)) stack_.push_back(right);
    if (Touched(left)) stack_.push_back(left);
    return absl::OkStatus();
  }

  // The part of a group's bytes that lies inside the range.
  ByteView Inside(uint64_t offset, ByteView bytes) const {
    const uint64_t from = std::max(offset, begin_);
    const uint64_t to = std::min(offset + bytes.size(), end_);
    return from < to ? bytes.subspan(from - offset, to - from) : ByteView();
  }
  uint64_t InsideOffset(uint64_t offset) const { return std::max(offset, begin_); }

 private:
  bool Touched(const Node& node) const {
    return node.offset < touched_end_ && node.offset + node.size > touched_begin_;
  }

  uint64_t begin_, end_;                  // the range, clipped to the blob
  uint64_t touched_begin_, touched_end_;  // what the slice covers
  bool covers_end_ = false;
  std::vector<Node> stack_;  // at most one sibling a level
};

}  // namespace

absl::Status EncodeSlice(const Digest& root, uint64_t size, ByteView outboard, ByteRange range,
                         const BlobReadFn& read,
                         const std::function<absl::Status(ByteView)>& sink) {
  if (outboard.size() != OutboardSize(size)) {
    return Error(absl::StatusCode::kDataLoss, "HASH_MISMATCH",
                 absl::StrCat("the outboard has ", outboard.size(), " bytes, a blob of ", size,
                              " bytes needs ", OutboardSize(size)));
  }
  const BlobReadFn read_outboard = [outboard](uint64_t offset, MutableByteView out) {
    std::copy_n(outboard.begin() + offset, out.size(), out.begin());
    return absl::OkStatus();
  };
  return EncodeSlice(root, size, read_outboard, range, read, sink);
}

absl::Status EncodeSlice(const Digest& root, uint64_t size, const BlobReadFn& read_outboard,
                         ByteRange range, const BlobReadFn& read,
                         const std::function<absl::Status(ByteView)>& sink) {
  // Header and inner nodes wait for the group they lead to, so the sink sees one piece a group.
  Bytes buffer(kHeaderBytes + kMaxDepth * kTreeNodeBytes + kTreeGroupBytes);
  Writer header;
  header.U64(size);
  std::copy(header.view().begin(), header.view().end(), buffer.begin());
  size_t used = kHeaderBytes;
  for (SliceWalk walk(root, size, range); !walk.done();) {
    const SliceWalk::Node node = walk.top();
    const MutableByteView bytes(buffer.data() + used, node.wire_bytes());
    RETURN_IF_ERROR(node.is_group() ? read(node.offset, bytes)
                                    : read_outboard(node.position, bytes));
    RETURN_IF_ERROR(walk.Accept(bytes));
    used += bytes.size();
    if (!node.is_group()) continue;
    RETURN_IF_ERROR(sink(ByteView(buffer.data(), used)));
    used = 0;
  }
  return absl::OkStatus();
}

absl::Status ReadVerified(const Digest& root, uint64_t size, const BlobReadFn& read_outboard,
                          ByteRange range, const BlobReadFn& read,
                          const std::function<absl::Status(ByteView)>& sink) {
  Bytes buffer(kTreeGroupBytes);
  for (SliceWalk walk(root, size, range); !walk.done();) {
    const SliceWalk::Node node = walk.top();
    const MutableByteView bytes(buffer.data(), node.wire_bytes());
    RETURN_IF_ERROR(node.is_group() ? read(node.offset, bytes)
                                    : read_outboard(node.position, bytes));
    RETURN_IF_ERROR(walk.Accept(bytes));
    const ByteView inside = node.is_group() ? walk.Inside(node.offset, bytes) : ByteView();
    if (!inside.empty()) RETURN_IF_ERROR(sink(inside));
  }
  return absl::OkStatus();
}

struct SliceDecoder::State {
  Digest root;
  ByteRange range;
  uint64_t max_size;
  uint64_t size = 0;
  uint64_t verified = 0;
  std::optional<SliceWalk> walk;  // once the size is known
  Bytes partial;                  // the beginning of the next item
  absl::Status status;

  bool complete() const { return walk.has_value() && walk->done(); }
  size_t NextBytes() const { return walk.has_value() ? walk->top().wire_bytes() : kHeaderBytes; }

  absl::Status AcceptHeader(ByteView bytes) {
    size = Reader(bytes).U64();
    if (size > max_size) {
      return Error(absl::StatusCode::kDataLoss, "HASH_MISMATCH",
                   absl::StrCat("the slice claims a blob of ", size, " bytes, at most ", max_size,
                                " are allowed"));
    }
    walk.emplace(root, size, range);
    return absl::OkStatus();
  }

  absl::Status Accept(ByteView bytes, const std::function<absl::Status(uint64_t, ByteView)>& sink) {
    if (!walk.has_value()) return AcceptHeader(bytes);
    const bool is_group = walk->top().is_group();
    const uint64_t offset = walk->top().offset;
    RETURN_IF_ERROR(walk->Accept(bytes));
    const ByteView inside = is_group ? walk->Inside(offset, bytes) : ByteView();
    if (inside.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(sink(walk->InsideOffset(offset), inside));
    verified += inside.size();
    return absl::OkStatus();
  }

  absl::Status Feed(ByteView piece, const std::function<absl::Status(uint64_t, ByteView)>& sink) {
    while (!complete()) {
      const size_t needed = NextBytes();
      ByteView item = piece.subspan(0, needed - partial.size());
      piece.remove_prefix(item.size());
      // An item that arrives in one piece is checked where it lies.
      if (!partial.empty() || item.size() < needed) {
        partial.insert(partial.end(), item.begin(), item.end());
        if (partial.size() < needed) return absl::OkStatus();
        item = partial;
      }
      RETURN_IF_ERROR(Accept(item, sink));
      partial.clear();
    }
    if (piece.empty()) return absl::OkStatus();
    return Error(absl::StatusCode::kDataLoss, "HASH_MISMATCH", "bytes behind the end of a slice");
  }
};

SliceDecoder::SliceDecoder(const Digest& root, ByteRange range, uint64_t max_size)
    : state_(new State{.root = root,
                       .range = range,
                       .max_size = max_size,
                       .walk = std::nullopt,
                       .partial = {},
                       .status = {}}) {}
SliceDecoder::~SliceDecoder() = default;
SliceDecoder::SliceDecoder(SliceDecoder&&) noexcept = default;

absl::Status SliceDecoder::Feed(
    ByteView piece, const std::function<absl::Status(uint64_t offset, ByteView bytes)>& sink) {
  if (state_->status.ok()) state_->status = state_->Feed(piece, sink);
  return state_->status;
}

absl::StatusOr<uint64_t> SliceDecoder::Finish() const {
  RETURN_IF_ERROR(state_->status);
  if (state_->complete()) return state_->size;
  return Error(absl::StatusCode::kDataLoss, "SLICE_INCOMPLETE", "the slice ends early");
}

bool SliceDecoder::size_proven() const {
  return state_->status.ok() && state_->complete() && state_->walk->covers_end();
}

uint64_t SliceDecoder::verified_bytes() const { return state_->verified; }

}  // namespace cairn::base
