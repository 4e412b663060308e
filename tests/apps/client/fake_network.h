// A whole network in this process: the real ledger, and providers that keep parts in memory behind
// the client's transport interface. Faults are switches of each provider.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apps/client/session.h"
#include "cairn/base/kv.h"
#include "cairn/chain/client.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/pb.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {

class FakeNetwork;

// Everything a holder and a primary do, checked as the real one would where the client could tell
// the difference.
class FakeProvider {
 public:
  FakeProvider(FakeNetwork& network, int index);

  // Faults.
  std::atomic<bool> dead{false};          // nobody answers
  std::atomic<bool> refuses_seal{false};  // takes receipts, never seals
  std::atomic<bool> wrong_receipt{false};
  std::atomic<bool> wrong_bytes{false};  // gives damaged slices
  std::atomic<bool> forgets{false};  // keeps no byte of a broken stream that it has not said it keeps
  std::atomic<uint64_t> dies_after{
      UINT64_MAX};  // bytes taken in all, then every stream breaks once

  // What it says was read of a bucket; it keeps no journal of its own.
  std::function<absl::StatusOr<rpc::v1::ListReadsResponse>(const rpc::v1::ListReadsRequest&)> list_reads;
  const base::SigningKey& node() const { return node_; }
  // On the ledger, by this provider.
  absl::Status Do(const chain::pb::Operation& operation);

  base::AccountId account() const { return key_.account(); }
  ProviderAddress Address() const;
  uint64_t received() const { return received_; }
  std::vector<std::string> PartTexts();  // every stored byte, for scans
  void Wipe();                           // loses everything, goes on answering

 private:
  friend class FakeNetwork;
  friend class FakeTransport;
  friend class FakePut;
  friend class FakeGet;

  absl::Status Gone() const;
  absl::StatusOr<chain::pb::Object> Record(const std::string& id) const;
  absl::StatusOr<chain::pb::Receipt> Sign(uint32_t position, std::vector<std::string> objects);

  FakeNetwork& network_;
  const int index_;
  base::SigningKey key_;
  base::SigningKey node_;
  base::StoreId store_;
  std::mutex mutex_;
  std::map<std::string, std::string> parts_;    // content id -> bytes, complete
  std::map<std::string, std::string> partial_;  // content id -> bytes so far
  std::atomic<uint64_t> received_{0};
  std::unique_ptr<Sender> sender_;
};

class FakeNetwork {
 public:
  explicit FakeNetwork(int providers = 8);
  ~FakeNetwork();

  chain::Client& chain() { return *chain_; }
  base::ChainId chain_id() const { return engine_->chain_id(); }
  base::RealClock clock;
  base::SystemEntropy entropy;
  FakeProvider& provider(int index) { return *providers_[index]; }
  FakeProvider* Find(const base::AccountId& account);
  int size() const { return static_cast<int>(providers_.size()); }

  // A client of the funded account, with nothing in memory but the key. `folder`: for journals.
  std::unique_ptr<Client> NewClient(const std::string& folder = "", const StopFlag* stop = nullptr,
                                    const PayOptions& pay = {});
  // Told of every read before it is answered, by the thread that asks. Set while nobody reads.
  std::function<void(const GetPart&)> on_get;
  uint64_t Transactions();  // in blocks so far
  const base::Secret<32>& seed() const { return seed_; }  // of the funded account
  std::vector<std::string> LedgerTexts();  // every stored byte of the ledger, its blocks included, for scans

 private:
  friend class FakeProvider;
  base::Secret<32> seed_;
  std::unique_ptr<base::Kv> kv_;
  std::unique_ptr<chain::EmbeddedEngine> engine_;
  std::shared_ptr<chain::Client> chain_;
  std::unique_ptr<base::ThreadExecutor> executor_;
  std::vector<std::unique_ptr<FakeProvider>> providers_;
  std::shared_ptr<Transport> transport_;
};

}  // namespace cairn::client
