// Time as a parameter. No library reads a clock of its own.
#pragma once

#include <mutex>

#include "absl/time/time.h"

namespace cairn::base {

// Thread-safe. `Now` is wall time and may jump; `Monotonic` never goes back and has no meaning across processes.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
  virtual absl::Duration Monotonic() const = 0;
  // Returns when `time` has passed: the one way in which libraries and clients pause.
  virtual void Sleep(absl::Duration time) = 0;
};

// The machine's clocks. `offset` moves the wall time only (dev networks: `storectl dev advance`).
class RealClock final : public Clock {
 public:
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;
  void Sleep(absl::Duration time) override;
  void SetOffset(absl::Duration offset);
  absl::Duration offset() const;

 private:
  mutable std::mutex mutex_;
  absl::Duration offset_;
};

// Stands still until told to move, or until somebody sleeps by it.
class SimClock final : public Clock {
 public:
  explicit SimClock(absl::Time start = absl::FromUnixSeconds(1'800'000'000)) : now_(start) {}
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;
  void Sleep(absl::Duration time) override { Advance(time); }
  void Advance(absl::Duration by);
  void Set(absl::Time to);  // the monotonic clock never follows backwards

 private:
  mutable std::mutex mutex_;
  absl::Time now_;
  absl::Duration monotonic_;
};

}  // namespace cairn::base
