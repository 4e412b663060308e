#include "apps/storectl/money_text.h"

#include "apps/storectl/prices_text.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "catch.h"

namespace cairn::storectl {

TEST_CASE("a rate is given by the month or by the second, and the second is exact") {
  CHECK(ParseRate("2592000").value() == base::Amount(1'000'000'000'000'000'000));
  CHECK(ParseRate("0.000000000000000001/s").value() == base::Amount(1));
  CHECK(ParseRate("1.5crn/s").value() == base::Amount(1'500'000'000'000'000'000));
  CHECK(ParseRate("0").value().zero());
  CHECK(ParseRate("0.000000000002591999").value().zero());  // less than one unit a second
  CHECK(ParseRate("0.000000000002592").value() == base::Amount(1));
  CHECK(ParseRate("1 crn").value() == base::Amount(385'802'469'135));
  for (const char* bad : {"", "x", "-1", "1/m", "1.0000000000000000001"}) {
    INFO(bad);
    CHECK(base::ReasonOf(ParseRate(bad).status()) == "BAD_AMOUNT");
  }
}

TEST_CASE("prices that are not given stay, and a bad one is named") {
  PriceFlags flags;
  CHECK(flags.empty());
  chain::pb::ProviderPrices from;
  *from.mutable_primary_storage() = chain::ToProto(base::Price{base::Amount(11)});
  *from.mutable_egress() = chain::ToProto(base::Price{base::Amount(13)});
  flags.primary = "2.592";
  CHECK_FALSE(flags.empty());
  const auto over = flags.Over(from).value();
  CHECK(chain::FromProto(over.primary_storage()).per_unit_e18 == base::Amount(1'000'000'000'000'000'000));
  CHECK(chain::FromProto(over.egress()).per_unit_e18 == base::Amount(13));
  flags.holder = "two";
  const absl::Status bad = flags.Over(from).status();
  CHECK(base::ReasonOf(bad) == "BAD_AMOUNT");
  CHECK(std::string(bad.message()).find("--holder") != std::string::npos);
}

TEST_CASE("a payer in need is told the sum and the command") {
  client::Standing standing;
  standing.state = chain::pb::PAYER_STATE_READ_ONLY;
  standing.missing = base::Amount(1'500'000'000'000'000'000);
  const std::string text = StateText(standing, "storectl account deposit X");
  CHECK(text.find("read only: the reserve is spent") != std::string::npos);
  CHECK(text.find("pay in at least 1.5 crn: storectl account deposit X AMOUNT") != std::string::npos);
  Json json;
  CHECK(AddState(standing, "deposit", json).Done().find("\"missing\":{\"amount\":\"1.5\",\"asset\":\"crn\"}") !=
        std::string::npos);
}

TEST_CASE("why no step comes is told as it is") {
  client::Standing standing;
  const auto until = [&] { return StateText(standing, "deposit"); };
  CHECK(until().find("nothing flows out") != std::string::npos);
  standing.out_rate = base::Amount(2);
  CHECK(until().find("more than a hundred years from now") != std::string::npos);
  standing.in_rate = base::Amount(2);
  CHECK(until().find("what flows in pays for all") != std::string::npos);
}

}  // namespace cairn::storectl
