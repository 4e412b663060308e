#include "cairn/base/clock.h"

#include "catch.h"

namespace cairn::base {
namespace {

TEST_CASE("a simulated clock stands still until it is told to move") {
  SimClock clock(absl::FromUnixSeconds(100));
  CHECK(clock.Now() == absl::FromUnixSeconds(100));
  clock.Advance(absl::Seconds(5));
  CHECK(clock.Now() == absl::FromUnixSeconds(105));
  CHECK(clock.Monotonic() == absl::Seconds(5));
}

TEST_CASE("the simulated monotonic clock never goes back") {
  SimClock clock(absl::FromUnixSeconds(100));
  clock.Set(absl::FromUnixSeconds(160));
  clock.Set(absl::FromUnixSeconds(40));
  CHECK(clock.Now() == absl::FromUnixSeconds(40));
  CHECK(clock.Monotonic() == absl::Seconds(60));
  clock.Advance(-absl::Seconds(10));
  CHECK(clock.Now() == absl::FromUnixSeconds(30));
  CHECK(clock.Monotonic() == absl::Seconds(60));
}

TEST_CASE("sleeping by a simulated clock moves it, by the real one it takes as long") {
  SimClock simulated;
  const absl::Time before = simulated.Now();
  simulated.Sleep(absl::Hours(1));
  CHECK(simulated.Now() - before == absl::Hours(1));
  RealClock real;
  const absl::Duration start = real.Monotonic();
  real.Sleep(absl::Milliseconds(2));
  CHECK(real.Monotonic() - start >= absl::Milliseconds(2));
}

TEST_CASE("an offset moves the wall time of the real clock and not its monotonic time") {
  RealClock clock;
  absl::Time wall = clock.Now();
  absl::Duration monotonic = clock.Monotonic();
  clock.SetOffset(absl::Hours(24));
  CHECK(clock.Now() - wall >= absl::Hours(24));
  CHECK(clock.Now() - wall < absl::Hours(25));
  CHECK(clock.Monotonic() - monotonic < absl::Hours(1));
  CHECK(clock.Monotonic() >= monotonic);
}

}  // namespace
}  // namespace cairn::base
