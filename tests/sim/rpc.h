// The parties' interfaces over the simulated network, with the messages, signatures and statuses of the real wire.
#pragma once

#include <memory>
#include <string>

#include "apps/client/transport.h"
#include "apps/rpc/provider_service.h"
#include "apps/storaged/part_source.h"
#include "cairn/chain/client.h"
#include "cairn/chain/engine.h"
#include "sim/network.h"

namespace cairn::sim {

inline constexpr char kChain[] = "chain";  // the ledger's name on the network; providers go by their endpoints

// ---- who asks ----
// As rpc::ConnectChain gives it: deadlines, and calls repeated while nobody answers.
std::unique_ptr<chain::Client> NewChainClient(Network& network, std::string self);
std::shared_ptr<client::Transport> NewTransport(Network& network, std::string self, const base::ChainId& chain,
                                                const base::SigningKey& caller, const base::Clock& clock);
std::unique_ptr<storaged::PartSource> NewPeerParts(Network& network, std::string self,
                                                   const storaged::Identity& identity, storaged::Ledger& ledger,
                                                   const base::Clock& clock);

// ---- who answers, one call ----
void ServeChain(Scheduler& scheduler, chain::EmbeddedEngine& engine, const CallPtr& call);
void ServeProvider(rpc::ProviderHandler& handler, const rpc::CallVerifier& verifier, const CallPtr& call);

}  // namespace cairn::sim
