#include "cairn/payment/pace.h"

#include <random>
#include <vector>

#include "catch.h"

namespace cairn::payment {
namespace {

TEST_CASE("in any span no more leaves than the rate allows, and one piece", "[GF-87]") {
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  constexpr uint64_t kRate = 64 * 1024;
  constexpr uint64_t kPiece = 16 * 1024;
  Pace pace;
  struct Left {
    absl::Duration at;
    uint64_t bytes;
  };
  std::vector<Left> left;
  absl::Duration now;
  for (int i = 0; i < 2000; ++i) {
    now += absl::Milliseconds(random() % 400);  // sometimes slower than the rate, sometimes waiting
    const uint64_t bytes = 1 + random() % kPiece;
    const absl::Duration at = pace.Next(bytes, kRate, now);
    CHECK(at >= now);
    left.push_back({at, bytes});
    if (random() % 4 == 0) now = at;
  }
  for (size_t from = 0; from < left.size(); from += 37) {
    uint64_t bytes = 0;
    for (size_t to = from; to < left.size(); ++to) {
      bytes += left[to].bytes;
      const double allowed = absl::ToDoubleSeconds(left[to].at - left[from].at) * kRate;
      REQUIRE(static_cast<double>(bytes - left[to].bytes) <= allowed + 1e-3);
    }
  }
}

TEST_CASE("a steady reader gets exactly the published rate", "[GF-87]") {
  Pace pace;
  absl::Duration now = absl::Seconds(5);
  for (int i = 0; i < 640; ++i) now = pace.Next(1024, 64 * 1024, now);
  CHECK(now == absl::Seconds(5) + absl::Seconds(10) * (639.0 / 640));
}

TEST_CASE("time that nobody used is not saved up", "[GF-87]") {
  Pace pace;
  CHECK(pace.Next(1000, 1000, absl::Seconds(0)) == absl::Seconds(0));
  CHECK(pace.Next(1000, 1000, absl::Seconds(100)) == absl::Seconds(100));
  CHECK(pace.Next(1000, 1000, absl::Seconds(100)) == absl::Seconds(101));
}

}  // namespace
}  // namespace cairn::payment
