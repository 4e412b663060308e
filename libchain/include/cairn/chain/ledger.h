// The rules as one pure function: a state, a block's context and transactions in, changes and receipts out.
//
// Deterministic: integers only, ordered containers only, time only from BlockContext. Used by the engine, by
// simulators and by tests alike. Immutable after Create; any number of threads may execute over different views.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cairn/base/hash.h"
#include "cairn/base/id.h"
#include "cairn/chain/event_log.h"
#include "cairn/chain/pb.h"
#include "cairn/chain/verdict.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

struct BlockContext {
  uint64_t height = 0;
  uint64_t time_ms = 0;  // never below the block before
  uint64_t gap_ms = 0;   // the ledger stood still this long since the block before: deadlines move by it first
};

// A transaction with everything that needs no state worked out: bytes, hash, signature. Made in parallel.
struct PreparedTransaction {
  pb::SignedTransaction transaction;
  base::Digest hash;
  pb::TransactionBody body;
  Verdict bytes = Verdict::kOk;  // 1xx: `body` is not to be used
  bool signature_valid = false;
};
PreparedTransaction Prepare(pb::SignedTransaction transaction);

struct BlockResult {
  // Parallel to the transactions. Those included (see Included) have a height, and their index among the included.
  std::vector<pb::TransactionReceipt> receipts;
  EventLog events;
  std::vector<uint32_t> event_transactions;      // parallel to events; see Block.event_transactions
  bool invariant_broken = false;                 // something that would break one was undone; an event tells what
  ChangeSet changes;
  uint64_t due_handled = 0;
  bool due_left = false;                         // more is due at this time than one block takes: make another
};

// Test hooks: a planted bug, to see it caught.
struct LedgerHooks {
  std::function<void(const pb::Operation&, WriteView&)> after_apply;
};

class Ledger {
 public:
  // InvalidArgument (BAD_GENESIS).
  static absl::StatusOr<Ledger> Create(const pb::Genesis& genesis, LedgerHooks hooks = {});

  const pb::Genesis& genesis() const { return genesis_; }
  const base::ChainId& chain_id() const { return chain_id_; }

  // The state that genesis describes.
  ChangeSet GenesisState() const;
  // Due work first, then the transactions in order. Transactions whose verdict is 1xx or 2xx left no trace. The
  // caller must look at `view.health()` before using the result.
  BlockResult ExecuteBlock(const BlockContext& context, absl::Span<const PreparedTransaction> transactions,
                           const ReadView& view) const;
  // One transaction over the view, nothing kept.
  pb::TransactionReceipt Simulate(const BlockContext& context, const PreparedTransaction& transaction,
                                  const ReadView& view) const;

 private:
  Ledger(pb::Genesis genesis, LedgerHooks hooks);
  pb::Genesis genesis_;
  base::ChainId chain_id_;
  LedgerHooks hooks_;
};

// When the first deadline falls due; nullopt when none is open.
std::optional<uint64_t> NextDueMs(const ReadView& view);

// Answers about one state (see query.proto). `status` describes it. Lists page; NotFound (reason NOT_FOUND) for a
// single record that is not there, unless a proof of absence was asked for. Transactions, blocks and proofs are the
// engine's to add.
absl::StatusOr<pb::QueryResponse> AnswerQuery(const ReadView& view, const pb::QueryRequest& request,
                                              std::vector<std::string>* keys_shown = nullptr);

}  // namespace cairn::chain
