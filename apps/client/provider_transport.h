// The transport over gRPC: one connection to each provider, pinned to the registry, calls signed by
// the account.
#pragma once

#include <memory>

#include "apps/client/transport.h"
#include "cairn/base/clock.h"

namespace cairn::client {

// `clock` outlives the transport.
std::shared_ptr<Transport> NewProviderTransport(const base::ChainId& chain,
                                                const base::SigningKey& caller,
                                                const base::Clock& clock);

}  // namespace cairn::client
