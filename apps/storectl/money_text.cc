#include "apps/storectl/money_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cairn/base/status.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/payment/quote.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

std::string NameOf(pb::PayerState state) {
  return absl::StrReplaceAll(chain::NameOf(state), {{"_", " "}});
}

// What the state means for who reads and writes.
const char* Meaning(pb::PayerState state) {
  switch (state) {
    case pb::PAYER_STATE_THROTTLED:
      return "lives on its reserve: reads are slowed down";
    case pb::PAYER_STATE_READ_ONLY:
      return "the reserve is spent: nothing new is stored";
    case pb::PAYER_STATE_NOTICE:
      return "notice is given: what it pays for will be cleared";
    case pb::PAYER_STATE_CLEARABLE:
      return "providers may drop what it pays for";
    default:
      return "";
  }
}

std::string WhatToDo(const client::Standing& standing, const std::string& deposit) {
  if (!standing.missing) return "";
  return absl::StrCat("pay in at least ", Crn(*standing.missing), ": ", deposit, " AMOUNT");
}

std::string Until(const client::Standing& standing) {
  if (standing.steps.empty()) {
    if (standing.state == pb::PAYER_STATE_CLEARABLE) return "nothing more to come";
    if (standing.out_rate.zero()) return "no end: nothing flows out";
    return standing.out_rate <= standing.in_rate ? "no end: what flows in pays for all" : "more than a hundred years from now";
  }
  std::string out;
  for (const client::PayerStep& step : standing.steps) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", NameOf(step.state), " on ", HumanTime(step.at));
  }
  return out;
}

}  // namespace

absl::StatusOr<base::Amount> ParseCrn(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  absl::string_view number = lower;
  absl::ConsumeSuffix(&number, "crn");
  return base::Amount::FromDecimal(absl::StripAsciiWhitespace(number), base::kCrnDecimals);
}

absl::StatusOr<base::Amount> ParseRate(absl::string_view text) {
  if (absl::ConsumeSuffix(&text, "/s")) return ParseCrn(text);
  ASSIGN_OR_RETURN(const base::Amount month, ParseCrn(text));
  return month.MulDiv(1, payment::kMonthSeconds).value_or(base::Amount());
}

base::Amount PerMonth(base::Amount rate) {
  return rate.Times(payment::kMonthSeconds).value_or(base::Amount::Max());
}

std::string RateJson(base::Amount rate) {
  return Json().Crn("per_second", rate).Crn("per_month", PerMonth(rate)).Done();
}

std::string RateText(base::Amount rate) { return absl::StrCat(Crn(PerMonth(rate)), " per 30 days"); }

Json& AddState(const client::Standing& standing, const std::string& deposit, Json& json) {
  std::vector<std::string> steps;
  for (const client::PayerStep& step : standing.steps) {
    steps.push_back(Json().Text("state", chain::NameOf(step.state)).Time("at", step.at).Done());
  }
  json.Text("state", chain::NameOf(standing.state))
      .Raw("pays", RateJson(standing.out_rate))
      .Raw("earns", RateJson(standing.in_rate))
      .Crn("full_reserve", standing.full_reserve)
      .List("steps", steps);
  if (!standing.steps.empty()) json.Time("funded_until", standing.steps.front().at);
  if (standing.resumes) json.Time("resumes", *standing.resumes);
  const std::string todo = WhatToDo(standing, deposit);
  if (!todo.empty()) json.Crn("missing", *standing.missing).Text("what_to_do", todo);
  return json;
}

std::string StateText(const client::Standing& standing, const std::string& deposit) {
  std::string out = absl::StrCat("state    ", NameOf(standing.state));
  if (const char* meaning = Meaning(standing.state); *meaning != '\0') absl::StrAppend(&out, ": ", meaning);
  absl::StrAppend(&out, "\n", standing.frozen() ? "next     " : "until    ", Until(standing), "\n");
  if (standing.resumes) absl::StrAppend(&out, "resumes  ", HumanTime(*standing.resumes), " from what flows in\n");
  const std::string todo = WhatToDo(standing, deposit);
  if (!todo.empty()) absl::StrAppend(&out, "do       ", todo, "\n");
  return out;
}

Json& AddStanding(const client::Standing& standing, const std::string& deposit, Json& json) {
  json.Time("as_of", standing.now)
      .Number("second", standing.second)
      .Crn("free", standing.free)
      .Crn("locked", standing.locked)
      .Crn("reserve", standing.reserve);
  return AddState(standing, deposit, json);
}

std::string StandingText(const client::Standing& standing, const std::string& deposit) {
  return absl::StrCat("free     ", Crn(standing.free), "\nlocked   ", Crn(standing.locked), "\nreserve  ",
                      Crn(standing.reserve), " of ", Crn(standing.full_reserve), "\npays     ",
                      RateText(standing.out_rate), "\nearns    ", RateText(standing.in_rate), "\n",
                      StateText(standing, deposit));
}

}  // namespace cairn::storectl
