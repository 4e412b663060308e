// Dealings with a bucket's primary: consent, and what to do when it does not answer.
//
// A primary that is silent is asked again; then the owner, who needs nobody's leave, appoints
// another: a live holder of the group if there is one. Thread-safe functions; they block.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/session.h"

namespace cairn::chain::v1 {
class Approval;
class Operation;
}  // namespace cairn::chain::v1

namespace cairn::client {

// Fills in the approval of an operation of the owner: the operation's approval names `provider` and
// an expiry.
absl::Status Approve(Client& client, const base::AccountId& provider,
                     chain::v1::Operation& operation);

// Appoints another primary for a group: candidates are tried in order of (holder first, then
// price). Returns it. FailedPrecondition (reason NO_PRIMARY) when none agrees; evidence names each.
absl::StatusOr<base::AccountId> ReplacePrimary(Client& client, uint64_t group,
                                               const std::vector<base::AccountId>& never);
absl::StatusOr<base::AccountId> AppointPrimary(Client& client, uint64_t group,
                                               const base::AccountId& provider);

// Puts another provider at a position of a group (PlaceSuccessor picks it unless `provider` is
// given).
absl::StatusOr<base::AccountId> ReplaceHolder(Client& client, uint64_t group, uint32_t position,
                                              const base::AccountId* provider = nullptr);

// Is this an answer that another primary would not give: silence, breakdown, refusal to do its
// work?
bool BlamesPrimary(const absl::Status& status);

}  // namespace cairn::client
