// The ledger as this provider believes it: which chain it must be, and a client that checks every answer.
//
// `chain.id` of the configuration says which. Without it the chain met first is taken, and kept in the provider's index
// from then on. An answer that its proofs do not show is refused (LEDGER_ANSWER_UNPROVEN, see
// cairn/chain/verifying_client.h).
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "apps/rpc/chain_client.h"
#include "apps/storaged/settings.h"
#include "cairn/base/clock.h"
#include "cairn/chain/client.h"

namespace cairn::storaged {

struct KnownLedger {
  base::ChainId chain;
  std::shared_ptr<chain::Client> client;
};

// Asks the endpoint for its chain. FailedPrecondition (reason WRONG_CHAIN) when the configuration names another.
absl::StatusOr<KnownLedger> MeetLedger(const Settings& settings, const rpc::ChainClientOptions& options = {});

// A test network, by its genesis record.
absl::StatusOr<bool> IsTestNetwork(chain::Client& ledger);
// For test networks: lets our clock run as far ahead as the ledger's, which may have been advanced before we started.
absl::Status FollowTime(chain::Client& ledger, base::RealClock& clock);

absl::Status WrongChain(const base::ChainId& found);

}  // namespace cairn::storaged
