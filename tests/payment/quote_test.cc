#include "cairn/payment/quote.h"

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::payment {
namespace {

using base::Amount;
using base::Price;

RateCard Card(uint64_t primary, uint64_t holder) {
  return {.storage_primary = Price{Amount(primary)}, .storage_holder = Price{Amount(holder)}};
}

QuoteRequest Request() {
  QuoteRequest request;
  request.policy = base::Redundancy::Parse("rs:4+2").value();
  request.primary = Card(27'000'000'000'000'000, 0);
  for (uint64_t i = 0; i < 6; ++i) request.holders.push_back(Card(0, 3'240'000'000'000'000 + i));
  request.objects = {{.stored_size = 300 << 20, .copy_positions = {}},
                     {.stored_size = 1000, .copy_positions = {1, 3, 5}}};
  request.terms = {.tax_ppm = 10'000,
                   .reserve_seconds = 180 * 86'400,
                   .min_charge_bytes = 131'072,
                   .fee_per_weight = Amount(7),
                   .weight = 100,
                   .object_bond = Amount(5000)};
  return request;
}

TEST_CASE("the lock of a quote is the sum of the charges the ledger computes", "[GF-19]") {
  QuoteRequest request = Request();
  Quote quote = MakeQuote(request).value();
  base::ChargeTerms terms{.primary = request.primary.storage_primary,
                          .tax_ppm = 10'000,
                          .reserve_seconds = 180 * 86'400,
                          .min_charge_bytes = 131'072};
  for (const RateCard& card : request.holders) terms.holders.push_back(card.storage_holder);
  auto large = base::ChargeFor(terms, 300 << 20, base::LayoutKind::kShards, 4).value();
  terms.holders = {request.holders[1].storage_holder, request.holders[3].storage_holder,
                   request.holders[5].storage_holder};
  auto small = base::ChargeFor(terms, 1000, base::LayoutKind::kCopies, 4).value();
  CHECK(quote.charges == std::vector<base::Charge>{large, small});
  CHECK(quote.lock == large.lock.Plus(small.lock));
  CHECK(quote.bond == Amount(10'000));
  CHECK(quote.fee == Amount(700));
  CHECK(quote.total == Amount(quote.lock.units() + 10'700));
  CHECK(quote.per_month == quote.rate.Times(kMonthSeconds));
}

TEST_CASE("a put above --max-cost is stopped, one at it is not") {
  Quote quote = MakeQuote(Request()).value();
  CHECK(CheckMaxCost(quote, quote.total).ok());
  absl::Status stopped = CheckMaxCost(quote, Amount(quote.total.units() - 1));
  CHECK(stopped.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(base::ReasonOf(stopped) == "PRICE_GUARD");
}

TEST_CASE("a group that does not fit the policy has no quote") {
  QuoteRequest few = Request();
  few.holders.pop_back();
  CHECK(base::ReasonOf(MakeQuote(few).status()) == "BAD_QUOTE");
  QuoteRequest wild = Request();
  wild.objects[1].copy_positions = {6};
  CHECK(base::ReasonOf(MakeQuote(wild).status()) == "BAD_QUOTE");
  QuoteRequest dear = Request();
  dear.terms.fee_per_weight = Amount::Max();
  CHECK(base::ReasonOf(MakeQuote(dear).status()) == "CHARGE_OVERFLOW");
}

TEST_CASE("a quote reads as money, not as units") {
  Quote quote;
  quote.lock = Amount(1'500'000'000'000'000'000);
  quote.total = Amount(2'000'000'000'000'000'000);
  std::string text = ToText(quote, "crn", 18);
  CHECK(text.find("storage  1.5 crn in reserve\n") == 0);
  CHECK(text.find("total    2 crn\n") != std::string::npos);
}

TEST_CASE("a transfer is charged by the mebibyte, rounded up once") {
  Price five{Amount(absl::uint128(5) * base::kPriceScale)};
  CHECK(TransferCost(five, 0) == Amount(0));
  CHECK(TransferCost(five, 1) == Amount(1));
  CHECK(TransferCost(five, 1 << 20) == Amount(5));
  CHECK(TransferCost(five, (1 << 20) + 1) == Amount(6));
  CHECK(TransferCost(Price{Amount::Max()}, ~uint64_t{0}) < Amount::Max());
}

}  // namespace
}  // namespace cairn::payment
