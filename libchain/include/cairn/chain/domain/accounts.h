// Accounts: balances, wrap keys, root pointers, sequence lanes, and the fee that every transaction pays.
#pragma once

#include "cairn/base/amount.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

Verdict Validate(const pb::Transfer& op);
Verdict Check(const pb::Transfer& op, const Context& context, const ReadView& view);
void Apply(const pb::Transfer& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetWrapKey& op);
Verdict Check(const pb::SetWrapKey& op, const Context& context, const ReadView& view);
void Apply(const pb::SetWrapKey& op, const Context& context, Edits& edits);

Verdict Validate(const pb::SetRootPointer& op);
Verdict Check(const pb::SetRootPointer& op, const Context& context, const ReadView& view);
void Apply(const pb::SetRootPointer& op, const Context& context, Edits& edits);

Verdict Validate(const pb::DropLane& op);
Verdict Check(const pb::DropLane& op, const Context& context, const ReadView& view);
void Apply(const pb::DropLane& op, const Context& context, Edits& edits);

// Sequence, expiry, fee and sponsor of a transaction: 2xx or kOk. Lane 0 belongs to the account; any other lane locks
// the lane bond with its first transaction.
Verdict CheckAdmission(const pb::TransactionBody& body, const Context& context, const ReadView& view);
// Uses the number and pays the fee, which it returns.
base::Amount ApplyAdmission(const pb::TransactionBody& body, const Context& context, Edits& edits);

// A sponsor's allowance reached its expiry: what was spent of it need not be known any more.
void AllowanceExpired(const std::string& id, const Context& context, Edits& edits);

}  // namespace cairn::chain
