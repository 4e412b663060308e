// What an account paid, got, locked and got back, and to or from whom.
#pragma once

#include "absl/status/status.h"
#include "apps/storectl/context.h"
#include "cairn/base/id.h"

namespace cairn::storectl {

// From the newest `blocks` blocks that are kept (0: all). Fees are those of transactions the account signed; the rest
// is what events say, which no proof covers.
absl::Status ShowHistory(Context& context, const base::AccountId& account, uint64_t blocks);

}  // namespace cairn::storectl
