// The ledger's record of a channel as payer, payee and watchtower see it.
#pragma once

#include "cairn/base/id.h"
#include "cairn/payment/channel_facts.h"

namespace cairn::chain::v1 {
class Channel;
}

namespace cairn::client {

// InvalidArgument (reason MALFORMED) when the signer is no key.
absl::StatusOr<payment::ChannelFacts> FactsOf(const base::ChainId& chain,
                                              const chain::v1::Channel& record);

// 32 hex digits. InvalidArgument (reason BAD_CHANNEL_ID).
absl::StatusOr<base::ChannelId> ParseChannelId(absl::string_view text);

}  // namespace cairn::client
