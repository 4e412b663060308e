// How an object's stored bytes lie on its holders: what client, holder, primary and ledger compute alike.
//
// Two kinds. *Shards*: shard j of all stripes is one blob, leaf j of the layout tree, kept at position j. *Copies*:
// every holding position keeps the whole stored bytes, the layout tree has that one leaf. The layout root is a binary
// BLAKE3 tree over the ordered shard roots (contexts "cairn v1 layout leaf" / "cairn v1 layout node"; an odd last node
// moves up unchanged), so one 32-byte root on the ledger fixes every shard.
#pragma once

#include "absl/status/status.h"
#include "cairn/base/id.h"

namespace cairn::base {

enum class LayoutKind : uint8_t { kCopies = 1, kShards = 2 };

// The policy of a bucket in numbers: data and parity for rs:k+m; replicate:n is {0, 0, n}.
struct Redundancy {
  LayoutKind kind = LayoutKind::kCopies;
  uint32_t data = 0;     // k
  uint32_t parity = 0;   // m
  uint32_t copies = 0;   // n; 0 under kShards
  bool whole_at_primary = false;

  uint32_t width() const { return kind == LayoutKind::kShards ? data + parity : copies; }  // positions of a group
  // Holders of an object that is kept as whole copies: n, or m + 1 in an rs bucket.
  uint32_t copy_count() const { return kind == LayoutKind::kShards ? parity + 1 : copies; }
  // "rs:4+2", "replicate:3", with "+primary" behind. Parse: InvalidArgument (reason BAD_POLICY).
  std::string ToText() const;
  static absl::StatusOr<Redundancy> Parse(absl::string_view text);
  friend bool operator==(const Redundancy&, const Redundancy&) = default;
};

inline constexpr uint32_t kMaxWidth = 40;                       // k + m on the ledger
inline constexpr uint64_t kSmallObjectBytes = 256 * 1024;       // below it an rs bucket keeps m + 1 whole copies
inline constexpr uint64_t kMaxObjectBytes = uint64_t{64} << 30;

// The layout an object of `stored_size` bytes has under a policy: kCopies below kSmallObjectBytes.
LayoutKind LayoutFor(const Redundancy& policy, uint64_t stored_size);

// Root over the ordered leaves; the zero digest for none.
Digest LayoutRoot(absl::Span<const ContentId> leaves);
// Sibling digests from leaf to root.
std::vector<Digest> LayoutPath(absl::Span<const ContentId> leaves, uint32_t index);
// Does `leaf` stand at `index` of `count` leaves under `root`?
bool CheckLayoutPath(const Digest& root, const ContentId& leaf, uint32_t index, uint32_t count,
                     absl::Span<const Digest> path);

// Bytes of each shard of an object with `stored_size` bytes in shards of k; the same for all positions.
uint64_t ShardSize(uint64_t stored_size, uint32_t data);
// Bytes of one shard in one full stripe: the largest multiple of 16 KiB with k units in 1 MiB, at least 16 KiB.
// The last stripe's unit is ceil(rest / k) rounded up to 64 bytes; rest is padded with zeros.
uint64_t StripeUnit(uint32_t data);

// Positions that keep a whole copy of a small object: `copies` positions from (h + j) mod width on, h from the object
// id, where positions are skipped until two operators are covered (when the group has two). `operators[i]` is the
// operator of position i. Sorted.
std::vector<uint32_t> CopyPositions(const ObjectId& object, uint32_t copies, absl::Span<const AccountId> operators);

// Receipts that make an object available: k + ceil(m/2) for shards; ceil((c + 1) / 2), at least 2 for c copies
// (1 when only one copy is asked for).
uint32_t SealQuorum(const Redundancy& policy, LayoutKind kind, uint32_t copies);

}  // namespace cairn::base
