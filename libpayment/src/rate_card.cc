#include "cairn/payment/rate_card.h"

namespace cairn::payment {

std::optional<base::Amount> TransferCost(base::Price price, uint64_t bytes) {
  constexpr absl::uint128 kUnit = uint64_t{1} << 20;
  return price.per_unit_e18.MulDivCeil(bytes, kUnit * base::kPriceScale);
}

}  // namespace cairn::payment
