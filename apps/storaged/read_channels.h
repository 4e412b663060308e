// Reads that are paid over channels: payments in, permission to send out.
//
// One payee for all channels of this provider, over a claim store on disk. A payment is answered
// once it is durable; many payers share one commit. A read waits while its channel's credit window
// is used up and is refused when no payment comes. A payer that shows a newer claim of its own than
// ours (our store is an older one) is believed: it signed it. A pool's lane is a channel whose
// capability the payer showed first. Errors of a payment are no status but
// a payment::Reject with the best claim held. Thread-safe; Begin and Serve ask the ledger.
// Rules: CD-10, CD-11, CD-36, CD-40, JS-15.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "apps/storaged/pool_lanes.h"
#include "apps/storaged/read_billing.h"
#include "cairn/payment/payee.h"
#include "cairn/payment/settlement.h"

namespace cairn::rpc::v1 {
class PayHello;
class Payment;
class ReadTerms;
}  // namespace cairn::rpc::v1

namespace cairn::storaged {

class ReadChannels final : public PaidReads {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    payment::ClaimStore& store;
    const base::Clock& clock;
    std::function<bool()> stopping;
    std::function<void(const absl::Status&)> failed;  // the store is past use
    PoolLanes* lanes = nullptr;                       // null: no pool pays for reads
  };
  ReadChannels(const Environment& environment, const payment::PayeeTerms& terms)
      : env_(environment), terms_(terms), book_(environment.store, terms) {}

  rpc::v1::ReadTerms terms() const;
  absl::StatusOr<std::unique_ptr<PaidRead>> Begin(const ReadFacts& facts) override;
  // A payer's call, until it ends. PermissionDenied (NOT_YOUR_CHANNEL), errors of PayeeBook::Open.
  absl::Status Serve(const rpc::Caller& caller, rpc::PayPeer& peer);
  absl::Status AgreeToClose(const rpc::Caller& caller, const rpc::v1::AgreeToCloseRequest& request,
                            rpc::v1::AgreeToCloseResponse& response);
  absl::Status Statement(const rpc::Caller& caller,
                         const rpc::v1::ChannelStatementRequest& request,
                         rpc::v1::ChannelStatementResponse& response);
  // For this provider's operator: of any channel or lane that ever paid it, or without a channel the newest claim of each.
  // NotFound (NO_SUCH_CHANNEL).
  absl::Status OwnStatement(const rpc::v1::ChannelStatementRequest& request,
                            rpc::v1::ChannelStatementResponse& response);

  // News of the ledger about a channel of ours.
  void OnFacts(const payment::ChannelFacts& facts);
  // The ledger has dropped it.
  void Forget(const base::ChannelId& channel);

  uint64_t payers() const;         // channels open here
  uint64_t acknowledged() const;   // payments

 private:
  class Read;
  using Lock = std::unique_lock<std::mutex>;

  absl::StatusOr<payment::ChannelFacts> Ask(const base::ChannelId& channel,
                                            const rpc::Caller& caller);
  absl::StatusOr<payment::ChannelFacts> FactsOf(const base::ChannelId& channel);
  absl::Status OpenFor(const base::ChannelId& channel, const rpc::Caller& caller);
  absl::StatusOr<rpc::v1::PayResponse> Meet(const rpc::Caller& caller,
                                            const rpc::v1::PayHello& hello);
  absl::StatusOr<rpc::v1::PayResponse> Take(const base::ChannelId& channel,
                                            const rpc::v1::Payment& payment);
  payment::Reject Judge(payment::Payee& payee, const rpc::v1::Payment& payment);
  absl::Status MakeDurable(Lock& lock);
  absl::Status AddLines(const base::ChannelId& channel, uint32_t from,
                        rpc::v1::ChannelStatementResponse& response);
  rpc::v1::PayResponse Answer(const base::ChannelId& channel, payment::Reject reject, bool best);

  const Environment env_;
  const payment::PayeeTerms terms_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a commit ended, or a payment came
  payment::PayeeBook book_;
  std::set<base::ChannelId> met_;  // payers that know the store's generation from this run
  uint64_t accepted_ = 0;
  uint64_t committed_ = 0;
  bool committing_ = false;
};

}  // namespace cairn::storaged
