// What objects and packages cost at given prices: the arithmetic that the ledger charges by and clients quote with.
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::chain {

std::optional<base::Charge> ChargeAt(const pb::ProviderPrices& prices, const pb::Params& params,
                                     const pb::Redundancy& policy, const StoredObject& object) {
  const base::Price holder = FromProto(prices.holder_storage());
  const auto primary = base::PrimaryPrice(FromProto(prices.primary_storage()), holder, policy.whole_at_primary());
  if (!primary) return std::nullopt;
  base::ChargeTerms terms;
  terms.primary = *primary;
  terms.holders.assign(object.positions, holder);
  if (!object.copy) terms.ingress = FromProto(prices.ingress());
  terms.tax_ppm = params.tax_ppm();
  terms.reserve_seconds = params.reserve_seconds();
  terms.min_charge_bytes = params.min_charge_bytes();
  auto charge = base::ChargeFor(terms, object.stored_size, object.layout, policy.data());
  return charge.ok() ? std::optional<base::Charge>(*std::move(charge)) : std::nullopt;
}

std::optional<PackageRate> PackageRateAt(const pb::ProviderPrices& prices, const pb::Params& params,
                                         uint64_t bytes_per_month) {
  const auto rate = FromProto(prices.package()).Rate(bytes_per_month);
  const auto tax = rate ? rate->MulDiv(params.tax_ppm(), 1'000'000) : std::nullopt;
  const auto total = tax ? rate->Plus(*tax) : std::nullopt;
  if (!total) return std::nullopt;
  return PackageRate{*rate, *tax, *total};
}

}  // namespace cairn::chain
