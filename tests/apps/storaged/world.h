// A small network in one process: the real embedded ledger on a simulated clock, and providers made
// of storaged's own parts over stores in memory. No sockets, no threads, no waiting.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/storaged/approver.h"
#include "apps/storaged/follower.h"
#include "apps/storaged/ingest.h"
#include "apps/storaged/puller.h"
#include "apps/storaged/scrubber.h"
#include "apps/storaged/sealer.h"
#include "cairn/base/entropy.h"
#include "cairn/base/kv.h"
#include "cairn/chain/client.h"
#include "cairn/chain/engine.h"
#include "cairn/storage/encode.h"
#include "cairn/storage/faulty_blob_store.h"

namespace cairn::storaged::testing {

class World;

// The way to the ledger, which can be cut.
class CutClient final : public chain::Client {
 public:
  explicit CutClient(chain::Client& ledger) : ledger_(ledger) {}
  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction,
                                                chain::WaitFor wait) override {
    if (cut) return absl::UnavailableError("nobody there");
    return ledger_.Submit(transaction, wait);
  }
  absl::StatusOr<pb::TransactionReceipt> Simulate(
      const pb::SignedTransaction& transaction) override {
    return ledger_.Simulate(transaction);
  }
  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) override {
    if (cut) return absl::UnavailableError("nobody there");
    auto answer = ledger_.Query(request);
    if (on_the_way) on_the_way();
    return answer;
  }
  // Blocks on their way arrive.
  absl::Status Follow(uint64_t from,
                      const std::function<bool(const pb::Block&)>& sink) override {
    return ledger_.Follow(from, sink);
  }
  std::atomic<bool> cut{false};
  std::function<void()> on_the_way;  // after the ledger answered a question, before the answer is there

 private:
  chain::Client& ledger_;
};

// Reads other providers' stores directly; bytes still go through a SliceDecoder.
class WorldSource final : public PartSource {
 public:
  explicit WorldSource(World& world) : world_(world) {}
  absl::Status Fetch(const base::AccountId& provider, const base::ObjectId& object,
                     const base::ContentId& part, base::ByteRange range,
                     const storage::ByteSink& sink) override;

 private:
  World& world_;
};

struct TestProvider {
  TestProvider(World& world, base::SigningKey account, base::SigningKey node,
               base::Entropy& entropy, uint64_t quota);
  // Everything in memory goes, index and store stay: what kill -9 leaves.
  void Restart();
  // The store is lost as well; a new, empty one takes its place and the ledger is told.
  void LoseStore();
  // Handles the blocks made since the last call, sends what waits for the ledger, until nothing
  // moves.
  void CatchUp();

  World& world;
  Identity identity;
  uint64_t quota;
  std::unique_ptr<base::Kv> kv;
  std::unique_ptr<storage::BlobStore> memory;
  std::unique_ptr<storage::FaultyBlobStore> blobs;
  WorldSource source;
  bool off = false;   // does not answer other providers
  bool lies = false;  // serves a flipped bit

  struct Parts {  // what a restart loses
    explicit Parts(TestProvider& provider);
    ~Parts();
    Faults faults;
    WriteQueue writes;
    PartIndex index;
    Ledger ledger;
    Submitter seal_lane;
    Submitter pull_lane;
    Approver approver;
    Ingest ingest;
    Sealer sealer;
    Puller puller;
    Scrubber scrubber;
    Follower follower;
  };
  std::unique_ptr<Parts> parts;
  Parts* operator->() { return parts.get(); }
  base::AccountId id() const { return identity.id(); }
};

// What a client knows of an object that it made.
struct TestObject {
  base::ObjectId id;
  pb::Object record;
  storage::VersionLayout layout;
  std::vector<base::Bytes> shards;  // one under copies
  base::Bytes manifest;
};

struct TestBucket {
  uint64_t id = 0;
  uint64_t group = 0;
  base::Redundancy policy;
  bool is_public = true;
  TestProvider* primary = nullptr;
  std::vector<TestProvider*> holders;
};

class World {
 public:
  // In three operators, or in half as many as there are providers.
  explicit World(size_t providers, uint64_t quota = uint64_t{1} << 30,
                 const std::function<void(pb::Params&)>& params = [](pb::Params&) {},
                 base::Amount storage_price = base::Amount(1'000'000));  // per byte-second, 10^-18 units
  ~World();

  TestProvider& provider(size_t i) { return *providers_[i]; }
  size_t size() const { return providers_.size(); }
  TestProvider* Find(const base::AccountId& id);

  // ---- the owner's side ----
  const base::SigningKey& owner() const { return owner_; }
  pb::TransactionReceipt Submit(const base::SigningKey& signer, const pb::Operation& operation,
                                uint32_t lane = 9);
  void Do(const pb::Operation& operation);  // by the owner; must be accepted
  TestBucket MakeBucket(const std::string& policy, bool is_public, size_t first_provider = 0);
  // Creates on the ledger, approved by the primary; nothing is uploaded.
  TestObject Create(const TestBucket& bucket, const std::string& name, base::ByteView plaintext,
                    const storage::VersionKey* key = nullptr, const base::ObjectId& copy_of = {});
  rpc::v1::PutOpen OpenOf(const TestObject& object, uint32_t position) const;
  // Sends one object's part to the provider at a position. Returns the receipt.
  absl::StatusOr<pb::Receipt> Put(const TestBucket& bucket, const TestObject& object,
                                  uint32_t position);
  rpc::v1::SubmitReceiptsRequest Submission(const TestBucket& bucket, const TestObject& object,
                                            const std::vector<pb::Receipt>& receipts) const;
  // Put to all positions, receipts to the primary, seal.
  void Store(const TestBucket& bucket, TestObject& object);
  void Delete(const TestBucket& bucket, const TestObject& object);

  // Null when the ledger does not have it.
  Record<pb::Object> Look(const base::ObjectId& id);
  pb::Group Group(uint64_t id);
  void CatchUp();
  void Advance(absl::Duration by);
  uint64_t transactions() const { return transactions_; }

  base::SimClock clock;
  base::SeededEntropy entropy{7};
  std::unique_ptr<chain::EmbeddedEngine> engine;
  std::unique_ptr<CutClient> client;

 private:
  std::unique_ptr<chain::Client> ledger_client_;
  void Register(TestProvider& provider, const base::SigningKey& operator_key);

  const base::Amount storage_price_;
  base::SigningKey owner_;
  std::unique_ptr<base::Kv> ledger_kv_;
  std::vector<std::unique_ptr<TestProvider>> providers_;
  uint64_t transactions_ = 0;
};

base::Bytes Pattern(size_t size, uint8_t seed = 1);

}  // namespace cairn::storaged::testing
