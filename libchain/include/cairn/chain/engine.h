// The embedded engine: one process, one writer, a ledger on a key-value store.
//
// Orders transactions and nothing else; the rules are in ledger.h. No thread of its own: the host calls RunOnce in a
// loop (WaitForWork in between), which forms at most one block when there is something to do. Everything queued goes
// into one block and one durable commit (state, block, receipts and root together), then the callbacks run.
// Thread-safe. A disk that fails stops the engine: every later call answers the same error; reopen to go on.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/base/clock.h"
#include "cairn/base/key.h"
#include "cairn/base/kv.h"
#include "cairn/base/observer.h"
#include "cairn/chain/ledger.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

struct EngineOptions {
  size_t max_block_transactions = 2000;
  size_t max_block_bytes = 3 << 19;                      // of bodies
  size_t max_queue = 20000;                              // beyond it Submit answers ResourceExhausted (QUEUE_FULL)
  size_t max_queue_bytes = 64 << 20;                     // of bodies that wait; as max_queue
  absl::Duration keep_history = absl::Hours(24 * 90);    // blocks and receipts
  absl::Duration max_clock_jump = absl::Minutes(10);     // wall against monotonic
  LedgerHooks hooks;                                     // tests only
};

using ReceiptCallback = std::function<void(const absl::StatusOr<pb::TransactionReceipt>&)>;

class EmbeddedEngine {
 public:
  // Creates the ledger from `genesis` in an empty store, or resumes; the genesis must then be the same one, or absent.
  // Recounts every invariant before it serves (DataLoss, reason INVARIANT_BROKEN, names the first that fails), and makes
  // the state tree anew from the records (DataLoss, reason STATE_TREE_BROKEN, when it is not the newest header's).
  // FailedPrecondition (WRONG_GENESIS, WRONG_ENGINE_KEY, NO_GENESIS). All references must outlive the engine.
  static absl::StatusOr<std::unique_ptr<EmbeddedEngine>> Open(base::Kv& kv, const base::Clock& clock,
                                                              base::SigningKey engine_key,
                                                              const std::optional<pb::Genesis>& genesis,
                                                              base::Observer& observer = base::NullObserver(),
                                                              EngineOptions options = {});
  ~EmbeddedEngine();

  // Checks bytes and signature on the calling thread, and answers there what is in the history already (so that callers
  // share the work); then queues. `done` runs exactly once, on the thread in RunOnce or at once on this one; it must not
  // block.
  void Submit(const pb::SignedTransaction& transaction, ReceiptCallback done);
  absl::StatusOr<pb::TransactionReceipt> Simulate(const pb::SignedTransaction& transaction) const;
  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) const;

  // Forms at most one block. Returns how long nothing falls due (zero: call again at once).
  absl::Duration RunOnce();
  // Returns when there is something to do, after `timeout`, or after Stop.
  void WaitForWork(absl::Duration timeout);
  // The block at `height`, waiting up to `timeout` for it; nullopt when it is not there yet, OutOfRange (PRUNED).
  absl::StatusOr<std::optional<pb::Block>> NextBlock(uint64_t height, absl::Duration timeout) const;

  // Test networks only (PermissionDenied NOT_A_TEST_NETWORK otherwise): the ledger's clock jumps ahead, for good.
  // Returns the ledger's time after it.
  absl::StatusOr<absl::Time> Advance(absl::Duration by);

  // No more work: waiting calls return, later ones answer Unavailable (STOPPED).
  void Stop();
  // OK, or why the engine does not run any more (CLOCK_JUMP, disk errors, STOPPED).
  absl::Status Health() const;

  const base::ChainId& chain_id() const;
  const pb::Genesis& genesis() const;
  uint64_t height() const;
  absl::Time Now() const;  // the ledger's clock

 private:
  struct State;
  explicit EmbeddedEngine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::chain
