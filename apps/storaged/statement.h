// The subcommand `storaged statement`: what payers promised to this provider, from the running daemon.
#pragma once

#include "absl/status/status.h"
#include "apps/common/daemon.h"

namespace cairn::storaged {

// CSV, or JSON with -o json, on standard output, as client::ParseStatement reads them. NotFound (NO_SUCH_CHANNEL), DataLoss
// (STATEMENTS_DIFFER), InvalidArgument (BAD_STATEMENT, BAD_CHANNEL_ID).
absl::Status ShowStatement(const app::CommandLine& line);

}  // namespace cairn::storaged
