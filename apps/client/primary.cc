#include "apps/client/primary.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "apps/client/buckets.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr absl::Duration kApproveTimeout = absl::Seconds(5);
constexpr absl::Duration kApprovalLife = absl::Minutes(10);
constexpr int kApproveAttempts = 3;

pb::Approval* MutableApproval(pb::Operation& operation) {
  if (operation.has_create_bucket()) return operation.mutable_create_bucket()->mutable_approval();
  if (operation.has_replace_primary())
    return operation.mutable_replace_primary()->mutable_approval();
  if (operation.has_assign_successor())
    return operation.mutable_assign_successor()->mutable_approval();
  return operation.mutable_create_objects()->mutable_approval();
}

// The signature over exactly the operation asked about; anything else is not an answer.
absl::Status CheckApproval(const base::ChainId& chain, const ProviderAddress& provider,
                           pb::Operation operation, const pb::Approval& approval) {
  base::ApprovalClaim claim;
  claim.chain = chain;
  claim.provider = provider.account;
  const auto nonce = chain::FromField<base::Nonce16>(approval.nonce());
  const auto signature = chain::FromField<base::Signature>(approval.signature());
  *MutableApproval(operation) = approval;
  claim.expires_ms = approval.expires_ms();
  claim.request = chain::ApprovalRequest(operation);
  if (nonce) claim.nonce = *nonce;
  if (nonce && signature && approval.provider() == base::ToString(provider.account.view()) &&
      provider.node_key.Verify(base::SigningDigest(claim), *signature)) {
    return absl::OkStatus();
  }
  return base::Error(
      absl::StatusCode::kUnavailable, "BAD_APPROVAL",
      absl::StrCat("provider ", base::ToText(provider.account), " signed something else"),
      "use another primary");
}

absl::StatusOr<uint64_t> ApprovalExpiry(Client& client) {
  ASSIGN_OR_RETURN(pb::Params params, client.Params());
  uint64_t life = static_cast<uint64_t>(absl::ToInt64Milliseconds(kApprovalLife));
  if (params.max_approval_ms() != 0) life = std::min(life, params.max_approval_ms() * 3 / 4);
  return static_cast<uint64_t>(absl::ToUnixMillis(client.LedgerTime())) + life;
}

}  // namespace

bool BlamesPrimary(const absl::Status& status) {
  static const auto& reasons = *new std::set<std::string>{
      "BAD_APPROVAL", "NOT_ACCEPTING",  "REFUSED_TO_SEAL", "NOT_PRIMARY", "NO_SPACE",
      "QUOTA",        "QUOTA_EXCEEDED", "DRAINING",        "DISK_FULL",   "LOSS_REPORTED"};
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsInternal(status) || absl::IsUnimplemented(status) ||
         absl::IsResourceExhausted(status) || reasons.contains(base::ReasonOf(status));
}

absl::Status Approve(Client& client, const base::AccountId& provider, pb::Operation& operation) {
  ASSIGN_OR_RETURN(ProviderAddress address, client.Address(provider));
  absl::Status last;
  for (int attempt = 0; attempt < kApproveAttempts; ++attempt) {
    RETURN_IF_ERROR(client.CheckStop());
    pb::Approval* wanted = MutableApproval(operation);
    wanted->Clear();
    wanted->set_provider(base::ToString(provider.view()));
    ASSIGN_OR_RETURN(uint64_t expires, ApprovalExpiry(client));
    wanted->set_expires_ms(expires);
    rpc::v1::ApproveRequest request;
    *request.mutable_operation() = operation;
    request.set_owner(base::ToString(client.account().view()));
    auto approval = client.transport().Approve(address, request, kApproveTimeout);
    if (approval.ok()) {
      RETURN_IF_ERROR(CheckApproval(client.chain_id(), address, operation, *approval));
      *MutableApproval(operation) = *approval;
      return absl::OkStatus();
    }
    last = base::Annotate(approval.status(), absl::StrCat("provider ", base::ToText(provider)));
    if (!absl::IsUnavailable(last) && !absl::IsDeadlineExceeded(last)) break;
    if (attempt + 1 < kApproveAttempts) client.clock().Sleep(absl::Milliseconds(150 << attempt));
  }
  return last;
}

absl::StatusOr<base::AccountId> AppointPrimary(Client& client, uint64_t group,
                                               const base::AccountId& provider) {
  pb::Operation operation;
  operation.mutable_replace_primary()->set_group(group);
  operation.mutable_replace_primary()->set_primary(base::ToString(provider.view()));
  RETURN_IF_ERROR(Approve(client, provider, operation));
  RETURN_IF_ERROR(client.sender().Send({operation}).status());
  return provider;
}

absl::StatusOr<base::AccountId> ReplacePrimary(Client& client, uint64_t group_id,
                                               const std::vector<base::AccountId>& never) {
  ASSIGN_OR_RETURN(pb::Group group, client.Group(group_id));
  ASSIGN_OR_RETURN(std::vector<storage::Candidate> candidates,
                   FindCandidates(client, absl::Seconds(2)));
  auto holds = [&](const storage::Candidate& candidate) {
    return std::any_of(group.positions().begin(), group.positions().end(),
                       [&](const pb::GroupPosition& position) {
                         return position.provider() == base::ToString(candidate.account.view());
                       });
  };
  std::stable_sort(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) {
    if (holds(a) != holds(b)) return holds(a);
    return a.primary_price.per_unit_e18 < b.primary_price.per_unit_e18;
  });
  base::Evidence tried;
  for (const storage::Candidate& candidate : candidates) {
    const bool barred = std::find(never.begin(), never.end(), candidate.account) != never.end() ||
                        base::ToString(candidate.account.view()) == group.primary();
    if (barred || !candidate.live) continue;
    auto appointed = AppointPrimary(client, group_id, candidate.account);
    if (appointed.ok()) {
      client.progress().Note(
          "", absl::StrCat("primary of group ", group_id, " is now ", base::ToText(*appointed)));
      return appointed;
    }
    tried.emplace_back(base::ToText(candidate.account), std::string(appointed.status().message()));
  }
  return base::Error(absl::StatusCode::kFailedPrecondition, "NO_PRIMARY",
                     absl::StrCat("no provider takes over group ", group_id),
                     "storectl provider ls", std::move(tried));
}

absl::StatusOr<base::AccountId> ReplaceHolder(Client& client, uint64_t group_id, uint32_t position,
                                              const base::AccountId* provider) {
  ASSIGN_OR_RETURN(pb::Group group, client.Group(group_id));
  if (position >= static_cast<uint32_t>(group.positions_size())) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, "NO_SUCH_POSITION",
        absl::StrCat("group ", group_id, " has positions 0 to ", group.positions_size() - 1));
  }
  base::AccountId successor;
  if (provider != nullptr) {
    successor = *provider;
  } else {
    ASSIGN_OR_RETURN(std::vector<storage::Candidate> candidates,
                     FindCandidates(client, absl::Seconds(2)));
    storage::PlacementRequest request;
    request.policy = PolicyOf(group);
    request.seed = client.entropy().DrawNumber();
    std::vector<base::AccountId> holders;
    for (const pb::GroupPosition& held : group.positions())
      holders.push_back(chain::AccountOf(held.provider()));
    request.exclude = holders;
    ASSIGN_OR_RETURN(storage::SuccessorChoice choice,
                     storage::PlaceSuccessor(request, holders, position, candidates));
    successor = choice.provider;
  }
  pb::Operation operation;
  auto* assign = operation.mutable_assign_successor();
  assign->set_group(group_id);
  assign->set_position(position);
  assign->set_provider(base::ToString(successor.view()));
  RETURN_IF_ERROR(Approve(client, successor, operation));
  RETURN_IF_ERROR(client.sender().Send({operation}).status());
  return successor;
}

}  // namespace cairn::client
