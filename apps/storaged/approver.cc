#include "apps/storaged/approver.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::storaged {
namespace {

constexpr absl::StatusCode kPrecondition = absl::StatusCode::kFailedPrecondition;

absl::Status BadRequest(absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST", what);
}
absl::Status NotOwner(absl::string_view what) {
  return base::Error(absl::StatusCode::kPermissionDenied, "NOT_OWNER",
                     absl::StrCat("the ", what, " belongs to another account"),
                     "sign with the owner's account");
}
absl::Status NotOurs(uint64_t group) {
  return base::Error(kPrecondition, "GROUP_NOT_MINE",
                     absl::StrCat("this provider is not the primary of group ", group),
                     "ask the group's primary", {{"group", absl::StrCat(group)}});
}

pb::Approval* MutableApproval(pb::Operation& operation) {
  switch (operation.kind_case()) {
    case pb::Operation::kCreateBucket:
      return operation.mutable_create_bucket()->mutable_approval();
    case pb::Operation::kReplacePrimary:
      return operation.mutable_replace_primary()->mutable_approval();
    case pb::Operation::kAssignSuccessor:
      return operation.mutable_assign_successor()->mutable_approval();
    case pb::Operation::kCreateObjects:
      return operation.mutable_create_objects()->mutable_approval();
    default:
      return nullptr;
  }
}

}  // namespace

absl::Status Approver::CheckAccepting() {
  if (!accepting()) {
    return base::Error(kPrecondition, "NOT_ACCEPTING",
                       "this provider takes nothing new at the moment",
                       "use another provider, or ask again later");
  }
  ASSIGN_OR_RETURN(Record<pb::Provider> own, ledger_.Provider(identity_.id()));
  if (own->state() != pb::PROVIDER_STATE_ACTIVE) {
    return base::Error(kPrecondition, "NOT_ACCEPTING", "this provider is in maintenance or leaving",
                       "use another provider, or ask again later",
                       {{"state", pb::ProviderState_Name(own->state())}});
  }
  return absl::OkStatus();
}

absl::Status Approver::CheckRoom(uint64_t bytes) {
  uint64_t room = room_();
  if (bytes <= room) return absl::OkStatus();
  return base::Error(absl::StatusCode::kResourceExhausted, "NO_SPACE",
                     absl::StrCat("needs ", bytes, " bytes, has room for ", room),
                     "use a provider with more free space",
                     {{"needed_bytes", absl::StrCat(bytes)}, {"free_bytes", absl::StrCat(room)}});
}

absl::Status Approver::Check(const pb::CreateBucket& create, const base::AccountId& owner) {
  std::string self = chain::ToField(identity_.id());
  if (create.has_new_group()) {
    if (create.new_group().primary() != self)
      return BadRequest("the new group names another primary");
    return CheckRoom(1);
  }
  ASSIGN_OR_RETURN(Record<pb::Group> group, ledger_.Group({create.group()}));
  if (group->primary() != self) return NotOurs(create.group());
  if (group->owner() != chain::ToField(owner)) return NotOwner("group");
  return absl::OkStatus();
}

absl::Status Approver::Check(const pb::ReplacePrimary& replace, const base::AccountId& owner) {
  if (replace.primary() != chain::ToField(identity_.id()))
    return BadRequest("another provider is to be primary");
  ASSIGN_OR_RETURN(Record<pb::Group> group, ledger_.Group({replace.group()}));
  if (group->owner() != chain::ToField(owner)) return NotOwner("group");
  if (group->policy().whole_at_primary()) return CheckRoom(group->stored_bytes());
  return absl::OkStatus();
}

absl::Status Approver::Check(const pb::AssignSuccessor& assign) {
  if (assign.provider() != chain::ToField(identity_.id()))
    return BadRequest("another provider is to succeed");
  ASSIGN_OR_RETURN(Record<pb::Group> group, ledger_.Group({assign.group()}));
  if (assign.position() >= static_cast<uint32_t>(group->positions_size())) {
    return BadRequest(
        absl::StrCat("group ", assign.group(), " has no position ", assign.position()));
  }
  return CheckRoom(group->positions(static_cast<int>(assign.position())).held_bytes());
}

uint64_t Approver::OurShare(const pb::CreateObjects& create, const pb::Group& group) const {
  std::string self = chain::ToField(identity_.id());
  bool holder =
      std::any_of(group.positions().begin(), group.positions().end(),
                  [&](const pb::GroupPosition& position) { return position.provider() == self; });
  uint64_t bytes = 0;
  for (const pb::NewObject& object : create.objects()) {
    if (group.policy().whole_at_primary()) bytes += object.stored_size();
    if (!holder) continue;
    bytes += object.layout() == pb::LAYOUT_KIND_SHARDS
                 ? base::ShardSize(object.stored_size(), std::max(1u, group.policy().data()))
                 : object.stored_size();
  }
  return bytes;
}

absl::Status Approver::Check(const pb::CreateObjects& create, const base::AccountId& owner) {
  if (create.objects().empty() || create.objects_size() > chain::kMaxObjectsPerOperation) {
    return BadRequest(
        absl::StrCat("a batch has 1 to ", chain::kMaxObjectsPerOperation, " objects"));
  }
  ASSIGN_OR_RETURN(Record<pb::Bucket> bucket, ledger_.Bucket({create.bucket()}));
  if (bucket->owner() != chain::ToField(owner)) return NotOwner("bucket");
  ASSIGN_OR_RETURN(Record<pb::Group> group, ledger_.Group({bucket->group()}));
  if (group->primary() != chain::ToField(identity_.id())) return NotOurs(bucket->group());
  uint64_t total = 0;
  for (const pb::NewObject& object : create.objects()) {
    if (object.stored_size() > terms_.max_object_bytes) {
      return base::Error(absl::StatusCode::kInvalidArgument, "TOO_LARGE",
                         absl::StrCat("an object has ", object.stored_size(), " bytes, at most ",
                                      terms_.max_object_bytes, " are taken"),
                         "split the file",
                         {{"limit_bytes", absl::StrCat(terms_.max_object_bytes)}});
    }
    if (object.name().empty() || object.name().size() > chain::kMaxNameBytes) {
      return BadRequest(absl::StrCat("a stored name has 1 to ", chain::kMaxNameBytes, " bytes"));
    }
    total += object.stored_size();
  }
  if (group->byte_cap() > 0 && group->stored_bytes() + total > group->byte_cap()) {
    return base::Error(
        absl::StatusCode::kResourceExhausted, "NO_SPACE",
        absl::StrCat("group ", group->id(), " may hold ", group->byte_cap(), " bytes"),
        "make another bucket with a new group", {{"byte_cap", absl::StrCat(group->byte_cap())}});
  }
  return CheckRoom(OurShare(create, *group));
}

absl::StatusOr<pb::Approval> Approver::Decide(const pb::Operation& asked,
                                              const base::AccountId& owner) {
  pb::Operation operation = asked;
  pb::Approval* approval = MutableApproval(operation);
  if (approval == nullptr) return BadRequest("the operation needs no approval");
  if (approval->provider() != chain::ToField(identity_.id()))
    return BadRequest("another provider is asked");
  if (!approval->nonce().empty() || !approval->signature().empty()) {
    return BadRequest("nonce and signature are the provider's to fill in");
  }
  RETURN_IF_ERROR(CheckAccepting());
  switch (operation.kind_case()) {
    case pb::Operation::kCreateBucket:
      RETURN_IF_ERROR(Check(operation.create_bucket(), owner));
      break;
    case pb::Operation::kReplacePrimary:
      RETURN_IF_ERROR(Check(operation.replace_primary(), owner));
      break;
    case pb::Operation::kAssignSuccessor:
      RETURN_IF_ERROR(Check(operation.assign_successor()));
      break;
    default:
      RETURN_IF_ERROR(Check(operation.create_objects(), owner));
      break;
  }

  // The ledger's clock and ours may differ a little: stay below its limit.
  ASSIGN_OR_RETURN(Record<pb::Params> params, ledger_.Params());
  absl::Duration life = kMaxApprovalLife;
  if (params->max_approval_ms() > 0)
    life = std::min(life, absl::Milliseconds(params->max_approval_ms()) * 0.9);
  uint64_t latest = absl::ToUnixMillis(clock_.Now() + life);
  uint64_t wished = approval->expires_ms();
  approval->set_expires_ms(wished == 0 ? latest : std::min(wished, latest));
  // Ours to draw: object ids follow from it, so that no client can choose one.
  approval->set_nonce(chain::ToField(entropy_.Draw<base::Nonce16>()));
  chain::SignApproval(identity_.chain, identity_.node, owner, &operation);
  return *chain::ApprovalOf(operation);
}

}  // namespace cairn::storaged
