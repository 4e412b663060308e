// Read quotas: how many bytes of a bucket may be read this month, and out of what.
//
// Every bucket has a free quota that renews each calendar month (UTC), with an optional cap for one object. A read
// takes from the free quota first, then from the bucket's package; what neither covers needs a channel or another
// payer. Nothing is carried into the next month. A read is admitted as a whole before its first byte; what was not sent
// is given back. A plain value that its owner stores; one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn::payment {

struct QuotaTerms {
  uint64_t free_bytes = 0;        // a month
  uint64_t free_object_bytes = 0; // of these for one object; 0: no cap
  uint64_t package_bytes = 0;     // a month, beyond the free ones
};

// Out of what a read is paid. `uncovered` is nobody's yet.
struct QuotaShare {
  uint64_t free_bytes = 0;
  uint64_t package_bytes = 0;
  uint64_t uncovered = 0;
  friend bool operator==(const QuotaShare&, const QuotaShare&) = default;
};

// Months since January 1970, UTC.
int64_t MonthOf(absl::Time time);
// When that month ends.
absl::Time EndOfMonth(int64_t month);

class Quota {
 public:
  // What a read of `bytes` of `object` would take at `now`.
  QuotaShare Offer(const QuotaTerms& terms, absl::string_view object, uint64_t bytes, absl::Time now) const;
  // Takes it, when all of it is covered; otherwise takes nothing. The share tells which.
  QuotaShare Take(const QuotaTerms& terms, absl::string_view object, uint64_t bytes, absl::Time now);
  // Gives back what was not sent of a share taken in `month`: from the package first. Nothing when that month is over.
  void GiveBack(const QuotaShare& share, absl::string_view object, uint64_t unsent, int64_t month);

  // What its owner has kept of it. Objects count in the same month; those of another are passed over.
  void Restore(int64_t month, uint64_t free_used, uint64_t package_used);
  void RestoreObject(absl::string_view object, int64_t month, uint64_t free_used);

  int64_t month() const { return month_; }
  uint64_t free_used() const { return free_used_; }
  uint64_t package_used() const { return package_used_; }
  // Of the free quota, by one object; 0 while no cap counts it.
  uint64_t object_used(absl::string_view object) const;

 private:
  int64_t month_ = 0;
  uint64_t free_used_ = 0;
  uint64_t package_used_ = 0;
  std::map<std::string, uint64_t, std::less<>> by_object_;  // free bytes read; kept only under a cap
};

}  // namespace cairn::payment
