// A client of a network: the ledger, the providers, the keys, and what was learnt of them so far.
//
//   ASSIGN_OR_RETURN(auto client, Client::Open({.chain = chain, .transport = transport, .keys =
//   std::move(keys), ...})); RETURN_IF_ERROR(CreateBucket(*client, "photos", {}).status());
//   RETURN_IF_ERROR(Put(*client, *source, {"photos", "a.jpg"}, {}).status());
//
// Thread-safe. Calls block; what they do at once runs on the executor given.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/profile.h"
#include "apps/client/progress.h"
#include "apps/client/purse.h"
#include "apps/client/sender.h"
#include "apps/client/transport.h"
#include "cairn/base/clock.h"
#include "cairn/base/entropy.h"
#include "cairn/base/executor.h"
#include "cairn/base/phrase.h"
#include "cairn/chain/pb.h"

namespace cairn::chain::v1 {
class Bucket;
class Group;
class Object;
class Params;
class Provider;
class QueryRequest;
class QueryResponse;
}  // namespace cairn::chain::v1

namespace cairn::client {

struct ClientOptions {
  std::shared_ptr<chain::Client> chain;
  std::shared_ptr<Transport> transport;
  base::AccountKeys keys;
  base::ChainId chain_id;
  base::Clock* clock = nullptr;  // these three outlive the client
  base::Entropy* entropy = nullptr;
  base::Executor* executor = nullptr;  // at least stream_budget + 8 threads
  uint32_t stream_budget = 48;         // transfers with a holder at one time
  std::string transfer_folder;         // journals of uploads; empty: none is kept
  std::string lane_folder;             // see SenderOptions
  std::string channel_folder;          // claims of channels that pay for reads; empty: in memory
  PayOptions pay = {};                 // what reads may cost
  Progress* progress = nullptr;        // null: NoProgress()
  const StopFlag* stop = nullptr;      // null: never stops
};

class Client {
 public:
  static absl::StatusOr<std::unique_ptr<Client>> Open(ClientOptions options);
  ~Client();

  chain::Client& chain() const { return *options_.chain; }
  Transport& transport() const { return *options_.transport; }
  Sender& sender() const { return *sender_; }
  Purse& purse() const { return *purse_; }
  const base::AccountKeys& keys() const { return options_.keys; }
  base::AccountId account() const { return options_.keys.signing.account(); }
  const base::ChainId& chain_id() const { return options_.chain_id; }
  base::Clock& clock() const { return *options_.clock; }
  base::Entropy& entropy() const { return *options_.entropy; }
  base::Executor& executor() const { return *options_.executor; }
  Progress& progress() const { return *options_.progress; }
  absl::Status CheckStop() const;
  const std::string& transfer_folder() const { return options_.transfer_folder; }

  // ---- the ledger ----
  absl::StatusOr<chain::v1::QueryResponse> Query(const chain::v1::QueryRequest& request) const;
  // Asked once; the parameters of a network change rarely.
  absl::StatusOr<chain::v1::Params> Params();
  // What new objects cost at this time of the ledger.
  absl::StatusOr<chain::v1::PriceRecord> Price();
  // The ledger's clock as far as it is known: its newest block, or ours when that is later.
  absl::Time LedgerTime() const;
  // Asks the ledger for its time; it may run ahead of ours.
  absl::Status ReadClock() const;
  // A provider's record, remembered until Forget. NotFound (reason NO_SUCH_PROVIDER).
  absl::StatusOr<chain::v1::Provider> Provider(const base::AccountId& account);
  absl::StatusOr<ProviderAddress> Address(const base::AccountId& account);
  absl::StatusOr<std::vector<chain::v1::Provider>> Providers();
  absl::StatusOr<chain::v1::Group> Group(uint64_t id);
  void Forget(const base::AccountId& account);

  // ---- concurrency ----
  // Runs all tasks on the executor and waits for the last.
  void RunAll(std::vector<std::function<void()>> tasks);
  // Takes `count` tickets of the stream budget (all at once, first come first served); they return
  // with the handle.
  class Streams;
  std::unique_ptr<Streams> TakeStreams(uint32_t count);

 private:
  explicit Client(ClientOptions options);
  struct Cache;
  ClientOptions options_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Cache> cache_;
  std::unique_ptr<Purse> purse_;
};

class Client::Streams {
 public:
  ~Streams();

 private:
  friend class Client;
  Streams(Client& client, uint32_t count) : client_(client), count_(count) {}
  Client& client_;
  uint32_t count_;
};

}  // namespace cairn::client
