// Pay by what is stored: twice the bytes earn twice, to the unit, and where the rules round, by exactly that much.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

constexpr uint64_t kOne = 1'000'000'000'000'000'000;  // a unit for a byte-second
constexpr uint64_t kMinCharge = 131'072;
constexpr uint64_t kPeriod = 12'345;  // seconds

struct Pay {
  base::Amount payer, primary, holder, treasury;
  bool operator==(const Pay&) const = default;
};
Pay Double(const Pay& pay) {
  return {Times(pay.payer, 2), Times(pay.primary, 2), Times(pay.holder, 2), Times(pay.treasury, 2)};
}

struct Stored {
  std::string policy = "replicate:3";
  uint64_t size = 0;
  uint64_t objects = 1;
  uint64_t seconds = kPeriod;
  uint64_t min_charge = 1;
  pb::ProviderPrices prices = Prices(kOne, 2 * kOne);
};

// What went from whom to whom while so much was stored for so long. The second holder is no primary.
Pay PayFor(const Stored& stored) {
  MoneyRig rig(stored.prices, [&](pb::Params& params) {
    params.set_tax_ppm(100'000);
    params.set_reserve_seconds(20 * kPeriod);
    params.set_min_charge_bytes(stored.min_charge);
  });
  const uint64_t bucket = rig.Bucket(stored.policy);
  const auto wealth = [&] {
    return Plus(Plus(rig.Free("alice"), rig.Locked("alice")), rig.Buffer("alice"));
  };
  const Pay before{wealth(), rig.Free("p0"), rig.Free("p1"), rig.Treasury()};
  for (uint64_t i = 0; i < stored.objects; ++i) {
    rig.Store(bucket, {.name = absl::StrCat("n", i), .size = stored.size});
  }
  rig.AdvanceSeconds(stored.seconds);
  for (const char* who : {"alice", "p0", "p1"}) rig.Settle(who);
  return {Minus(before.payer, wealth()), Minus(rig.Free("p0"), before.primary),
          Minus(rig.Free("p1"), before.holder), Minus(rig.Treasury(), before.treasury)};
}

Pay Copies(uint64_t size) { return PayFor({.size = size}); }
Pay CopiesAtLeast(uint64_t size) { return PayFor({.size = size, .min_charge = kMinCharge}); }
Pay Shards(uint64_t size) { return PayFor({.policy = "rs:4+2", .size = size}); }

}  // namespace

TEST_CASE("twice the bytes cost the payer twice and earn the primary, each holder and the treasury twice, to the unit "
          "[CS-11]") {
  for (const uint64_t size : {uint64_t{10}, uint64_t{70'010}, kMinCharge, uint64_t{5} << 20}) {
    INFO("copies of " << size);
    const Pay once = Copies(size);
    // By hand: the primary holds a copy too; a tenth of each part is the treasury's.
    CHECK(once.primary == Units(3 * size * kPeriod));
    CHECK(once.holder == Units(2 * size * kPeriod));
    CHECK(once.payer == Units((7 * size + 7 * size / 10) * kPeriod));
    CHECK(once.treasury == Units(7 * size / 10 * kPeriod));
    CHECK(Copies(2 * size) == Double(once));
    CHECK(PayFor({.size = size, .objects = 2}) == Double(once));
    CHECK(PayFor({.size = size, .seconds = 2 * kPeriod}) == Double(once));
  }
  const uint64_t large = 20 << 20;  // shards of a quarter
  const Pay once = Shards(large);
  CHECK(once.holder == Units(2 * large / 4 * kPeriod));
  CHECK(once.primary == Units((large + 2 * large / 4) * kPeriod));
  CHECK(Shards(2 * large) == Double(once));
}

TEST_CASE("below the smallest charged size every object costs the same; from it on twice the bytes are twice the pay "
          "[CS-11]") {
  const Pay least = CopiesAtLeast(kMinCharge);
  CHECK(least == Copies(kMinCharge));
  for (const uint64_t size : {uint64_t{1}, uint64_t{2}, kMinCharge / 2, kMinCharge - 1}) {
    INFO(size << " bytes");
    CHECK(CopiesAtLeast(size) == least);
  }
  CHECK(CopiesAtLeast(2 * kMinCharge) == Double(least));
  CHECK(CopiesAtLeast(kMinCharge + 10) == Copies(kMinCharge + 10));
  // Each object by itself: two small ones pay two least charges.
  CHECK(PayFor({.size = 1, .objects = 2, .min_charge = kMinCharge}) == Double(least));
  // Half a megabyte in a hundred parts is more than in one.
  CHECK(PayFor({.size = 5'000, .objects = 100, .min_charge = kMinCharge}).payer > CopiesAtLeast(500'000).payer);
}

TEST_CASE("at a price with a fraction twice the bytes are twice the pay but for the one unit a second that each part "
          "of a rate loses by rounding [CS-11]") {
  constexpr uint64_t kPrimary = 21'839'457'250'000'000, kHolder = 2'620'734'870'000'000;
  const auto rate = [](uint64_t price, uint64_t size) {
    return static_cast<uint64_t>(absl::uint128(price) * size / kOne);
  };
  for (const uint64_t size : {uint64_t{1}, uint64_t{777}, uint64_t{131'073}, uint64_t{1'000'003}}) {
    INFO(size << " bytes");
    Stored stored{.size = size, .prices = Prices(kPrimary, kHolder)};
    const Pay once = PayFor(stored);
    CHECK(once.holder == Units(rate(kHolder, size) * kPeriod));
    CHECK(once.primary == Units((rate(kPrimary, size) + rate(kHolder, size)) * kPeriod));
    stored.size *= 2;
    const Pay twice = PayFor(stored);
    CHECK(twice.holder == Units(rate(kHolder, 2 * size) * kPeriod));
    CHECK(twice.holder >= Double(once).holder);
    CHECK(Minus(twice.holder, Double(once).holder) <= Units(kPeriod));
    CHECK(Minus(twice.primary, Double(once).primary) <= Units(2 * kPeriod));
  }
}

}  // namespace cairn::chain
