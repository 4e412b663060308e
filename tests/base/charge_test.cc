#include "cairn/base/charge.h"

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

// A price with 0.12 of it for each of six holders.
ChargeTerms SixHolders(uint64_t primary_e18, uint64_t min_bytes) {
  Price holder{Amount(primary_e18 / 100 * 12 + primary_e18 % 100 * 12 / 100)};
  return {.primary = Price{Amount(primary_e18)},
          .holders = std::vector<Price>(6, holder),
          .tax_ppm = 10'000,
          .reserve_seconds = 180 * 86'400,
          .min_charge_bytes = min_bytes};
}

// Every holder is charged the full size in these three: held_bytes = stored_size.
TEST_CASE("the worked examples of storage pricing come out to the unit", "[GF-67]") {
  Charge docs = ChargeFor(SixHolders(27'000'000'000'000'000, 0), kGiB, kGiB).value();
  CHECK(docs.primary_rate == Amount(28'991'029));
  CHECK(docs.holder_rates == std::vector<Amount>(6, Amount(3'478'923)));
  CHECK(docs.holders_rate == Amount(20'873'538));
  CHECK(docs.tax_rate == Amount(498'645));
  CHECK(docs.rate == Amount(50'363'212));
  CHECK(docs.lock == Amount(783'248'673'024'000));

  Charge genesis = ChargeFor(SixHolders(21'839'457'250'000'000, 0), kGiB, kGiB).value();
  CHECK(genesis.primary_rate == Amount(23'449'938));
  CHECK(genesis.holders_rate == Amount(16'883'952));
  CHECK(genesis.tax_rate == Amount(403'338));
  CHECK(genesis.rate == Amount(40'737'228));
  CHECK(genesis.lock == Amount(633'545'369'856'000));

  Charge tiny = ChargeFor(SixHolders(21'839'457'250'000'000, 131'072), 1, 1).value();
  CHECK(tiny.primary_rate == Amount(2862));
  CHECK(tiny.holders_rate == Amount(6 * 343));
  CHECK(tiny.tax_rate == Amount(49));
  CHECK(tiny.rate == Amount(4969));
  CHECK(tiny.lock == Amount(77'277'888'000));
}

TEST_CASE("a holder is charged for what it keeps: a shard, or the whole copy", "[GF-67]") {
  const uint64_t size = 300 << 20;
  CHECK(HeldBytes(LayoutKind::kShards, size, 4) == ShardSize(size, 4));
  CHECK(HeldBytes(LayoutKind::kShards, size, 4) < size / 3);
  CHECK(HeldBytes(LayoutKind::kCopies, size, 4) == size);
  ChargeTerms terms = SixHolders(27'000'000'000'000'000, 0);
  Charge shards = ChargeFor(terms, size, LayoutKind::kShards, 4).value();
  CHECK(shards.holder_rates[0] == terms.holders[0].Rate(ShardSize(size, 4)));
  CHECK(shards.primary_rate == terms.primary.Rate(size));
}

TEST_CASE("an empty object is charged the minimum, and nothing without one") {
  CHECK(ChargeFor(SixHolders(27'000'000'000'000'000, 131'072), 0, 0).value().rate > Amount(0));
  CHECK(ChargeFor(SixHolders(27'000'000'000'000'000, 0), 0, 0).value().lock == Amount(0));
}

TEST_CASE("a charge that leaves 128 bits is refused, as is a tax above 100 %") {
  ChargeTerms dear{.primary = Price{Amount::Max()}, .holders = {}, .reserve_seconds = ~uint64_t{0}};
  CHECK(ReasonOf(ChargeFor(dear, ~uint64_t{0}, 0).status()) == "CHARGE_OVERFLOW");
  ChargeTerms taxed{.primary = Price{Amount(1)}, .holders = {}, .tax_ppm = 1'000'001};
  CHECK(ReasonOf(ChargeFor(taxed, 1, 1).status()) == "BAD_TAX");
}

}  // namespace
}  // namespace cairn::base
