#include "cairn/payment/quote.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::payment {
namespace {

using base::Amount;
using base::LayoutKind;

absl::Status BadQuote(absl::string_view why) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_QUOTE", why);
}

absl::Status Overflow() {
  return base::Error(absl::StatusCode::kInvalidArgument, "CHARGE_OVERFLOW",
                     "the cost does not fit into 128 bits",
                     "Put fewer or smaller objects at once.");
}

// The prices of those who keep this object.
absl::StatusOr<base::ChargeTerms> TermsOf(const QuoteRequest& request, const QuoteObject& object,
                                          LayoutKind layout) {
  const std::optional<base::Price> primary =
      base::PrimaryPrice(request.primary.storage_primary, request.primary.storage_holder,
                         request.policy.whole_at_primary);
  if (!primary) return Overflow();
  base::ChargeTerms terms{.primary = *primary,
                          .holders = {},
                          .ingress = object.copied || request.holders.empty()
                                         ? base::Price{}
                                         : request.holders.front().ingress,
                          .tax_ppm = request.terms.tax_ppm,
                          .reserve_seconds = request.terms.reserve_seconds,
                          .min_charge_bytes = request.terms.min_charge_bytes};
  if (layout == LayoutKind::kShards) {
    for (const RateCard& card : request.holders) terms.holders.push_back(card.storage_holder);
    return terms;
  }
  for (uint32_t position : object.copy_positions) {
    if (position >= request.holders.size()) return BadQuote("a position that the group has not");
    terms.holders.push_back(request.holders[position].storage_holder);
  }
  return terms;
}

// Adds `more` to `sum`; false when it does not fit.
bool Add(Amount& sum, std::optional<Amount> more) {
  std::optional<Amount> next = more ? sum.Plus(*more) : std::nullopt;
  if (next) sum = *next;
  return next.has_value();
}

}  // namespace

absl::StatusOr<Quote> MakeQuote(const QuoteRequest& request) {
  if (request.holders.size() != request.policy.width()) {
    return BadQuote(absl::StrCat("the policy has ", request.policy.width(),
                                 " positions, there are ", request.holders.size(), " rate cards"));
  }
  Quote quote;
  for (const QuoteObject& object : request.objects) {
    const LayoutKind layout = base::LayoutFor(request.policy, object.stored_size);
    ASSIGN_OR_RETURN(base::ChargeTerms terms, TermsOf(request, object, layout));
    ASSIGN_OR_RETURN(base::Charge charge,
                     base::ChargeFor(terms, object.stored_size, layout, request.policy.data));
    if (!Add(quote.rate, charge.rate) || !Add(quote.lock, charge.lock)) return Overflow();
    quote.charges.push_back(std::move(charge));
  }
  if (!Add(quote.bond, request.terms.object_bond.Times(request.objects.size())) ||
      !Add(quote.fee, request.terms.fee_per_weight.Times(request.terms.weight)) ||
      !Add(quote.per_month, quote.rate.Times(kMonthSeconds)) || !Add(quote.total, quote.lock) ||
      !Add(quote.total, quote.bond) || !Add(quote.total, quote.fee)) {
    return Overflow();
  }
  return quote;
}

absl::Status CheckMaxCost(const Quote& quote, Amount max_cost) {
  if (quote.total <= max_cost) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "PRICE_GUARD",
                     absl::StrCat("this costs ", quote.total.ToString(), " units, the limit is ",
                                  max_cost.ToString()),
                     "Raise --max-cost, or choose cheaper providers.",
                     {{"total", quote.total.ToString()},
                      {"lock", quote.lock.ToString()},
                      {"bond", quote.bond.ToString()},
                      {"fee", quote.fee.ToString()},
                      {"max_cost", max_cost.ToString()}});
}

std::string ToText(const Quote& quote, absl::string_view asset, int decimals) {
  auto line = [&](absl::string_view label, Amount amount, absl::string_view note) {
    return absl::StrCat(label, amount.ToDecimal(decimals), " ", asset, note, "\n");
  };
  return absl::StrCat(line("storage  ", quote.lock, " in reserve"),
                      line("bond     ", quote.bond, " (returned on delete)"),
                      line("fee      ", quote.fee, ""), line("total    ", quote.total, ""),
                      line("then     ", quote.per_month, " per 30 days"));
}

}  // namespace cairn::payment
