// Who may read an object: anyone when its bucket is public; otherwise its owner, the members that
// the bucket's key was wrapped to, and the providers of its group (they repair).
#pragma once

#include "apps/rpc/provider_service.h"
#include "apps/storaged/ledger.h"

namespace cairn::storaged {

// PermissionDenied (ACCESS_DENIED), or NotFound when the ledger does not have the object.
absl::Status CheckReadAccess(Ledger& ledger, const base::ObjectId& object,
                             const rpc::Caller& caller);

}  // namespace cairn::storaged
