#include "cairn/payment/quota.h"

#include "catch.h"

namespace cairn::payment {
namespace {

absl::Time At(int year, int month, int day, int hour = 0) {
  return absl::FromCivil(absl::CivilHour(year, month, day, hour), absl::UTCTimeZone());
}

TEST_CASE("the free quota renews with the month, in UTC, and carries nothing over") {
  Quota quota;
  const QuotaTerms terms{.free_bytes = 100};
  CHECK(quota.Take(terms, "a", 100, At(2026, 1, 31, 23)) == QuotaShare{100, 0, 0});
  CHECK(quota.Take(terms, "a", 1, At(2026, 1, 31, 23)) == QuotaShare{0, 0, 1});
  CHECK(quota.Take(terms, "a", 60, At(2026, 2, 1)) == QuotaShare{60, 0, 0});
  CHECK(quota.Offer(terms, "a", 100, At(2026, 2, 28, 23)) == QuotaShare{40, 0, 60});
  CHECK(quota.Offer(terms, "a", 100, At(2027, 2, 1)) == QuotaShare{100, 0, 0});
  CHECK(EndOfMonth(MonthOf(At(2026, 12, 5))) == At(2027, 1, 1));
}

TEST_CASE("reads take from the free quota, then from the package, and nothing when both do not cover them") {
  Quota quota;
  const QuotaTerms terms{.free_bytes = 100, .package_bytes = 50};
  const absl::Time now = At(2026, 3, 3);
  CHECK(quota.Take(terms, "a", 90, now) == QuotaShare{90, 0, 0});
  CHECK(quota.package_used() == 0);
  CHECK(quota.Take(terms, "b", 30, now) == QuotaShare{10, 20, 0});
  CHECK(quota.Take(terms, "b", 31, now).uncovered == 1);
  CHECK(quota.package_used() == 20);  // refused reads take nothing
  CHECK(quota.Take(terms, "b", 30, now) == QuotaShare{0, 30, 0});
  // A larger package holds at once.
  CHECK(quota.Take({.free_bytes = 100, .package_bytes = 80}, "b", 30, now) == QuotaShare{0, 30, 0});
}

TEST_CASE("a cap bounds what one object takes of the free quota") {
  Quota quota;
  const QuotaTerms terms{.free_bytes = 100, .free_object_bytes = 40};
  const absl::Time now = At(2026, 3, 3);
  CHECK(quota.Take(terms, "a", 40, now).uncovered == 0);
  CHECK(quota.Take(terms, "a", 1, now).uncovered == 1);
  CHECK(quota.Take(terms, "b", 40, now).uncovered == 0);
  CHECK(quota.Take(terms, "c", 21, now).uncovered == 1);
  CHECK(quota.Take(terms, "a", 40, At(2026, 4, 1)).uncovered == 0);
}

TEST_CASE("what was not sent is given back, in its month and never twice over") {
  Quota quota;
  const QuotaTerms terms{.free_bytes = 100, .free_object_bytes = 100, .package_bytes = 50};
  const absl::Time now = At(2026, 3, 3);
  const QuotaShare share = quota.Take(terms, "a", 120, now);
  CHECK(share == QuotaShare{100, 20, 0});
  quota.GiveBack(share, "a", 50, MonthOf(now));
  CHECK(quota.free_used() == 70);
  CHECK(quota.package_used() == 0);
  CHECK(quota.Take(terms, "a", 30, now) == QuotaShare{30, 0, 0});
  quota.GiveBack(share, "a", 50, MonthOf(At(2026, 2, 1)));
  CHECK(quota.free_used() == 100);
}

TEST_CASE("a quota goes on from what was kept of it", "[GF-47]") {
  const QuotaTerms terms{.free_bytes = 100, .free_object_bytes = 40, .package_bytes = 50};
  const absl::Time now = At(2026, 3, 3);
  Quota quota;
  quota.Restore(MonthOf(now), 70, 20);
  quota.RestoreObject("a", MonthOf(now), 30);
  quota.RestoreObject("b", MonthOf(At(2026, 2, 3)), 30);  // last month's
  CHECK(quota.Offer(terms, "a", 100, now) == QuotaShare{10, 30, 60});
  CHECK(quota.Offer(terms, "b", 100, now) == QuotaShare{30, 30, 40});
  CHECK(quota.object_used("a") == 30);
  CHECK(quota.object_used("b") == 0);
  CHECK(quota.Offer(terms, "a", 100, At(2026, 4, 1)) == QuotaShare{40, 50, 10});
}

}  // namespace
}  // namespace cairn::payment
