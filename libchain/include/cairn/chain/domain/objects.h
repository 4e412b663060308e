// Objects: two-phase creation, receipts, ends, and the fines for uploads that were promised and never sealed.
//
// created --seal--> sealed (available) --all receipts--> durable; created --reject | cancel | deadline--> gone;
// sealed --delete | newer version--> gone. A name stands for its current version and those kept before it.
#pragma once

#include "cairn/chain/domain/context.h"

namespace cairn::chain {

Verdict Validate(const pb::CreateObjects& op);
Verdict Check(const pb::CreateObjects& op, const Context& context, const ReadView& view);
void Apply(const pb::CreateObjects& op, const Context& context, Edits& edits);

// By the group's primary or the one that approved the objects.
Verdict Validate(const pb::SealObjects& op);
Verdict Check(const pb::SealObjects& op, const Context& context, const ReadView& view);
void Apply(const pb::SealObjects& op, const Context& context, Edits& edits);

Verdict Validate(const pb::PostReceipts& op);
Verdict Check(const pb::PostReceipts& op, const Context& context, const ReadView& view);
void Apply(const pb::PostReceipts& op, const Context& context, Edits& edits);

// By the primary. Whoever signed an upload receipt before is fined as for a seal that never came.
Verdict Validate(const pb::RejectObjects& op);
Verdict Check(const pb::RejectObjects& op, const Context& context, const ReadView& view);
void Apply(const pb::RejectObjects& op, const Context& context, Edits& edits);

Verdict Validate(const pb::CancelObjects& op);
Verdict Check(const pb::CancelObjects& op, const Context& context, const ReadView& view);
void Apply(const pb::CancelObjects& op, const Context& context, Edits& edits);

Verdict Validate(const pb::DeleteObjects& op);
Verdict Check(const pb::DeleteObjects& op, const Context& context, const ReadView& view);
void Apply(const pb::DeleteObjects& op, const Context& context, Edits& edits);

// The deadline moves to a full seal window from now, so that the primary has the time to answer.
Verdict Validate(const pb::RequestUpload& op);
Verdict Check(const pb::RequestUpload& op, const Context& context, const ReadView& view);
void Apply(const pb::RequestUpload& op, const Context& context, Edits& edits);

Verdict Validate(const pb::AnswerUpload& op);
Verdict Check(const pb::AnswerUpload& op, const Context& context, const ReadView& view);
void Apply(const pb::AnswerUpload& op, const Context& context, Edits& edits);

Verdict Validate(const pb::ClaimFine& op);
Verdict Check(const pb::ClaimFine& op, const Context& context, const ReadView& view);
void Apply(const pb::ClaimFine& op, const Context& context, Edits& edits);

// The deadline of an object that was not sealed: it goes, the lock returns, an unanswered request is fined, and what
// an upload receipt may still be fined for stays for the window.
void SealDeadlinePassed(const std::string& object, const Context& context, Edits& edits);
void FineWindowClosed(const std::string& object, Edits& edits);

}  // namespace cairn::chain
