#include "apps/storaged/throttle.h"

#include <algorithm>

namespace cairn::storaged {
namespace {

constexpr size_t kSweepFrom = 1024;
constexpr absl::Duration kSweepPause = absl::Seconds(1);
constexpr absl::Duration kLook = absl::Milliseconds(50);  // how often a waiting read looks whether it still has to

}  // namespace

Throttle::Place::~Place() {
  if (throttle_ == nullptr) return;
  std::lock_guard lock(throttle_->mutex_);
  auto it = throttle_->buckets_.find(bucket_);
  if (--it->second.active == 0 && it->second.pace.idle(throttle_->clock_.Monotonic()))
    throttle_->buckets_.erase(it);
}

Throttle::Place Throttle::Enter(base::BucketId bucket) {
  std::lock_guard lock(mutex_);
  if (buckets_.size() >= kSweepFrom && sweep_at_ <= clock_.Monotonic()) Sweep();
  ++buckets_[bucket].active;
  return Place(this, bucket);
}

// Buckets that were read slowly and then no more.
void Throttle::Sweep() {
  const absl::Duration now = clock_.Monotonic();
  absl::erase_if(buckets_, [&](const auto& entry) { return entry.second.active == 0 && entry.second.pace.idle(now); });
  sweep_at_ = now + kSweepPause;
}

uint32_t Throttle::Active(base::BucketId bucket) const {
  std::lock_guard lock(mutex_);
  auto it = buckets_.find(bucket);
  return it == buckets_.end() ? 0 : it->second.active;
}

bool Throttle::Wait(base::BucketId bucket, uint64_t bytes, uint64_t bytes_per_second,
                    const std::function<bool()>& over, const std::function<bool()>& gone) {
  absl::Duration at;
  {
    std::lock_guard lock(mutex_);
    // The turn is taken before the wait, under the lock: of reads that wait at once none gets another's.
    at = buckets_[bucket].pace.Next(bytes, bytes_per_second, clock_.Monotonic());
    delayed_bytes_ += bytes;
  }
  while (!over()) {
    const absl::Duration left = at - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) return true;
    if (gone()) return false;
    clock_.Sleep(std::min(left, kLook));
  }
  return true;
}

uint64_t Throttle::delayed_bytes() const {
  std::lock_guard lock(mutex_);
  return delayed_bytes_;
}

}  // namespace cairn::storaged
