// The limits on reads whose payer is out of funds: so many at once and so many bytes a second for each bucket, as the
// ledger's parameters publish them. Thread-safe. [GF-87]
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "cairn/base/clock.h"
#include "cairn/base/id.h"
#include "cairn/payment/pace.h"

namespace cairn::storaged {

class Throttle {
 public:
  explicit Throttle(base::Clock& clock) : clock_(clock) {}

  // One read's place among those of its bucket; every read has one, also while nothing is limited.
  class Place {
   public:
    Place() = default;
    Place(Throttle* throttle, base::BucketId bucket) : throttle_(throttle), bucket_(bucket) {}
    Place(Place&& other) noexcept : throttle_(std::exchange(other.throttle_, nullptr)), bucket_(other.bucket_) {}
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    Throttle* throttle_ = nullptr;
    base::BucketId bucket_;
  };
  Place Enter(base::BucketId bucket);
  // Reads of the bucket under way, the caller's own included.
  uint32_t Active(base::BucketId bucket) const;
  // Waits until `bytes` may leave at that rate. True at once when `over` says that nothing is limited any more; false
  // soon after `gone` says that reader or server ends.
  bool Wait(base::BucketId bucket, uint64_t bytes, uint64_t bytes_per_second, const std::function<bool()>& over,
            const std::function<bool()>& gone);

  uint64_t delayed_bytes() const;

 private:
  struct Bucket {
    uint32_t active = 0;
    payment::Pace pace;
  };
  void Sweep();

  base::Clock& clock_;
  mutable std::mutex mutex_;
  absl::flat_hash_map<base::BucketId, Bucket> buckets_;  // being read, or read faster than their rate just now
  absl::Duration sweep_at_;
  uint64_t delayed_bytes_ = 0;
};

}  // namespace cairn::storaged
