// Providers: registration with a deposit, prices and capacity, maintenance, lost stores, exit.
#pragma once

#include "cairn/base/amount.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

Verdict Validate(const pb::RegisterProvider& op);
Verdict Check(const pb::RegisterProvider& op, const Context& context, const ReadView& view);
void Apply(const pb::RegisterProvider& op, const Context& context, Edits& edits);

Verdict Validate(const pb::EditProvider& op);
Verdict Check(const pb::EditProvider& op, const Context& context, const ReadView& view);
void Apply(const pb::EditProvider& op, const Context& context, Edits& edits);

// By anyone, from its own balance.
Verdict Validate(const pb::AddDeposit& op);
Verdict Check(const pb::AddDeposit& op, const Context& context, const ReadView& view);
void Apply(const pb::AddDeposit& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetMaintenance& op);
Verdict Check(const pb::SetMaintenance& op, const Context& context, const ReadView& view);
void Apply(const pb::SetMaintenance& op, const Context& context, Edits& edits);

Verdict Validate(const pb::ReportNewStore& op);
Verdict Check(const pb::ReportNewStore& op, const Context& context, const ReadView& view);
void Apply(const pb::ReportNewStore& op, const Context& context, Edits& edits);

// Once no group names it and no upload it approved may still be fined; the deposit comes back.
Verdict Validate(const pb::ExitProvider& op);
Verdict Check(const pb::ExitProvider& op, const Context& context, const ReadView& view);
void Apply(const pb::ExitProvider& op, const Context& context, Edits& edits);

// The announced end of a maintenance.
void MaintenanceEnded(const std::string& id, const Context& context, Edits& edits);
// The provider answers for an upload until then and cannot leave before.
void HoldLiable(const std::string& provider, uint64_t until_ms, Edits& edits);
// Takes up to `fine` from the deposit, for `to`; records and tells it. Returns what was taken.
base::Amount FineProvider(const base::AccountId& provider, const base::AccountId& to, base::Amount fine,
                          const std::string& object, const Context& context, Edits& edits);

}  // namespace cairn::chain
