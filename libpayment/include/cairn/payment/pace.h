// How fast bytes may leave when a payer is out of funds: a published rate, kept exactly. [GF-87]
//
// Every piece has its time; what leaves within any span of t seconds is at most rate * t bytes and one piece. Unused
// time is not saved up. Shared by all reads of one bucket. No I/O; one thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace cairn::payment {

class Pace {
 public:
  // When `bytes` may leave, on a clock that never goes back. They count from now on: ask once for each piece.
  absl::Duration Next(uint64_t bytes, uint64_t bytes_per_second, absl::Duration now);

  // Nothing that left before delays anything from now on.
  bool idle(absl::Duration now) const { return free_at_ <= now; }

 private:
  absl::Duration free_at_ = -absl::InfiniteDuration();
};

}  // namespace cairn::payment
