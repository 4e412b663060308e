#include "apps/client/payment_accounts.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr size_t kObjectsInOperation = 256;

// Every page of a list.
template <class Take>
absl::Status Pages(chain::Client& chain, pb::QueryRequest request, Take take) {
  request.mutable_page()->set_limit(1000);
  do {
    ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain.Query(request));
    take(answer);
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<base::AccountId> ParsePaymentAccount(absl::string_view text, const base::AccountId& owner) {
  uint64_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return chain::PaymentAccountId(owner, number);
  return base::ParseAccountId(text);
}

absl::StatusOr<pb::PaymentAccount> FindPaymentAccount(chain::Client& chain, const base::AccountId& id) {
  pb::QueryRequest request;
  request.set_payment_account(chain::ToField(id));
  auto answer = chain.Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->payment_accounts().empty())) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_PAYMENT_ACCOUNT", "there is no such payment account",
                       "storectl account ls shows yours", {{"account", base::ToText(id)}});
  }
  RETURN_IF_ERROR(answer.status());
  return answer->payment_accounts(0);
}

absl::StatusOr<std::vector<pb::PaymentAccount>> ListPaymentAccounts(chain::Client& chain,
                                                                    const base::AccountId& owner) {
  std::vector<pb::PaymentAccount> out;
  pb::QueryRequest request;
  request.set_payment_accounts_of(chain::ToField(owner));
  RETURN_IF_ERROR(Pages(chain, request, [&](const pb::QueryResponse& answer) {
    out.insert(out.end(), answer.payment_accounts().begin(), answer.payment_accounts().end());
  }));
  return out;
}

absl::StatusOr<std::vector<pb::QueryResponse::ConsentEntry>> ListConsents(chain::Client& chain,
                                                                          const base::AccountId& id) {
  std::vector<pb::QueryResponse::ConsentEntry> out;
  pb::QueryRequest request;
  request.set_consents_of(chain::ToField(id));
  RETURN_IF_ERROR(Pages(chain, request, [&](const pb::QueryResponse& answer) {
    out.insert(out.end(), answer.consents().begin(), answer.consents().end());
  }));
  return out;
}

absl::StatusOr<std::vector<pb::QueryResponse::SponsorshipEntry>> ListSponsorships(chain::Client& chain,
                                                                                  const base::AccountId& sponsor) {
  std::vector<pb::QueryResponse::SponsorshipEntry> out;
  pb::QueryRequest request;
  request.set_sponsorships_of(chain::ToField(sponsor));
  RETURN_IF_ERROR(Pages(chain, request, [&](const pb::QueryResponse& answer) {
    out.insert(out.end(), answer.sponsorships().begin(), answer.sponsorships().end());
  }));
  return out;
}

std::vector<pb::Operation> PayerOperations(uint64_t bucket, const std::string& payer,
                                           std::vector<base::ObjectId> objects) {
  std::sort(objects.begin(), objects.end());
  objects.erase(std::unique(objects.begin(), objects.end()), objects.end());
  std::vector<pb::Operation> out;
  size_t next = 0;
  do {
    pb::SetPayer& op = *out.emplace_back().mutable_set_payer();
    op.set_bucket(bucket);
    op.set_payer(payer);
    for (; next < objects.size() && op.objects_size() < static_cast<int>(kObjectsInOperation); ++next) {
      op.add_objects(chain::ToField(objects[next]));
    }
  } while (next < objects.size());
  return out;
}

}  // namespace cairn::client
