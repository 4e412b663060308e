// A ledger's answers, checked before anybody believes them.
//
// Stands before any other Client and trusts only a chain id. Every question is asked with proofs; an answer passes when
//   * its header is signed by the engine's key and of this chain,
//   * it is not older than what this client had seen when it asked (height and time), and is the same header when it is
//     of the same height,
//   * the answer, worked out anew from the proven records alone, is the answer given. So every record returned was
//     shown present under the header's state root, and one said to be missing was shown absent,
//   * the status beside it says what the header says.
// Blocks of Follow pass when header, transactions and receipts fit together and each follows the one before.
// Everything else is DataLoss, reason LEDGER_ANSWER_UNPROVEN, with what was wrong as evidence.
//
// What is NOT shown, and must not be relied on:
//   * that a page of a list leaves nothing out. Keys are hashed in the state tree, so it has no proof of a range: each
//     entry and its record are proven, the end of the list and the cursor are the node's word. Whoever needs to know
//     of one record asks for it by its name or id;
//   * receipts of Submit, Simulate and of a transaction asked for by its hash, and its being unknown. What a committed
//     operation did shows in the records it changed, which are proven. A committed receipt's height counts as seen, so
//     that the node cannot go back behind it;
//   * events: they are under no root. They say what to ask for;
//   * the present: in a status, time beyond the header's, the earliest height and the queue. A node that stops at the
//     newest state it has shown cannot be told from an idle ledger; deadlines bound what that can do.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "cairn/base/hash.h"
#include "cairn/base/id.h"
#include "cairn/base/key.h"
#include "cairn/chain/client.h"

namespace cairn::chain {

// What a client trusts from the start. Without the engine's key it is read from the genesis record, which the chain id
// is the hash of.
struct Trust {
  base::ChainId chain;
  std::optional<base::PublicKey> engine_key;
};

// The newest header believed so far. Kept by whoever outlives the client, so that a later one is not shown less.
struct SeenHead {
  uint64_t height = 0;
  uint64_t time_ms = 0;
  base::Digest header;  // HeaderDigest; zero: only the height is known
};

// Thread-safe. A header that was verified once is not verified again; a question costs hashes in the number of records
// and one signature for each new header.
class VerifyingClient final : public Client {
 public:
  VerifyingClient(std::shared_ptr<Client> ledger, Trust trust, const SeenHead& seen = {});
  ~VerifyingClient() override;

  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction, WaitFor wait) override;
  absl::StatusOr<pb::TransactionReceipt> Simulate(const pb::SignedTransaction& transaction) override;
  // As the ledger itself would answer, NotFound included; proofs only when the request asks for them. Without,
  // more than 250 ids of objects are asked for in parts, which may speak of several states, none older than the last.
  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) override;
  absl::Status Follow(uint64_t from_height, const std::function<bool(const pb::Block&)>& sink) override;

  SeenHead seen() const;

 private:
  struct Header;  // a verified one
  absl::StatusOr<base::PublicKey> EngineKey();
  absl::StatusOr<pb::QueryResponse> AskOnce(const pb::QueryRequest& request);
  absl::Status CheckHead(const base::PublicKey& key, const SeenHead& floor, const pb::QueryResponse& answer);
  absl::Status Believe(const pb::BlockHeader& header, const base::Digest& digest);
  void SawHeight(uint64_t height);

  const std::shared_ptr<Client> ledger_;
  const base::ChainId chain_;
  mutable std::mutex mutex_;
  std::optional<base::PublicKey> engine_key_;
  SeenHead seen_;
  std::shared_ptr<const Header> last_;  // the newest header verified
};

}  // namespace cairn::chain
