// How programs talk to a ledger, wherever it runs. In process over an engine here; over gRPC in apps/rpc.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

class EmbeddedEngine;

enum class WaitFor {
  kAccepted,   // in the queue: the receipt holds the transaction's hash only
  kCommitted,  // in a durable block
};

// Thread-safe. A refusal by the rules is an OK status with the verdict in the receipt (see ToStatus in verdict.h); an
// error status means that the outcome is unknown or the ledger could not be asked. Submitting the same bytes again
// answers with the first outcome.
class Client {
 public:
  virtual ~Client() = default;
  virtual absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction, WaitFor wait) = 0;
  // What would happen now; changes nothing.
  virtual absl::StatusOr<pb::TransactionReceipt> Simulate(const pb::SignedTransaction& transaction) = 0;
  virtual absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) = 0;
  // Hands every block from a height on (0: from the next one) to the sink, in order, then waits for more. Blocks
  // until the sink returns false (OK), the ledger stops (Unavailable), or a block was pruned (OutOfRange).
  virtual absl::Status Follow(uint64_t from_height, const std::function<bool(const pb::Block&)>& sink) = 0;
};

// The engine must outlive the client. A waiting Submit drives the engine itself when nobody else does.
std::unique_ptr<Client> NewInProcessClient(EmbeddedEngine& engine);

}  // namespace cairn::chain
