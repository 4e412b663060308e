// Where an account stands: what it has, what flows in and out of it each second, and what comes next when nobody pays
// in.
//
// The ledger settles streams when something happens to them; between two settlements this is the same arithmetic, run
// to the ledger's present time. Amounts are units of crn, rates are a second's.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/base/amount.h"
#include "cairn/base/id.h"
#include "cairn/chain/client.h"
#include "cairn/chain/pb.h"

namespace cairn::client {

// A step down, and when it comes at the present rates.
struct PayerStep {
  chain::pb::PayerState state = chain::pb::PAYER_STATE_PAYING;
  absl::Time at;
  friend bool operator==(const PayerStep&, const PayerStep&) = default;
};

struct Standing {
  base::AccountId account;
  bool exists = false;  // was ever credited
  absl::Time now;       // of the ledger; everything below holds then
  uint64_t second = 0;  // the same on the streams' clock
  uint64_t stopped_ms = 0;  // by which that clock is behind
  base::Amount free;
  base::Amount locked;
  base::Amount reserve;       // set aside for the flows
  base::Amount full_reserve;  // what should be
  base::Amount in_rate;
  base::Amount out_rate;  // of flows that move; of those that stand still while frozen
  chain::pb::PayerState state = chain::pb::PAYER_STATE_PAYING;
  absl::Time since;  // of the state; infinite past when it always paid
  // Those that come within a hundred years, in order. None: what flows in suffices, nothing flows out, or there is money
  // for longer.
  std::vector<PayerStep> steps;
  std::optional<absl::Time> resumes;   // frozen: when what flows in will have filled the reserve
  std::optional<base::Amount> missing;  // throttled or frozen: at least so much brings full service back

  // When a second of the streams' clock is, was or will be.
  absl::Time At(uint64_t stream_second) const;
  bool frozen() const { return state >= chain::pb::PAYER_STATE_READ_ONLY; }
  // What the account settled last, as records say it; `free`, `reserve` and the rates above run on from there.
  base::Amount settled_free;
  base::Amount settled_reserve;
};

// From the records of one state.
Standing StandingOf(const chain::pb::Account& account, const chain::pb::StreamAccount& stream, uint64_t stopped_ms,
                    const chain::pb::Params& params, absl::Time now);
// Asks the ledger; an account that never was credited stands with nothing.
absl::StatusOr<Standing> ReadStanding(chain::Client& chain, const base::AccountId& account);

}  // namespace cairn::client
