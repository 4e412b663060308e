// The BLAKE3 tree over a blob with 16 KiB groups, and verified slices of it.
//
// The root is the plain BLAKE3 hash of the blob: ContentId, verified-streaming root and storage-proof root are one
// value. Inner nodes above group level form the *outboard*: 64 bytes (left, right chaining value) for each inner node,
// in pre-order, 0.4 % of the blob. A *slice* is what a receiver needs to check a byte range: the inner nodes on the
// way and the groups that the range touches, in pre-order, preceded by the blob's size (u64). An empty range proves
// the size by its last group. Layout table and golden file: libbase/FORMATS.md.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/base/hash.h"

namespace cairn::base {

inline constexpr uint64_t kTreeGroupBytes = 16 * 1024;

// Outboard size in bytes for a blob of `size` bytes.
uint64_t OutboardSize(uint64_t size);

// Hashes a blob that arrives in pieces of any size, and keeps the outboard. Whole groups are hashed where they lie, so
// large pieces are not copied. Memory: half the outboard and one group, one and a half outboards during Finish.
class TreeBuilder {
 public:
  // `keep_outboard` false: the root only, O(log n) memory.
  explicit TreeBuilder(bool keep_outboard = true);
  ~TreeBuilder();
  TreeBuilder(TreeBuilder&&) noexcept;
  TreeBuilder& operator=(TreeBuilder&&) noexcept;
  void Update(ByteView bytes);
  uint64_t size() const;
  struct Result {
    Digest root;
    uint64_t size = 0;
    Bytes outboard;  // pre-order
  };
  Result Finish() &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads `out.size()` bytes at `offset` of the blob. Must fill all of it or return an error.
using BlobReadFn = std::function<absl::Status(uint64_t offset, MutableByteView out)>;

struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// Appends the slice for `range` piecewise to `sink`, at most one group at a time. The range is clipped to the blob.
// The source is trusted as little as the receiver trusts it: a group that does not match the outboard is DataLoss and
// nothing of it is passed to `sink`.
absl::Status EncodeSlice(const Digest& root, uint64_t size, ByteView outboard, ByteRange range, const BlobReadFn& read,
                         const std::function<absl::Status(ByteView)>& sink);
// The same with an outboard that is read where it is needed: 64 bytes for each inner node on the way.
absl::Status EncodeSlice(const Digest& root, uint64_t size, const BlobReadFn& read_outboard, ByteRange range,
                         const BlobReadFn& read, const std::function<absl::Status(ByteView)>& sink);

// Proves the groups that the range touches and passes the bytes of the range, clipped to the blob, to `sink`: the bytes
// of one group at a time, and nothing of a group that does not match (DataLoss, HASH_MISMATCH).
absl::Status ReadVerified(const Digest& root, uint64_t size, const BlobReadFn& read_outboard, ByteRange range,
                          const BlobReadFn& read, const std::function<absl::Status(ByteView)>& sink);

// Verifies a slice as it arrives in pieces. Hands out only bytes that are proven and inside the range.
//
//   SliceDecoder d(root, range);
//   for (piece : network) RETURN_IF_ERROR(d.Feed(piece, [&](uint64_t offset, ByteView ok) { ... }));
//   RETURN_IF_ERROR(d.Finish());
class SliceDecoder {
 public:
  // `max_size` bounds the size that the slice may claim.
  SliceDecoder(const Digest& root, ByteRange range, uint64_t max_size = uint64_t{1} << 40);
  ~SliceDecoder();
  SliceDecoder(SliceDecoder&&) noexcept;
  // DataLoss (reason HASH_MISMATCH) on the first item that does not fit, on a claimed size above `max_size` and on bytes
  // behind the end. A failure, the sink's too, sticks: nothing further is accepted.
  absl::Status Feed(ByteView piece, const std::function<absl::Status(uint64_t offset, ByteView bytes)>& sink);
  // The slice must be complete (DataLoss, reason SLICE_INCOMPLETE). Returns the size that the slice states. It is proven
  // when the slice covers the last group: an empty range, or one that reaches the end or beyond. Otherwise the bytes
  // and their offsets are proven and the size is not; `size_proven` tells.
  absl::StatusOr<uint64_t> Finish() const;
  bool size_proven() const;
  // Bytes handed out so far.
  uint64_t verified_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::base
