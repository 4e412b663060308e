// Who this provider is: its two keys and the network it belongs to.
//
// The account pays fees, locks the deposit and signs transactions; the node key signs what peers
// and the ledger check (approvals, receipts, scrub digests) and is the one that must be on the
// machine. Immutable; thread-safe.
#pragma once

#include "cairn/base/key.h"

namespace cairn::storaged {

struct Identity {
  base::ChainId chain;
  base::SigningKey account;
  base::SigningKey node;

  base::AccountId id() const { return account.account(); }
};

}  // namespace cairn::storaged
