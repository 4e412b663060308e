#include "cairn/storage/stripe.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/storage/erasure.h"

namespace cairn::storage {
namespace {

using base::LayoutKind;

constexpr uint64_t kUnitAlignment = 64;

absl::Status BadLayout(absl::string_view why) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_LAYOUT", why);
}

bool ValidPolicy(const base::Redundancy& policy) {
  if (policy.kind == LayoutKind::kShards) {
    return policy.data >= 1 && policy.data <= kMaxShards &&
           policy.parity <= kMaxShards - policy.data && policy.copies == 0;
  }
  return policy.kind == LayoutKind::kCopies && policy.copies >= 1 && policy.copies <= kMaxShards &&
         policy.data == 0 && policy.parity == 0;
}

}  // namespace

base::Digest VersionLayout::LayoutRoot() const {
  return layout == LayoutKind::kShards ? base::LayoutRoot(shard_ids)
                                       : base::LayoutRoot(absl::MakeConstSpan(&content_id, 1));
}

absl::Status VersionLayout::Check() const {
  if (!ValidPolicy(policy)) return BadLayout("a redundancy policy out of bounds");
  if (stored_size > base::kMaxObjectBytes) {
    return BadLayout(absl::StrCat(stored_size, " stored bytes, above the limit for an object"));
  }
  // A manifest that names another layout would have readers look for shards that nobody was told to
  // keep.
  if (layout != base::LayoutFor(policy, stored_size)) {
    return BadLayout("a layout that policy and size do not give");
  }
  const size_t ids = layout == LayoutKind::kShards ? policy.width() : 0;
  if (shard_ids.size() != ids) {
    return BadLayout(absl::StrCat(shard_ids.size(), " shard ids, the layout has ", ids));
  }
  return absl::OkStatus();
}

StripeMap::StripeMap(uint64_t stored_size, LayoutKind layout, uint32_t data)
    : stored_size_(stored_size),
      data_(layout == LayoutKind::kShards ? data : 1),
      padded_(layout == LayoutKind::kShards),
      unit_(base::StripeUnit(data_)),
      count_((stored_size + unit_ * data_ - 1) / (unit_ * data_)) {}

StripeMap::Stripe StripeMap::At(uint64_t index) const {
  const uint64_t full = unit_ * data_;
  Stripe stripe{.stored_offset = index * full,
                .stored_bytes = std::min(full, stored_size_ - index * full),
                .shard_offset = index * unit_,
                .unit = unit_};
  if (stripe.stored_bytes < full) {
    stripe.unit = (stripe.stored_bytes + data_ - 1) / data_;
    if (padded_) stripe.unit = (stripe.unit + kUnitAlignment - 1) / kUnitAlignment * kUnitAlignment;
  }
  return stripe;
}

uint64_t StripeMap::shard_size() const {
  return padded_ ? base::ShardSize(stored_size_, data_) : stored_size_;
}

}  // namespace cairn::storage
