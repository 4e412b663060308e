#include "apps/client/connect.h"

#include <functional>
#include <mutex>

#include "apps/client/provider_transport.h"
#include "apps/client/seen_head.h"
#include "apps/rpc/chain_client.h"
#include "cairn/base/status.h"
#include "cairn/chain/verifying_client.h"

namespace cairn::client {
namespace {

constexpr int kThreads = 64;  // most of them wait for a holder most of the time
constexpr absl::Duration kLedgerPatience = absl::Seconds(10);  // a ledger that is started again costs no transfer

// A test network's clock may have been advanced: ours then runs ahead as far, so that what we sign for providers and
// for the ledger is of their time. Asked once, after the first answer; on other networks clocks are to be right.
class TimedLedger final : public chain::Client {
 public:
  TimedLedger(std::shared_ptr<chain::Client> ledger, base::RealClock& clock)
      : ledger_(std::move(ledger)), clock_(clock) {}

  absl::StatusOr<chain::pb::TransactionReceipt> Submit(const chain::pb::SignedTransaction& transaction,
                                                       chain::WaitFor wait) override {
    return ledger_->Submit(transaction, wait);
  }
  absl::StatusOr<chain::pb::TransactionReceipt> Simulate(
      const chain::pb::SignedTransaction& transaction) override {
    return ledger_->Simulate(transaction);
  }
  absl::StatusOr<chain::pb::QueryResponse> Query(const chain::pb::QueryRequest& request) override {
    auto answer = ledger_->Query(request);
    if (answer.ok()) std::call_once(asked_, [&] { SetClock(); });
    return answer;
  }
  absl::Status Follow(uint64_t from_height,
                      const std::function<bool(const chain::pb::Block&)>& sink) override {
    return ledger_->Follow(from_height, sink);
  }

 private:
  void SetClock() {
    chain::pb::QueryRequest request;
    request.set_status(true);
    const auto answer = ledger_->Query(request);
    if (!answer.ok() || answer->status().network_class() != chain::pb::NETWORK_CLASS_TEST) return;
    const absl::Time theirs = absl::FromUnixMillis(static_cast<int64_t>(answer->status().time_ms()));
    const absl::Duration lead = theirs - clock_.Now();
    if (lead > absl::Seconds(1)) clock_.SetOffset(lead);
  }

  const std::shared_ptr<chain::Client> ledger_;
  base::RealClock& clock_;
  std::once_flag asked_;
};

}  // namespace

struct Connection::Parts {
  base::RealClock clock;
  base::SystemEntropy entropy;
  base::ThreadExecutor executor{kThreads};
};

Connection::Connection() : parts_(std::make_unique<Parts>()) {}
Connection::~Connection() { client_.reset(); }

absl::StatusOr<std::shared_ptr<chain::Client>> ConnectChain(const Paths& paths, const Profile& profile) {
  const rpc::PeerPin pin = profile.chain_tls_pin.empty() ? rpc::PeerPin::Plaintext()
                                                         : rpc::PeerPin::Of(profile.chain_tls_pin);
  rpc::ChainClientOptions options;
  options.retry_known_for = kLedgerPatience;
  ASSIGN_OR_RETURN(std::shared_ptr<chain::Client> ledger, rpc::ConnectChain(profile.chain_endpoint, pin, options));
  chain::Trust trust{profile.chain_id, std::nullopt};
  if (!(profile.engine_key == base::PublicKey())) trust.engine_key = profile.engine_key;
  const std::string path = paths.SeenHead(profile.chain_id.ToHexString());
  auto* verifying = new chain::VerifyingClient(std::move(ledger), trust, LoadSeenHead(path));
  return std::shared_ptr<chain::Client>(verifying, [verifying, path](chain::Client*) {
    SaveSeenHead(path, verifying->seen());
    delete verifying;
  });
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Paths& paths,
                                                             const Profile& profile,
                                                             base::AccountKeys keys,
                                                             Progress* progress,
                                                             const StopFlag* stop,
                                                             const PayOptions& pay) {
  std::unique_ptr<Connection> out(new Connection());
  ASSIGN_OR_RETURN(std::shared_ptr<chain::Client> chain, ConnectChain(paths, profile));
  ClientOptions options{
      .chain = std::make_shared<TimedLedger>(std::move(chain), out->parts_->clock),
      .transport = NewProviderTransport(profile.chain_id, keys.signing, out->parts_->clock),
      .keys = std::move(keys),
      .chain_id = profile.chain_id,
      .clock = &out->parts_->clock,
      .entropy = &out->parts_->entropy,
      .executor = &out->parts_->executor,
      .transfer_folder = paths.Transfers(),
      .lane_folder = paths.Lanes(),
      .channel_folder = paths.Channels(),
      .pay = pay,
      .progress = progress,
      .stop = stop};
  ASSIGN_OR_RETURN(out->client_, Client::Open(std::move(options)));
  return out;
}

}  // namespace cairn::client
