// Quotes: what a put will cost, before it costs anything.
//
// The lock of a quote is the lock that the ledger takes, to the unit: both call base::ChargeFor. A
// quote is a plain value; money is in the smallest unit of the asset that the rate cards are in.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/charge.h"
#include "cairn/payment/rate_card.h"

namespace cairn::payment {

inline constexpr uint64_t kMonthSeconds = 30 * 86'400;

struct QuoteObject {
  uint64_t stored_size = 0;
  // Positions of the group that keep it whole (base::CopyPositions); unused for shards, where all
  // positions do.
  std::vector<uint32_t> copy_positions{};
  bool copied = false;  // of bytes that the holders have: nothing to take in
};

// The ledger's parameters and what the transactions cost.
struct QuoteTerms {
  uint32_t tax_ppm = 0;
  uint64_t reserve_seconds = 0;
  uint64_t min_charge_bytes = 0;
  base::Amount fee_per_weight{};
  uint64_t weight = 0;         // of all the transactions of this put
  base::Amount object_bond{};  // locked for each object, returned on delete
};

struct QuoteRequest {
  base::Redundancy policy{};
  RateCard primary{};
  std::vector<RateCard> holders{};  // position order, policy.width() of them
  std::vector<QuoteObject> objects{};
  QuoteTerms terms{};
};

struct Quote {
  std::vector<base::Charge> charges;  // one an object
  base::Amount rate;                  // per second, all objects
  base::Amount lock;                  // what the ledger takes: reserve and ingress fees
  base::Amount bond;                  // comes back on delete
  base::Amount fee;                   // gone
  base::Amount total;                 // lock + bond + fee: what must be in the account
  base::Amount per_month;             // rate * 30 days
};

// InvalidArgument: holders do not match the policy or a position is out of range (reason
// BAD_QUOTE), or overflow (CHARGE_OVERFLOW).
absl::StatusOr<Quote> MakeQuote(const QuoteRequest& request);

// FailedPrecondition (reason PRICE_GUARD) when lock + bond + fee is above `max_cost`; evidence
// holds both.
absl::Status CheckMaxCost(const Quote& quote, base::Amount max_cost);

// Lines for a person: lock, bond, fee, total, and the cost per month, in the asset's decimals.
std::string ToText(const Quote& quote, absl::string_view asset, int decimals);

}  // namespace cairn::payment
