#include "cairn/payment/rate_card.h"

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::payment {

TEST_CASE("a price of storage is crn a terabyte and 30 days, one of transfer crn a terabyte", "[GF-67]") {
  // 2.592 crn / (10^12 B * 2,592,000 s) = 1 unit a byte-second.
  CHECK(ParseStoragePrice("2.592").value().per_unit_e18 == base::Amount(base::kPriceScale));
  // 1 crn / 10^12 B = 10^6 units a byte, times 2^20.
  CHECK(ParseTransferPrice("1").value().per_unit_e18 ==
        base::Amount(absl::uint128(1'000'000) * 1'048'576 * base::kPriceScale));
  CHECK(ParseStoragePrice("0").value().per_unit_e18.zero());
  // The ledger's units are finer than what people write: the way back is within one unit of them.
  for (const char* crn : {"2", "0.5", "0.8", "123456.789", "0.000000000000000001"}) {
    const base::Amount given = base::Amount::FromDecimal(crn, base::kCrnDecimals).value();
    const base::Amount back = StoragePerTbMonth(ParseStoragePrice(crn).value());
    CHECK(back <= given);
    CHECK(given.Minus(back).value() <= base::Amount(3));
    CHECK(TransferPerTb(ParseTransferPrice(crn).value()) <= given);
  }
  CHECK(base::ReasonOf(ParseStoragePrice("x").status()) == "BAD_AMOUNT");
  CHECK(base::ReasonOf(ParseTransferPrice("300000000000").status()) == "BAD_PRICE");
}

}  // namespace cairn::payment
