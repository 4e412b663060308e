// One channel of this wallet to one holder, while reads use it.
//
// Reads say what they want and what they verified; payments go out as they fall due, one at a time,
// each one written to the channel's own store on disk before it is sent. So whatever a crash leaves
// behind, the store knows everything that was signed, and a payee that shows more is believed only
// with our signature. With a grant it is a lane of a pool: the payee is shown the capability first, and
// only the pool's owner can add to what it covers. The folder is locked: two processes never sign for one channel at a time.
// Thread-safe. Rules: CD-10, CD-12, CD-40.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "apps/client/transport.h"
#include "cairn/base/kv.h"
#include "cairn/payment/claim_store.h"
#include "cairn/payment/payer.h"

namespace cairn::client {

class Client;
class Purse;

// The store of one channel's claims, at the wallet. FailedPrecondition (STORE_LOCKED) when another
// process pays over the channel now.
struct PayerStore {
  std::unique_ptr<base::Kv> kv;
  std::unique_ptr<payment::ClaimStore> claims;
};
// An empty folder: in memory.
absl::StatusOr<PayerStore> OpenPayerStore(const std::string& folder);

// Null: a channel of this wallet.
using Grant = std::shared_ptr<const rpc::v1::PoolGrant>;

class PayingChannel : public std::enable_shared_from_this<PayingChannel> {
 public:
  // Takes the channel up: tells the payee our newest claim and hears its best one. FailedPrecondition
  // (CHANNEL_BEHIND): reads that broke off left so much unpaid that the payee would hardly send.
  static absl::StatusOr<std::shared_ptr<PayingChannel>> Open(Client& client, Purse& purse,
                                                             const ProviderAddress& holder,
                                                             const payment::ChannelFacts& facts,
                                                             PayerStore store,
                                                             base::Price max_rate,
                                                             Grant grant = nullptr);

  base::ChannelId id() const { return id_; }
  const ProviderAddress& holder() const { return holder_; }

  // A read of so many bytes begins: the first payment goes out. PRICE_GUARD when it is more than may
  // be spent; the error of a payment that failed before.
  absl::Status Begin(uint64_t bytes);
  // So many of them arrived and were verified.
  void Verified(uint64_t bytes);
  // A read ended; so many of its bytes never came, or were wrong.
  void End(uint64_t missing);
  // Waits until nothing is due any more.
  absl::Status Settle();
  absl::Status status() const;

  uint64_t paid_bytes() const;    // in this process
  base::Amount paid() const;
  payment::ChannelFacts facts() const;
  base::Price rate() const;

 private:
  PayingChannel(Client& client, Purse& purse, const ProviderAddress& holder, PayerStore store,
                payment::Payer payer, Grant grant);
  using Lock = std::unique_lock<std::mutex>;

  absl::Status Meet(bool first);
  absl::Status Agree(base::Price asked);  // mutex held
  void Pump();
  absl::Status PumpOne(Lock& lock, bool* sent);
  absl::Status Send(const payment::Payment& payment);
  absl::Status OnReject(Lock& lock, const rpc::v1::PayResponse& response);
  absl::Status TopUp(Lock& lock);
  absl::StatusOr<payment::ChannelFacts> AddToDeposit(base::Amount amount, base::Amount needed);
  void Wake(Lock& lock);
  uint64_t Unpromised() const;  // of what is wanted

  Client& client_;
  Purse& purse_;
  const base::ChannelId id_;
  const ProviderAddress holder_;
  const Grant grant_;
  PayerStore store_;
  std::unique_ptr<PayStream> stream_;  // the pump's

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  payment::Payer payer_;
  base::Price rate_;
  uint64_t booked_ = 0;         // wanted by reads of this process: what is reserved in the purse
  uint64_t started_bytes_ = 0;  // promised before this process
  base::Amount started_;
  bool pumping_ = false;
  int refusals_ = 0;  // in a row
  absl::Status status_;
};

}  // namespace cairn::client
