// Money, rates and the state of a payer, as commands read and show them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "apps/client/standing.h"
#include "apps/storectl/output.h"

namespace cairn::storectl {

// "1.5" or "1.5crn".
absl::StatusOr<base::Amount> ParseCrn(absl::string_view text);
// A rate in units a second: "1.5" is crn per 30 days, rounded down; "0.000001/s" is crn a second, exactly.
absl::StatusOr<base::Amount> ParseRate(absl::string_view text);
base::Amount PerMonth(base::Amount rate);
// {"per_second": ..., "per_month": ...}, both in crn.
std::string RateJson(base::Amount rate);
// "1.5 crn per 30 days"; a rate that is no whole number of units there is shown exactly all the same.
std::string RateText(base::Amount rate);

// State, steps to come, and what to do: nothing in it changes while no money does. `deposit` tells how money comes in.
Json& AddState(const client::Standing& standing, const std::string& deposit, Json& json);
std::string StateText(const client::Standing& standing, const std::string& deposit);
// All of it, as of the ledger's time.
Json& AddStanding(const client::Standing& standing, const std::string& deposit, Json& json);
std::string StandingText(const client::Standing& standing, const std::string& deposit);

}  // namespace cairn::storectl
