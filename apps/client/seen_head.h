// The newest header that a client believed of a ledger, kept between its runs: one line "height time_ms header", header
// in hex. Losing the file loses only the protection against an older state; what cannot be read counts as lost.
#pragma once

#include <string>

#include "cairn/chain/verifying_client.h"

namespace cairn::client {

chain::SeenHead LoadSeenHead(const std::string& path);
// Keeps the newer of the two when another process was there before; an error is not one of the user's.
void SaveSeenHead(const std::string& path, const chain::SeenHead& seen);

}  // namespace cairn::client
