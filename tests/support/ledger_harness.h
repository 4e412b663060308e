// A ledger with people in it, so that a test of the rules reads like a sentence:
//
//   LedgerHarness h;
//   h.Fund("alice", 100);
//   h.Expect(Verdict::kNoFunds, "alice", h.Transfer("bob", 101));
//
// Accounts are named by words and made on first use; money is in whole crn. Runs the real embedded engine on a store in
// memory and a simulated clock. After every block the invariants are recounted in full.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cairn/base/clock.h"
#include "cairn/base/entropy.h"
#include "cairn/base/kv.h"
#include "cairn/base/layout.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"

namespace cairn::chain {

struct HarnessOptions {
  std::function<void(pb::Params&)> params;
  LedgerHooks hooks;
  base::Kv* kv = nullptr;  // instead of one in memory
  bool recount = true;
  std::optional<pb::ProviderPrices> prices = {};  // what every provider asks
  std::vector<std::string> oracles = {};          // people whose keys sign prices
};

// What a test creates an object from.
struct Upload {
  std::string name;
  uint64_t size = 1 << 20;
  uint64_t after_version = 0;
  std::string copy_of = {};
  std::string seed = {};  // of the content; the name when empty
};

class LedgerHarness {
 public:
  using Options = HarnessOptions;
  explicit LedgerHarness(Options options = {});
  ~LedgerHarness();

  // ---- people ----
  const base::SigningKey& Key(const std::string& who);
  const base::SigningKey& NodeKey(const std::string& provider);
  base::AccountId Id(const std::string& who) { return Key(who).account(); }
  std::string Field(const std::string& who) { return ToField(Id(who)); }
  void Fund(const std::string& who, uint64_t crn);

  // ---- transactions ----
  pb::TransactionBody Body(const std::string& who, std::vector<pb::Operation> operations, uint32_t lane = 0);
  pb::SignedTransaction Sign(const std::string& who, const pb::TransactionBody& body);
  pb::TransactionReceipt Submit(const pb::SignedTransaction& transaction);
  // Submits and checks the verdict.
  pb::TransactionReceipt Expect(Verdict verdict, const std::string& who, std::vector<pb::Operation> operations);
  pb::TransactionReceipt Expect(Verdict verdict, const std::string& who, const pb::Operation& operation) {
    return Expect(verdict, who, std::vector<pb::Operation>{operation});
  }
  pb::TransactionReceipt Do(const std::string& who, const pb::Operation& operation) {
    return Expect(Verdict::kOk, who, operation);
  }

  // ---- operations ----
  pb::Operation Transfer(const std::string& to, uint64_t crn);
  pb::Operation TransferUnits(const std::string& to, base::Amount units, pb::Asset asset = pb::ASSET_CRN);
  pb::Operation Register(const std::string& provider, const std::string& operator_name, uint64_t deposit_crn = 20);
  pb::Operation NewBucket(const std::string& name, const std::string& policy, const std::string& primary,
                          const std::vector<std::string>& holders, const std::string& owner = "alice");
  // Create objects in a bucket, approved by its primary.
  pb::Operation Create(uint64_t bucket, const std::vector<Upload>& uploads);
  pb::Operation Seal(const std::vector<std::string>& objects, const std::vector<uint32_t>& positions);
  pb::Operation Post(const std::vector<std::string>& objects, const std::vector<uint32_t>& positions);
  pb::Operation Reject(const std::vector<std::string>& objects);
  pb::Operation Cancel(const std::vector<std::string>& objects);
  pb::Operation DeleteNames(uint64_t bucket, const std::vector<std::string>& names);
  pb::Operation DeleteVersions(uint64_t bucket, const std::vector<std::string>& objects);
  pb::Operation ClaimFine(const std::string& primary, const std::vector<pb::Object>& objects);
  pb::Operation Successor(uint64_t group, uint32_t position, const std::string& provider,
                          const std::string& signer = "alice");
  // Signs the operation's approval anew, by `provider`, with a fresh nonce, for `signer` to use.
  void Approve(const std::string& provider, pb::Operation* operation, const std::string& signer = "alice");

  // ---- a network that is ready ----
  // Registers and funds "p0" ... : each of `operators` operators in turn.
  void Providers(int count, int operators = 3);
  std::vector<std::string> Holders(int count, int from = 0);
  // "alice" with 1,000 crn and a bucket of the policy on p0..., primary p0.
  uint64_t Bucket(const std::string& policy, const std::string& name = "photos");
  std::string CreateOne(uint64_t bucket, const Upload& upload);
  // Created, and sealed with receipts of all its positions.
  std::string Store(uint64_t bucket, const Upload& upload);

  // ---- the state ----
  pb::QueryResponse Ask(const pb::QueryRequest& request);
  pb::Account Account(const std::string& who);
  base::Amount Free(const std::string& who) { return FromProto(Account(who).crn()); }
  base::Amount Locked(const std::string& who) { return FromProto(Account(who).locked_crn()); }
  pb::Provider Provider(const std::string& who);
  pb::Bucket GetBucket(uint64_t id);
  pb::Group Group(uint64_t id);
  pb::Object Object(const std::string& id);
  bool ObjectExists(const std::string& id);
  pb::Params Params();
  base::Amount FeeFor(const std::vector<pb::Operation>& operations);
  // Types of the events of the newest block.
  std::multiset<std::string> Events();
  pb::Block NewestBlock();

  // ---- time, and the engine ----
  void Advance(absl::Duration by);  // and handles what fell due
  uint64_t NowMs() { return absl::ToUnixMillis(engine().Now()); }
  void Run();                       // blocks until nothing is to do
  void Recount();
  // Closes the engine and opens it again from its store, `down` later.
  void Restart(absl::Duration down = absl::ZeroDuration());
  EmbeddedEngine& engine() { return *engine_; }
  base::Kv& kv() { return *kv_; }
  base::SimClock& clock() { return clock_; }
  base::SeededEntropy& entropy() { return entropy_; }
  const pb::Genesis& genesis() const { return genesis_; }

 private:
  void Open();

  Options options_;
  base::SimClock clock_;
  base::SeededEntropy entropy_{7};
  std::unique_ptr<base::Kv> owned_kv_;
  base::Kv* kv_;
  std::map<std::string, base::SigningKey> keys_;
  std::map<std::string, base::SigningKey> node_keys_;
  std::map<std::pair<std::string, uint32_t>, uint64_t> numbers_;
  pb::Genesis genesis_;
  std::unique_ptr<EmbeddedEngine> engine_;
};

inline base::Amount Crn(uint64_t whole) {
  return *base::Amount(absl::uint128{whole}).Times(base::kPriceScale);
}
inline base::Amount Plus(base::Amount a, base::Amount b) { return a.Plus(b).value(); }
inline base::Amount Minus(base::Amount a, base::Amount b) { return a.Minus(b).value(); }

}  // namespace cairn::chain
