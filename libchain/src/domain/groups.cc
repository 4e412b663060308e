#include "cairn/chain/domain/groups.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/layout.h"
#include "cairn/chain/convert.h"
#include "domain/approvals.h"
#include "domain/billing.h"

namespace cairn::chain {
namespace {

bool Active(const pb::Provider& provider) { return provider.state() == pb::PROVIDER_STATE_ACTIVE; }

bool HasRoom(const pb::Provider& provider, uint64_t bytes) {
  return provider.committed_bytes() <= provider.capacity_bytes() &&
         bytes <= provider.capacity_bytes() - provider.committed_bytes();
}

// Which providers a group names, and as what. A holder that is being succeeded is still named, by its place alone.
std::map<std::string, pb::ProviderGroup> MembersOf(const pb::Group& group) {
  std::map<std::string, pb::ProviderGroup> members;
  members[group.primary()].set_primary(true);
  for (int i = 0; i < group.positions_size(); ++i) {
    members[group.positions(i).provider()].add_positions(i);
    if (!group.positions(i).previous_provider().empty()) members[group.positions(i).previous_provider()];
  }
  return members;
}

// Brings the providers' index and their count of groups from `before` to `after`; either may be absent.
void SyncMembers(const pb::Group* before, const pb::Group* after, Edits& edits) {
  const auto old_members = before != nullptr ? MembersOf(*before) : std::map<std::string, pb::ProviderGroup>();
  const auto new_members = after != nullptr ? MembersOf(*after) : std::map<std::string, pb::ProviderGroup>();
  const uint64_t id = after != nullptr ? after->id() : before->id();
  for (const auto& [provider, member] : old_members) {
    if (new_members.count(provider) != 0) continue;
    const base::AccountId account = AccountOf(provider);
    edits.Drop(keys::ProviderGroup(account, id));
    pb::Provider& record = edits.At(keys::Provider(account));
    record.set_groups(record.groups() - 1);
  }
  for (const auto& [provider, member] : new_members) {
    const base::AccountId account = AccountOf(provider);
    edits.At(keys::ProviderGroup(account, id)) = member;
    if (old_members.count(provider) != 0) continue;
    pb::Provider& record = edits.At(keys::Provider(account));
    record.set_groups(record.groups() + 1);
  }
}

void Commit(const std::string& provider, uint64_t bytes, Edits& edits) {
  pb::Provider& record = edits.At(keys::Provider(AccountOf(provider)));
  record.set_committed_bytes(record.committed_bytes() + bytes);
}

void Release(const std::string& provider, uint64_t bytes, Edits& edits) {
  pb::Provider& record = edits.At(keys::Provider(AccountOf(provider)));
  record.set_committed_bytes(record.committed_bytes() - bytes);
}

// The group changed by another's doing than its primary's: receipts given before may be void through no fault of it.
void Disturb(pb::Group& group, const Context& context) {
  group.set_epoch(group.epoch() + 1);
  if (group.primary() != ToField(context.signer)) group.set_disturbed_ms(context.time_ms);
}

// No operator holds more positions than the policy can lose.
Verdict CheckSpread(const pb::Redundancy& policy, const std::vector<std::string>& operators, const Context& context) {
  std::map<std::string, uint32_t> held;
  for (const std::string& name : operators) {
    if (++held[name] <= MaxPerOperator(policy)) continue;
    return context.Refuse(Verdict::kOperatorSpread, absl::StrCat("operator ", base::ToHex(base::AsBytes(name)),
                                                                 " may hold ", MaxPerOperator(policy)));
  }
  return Verdict::kOk;
}

}  // namespace

uint32_t Width(const pb::Redundancy& policy) { return FromProto(policy).width(); }

uint32_t MaxPerOperator(const pb::Redundancy& policy) {
  if (policy.kind() == pb::LAYOUT_KIND_SHARDS) return policy.parity();
  return policy.copies() > 3 ? policy.copies() - 2 : 1;
}

std::vector<base::AccountId> OperatorsOf(const pb::Group& group, const ReadView& view) {
  std::vector<base::AccountId> operators;
  for (const pb::GroupPosition& position : group.positions()) {
    const auto provider = view.Find(keys::Provider(AccountOf(position.provider())));
    operators.push_back(provider ? AccountOf(provider->operator_()) : base::AccountId{});
  }
  return operators;
}

Verdict Validate(const pb::NewGroup& op) {
  if (op.primary().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  if (op.holders_size() > static_cast<int>(base::kMaxWidth)) return Verdict::kBadCount;
  for (const std::string& holder : op.holders()) {
    if (holder.size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  }
  return Verdict::kOk;
}

Verdict CheckNewGroup(const pb::NewGroup& op, const pb::Redundancy& policy, const Context& context,
                      const ReadView& view) {
  const std::set<std::string> distinct(op.holders().begin(), op.holders().end());
  if (distinct.size() != Width(policy) || op.holders_size() != static_cast<int>(Width(policy))) {
    return context.Refuse(Verdict::kNotEnoughProviders,
                          absl::StrCat("needs ", Width(policy), " distinct providers, found ", distinct.size()));
  }
  std::vector<std::string> operators;
  for (const std::string& holder : op.holders()) {
    const auto provider = view.Find(keys::Provider(AccountOf(holder)));
    if (!provider || !Active(*provider)) {
      return context.Refuse(Verdict::kNotEnoughProviders,
                            absl::StrCat("not an active provider: ", base::ToHex(base::AsBytes(holder))));
    }
    operators.push_back(provider->operator_());
  }
  const auto primary = view.Find(keys::Provider(AccountOf(op.primary())));
  if (!primary) return Verdict::kUnknownProvider;
  if (!Active(*primary)) return Verdict::kProviderNotActive;
  return CheckSpread(policy, operators, context);
}

uint64_t ApplyNewGroup(const pb::NewGroup& op, const pb::Redundancy& policy, const Context& context, Edits& edits) {
  pb::Counters& counters = edits.At(keys::Counters());
  counters.set_last_group(counters.last_group() + 1);
  pb::Group& group = edits.At(keys::Group(counters.last_group()));
  group.set_id(counters.last_group());
  group.set_owner(ToField(context.signer));
  group.set_primary(op.primary());
  *group.mutable_policy() = policy;
  group.set_epoch(1);
  group.set_byte_cap(op.byte_cap());
  group.set_created_ms(context.time_ms);
  for (const std::string& holder : op.holders()) {
    pb::GroupPosition* position = group.add_positions();
    position->set_provider(holder);
    position->set_generation(1);
    position->set_store_id(edits.At(keys::Provider(AccountOf(holder))).store_id());
  }
  SyncMembers(nullptr, &group, edits);
  return group.id();
}

void DropGroup(uint64_t group, Edits& edits) {
  const auto key = keys::Group(group);
  SyncMembers(&edits.At(key), nullptr, edits);
  edits.Drop(key);
}

Verdict Validate(const pb::ReplacePrimary& op) {
  if (op.primary().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  return ValidateApproval(op.approval());
}

Verdict Check(const pb::ReplacePrimary& op, const Context& context, const ReadView& view) {
  const auto group = view.Find(keys::Group(op.group()));
  if (!group) return Verdict::kUnknownGroup;
  if (group->owner() != ToField(context.signer)) return Verdict::kNotOwner;
  if (group->primary() == op.primary()) return Verdict::kSamePrimary;
  const auto provider = view.Find(keys::Provider(AccountOf(op.primary())));
  if (!provider) return Verdict::kUnknownProvider;
  if (!Active(*provider)) return Verdict::kProviderNotActive;
  if (group->policy().whole_at_primary() && !HasRoom(*provider, group->stored_bytes())) {
    return Verdict::kCapacityTooLow;
  }
  return CheckApproval(op.approval(), *provider, context, view);
}

void Apply(const pb::ReplacePrimary& op, const Context& context, Edits& edits) {
  pb::Group& group = edits.At(keys::Group(op.group()));
  const pb::Group before = group;
  Disturb(group, context);
  group.set_primary(op.primary());
  if (group.policy().whole_at_primary()) {
    Release(before.primary(), group.stored_bytes(), edits);
    Commit(group.primary(), group.stored_bytes(), edits);
  }
  SyncMembers(&before, &group, edits);
  BillNewPrimary(op.group(), op.primary(), context, edits);
  UseApproval(op.approval(), edits);
  context.Emit("group.primary_replaced", {{"group", absl::StrCat(group.id())},
                                          {"before", base::ToHex(base::AsBytes(before.primary()))},
                                          {"primary", base::ToHex(base::AsBytes(op.primary()))},
                                          {"epoch", absl::StrCat(group.epoch())}});
}

Verdict Validate(const pb::AssignSuccessor& op) {
  if (op.provider().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  if (op.position() >= base::kMaxWidth) return Verdict::kBadPosition;
  return ValidateApproval(op.approval());
}

Verdict Check(const pb::AssignSuccessor& op, const Context& context, const ReadView& view) {
  const auto group = view.Find(keys::Group(op.group()));
  if (!group) return Verdict::kUnknownGroup;
  const std::string signer = ToField(context.signer);
  if (group->owner() != signer && group->primary() != signer) return Verdict::kNotOwner;
  if (op.position() >= static_cast<uint32_t>(group->positions_size())) return Verdict::kNoSuchPosition;
  const auto successor = view.Find(keys::Provider(AccountOf(op.provider())));
  if (!successor) return Verdict::kUnknownProvider;
  if (!Active(*successor)) return Verdict::kProviderNotActive;
  std::vector<std::string> operators;
  for (int i = 0; i < group->positions_size(); ++i) {
    const std::string& holder = group->positions(i).provider();
    if (holder == op.provider()) return Verdict::kHolderTwice;
    const bool replaced = static_cast<uint32_t>(i) == op.position();
    const auto provider = view.Find(keys::Provider(AccountOf(holder)));
    operators.push_back(replaced ? successor->operator_() : provider ? provider->operator_() : "");
  }
  const Verdict spread = CheckSpread(group->policy(), operators, context);
  if (spread != Verdict::kOk) return spread;
  if (!HasRoom(*successor, group->positions(op.position()).held_bytes())) return Verdict::kCapacityTooLow;
  return CheckApproval(op.approval(), *successor, context, view);
}

void Apply(const pb::AssignSuccessor& op, const Context& context, Edits& edits) {
  pb::Group& group = edits.At(keys::Group(op.group()));
  const pb::Group before = group;
  pb::GroupPosition& position = *group.mutable_positions(op.position());
  Release(position.provider(), position.held_bytes(), edits);
  Commit(op.provider(), position.held_bytes(), edits);
  // The holder that still has the parts stays named when its successor is succeeded in turn.
  if (position.previous_provider().empty()) position.set_previous_provider(position.provider());
  if (position.previous_provider() == op.provider()) position.clear_previous_provider();
  position.set_provider(op.provider());
  position.set_generation(position.generation() + 1);
  position.set_rebuilding(true);
  position.set_receipted(0);
  position.set_store_id(edits.At(keys::Provider(AccountOf(op.provider()))).store_id());
  Disturb(group, context);
  SyncMembers(&before, &group, edits);
  VoidPosition(op.group(), op.position(), op.provider(), context, edits);
  UseApproval(op.approval(), edits);
  context.Emit("group.successor_assigned",
               {{"group", absl::StrCat(group.id())},
                {"position", absl::StrCat(op.position())},
                {"previous", base::ToHex(base::AsBytes(before.positions(op.position()).provider()))},
                {"provider", base::ToHex(base::AsBytes(op.provider()))},
                {"generation", absl::StrCat(position.generation())},
                {"epoch", absl::StrCat(group.epoch())}});
}

Verdict Validate(const pb::CompleteSuccession& op) {
  return op.position() < base::kMaxWidth ? Verdict::kOk : Verdict::kBadPosition;
}

Verdict Check(const pb::CompleteSuccession& op, const Context& context, const ReadView& view) {
  const auto group = view.Find(keys::Group(op.group()));
  if (!group) return Verdict::kUnknownGroup;
  if (op.position() >= static_cast<uint32_t>(group->positions_size())) return Verdict::kNoSuchPosition;
  const pb::GroupPosition& position = group->positions(op.position());
  if (position.provider() != ToField(context.signer)) return Verdict::kNotHolder;
  if (!position.rebuilding()) return Verdict::kNotRebuilding;
  if (position.receipted() == position.should_hold()) return Verdict::kOk;
  return context.Refuse(Verdict::kSuccessionIncomplete,
                        absl::StrCat(position.receipted(), " of ", position.should_hold(), " objects receipted"));
}

void Apply(const pb::CompleteSuccession& op, const Context& context, Edits& edits) {
  pb::Group& group = edits.At(keys::Group(op.group()));
  const pb::Group before = group;
  pb::GroupPosition& position = *group.mutable_positions(op.position());
  position.set_rebuilding(false);
  position.clear_previous_provider();
  SyncMembers(&before, &group, edits);
  context.Emit("group.succession_completed", {{"group", absl::StrCat(group.id())},
                                              {"position", absl::StrCat(op.position())},
                                              {"provider", base::ToHex(base::AsBytes(position.provider()))}});
}

void MarkStoreLost(const base::AccountId& provider, const std::string& store_id, const Context& context,
                   Edits& edits) {
  std::vector<uint64_t> groups;
  const std::string prefix = keys::ProviderGroupPrefix(provider);
  edits.view().Scan(prefix, "", [&](const std::string& key, const Record&) {
    groups.push_back(NumberFromField(absl::string_view(key).substr(prefix.size())));
    return true;
  });
  for (const uint64_t id : groups) {
    pb::Group& group = edits.At(keys::Group(id));
    bool holds = false;
    for (int i = 0; i < group.positions_size(); ++i) {
      pb::GroupPosition& position = *group.mutable_positions(i);
      if (position.provider() != ToField(provider)) continue;
      holds = true;
      position.set_generation(position.generation() + 1);
      position.set_receipted(0);
      position.set_rebuilding(position.rebuilding() || position.should_hold() != 0);
      position.set_store_id(store_id);
      VoidPosition(id, i, ToField(provider), context, edits);
    }
    if (!holds) continue;
    Disturb(group, context);
    context.Emit("group.store_lost", {{"group", absl::StrCat(id)},
                                      {"provider", provider.ToHexString()},
                                      {"epoch", absl::StrCat(group.epoch())}});
  }
}

}  // namespace cairn::chain
