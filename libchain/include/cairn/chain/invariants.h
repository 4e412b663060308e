// What must always hold, as functions. The ledger checks what a transaction touched before it counts; the full recount
// runs when an engine opens, on demand, and in every simulated world.
//
//   money is conserved per asset (free + locked + treasury + channels + burnt = minted), locked money of an account equals what
//   records hold of it · nothing negative · counters of groups, buckets, providers and accounts equal a recount ·
//   sequence numbers only grow · parameters are in bounds · bonds and deposits only fall by a recorded reason ·
//   a channel or pool never pays out more than its deposit, and what was put in or paid never goes back ·
//   a sealed object has its policy's holders on distinct providers
#pragma once

#include "absl/status/status.h"
#include "cairn/chain/pb.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

// Compares what `view` changed with the state below it. Internal (reason INVARIANT_BROKEN) names the first that fails.
absl::Status CheckChanges(const WriteView& view, pb::NetworkClass network_class);

// Counts everything anew.
absl::Status Recount(const ReadView& view);

}  // namespace cairn::chain
