// Money for reads: which channel pays a holder, what may be spent, and what was.
//
// A purse opens channels or takes up the ones that this wallet has open with a holder, at most one a
// holder and process. It spends only when its owner allows it, never more than `max_cost` over all
// channels, and at no higher rate than `max_rate`; each is looked at before anything is signed.
// Channels stay open for the next read. With a pool it opens none: every holder is a lane of it. Thread-safe; For blocks on the ledger and the holder.
// Rules: CD-09, CD-10, CD-12, JS-15.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apps/client/paying_channel.h"
#include "apps/client/transport.h"

namespace cairn::client {

class Client;
struct PoolLaneView;

enum class PayWhen : uint8_t { kNever = 0, kNeeded = 1, kAlways = 2 };

// Money in units of usdc.
struct PayOptions {
  PayWhen when = PayWhen::kNever;
  std::optional<base::Amount> max_cost{};  // payments and fees of opening channels; not the deposits
  base::Amount deposit{uint64_t{500'000}};  // of a new channel, at least
  base::Price max_rate{*base::Amount(uint64_t{1000}).Times(1'048'576'000'000'000'000u)};  // 1 usdc a GB
  // A pool pays instead of channels of this wallet, under a capability for its key.
  std::shared_ptr<const rpc::v1::PoolGrant> pool{};
};

// What was spent over one channel.
struct Spending {
  base::ChannelId channel;
  base::AccountId provider;
  uint64_t bytes = 0;
  base::Amount paid{};
  base::Amount open_fee{};  // zero when the channel was there before
};

class Purse {
 public:
  // The client outlives it. Empty folder: claims are kept in memory (tests).
  Purse(Client& client, const PayOptions& options, std::string folder);
  ~Purse();  // pays what is due first

  PayWhen when() const { return options_.when; }
  // The channel that pays this holder for about `expected` bytes. With `parties` that many holders are
  // going to be paid as much, which is looked at first. FailedPrecondition: PRICE_GUARD, NO_CHANNELS;
  // POOL_SHORT, WRONG_SIGNER
  // and those of CheckUsable with a pool; errors of opening one.
  absl::StatusOr<std::shared_ptr<PayingChannel>> For(const ProviderAddress& holder,
                                                     uint64_t expected, uint32_t parties);
  // Waits until everything that is due was sent and acknowledged.
  absl::Status Settle();
  std::vector<Spending> spent() const;
  // Where the claims of a channel are kept; empty: in memory.
  std::string FolderOf(const base::ChannelId& channel) const;

 private:
  friend class PayingChannel;
  using Known = std::map<base::AccountId, std::shared_ptr<PayingChannel>>;

  absl::StatusOr<std::vector<payment::ChannelFacts>> OpenWith(const base::AccountId& holder);
  absl::StatusOr<std::shared_ptr<PayingChannel>> Reuse(const ProviderAddress& holder,
                                                       base::Amount cost);
  absl::StatusOr<base::ChannelId> OpenNew(const ProviderAddress& holder, base::Amount deposit);
  absl::StatusOr<std::shared_ptr<PayingChannel>> FromChannels(const ProviderAddress& holder,
                                                              base::Amount cost, uint32_t parties,
                                                              base::Amount min_deposit);
  absl::StatusOr<PoolLaneView> LaneTo(const base::AccountId& holder);
  absl::StatusOr<std::shared_ptr<PayingChannel>> FromPool(const ProviderAddress& holder,
                                                          base::Amount cost);
  absl::Status CheckRate(base::Price rate) const;
  absl::Status CheckBudget(base::Amount each, uint32_t parties) const;
  void Drop(const std::shared_ptr<PayingChannel>& channel);
  // For PayingChannel: money that it is about to promise, or will not.
  absl::Status Reserve(base::Amount amount);
  void Return(base::Amount amount);
  // Its work on the executor, which the purse outlives.
  void PumpBegins();
  void PumpEnded();

  Client& client_;
  const PayOptions options_;
  const std::string folder_;
  std::mutex opening_;  // one channel at a time
  mutable std::mutex mutex_;
  Known channels_;
  std::vector<Spending> ended_;  // over channels that failed
  std::map<base::ChannelId, base::Amount> fees_;
  base::Amount reserved_;  // payments and fees
  int pumps_ = 0;
  std::condition_variable no_pumps_;
};

}  // namespace cairn::client
