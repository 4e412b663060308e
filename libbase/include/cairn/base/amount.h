// Money and prices as checked integers. No floating point anywhere.
//
// `Amount` is an unsigned 128-bit number of an asset's smallest unit. Every operation that could wrap returns nullopt
// (or a status) instead; code that may not fail checks first. `Price` is 10^-18 units per byte-second or per 2^20
// bytes, fixed point. Rounding: a product is truncated once, for each component of a rate on its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::base {

class Amount {
 public:
  constexpr Amount() = default;
  constexpr explicit Amount(absl::uint128 units) : units_(units) {}
  static constexpr Amount Parts(uint64_t high, uint64_t low) { return Amount(absl::MakeUint128(high, low)); }
  static constexpr Amount Max() { return Amount(absl::Uint128Max()); }

  constexpr absl::uint128 units() const { return units_; }
  uint64_t high() const { return absl::Uint128High64(units_); }
  uint64_t low() const { return absl::Uint128Low64(units_); }
  constexpr bool zero() const { return units_ == 0; }

  std::optional<Amount> Plus(Amount other) const;
  std::optional<Amount> Minus(Amount other) const;           // nullopt below zero
  std::optional<Amount> Times(uint64_t factor) const;
  // floor(this * numerator / denominator) with a 256-bit intermediate; nullopt when it does not fit or denominator 0.
  std::optional<Amount> MulDiv(absl::uint128 numerator, absl::uint128 denominator) const;
  std::optional<Amount> MulDivCeil(absl::uint128 numerator, absl::uint128 denominator) const;
  Amount MinusOrZero(Amount other) const;

  // Units as a plain decimal number.
  std::string ToString() const;
  static absl::StatusOr<Amount> FromString(absl::string_view units);
  // With `decimals` digits after the point, trailing zeros dropped: Amount(1500000).ToDecimal(6) == "1.5".
  std::string ToDecimal(int decimals) const;
  // Refuses more digits after the point than the asset has (reason BAD_AMOUNT).
  static absl::StatusOr<Amount> FromDecimal(absl::string_view text, int decimals);

  friend constexpr bool operator==(Amount a, Amount b) { return a.units_ == b.units_; }
  friend constexpr bool operator<(Amount a, Amount b) { return a.units_ < b.units_; }
  friend constexpr bool operator<=(Amount a, Amount b) { return a.units_ <= b.units_; }
  friend constexpr bool operator>(Amount a, Amount b) { return a.units_ > b.units_; }
  friend constexpr bool operator>=(Amount a, Amount b) { return a.units_ >= b.units_; }

 private:
  absl::uint128 units_ = 0;
};

// Fixed point, 10^-18 of a unit.
struct Price {
  Amount per_unit_e18;

  // trunc(price * quantity): quantity in bytes (per second of storage) or in 2^20-byte units of delivery.
  std::optional<Amount> Rate(absl::uint128 quantity) const;
  friend bool operator==(Price a, Price b) { return a.per_unit_e18 == b.per_unit_e18; }
};

inline constexpr uint64_t kPriceScale = 1'000'000'000'000'000'000;  // 10^18
inline constexpr int kCrnDecimals = 18;
inline constexpr int kUsdcDecimals = 6;

}  // namespace cairn::base
