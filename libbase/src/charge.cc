#include "cairn/base/charge.h"

#include <algorithm>

#include "cairn/base/status.h"

namespace cairn::base {
namespace {

constexpr uint32_t kMillion = 1'000'000;

absl::Status Overflow() {
  return Error(absl::StatusCode::kInvalidArgument, "CHARGE_OVERFLOW",
               "the charge does not fit into 128 bits",
               "Lower the price, the size or the reserve time.");
}

}  // namespace

Amount TransferCost(Price price, uint64_t bytes) {
  constexpr absl::uint128 kUnit = uint64_t{1} << 20;
  // 2^128 x 2^64 over almost 2^80 always fits.
  return price.per_unit_e18.MulDivCeil(bytes, kUnit * kPriceScale).value();
}

std::optional<Price> PrimaryPrice(Price primary, Price holder, bool whole_at_primary) {
  if (!whole_at_primary) return primary;
  const std::optional<Amount> sum = primary.per_unit_e18.Plus(holder.per_unit_e18);
  return sum ? std::optional<Price>(Price{*sum}) : std::nullopt;
}

uint64_t HeldBytes(LayoutKind kind, uint64_t stored_size, uint32_t data) {
  return kind == LayoutKind::kShards ? ShardSize(stored_size, data) : stored_size;
}

absl::StatusOr<Charge> ChargeFor(const ChargeTerms& terms, uint64_t stored_size,
                                 uint64_t held_bytes) {
  if (terms.tax_ppm > kMillion) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_TAX",
                 "a tax above 1,000,000 parts per million");
  }
  Charge charge;
  std::optional<Amount> primary = terms.primary.Rate(std::max(stored_size, terms.min_charge_bytes));
  if (!primary) return Overflow();
  charge.primary_rate = *primary;
  for (const Price& price : terms.holders) {
    std::optional<Amount> one = price.Rate(std::max(held_bytes, terms.min_charge_bytes));
    std::optional<Amount> sum = one ? charge.holders_rate.Plus(*one) : std::nullopt;
    if (!sum) return Overflow();
    charge.holder_rates.push_back(*one);
    charge.holders_rate = *sum;
    charge.holder_taxes.push_back(one->MulDiv(terms.tax_ppm, kMillion).value());  // at most `one`
  }
  std::optional<Amount> net = charge.primary_rate.Plus(charge.holders_rate);
  std::optional<Amount> tax = net ? net->MulDiv(terms.tax_ppm, kMillion) : std::nullopt;
  std::optional<Amount> rate = tax ? net->Plus(*tax) : std::nullopt;
  std::optional<Amount> reserve = rate ? rate->Times(terms.reserve_seconds) : std::nullopt;
  charge.ingress = TransferCost(terms.ingress, held_bytes);
  std::optional<Amount> fees = charge.ingress.Times(terms.holders.size());
  std::optional<Amount> lock = reserve && fees ? reserve->Plus(*fees) : std::nullopt;
  if (!lock) return Overflow();
  charge.primary_tax = *tax;
  // What truncation takes from the holders' parts stays in the primary's: the sum is the tax to the unit.
  for (const Amount& part : charge.holder_taxes) {
    charge.primary_tax = charge.primary_tax.MinusOrZero(part);  // truncated parts never exceed the whole
  }
  charge.tax_rate = *tax;
  charge.rate = *rate;
  charge.lock = *lock;
  return charge;
}

absl::StatusOr<Charge> ChargeFor(const ChargeTerms& terms, uint64_t stored_size, LayoutKind kind,
                                 uint32_t data) {
  return ChargeFor(terms, stored_size, HeldBytes(kind, stored_size, data));
}

}  // namespace cairn::base
