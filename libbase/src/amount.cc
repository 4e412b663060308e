#include "cairn/base/amount.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::base {
namespace {

using absl::uint128;

struct Wide {  // 256 bits
  uint128 high = 0;
  uint128 low = 0;
};

// Schoolbook multiplication with 64-bit digits; no partial sum below exceeds 128 bits.
Wide Multiply(uint128 a, uint128 b) {
  const uint128 a0 = absl::Uint128Low64(a), a1 = absl::Uint128High64(a);
  const uint128 b0 = absl::Uint128Low64(b), b1 = absl::Uint128High64(b);
  const uint128 low = a0 * b0;
  const uint128 cross = a1 * b0 + (low >> 64);
  const uint128 middle = a0 * b1 + absl::Uint128Low64(cross);
  return {.high = a1 * b1 + (cross >> 64) + (middle >> 64),
          .low = middle << 64 | absl::Uint128Low64(low)};
}

struct Division {
  uint128 quotient = 0;
  uint128 remainder = 0;
};

// Binary long division. nullopt when the quotient needs more than 128 bits.
std::optional<Division> Divide(const Wide& value, uint128 divisor) {
  if (value.high >= divisor) return std::nullopt;  // a zero divisor too
  if (value.high == 0) return Division{value.low / divisor, value.low % divisor};
  uint128 remainder = value.high;
  uint128 quotient = 0;
  for (int bit = 127; bit >= 0; --bit) {
    const bool carry = (remainder >> 127) != 0;  // the 129th bit of the shifted remainder
    remainder = remainder << 1 | (value.low >> bit & 1);
    quotient <<= 1;
    if (carry || remainder >= divisor) {
      remainder -= divisor;
      quotient |= 1;
    }
  }
  return Division{quotient, remainder};
}

bool IsDigits(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

absl::Status BadAmount(absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_AMOUNT", why,
               "give a decimal number such as 12 or 0.5");
}

}  // namespace

std::optional<Amount> Amount::Plus(Amount other) const {
  const uint128 sum = units_ + other.units_;
  if (sum < units_) return std::nullopt;
  return Amount(sum);
}

std::optional<Amount> Amount::Minus(Amount other) const {
  if (other.units_ > units_) return std::nullopt;
  return Amount(units_ - other.units_);
}

std::optional<Amount> Amount::Times(uint64_t factor) const {
  const Wide product = Multiply(units_, factor);
  if (product.high != 0) return std::nullopt;
  return Amount(product.low);
}

std::optional<Amount> Amount::MulDiv(uint128 numerator, uint128 denominator) const {
  const auto division = Divide(Multiply(units_, numerator), denominator);
  if (!division) return std::nullopt;
  return Amount(division->quotient);
}

std::optional<Amount> Amount::MulDivCeil(uint128 numerator, uint128 denominator) const {
  const auto division = Divide(Multiply(units_, numerator), denominator);
  if (!division) return std::nullopt;
  if (division->remainder == 0) return Amount(division->quotient);
  return Amount(division->quotient).Plus(Amount(1));
}

Amount Amount::MinusOrZero(Amount other) const { return Minus(other).value_or(Amount()); }

std::string Amount::ToString() const {
  std::string reversed;
  uint128 rest = units_;
  do {
    reversed.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  return std::string(reversed.rbegin(), reversed.rend());
}

absl::StatusOr<Amount> Amount::FromString(absl::string_view units) {
  if (!IsDigits(units)) return BadAmount("not a whole number");
  Amount amount;
  for (char c : units) {
    const auto shifted = amount.Times(10);
    const auto next = shifted ? shifted->Plus(Amount(c - '0')) : std::nullopt;
    if (!next) return BadAmount("the amount does not fit in 128 bits");
    amount = *next;
  }
  return amount;
}

std::string Amount::ToDecimal(int decimals) const {
  std::string digits = ToString();
  const size_t places = static_cast<size_t>(decimals);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  digits.insert(digits.size() - places, 1, '.');
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

absl::StatusOr<Amount> Amount::FromDecimal(absl::string_view text, int decimals) {
  const size_t places = static_cast<size_t>(decimals);
  const size_t point = text.find('.');
  const absl::string_view whole = text.substr(0, point);
  absl::string_view fraction;
  if (point != absl::string_view::npos) {
    fraction = text.substr(point + 1);
    if (!IsDigits(fraction)) return BadAmount("no digits after the point");
  }
  if (!IsDigits(whole)) return BadAmount("not a decimal number");
  if (fraction.size() > places) {
    return BadAmount(absl::StrCat("more than ", places, " digits after the point"));
  }
  return FromString(absl::StrCat(whole, fraction, std::string(places - fraction.size(), '0')));
}

std::optional<Amount> Price::Rate(absl::uint128 quantity) const {
  return per_unit_e18.MulDiv(quantity, kPriceScale);
}

}  // namespace cairn::base
