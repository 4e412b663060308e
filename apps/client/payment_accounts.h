// Payment accounts as people name them, and what the ledger says of them.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cairn/base/id.h"
#include "cairn/chain/client.h"
#include "cairn/chain/pb.h"

namespace cairn::client {

// "cairn1...", or the number of one of `owner`'s own. InvalidArgument as base::ParseAccountId; whether there is such an
// account shows when it is asked for.
absl::StatusOr<base::AccountId> ParsePaymentAccount(absl::string_view text, const base::AccountId& owner);
// NotFound (reason NO_SUCH_PAYMENT_ACCOUNT).
absl::StatusOr<chain::pb::PaymentAccount> FindPaymentAccount(chain::Client& chain, const base::AccountId& id);
absl::StatusOr<std::vector<chain::pb::PaymentAccount>> ListPaymentAccounts(chain::Client& chain,
                                                                           const base::AccountId& owner);
// Buckets that it may pay for up to a rate; those of its own owner need no entry.
absl::StatusOr<std::vector<chain::pb::QueryResponse::ConsentEntry>> ListConsents(chain::Client& chain,
                                                                                 const base::AccountId& id);
// Streams that the sponsor gives, paused ones included.
absl::StatusOr<std::vector<chain::pb::QueryResponse::SponsorshipEntry>> ListSponsorships(
    chain::Client& chain, const base::AccountId& sponsor);

// SetPayer for a bucket (no objects) or for single sealed objects, at most 256 an operation. Empty payer: the bucket's
// owner, or for objects what the bucket has.
std::vector<chain::pb::Operation> PayerOperations(uint64_t bucket, const std::string& payer,
                                                  std::vector<base::ObjectId> objects);

}  // namespace cairn::client
