// Consent of a provider to one operation, used once.
#pragma once

#include "cairn/chain/domain/context.h"

namespace cairn::chain {

// Lengths alone.
Verdict ValidateApproval(const pb::Approval& approval);
// Is it `provider`'s, over the context's operation, unused, and neither expired nor expiring too late?
Verdict CheckApproval(const pb::Approval& approval, const pb::Provider& provider, const Context& context,
                      const ReadView& view);
void UseApproval(const pb::Approval& approval, Edits& edits);
// The approval can be used no more, so that it was used need not be known any more.
void ApprovalExpired(const std::string& id, Edits& edits);

}  // namespace cairn::chain
