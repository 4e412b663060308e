#include "cairn/payment/rate_card.h"

namespace cairn::payment {

base::Amount TransferCost(base::Price price, uint64_t bytes) {
  constexpr absl::uint128 kUnit = uint64_t{1} << 20;
  // 2^128 x 2^64 over almost 2^80 always fits.
  return price.per_unit_e18.MulDivCeil(bytes, kUnit * base::kPriceScale).value();
}

}  // namespace cairn::payment
