// Holder groups: who keeps which position, changes of primary and holders, lost stores.
#pragma once

#include "cairn/chain/domain/context.h"

namespace cairn::chain {

Verdict Validate(const pb::ReplacePrimary& op);
Verdict Check(const pb::ReplacePrimary& op, const Context& context, const ReadView& view);
void Apply(const pb::ReplacePrimary& op, const Context& context, Edits& edits);

Verdict Validate(const pb::AssignSuccessor& op);
Verdict Check(const pb::AssignSuccessor& op, const Context& context, const ReadView& view);
void Apply(const pb::AssignSuccessor& op, const Context& context, Edits& edits);

Verdict Validate(const pb::CompleteSuccession& op);
Verdict Check(const pb::CompleteSuccession& op, const Context& context, const ReadView& view);
void Apply(const pb::CompleteSuccession& op, const Context& context, Edits& edits);

// A new group, made by CreateBucket.
Verdict Validate(const pb::NewGroup& op);
Verdict CheckNewGroup(const pb::NewGroup& op, const pb::Redundancy& policy, const Context& context,
                      const ReadView& view);
uint64_t ApplyNewGroup(const pb::NewGroup& op, const pb::Redundancy& policy, const Context& context, Edits& edits);
// The last bucket of an empty group went.
void DropGroup(uint64_t group, Edits& edits);

// k + m, or n.
uint32_t Width(const pb::Redundancy& policy);
// The most positions one operator may hold: m shards, or max(1, n - 2) copies.
uint32_t MaxPerOperator(const pb::Redundancy& policy);
// Operators of the positions, in order.
std::vector<base::AccountId> OperatorsOf(const pb::Group& group, const ReadView& view);

// Every position that the provider holds counts as missing until receipted again under a new generation.
void MarkStoreLost(const base::AccountId& provider, const std::string& store_id, const Context& context,
                   Edits& edits);

}  // namespace cairn::chain
