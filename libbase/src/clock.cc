#include "cairn/base/clock.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace cairn::base {

// The system's clock itself: absl::Now() computes between readings of it.
absl::Time RealClock::Now() const {
  return absl::FromChrono(std::chrono::system_clock::now()) + offset();
}

absl::Duration RealClock::Monotonic() const {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void RealClock::Sleep(absl::Duration time) {
  if (time > absl::ZeroDuration()) std::this_thread::sleep_for(absl::ToChronoNanoseconds(time));
}

void RealClock::SetOffset(absl::Duration offset) {
  std::lock_guard lock(mutex_);
  offset_ = offset;
}

absl::Duration RealClock::offset() const {
  std::lock_guard lock(mutex_);
  return offset_;
}

absl::Time SimClock::Now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

absl::Duration SimClock::Monotonic() const {
  std::lock_guard lock(mutex_);
  return monotonic_;
}

void SimClock::Advance(absl::Duration by) {
  std::lock_guard lock(mutex_);
  now_ += by;
  monotonic_ += std::max(by, absl::ZeroDuration());
}

void SimClock::Set(absl::Time to) {
  std::lock_guard lock(mutex_);
  monotonic_ += std::max(to - now_, absl::ZeroDuration());
  now_ = to;
}

}  // namespace cairn::base
