// A client over the real network, from a profile: gRPC to the ledger and to providers, TLS pinned
// to the registry.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "apps/client/session.h"

namespace cairn::client {

// Client, clock, entropy and executor in one; the client lives as long as this does.
class Connection {
 public:
  // Connects lazily: an endpoint that does not answer shows with the first call (Unavailable).
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Paths& paths,
                                                          const Profile& profile,
                                                          base::AccountKeys keys,
                                                          Progress* progress = nullptr,
                                                          const StopFlag* stop = nullptr,
                                                          const PayOptions& pay = {});
  ~Connection();
  Client& client() { return *client_; }

 private:
  Connection();
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::unique_ptr<Client> client_;
};

// The ledger alone, for questions that need no key. Every answer is checked against the profile's chain id and engine
// key (cairn/chain/verifying_client.h); the newest header seen is kept in the state folder when the client goes, so
// that the next one is not shown an older state.
absl::StatusOr<std::shared_ptr<chain::Client>> ConnectChain(const Paths& paths, const Profile& profile);

}  // namespace cairn::client
