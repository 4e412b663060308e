// This provider's operations on their way to the ledger: many in one transaction, one transaction
// at a time in a lane.
//
// While one transaction waits for its block, operations gather for the next. An operation that the
// rules refuse is taken out and answered with its verdict; the others of its transaction go again.
// A transaction whose outcome is unknown is repeated, byte for byte, until it is known. `Post` is
// thread-safe; RunOnce is for one thread (Run's, or a test's).
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "cairn/chain/transaction.h"

namespace cairn::storaged {

class Submitter {
 public:
  // OK and the block's height, or why the operation was not done. Called on the submitting thread.
  using Done = std::function<void(const absl::Status&, uint64_t height)>;

  // References must outlive it. Lanes of one account must not be shared between submitters.
  Submitter(chain::Client& client, const Identity& identity, const base::Clock& clock,
            uint32_t lane)
      : client_(client), identity_(identity), clock_(clock), lane_(lane) {}
  ~Submitter() { Stop(); }

  void Post(pb::Operation operation, Done done);
  // Posts and waits. The height, or the error.
  absl::StatusOr<uint64_t> Run(pb::Operation operation);

  // Sends one transaction of what waits. False when there was nothing to do, or when it is no use to
  // go on at once: the ledger could not be asked, or holds the transaction for expired or misnumbered.
  bool RunOnce();
  // Runs on a thread of its own until Stop. What then waits is answered with Cancelled.
  void Start();
  void Stop();

  size_t waiting() const;

 private:
  struct Item {
    pb::Operation operation;
    size_t bytes = 0;
    Done done;
  };
  struct Flight {
    pb::SignedTransaction transaction;
    uint64_t valid_until_ms = 0;
    std::vector<Item> items;
  };

  std::vector<Item> Take();
  void PutBack(std::vector<Item> items);
  absl::Status LoadLane();
  absl::StatusOr<Flight> Build(std::vector<Item> items);
  bool Settle(Flight flight, const pb::TransactionReceipt& receipt);
  void Loop();

  chain::Client& client_;
  const Identity& identity_;
  const base::Clock& clock_;
  const uint32_t lane_;

  std::optional<uint64_t> last_number_;  // of the lane; unknown after a surprise
  std::optional<Flight> flight_;         // sent, outcome unknown

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace cairn::storaged
