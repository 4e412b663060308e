#include "cairn/base/amount.h"

#include <array>
#include <random>

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base {
namespace {

using absl::uint128;

// --- A second, slower arithmetic on 16-bit digits, least significant first: the model MulDiv is
// held against.
using Digits = std::array<uint32_t, 18>;

Digits FromNumber(uint128 number) {
  Digits digits{};
  for (size_t i = 0; i < 8; ++i) digits[i] = static_cast<uint32_t>(number >> (16 * i)) & 0xffff;
  return digits;
}

Digits Product(const Digits& a, const Digits& b) {
  Digits out{};
  for (size_t i = 0; i < 8; ++i) {
    uint32_t carry = 0;
    for (size_t j = 0; i + j < out.size(); ++j) {
      const uint32_t sum = out[i + j] + a[i] * (j < 9 ? b[j] : 0) + carry;
      out[i + j] = sum & 0xffff;
      carry = sum >> 16;
    }
  }
  return out;
}

Digits Sum(Digits a, const Digits& b) {
  uint32_t carry = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const uint32_t sum = a[i] + b[i] + carry;
    a[i] = sum & 0xffff;
    carry = sum >> 16;
  }
  return a;
}

bool Less(const Digits& a, const Digits& b) {
  return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
}

// quotient = floor(product / divisor), stated without dividing.
bool IsFloor(uint128 quotient, const Digits& product, uint128 divisor) {
  const Digits below = Product(FromNumber(quotient), FromNumber(divisor));
  return !Less(product, below) && Less(product, Sum(below, FromNumber(divisor)));
}

// Numbers of all lengths, and the edges more often than chance.
uint128 RandomNumber(std::mt19937_64& random) {
  const uint128 number = absl::MakeUint128(random(), random()) >> (random() % 128);
  switch (random() % 8) {
    case 0:
      return uint128{1} << (random() % 128);
    case 1:
      return (uint128{1} << (random() % 128)) - 1;
    case 2:
      return absl::Uint128Max() - random() % 3;
    default:
      return number;
  }
}

TEST_CASE("MulDiv is the exact floor, and refuses exactly what does not fit") {
  std::mt19937_64 random(1);
  int fitting = 0, refused = 0;
  for (int i = 0; i < 200'000; ++i) {
    const uint128 a = RandomNumber(random), n = RandomNumber(random), d = RandomNumber(random);
    const Digits product = Product(FromNumber(a), FromNumber(n));
    const auto floor = Amount(a).MulDiv(n, d);
    const auto ceil = Amount(a).MulDivCeil(n, d);
    if (d == 0) {
      REQUIRE_FALSE(floor);
      continue;
    }
    // Fits unless product >= d * 2^128.
    Digits limit{};
    const Digits divisor = FromNumber(d);
    std::copy_n(divisor.begin(), 8, limit.begin() + 8);
    REQUIRE(floor.has_value() == Less(product, limit));
    if (!floor) {
      REQUIRE_FALSE(ceil);
      ++refused;
      continue;
    }
    ++fitting;
    REQUIRE(IsFloor(floor->units(), product, d));
    const bool exact = Product(FromNumber(floor->units()), divisor) == product;
    REQUIRE(ceil == (exact ? floor : floor->Plus(Amount(1))));
  }
  CHECK(fitting > 50'000);
  CHECK(refused > 10'000);
}

TEST_CASE("MulDiv uses all 256 bits and gives up at the 129th of the result") {
  const uint128 max = absl::Uint128Max();
  CHECK(Amount::Max().MulDiv(max, max) == Amount::Max());
  CHECK(Amount::Max().MulDiv(max, max - 1) == std::nullopt);
  CHECK(Amount::Max().MulDivCeil(max - 1, max) == Amount(max - 1));
  CHECK(Amount(1).MulDiv(1, 0) == std::nullopt);
  CHECK(Amount(uint128{1} << 127).MulDiv(4, 2) == std::nullopt);
  CHECK(Amount(7).MulDivCeil(1, 2) == Amount(4));
}

TEST_CASE("sums, differences and products that would wrap are refused") {
  CHECK(Amount::Max().Plus(Amount(1)) == std::nullopt);
  CHECK(Amount::Max().Plus(Amount(0)) == Amount::Max());
  CHECK(Amount(1).Minus(Amount(2)) == std::nullopt);
  CHECK(Amount(1).MinusOrZero(Amount(2)) == Amount(0));
  CHECK(Amount(5).MinusOrZero(Amount(2)) == Amount(3));
  CHECK(Amount::Parts(1, 0).Times(UINT64_MAX) == Amount::Parts(UINT64_MAX, 0));
  CHECK(Amount::Parts(2, 0).Times(UINT64_MAX) == std::nullopt);
  CHECK(Amount::Parts(7, 9).high() == 7);
  CHECK(Amount::Parts(7, 9).low() == 9);
}

TEST_CASE("whole units are decimal text of up to 128 bits") {
  CHECK(Amount().ToString() == "0");
  CHECK(Amount::Max().ToString() == "340282366920938463463374607431768211455");
  CHECK(*Amount::FromString("340282366920938463463374607431768211455") == Amount::Max());
  for (const char* bad :
       {"340282366920938463463374607431768211456", "3402823669209384634633746074317682114550", "",
        "-1", "+1", "1.0", " 1", "0x10"}) {
    INFO(bad);
    CHECK(ReasonOf(Amount::FromString(bad).status()) == "BAD_AMOUNT");
  }
}

TEST_CASE("decimal text carries the asset's digits and no more") {
  CHECK(Amount(1'500'000).ToDecimal(6) == "1.5");
  CHECK(Amount(1).ToDecimal(6) == "0.000001");
  CHECK(Amount(20'000'000).ToDecimal(6) == "20");
  CHECK(Amount(100).ToDecimal(0) == "100");
  CHECK(Amount().ToDecimal(18) == "0");
  CHECK(*Amount::FromDecimal("1.5", 6) == Amount(1'500'000));
  CHECK(*Amount::FromDecimal("1.500000", 6) == Amount(1'500'000));
  CHECK(*Amount::FromDecimal("12", 0) == Amount(12));
  for (const char* bad : {"1.0000000", ".5", "5.", "1,5", "1e3", "-1", "", ".", "1.2.3",
                          "340282366920938463463374607431769"}) {
    INFO(bad);
    CHECK(ReasonOf(Amount::FromDecimal(bad, 6).status()) == "BAD_AMOUNT");
  }
  std::mt19937_64 random(2);
  for (int i = 0; i < 2000; ++i) {
    const Amount amount(RandomNumber(random));
    REQUIRE(*Amount::FromDecimal(amount.ToDecimal(18), 18) == amount);
  }
}

uint64_t Rate(uint64_t price_e18, uint64_t quantity) {
  return Price{Amount(price_e18)}.Rate(quantity)->low();
}

// Each component is truncated once, then multiplied; the tax is a rate on the sum.
struct Rates {
  uint64_t primary, holders, tax;
};
Rates StorageRates(uint64_t primary_e18, uint64_t holder_e18, uint64_t bytes) {
  const uint64_t primary = Rate(primary_e18, bytes);
  const uint64_t holders = 6 * Rate(holder_e18, bytes);
  constexpr uint64_t kOnePercent = kPriceScale / 100;
  return {primary, holders, Rate(kOnePercent, primary + holders)};
}

TEST_CASE("a rate is truncated once for each component: examples 1 to 4") {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  const Rates ex1 = StorageRates(27'000'000'000'000'000, 3'240'000'000'000'000, kGiB);
  CHECK(ex1.primary == 28'991'029);
  CHECK(ex1.holders == 20'873'538);
  CHECK(ex1.tax == 498'645);
  CHECK(ex1.primary + ex1.holders + ex1.tax == 50'363'212);
  CHECK(*Amount(50'363'212).Times(15'552'000) == Amount(783'248'673'024'000));

  const Rates ex2 = StorageRates(21'839'457'250'000'000, 2'620'734'870'000'000, kGiB);
  CHECK(ex2.primary == 23'449'938);
  CHECK(ex2.holders == 16'883'952);
  CHECK(ex2.tax == 403'338);
  CHECK(*Amount(ex2.primary + ex2.holders + ex2.tax).Times(15'552'000) ==
        Amount(633'545'369'856'000));

  const Rates ex3 = StorageRates(21'839'457'250'000'000, 2'620'734'870'000'000, 131'072);
  CHECK(ex3.primary == 2862);
  CHECK(ex3.holders == 6 * 343);
  CHECK(ex3.tax == 49);
  CHECK(*Amount(ex3.primary + ex3.holders + ex3.tax).Times(15'552'000) == Amount(77'277'888'000));

  const uint64_t read = Rate(146'989'042'700'000'000, 10 * kGiB);
  CHECK(read == 1'578'282'828);
  CHECK(Rate(kPriceScale / 100, read) == 15'782'828);
}

TEST_CASE("a rate that does not fit is refused") {
  CHECK(Price{Amount::Max()}.Rate(kPriceScale) == Amount::Max());
  CHECK(Price{Amount::Max()}.Rate(uint128{kPriceScale} + 1) == std::nullopt);
}

}  // namespace
}  // namespace cairn::base
