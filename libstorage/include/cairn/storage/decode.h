// Reading back: which bytes of which shards a plaintext range needs, and the way from those bytes
// to the plaintext.
//
// The caller feeds shard bytes that were already verified against the shard's id
// (base::SliceDecoder), in any interleaving of shards; plaintext comes out in order. Any k units of
// a stripe are enough. A range that lies in one data unit needs that unit's sub-range alone, or the
// same sub-range of any k others.
#pragma once

#include <functional>
#include <memory>

#include "cairn/storage/erasure.h"
#include "cairn/storage/seal.h"
#include "cairn/storage/stripe.h"

namespace cairn::storage {

// What one stripe contributes to a read. `shard` is the range to fetch, the same in every shard;
// `unit_count` data units from `first_unit` on are wanted. When one is wanted, that shard alone is
// enough.
struct StripeRead {
  uint64_t stripe = 0;
  base::ByteRange shard;
  base::ByteRange stored;  // the part of the stored bytes it yields
  uint32_t first_unit = 0;
  uint32_t unit_count = 0;
};

struct ReadPlan {
  base::ByteRange plaintext;  // clipped to the object
  base::ByteRange stored;     // whole frames when sealed
  uint64_t first_stripe = 0;
  uint64_t stripe_count = 0;  // 0: nothing to fetch
  bool whole = false;         // all stored bytes: the content id is verified too
  StripeMap map{0, base::LayoutKind::kCopies, 1};

  // `index` counts from 0 to stripe_count - 1.
  StripeRead At(uint64_t index) const;
};

// `range` past the end is clipped. InvalidArgument (reason RANGE_NOT_SATISFIABLE) when it begins
// past the end (a range that begins at the end, or of an empty object, is empty and fine).
absl::StatusOr<ReadPlan> PlanRead(const VersionLayout& version, bool sealed, base::ByteRange range);

// Turns units of one stripe (or the same sub-range of them) into the wanted stored bytes.
class StripeDecoder {
 public:
  explicit StripeDecoder(const VersionLayout& version);
  ~StripeDecoder();
  StripeDecoder(StripeDecoder&&) noexcept;
  // `have` holds verified bytes of read.shard for distinct shards. Passes the stored bytes on in
  // order. DataLoss (reason NOT_ENOUGH_SHARDS) when the wanted units are not among `have` and there
  // are fewer than k.
  absl::Status Decode(const StripeRead& read, absl::Span<const Coder::Unit> have,
                      const ByteSink& stored) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// How to open a version's frames; absent for public objects.
struct SealedWith {
  const VersionKey* key = nullptr;  // copied from during Create only
  KeyId key_id;
};

// Verified shard bytes in, plaintext out. One thread at a time.
class ObjectReader {
 public:
  // Errors of PlanRead, Opener::Create and VersionLayout::Check. `sink` gets the plaintext of
  // `range` in order.
  static absl::StatusOr<std::unique_ptr<ObjectReader>> Create(const VersionLayout& version,
                                                              const SealedWith* seal,
                                                              base::ByteRange range, ByteSink sink);
  ~ObjectReader();

  const ReadPlan& plan() const;
  // Verified bytes of a shard at `offset` within it. Bytes that are known already or not needed are
  // dropped. Within one stripe a shard's bytes must come without gaps (FailedPrecondition, reason
  // GAP). DataLoss when opening fails.
  absl::Status Add(uint32_t shard, uint64_t offset, base::ByteView bytes);
  // Plan stripes whose plaintext went to the sink.
  uint64_t stripes_done() const;
  // Everything is out and, for a whole read, the content id fits. DataLoss (reason
  // CONTENT_MISMATCH) otherwise: the shards are what their ids say but do not form the object.
  // FailedPrecondition while bytes are missing.
  absl::Status Finish();
  // Memory held for stripes that are not decodable yet.
  uint64_t buffered_bytes() const;

 private:
  struct State;
  explicit ObjectReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::storage
