#include "cairn/payment/pace.h"

#include <limits>

#include "absl/numeric/int128.h"

namespace cairn::payment {

absl::Duration Pace::Next(uint64_t bytes, uint64_t bytes_per_second, absl::Duration now) {
  const absl::Duration at = std::max(free_at_, now);
  // Whole nanoseconds, rounded up: never faster than the rate.
  const absl::uint128 nanoseconds =
      (absl::uint128(bytes) * 1'000'000'000 + std::max<uint64_t>(bytes_per_second, 1) - 1) /
      std::max<uint64_t>(bytes_per_second, 1);
  free_at_ = at + absl::Nanoseconds(static_cast<int64_t>(
                      std::min<absl::uint128>(nanoseconds, std::numeric_limits<int64_t>::max())));
  return at;
}

}  // namespace cairn::payment
