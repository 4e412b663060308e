// This provider's record on the ledger: making it, and bringing it up to date with the
// configuration.
#pragma once

#include "apps/rpc/tls.h"
#include "apps/storaged/node.h"
#include "cairn/chain/client.h"
#include "cairn/chain/pb.h"

namespace cairn::storaged {

namespace pb = ::cairn::chain::v1;

// NotFound (NOT_REGISTERED).
absl::StatusOr<pb::Provider> FindRegistration(chain::Client& client,
                                              const base::AccountId& account);

pb::Operation RegisterOperation(const Settings& settings, const base::ChainId& chain,
                                const NodeKeys& keys, const base::Digest& tls_pin,
                                const base::StoreId& store);
// What the record needs to say what the configuration says; nullopt when it does. A deposit is
// never changed.
std::optional<pb::Operation> EditOperation(const Settings& settings, const base::Digest& tls_pin,
                                           const pb::Provider& record);

}  // namespace cairn::storaged
