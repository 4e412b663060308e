// Channels and pools: money set aside by a payer, paid out against vouchers (base/voucher.h).
//
// A channel never pays out more than its deposit; what it pays goes through the fee router (operator, treasury, and
// for crn a burnt share). Only the payer gains from a stale close, so only the payer locks a reserve and only its close
// is penalised, once, at settlement. Rules: CD-09, CD-15 to CD-18, CD-39, CD-46; pools: JS-15.
#pragma once

#include "cairn/chain/domain/context.h"

namespace cairn::chain {

Verdict Validate(const pb::OpenChannel& op);
Verdict Check(const pb::OpenChannel& op, const Context& context, const ReadView& view);
void Apply(const pb::OpenChannel& op, const Context& context, Edits& edits);

// The reserve grows with the deposit; the expiry stays.
Verdict Validate(const pb::TopUpChannel& op);
Verdict Check(const pb::TopUpChannel& op, const Context& context, const ReadView& view);
void Apply(const pb::TopUpChannel& op, const Context& context, Edits& edits);

// Needs no window: what the payer signed is final as a lower bound.
Verdict Validate(const pb::WithdrawChannel& op);
Verdict Check(const pb::WithdrawChannel& op, const Context& context, const ReadView& view);
void Apply(const pb::WithdrawChannel& op, const Context& context, Edits& edits);

Verdict Validate(const pb::CloseChannel& op);
Verdict Check(const pb::CloseChannel& op, const Context& context, const ReadView& view);
void Apply(const pb::CloseChannel& op, const Context& context, Edits& edits);

Verdict Validate(const pb::DisputeChannel& op);
Verdict Check(const pb::DisputeChannel& op, const Context& context, const ReadView& view);
void Apply(const pb::DisputeChannel& op, const Context& context, Edits& edits);

Verdict Validate(const pb::CloseTogether& op);
Verdict Check(const pb::CloseTogether& op, const Context& context, const ReadView& view);
void Apply(const pb::CloseTogether& op, const Context& context, Edits& edits);

Verdict Validate(const pb::ReclaimChannel& op);
Verdict Check(const pb::ReclaimChannel& op, const Context& context, const ReadView& view);
void Apply(const pb::ReclaimChannel& op, const Context& context, Edits& edits);

Verdict Validate(const pb::OpenPool& op);
Verdict Check(const pb::OpenPool& op, const Context& context, const ReadView& view);
void Apply(const pb::OpenPool& op, const Context& context, Edits& edits);

Verdict Validate(const pb::TopUpPool& op);
Verdict Check(const pb::TopUpPool& op, const Context& context, const ReadView& view);
void Apply(const pb::TopUpPool& op, const Context& context, Edits& edits);

// First come, first served: a pool may have promised more than it holds, so payees watch it and redeem early.
Verdict Validate(const pb::RedeemPool& op);
Verdict Check(const pb::RedeemPool& op, const Context& context, const ReadView& view);
void Apply(const pb::RedeemPool& op, const Context& context, Edits& edits);

Verdict Validate(const pb::RevokePoolSigner& op);
Verdict Check(const pb::RevokePoolSigner& op, const Context& context, const ReadView& view);
void Apply(const pb::RevokePoolSigner& op, const Context& context, Edits& edits);

Verdict Validate(const pb::ClosePool& op);
Verdict Check(const pb::ClosePool& op, const Context& context, const ReadView& view);
void Apply(const pb::ClosePool& op, const Context& context, Edits& edits);

// The end of a dispute window settles the channel; some time later its record goes.
void ChannelDue(const std::string& id, const Context& context, Edits& edits);
// The rest returns to the owner; then the pool's entries go, some in every turn.
void PoolDue(const std::string& id, const Context& context, Edits& edits);

}  // namespace cairn::chain
