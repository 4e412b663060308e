#include "apps/storaged/known_ledger.h"

#include "cairn/base/status.h"
#include "cairn/chain/verifying_client.h"

namespace cairn::storaged {

absl::Status WrongChain(const base::ChainId& found) {
  return base::Error(absl::StatusCode::kFailedPrecondition, "WRONG_CHAIN",
                     "the ledger is another one than this provider's data belongs to",
                     "set chain.endpoint and chain.id to the right network, or use another node.data_dir",
                     {{"found", found.ToHexString()}});
}

absl::StatusOr<KnownLedger> MeetLedger(const Settings& settings, const rpc::ChainClientOptions& options) {
  ASSIGN_OR_RETURN(std::shared_ptr<chain::Client> asked,
                   rpc::ConnectChain(settings.chain_endpoint, settings.chain_pin, options));
  chain::pb::QueryRequest request;
  request.set_status(true);
  ASSIGN_OR_RETURN(const chain::pb::QueryResponse answer, asked->Query(request));
  ASSIGN_OR_RETURN(const base::ChainId chain, base::ChainId::From(base::AsBytes(answer.status().chain_id())));
  if (settings.chain_id && !(*settings.chain_id == chain)) return WrongChain(chain);
  return KnownLedger{chain, std::make_shared<chain::VerifyingClient>(std::move(asked), chain::Trust{chain, {}})};
}

absl::StatusOr<bool> IsTestNetwork(chain::Client& ledger) {
  chain::pb::QueryRequest request;
  request.set_genesis(true);
  ASSIGN_OR_RETURN(const chain::pb::QueryResponse answer, ledger.Query(request));
  return answer.genesis().network_class() == chain::pb::NETWORK_CLASS_TEST;
}

absl::Status FollowTime(chain::Client& ledger, base::RealClock& clock) {
  chain::pb::QueryRequest request;
  request.set_status(true);
  ASSIGN_OR_RETURN(const chain::pb::QueryResponse answer, ledger.Query(request));
  const absl::Time theirs = absl::FromUnixMillis(static_cast<int64_t>(answer.status().time_ms()));
  const absl::Duration lead = theirs - clock.Now();
  if (lead > absl::Seconds(1)) clock.SetOffset(clock.offset() + lead);
  return absl::OkStatus();
}

}  // namespace cairn::storaged
