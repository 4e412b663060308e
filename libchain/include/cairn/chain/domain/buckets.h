// Buckets: a name of an owner, a redundancy policy, and the group that keeps new objects.
#pragma once

#include "cairn/chain/domain/context.h"

namespace cairn::chain {

inline constexpr uint32_t kMaxKeepVersions = 100;
inline constexpr int kMaxKeyWraps = 256;

Verdict Validate(const pb::CreateBucket& op);
Verdict Check(const pb::CreateBucket& op, const Context& context, const ReadView& view);
void Apply(const pb::CreateBucket& op, const Context& context, Edits& edits);

Verdict Validate(const pb::EditBucket& op);
Verdict Check(const pb::EditBucket& op, const Context& context, const ReadView& view);
void Apply(const pb::EditBucket& op, const Context& context, Edits& edits);

Verdict Validate(const pb::DeleteBucket& op);
Verdict Check(const pb::DeleteBucket& op, const Context& context, const ReadView& view);
void Apply(const pb::DeleteBucket& op, const Context& context, Edits& edits);

}  // namespace cairn::chain
