#include "cairn/payment/quota.h"

#include <algorithm>

namespace cairn::payment {
namespace {

uint64_t Left(uint64_t quota, uint64_t used) { return quota - std::min(quota, used); }

}  // namespace

int64_t MonthOf(absl::Time time) {
  const absl::CivilMonth month = absl::ToCivilMonth(time, absl::UTCTimeZone());
  return month - absl::CivilMonth(1970, 1);
}

absl::Time EndOfMonth(int64_t month) {
  return absl::FromCivil(absl::CivilMonth(1970, 1) + month + 1, absl::UTCTimeZone());
}

QuotaShare Quota::Offer(const QuotaTerms& terms, absl::string_view object, uint64_t bytes,
                        absl::Time now) const {
  const bool fresh = MonthOf(now) != month_;
  uint64_t free_left = Left(terms.free_bytes, fresh ? 0 : free_used_);
  if (terms.free_object_bytes != 0) {
    const auto read = by_object_.find(object);
    const uint64_t used = fresh || read == by_object_.end() ? 0 : read->second;
    free_left = std::min(free_left, Left(terms.free_object_bytes, used));
  }
  QuotaShare share;
  share.free_bytes = std::min(bytes, free_left);
  const uint64_t package_left = Left(terms.package_bytes, fresh ? 0 : package_used_);
  share.package_bytes = std::min(bytes - share.free_bytes, package_left);
  share.uncovered = bytes - share.free_bytes - share.package_bytes;
  return share;
}

QuotaShare Quota::Take(const QuotaTerms& terms, absl::string_view object, uint64_t bytes,
                       absl::Time now) {
  const QuotaShare share = Offer(terms, object, bytes, now);
  if (share.uncovered != 0) return share;
  if (MonthOf(now) != month_) *this = Quota();
  month_ = MonthOf(now);
  free_used_ += share.free_bytes;
  package_used_ += share.package_bytes;
  if (terms.free_object_bytes != 0) by_object_[std::string(object)] += share.free_bytes;
  return share;
}

void Quota::GiveBack(const QuotaShare& share, absl::string_view object, uint64_t unsent,
                     int64_t month) {
  if (month != month_) return;
  // The package was taken last, so it comes back first.
  const uint64_t package = std::min(unsent, share.package_bytes);
  const uint64_t free = std::min(unsent - package, share.free_bytes);
  package_used_ -= std::min(package, package_used_);
  free_used_ -= std::min(free, free_used_);
  const auto read = by_object_.find(object);
  if (read != by_object_.end()) read->second -= std::min(free, read->second);
}

void Quota::Restore(int64_t month, uint64_t free_used, uint64_t package_used) {
  *this = Quota();
  month_ = month;
  free_used_ = free_used;
  package_used_ = package_used;
}

void Quota::RestoreObject(absl::string_view object, int64_t month, uint64_t free_used) {
  if (month == month_ && free_used != 0) by_object_[std::string(object)] = free_used;
}

uint64_t Quota::object_used(absl::string_view object) const {
  const auto read = by_object_.find(object);
  return read == by_object_.end() ? 0 : read->second;
}

}  // namespace cairn::payment
