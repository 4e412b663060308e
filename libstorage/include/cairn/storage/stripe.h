// Where the stored bytes of a version lie: stripes of at most 1 MiB, cut into k units; unit j of
// all stripes is shard j.
//
// Whole copies are the case k = 1: one "shard" that is the stored bytes themselves, without
// padding. Geometry is that of cairn/base/layout.h; this header only turns it into offsets. Plain
// values.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/layout.h"

namespace cairn::storage {

// A version's stored bytes as the ledger and the manifest describe them.
struct VersionLayout {
  uint64_t stored_size = 0;
  base::LayoutKind layout = base::LayoutKind::kCopies;
  base::Redundancy policy;
  base::ContentId content_id;              // root of the stored bytes
  std::vector<base::ContentId> shard_ids;  // k + m under kShards, none under kCopies

  uint32_t data() const { return layout == base::LayoutKind::kShards ? policy.data : 1; }
  // Distinct blobs: k + m shards, or the one copy.
  uint32_t blobs() const { return layout == base::LayoutKind::kShards ? policy.width() : 1; }
  const base::ContentId& blob(uint32_t shard) const {
    return layout == base::LayoutKind::kShards ? shard_ids[shard] : content_id;
  }
  base::Digest LayoutRoot() const;
  // InvalidArgument (reason BAD_LAYOUT): sizes in bounds, the layout the policy gives, the right
  // number of shard ids.
  absl::Status Check() const;
  friend bool operator==(const VersionLayout&, const VersionLayout&) = default;
};

class StripeMap {
 public:
  StripeMap(uint64_t stored_size, base::LayoutKind layout, uint32_t data);
  explicit StripeMap(const VersionLayout& version)
      : StripeMap(version.stored_size, version.layout, version.data()) {}

  struct Stripe {
    uint64_t stored_offset = 0;
    uint64_t stored_bytes = 0;  // without padding
    uint64_t shard_offset = 0;  // of its unit, in each shard
    uint64_t unit = 0;          // bytes of one unit, padding included
  };
  uint64_t count() const { return count_; }
  Stripe At(uint64_t index) const;
  uint64_t IndexOfStored(uint64_t stored_offset) const { return stored_offset / (unit_ * data_); }
  uint64_t IndexOfShard(uint64_t shard_offset) const { return shard_offset / unit_; }
  uint32_t data() const { return data_; }
  uint64_t unit() const { return unit_; }  // of a full stripe
  uint64_t stored_size() const { return stored_size_; }
  uint64_t shard_size() const;  // the stored size under kCopies

 private:
  uint64_t stored_size_;
  uint32_t data_;
  bool padded_;
  uint64_t unit_;
  uint64_t count_;
};

}  // namespace cairn::storage
