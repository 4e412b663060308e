// The ledger over gRPC, behind the interface that libchain gives its clients.
//
// Every call has a deadline. Queries are repeated on Unavailable with growing pauses (about 3 s in
// all; longer when asked to for a ledger that has answered before: it is being started again); a
// submission is repeated too, because the same bytes again answer with the first outcome.
// Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apps/rpc/tls.h"

namespace cairn::chain {
class Client;
}

namespace cairn::rpc {

struct ChainClientOptions {
  absl::Duration query_timeout = absl::Seconds(10);
  absl::Duration submit_timeout = absl::Seconds(30);
  absl::Duration retry_for = absl::Seconds(3);  // zero: never repeat
  absl::Duration retry_known_for = absl::Seconds(3);  // once it has answered; at least retry_for
  // Asked several times a second while a Follow waits for blocks; true ends it with Cancelled. Empty: never.
  std::function<bool()> stopping;
};
absl::StatusOr<std::unique_ptr<chain::Client>> ConnectChain(absl::string_view endpoint,
                                                            const PeerPin& pin,
                                                            const ChainClientOptions& options = {});

// Test networks only: moves the ledger's clock and returns its new time.
absl::StatusOr<absl::Time> AdvanceChain(absl::string_view endpoint, const PeerPin& pin,
                                        absl::Duration by);

}  // namespace cairn::rpc
