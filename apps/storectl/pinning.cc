#include "apps/storectl/pinning.h"

#include "apps/client/buckets.h"
#include "apps/client/payment_accounts.h"
#include "cairn/base/status.h"

namespace cairn::storectl {

namespace pb = chain::pb;

absl::StatusOr<Pinning> Pinning::For(Context& context, const std::string& payer) {
  if (payer.empty()) return Pinning("");
  if (context.globals.wait == "created") {
    return base::Error(absl::StatusCode::kInvalidArgument, "USAGE",
                       "--payer takes over what is sealed, and --wait created does not wait for that",
                       "--wait available, or later: storectl account assign");
  }
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  ASSIGN_OR_RETURN(const base::AccountId id, client::ParsePaymentAccount(payer, key.account));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, client::FindPaymentAccount(*chain, id));
  return Pinning(account.id());
}

void Pinning::Took(const absl::StatusOr<client::PutResult>& result) {
  if (payer_.empty() || !result.ok() || result->object.empty()) return;
  stored_[result->ref.bucket].push_back(result->object);
}

absl::Status Pinning::Finish(Context& context) const {
  for (const auto& [name, objects] : stored_) {
    ASSIGN_OR_RETURN(client::Client * client, context.client());
    ASSIGN_OR_RETURN(const pb::Bucket bucket, client::FindBucket(*client, name));
    for (pb::Operation& operation : client::PayerOperations(bucket.id(), payer_, objects)) {
      const absl::Status sent = client->sender().Send({std::move(operation)}).status();
      if (!sent.ok()) return base::Annotate(sent, "stored, but --payer did not take over");
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::storectl
