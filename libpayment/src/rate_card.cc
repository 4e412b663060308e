#include "cairn/payment/rate_card.h"

#include "cairn/base/status.h"
#include "cairn/payment/quote.h"

namespace cairn::payment {
namespace {

constexpr uint64_t kTerabyte = 1'000'000'000'000;

// `crn` for 10^12 bytes, times `numerator` over `denominator`, in units of a price.
absl::StatusOr<base::Price> Parse(absl::string_view crn, absl::uint128 numerator, absl::uint128 denominator) {
  ASSIGN_OR_RETURN(const base::Amount amount, base::Amount::FromDecimal(crn, base::kCrnDecimals));
  const auto price = amount.MulDiv(numerator, denominator);
  if (price) return base::Price{*price};
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_PRICE", "the price is too high", "give a lower one");
}

}  // namespace

absl::StatusOr<base::Price> ParseStoragePrice(absl::string_view crn) {
  return Parse(crn, base::kPriceScale, absl::uint128(kTerabyte) * kMonthSeconds);
}

absl::StatusOr<base::Price> ParseTransferPrice(absl::string_view crn) {
  return Parse(crn, absl::uint128(base::kPriceScale) << 20, kTerabyte);
}

base::Amount StoragePerTbMonth(base::Price price) {
  return price.per_unit_e18.MulDiv(absl::uint128(kTerabyte) * kMonthSeconds, base::kPriceScale)
      .value_or(base::Amount::Max());
}

base::Amount TransferPerTb(base::Price price) {
  return price.per_unit_e18.MulDiv(kTerabyte, absl::uint128(base::kPriceScale) << 20).value_or(base::Amount::Max());
}

}  // namespace cairn::payment
