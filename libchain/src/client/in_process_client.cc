#include <condition_variable>
#include <mutex>
#include <optional>

#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/transaction.h"

namespace cairn::chain {
namespace {

// How often a follower looks whether the ledger still runs.
constexpr absl::Duration kFollowPoll = absl::Seconds(1);

class InProcessClient final : public Client {
 public:
  explicit InProcessClient(EmbeddedEngine& engine) : engine_(engine) {}

  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction, WaitFor wait) override {
    struct Answer {
      std::mutex mutex;
      std::condition_variable ready;
      std::optional<absl::StatusOr<pb::TransactionReceipt>> receipt;
    };
    const auto answer = std::make_shared<Answer>();
    engine_.Submit(transaction, [answer](const absl::StatusOr<pb::TransactionReceipt>& receipt) {
      std::lock_guard lock(answer->mutex);
      answer->receipt = receipt;
      answer->ready.notify_all();
    });
    std::unique_lock lock(answer->mutex);
    if (wait == WaitFor::kAccepted && !answer->receipt) {
      pb::TransactionReceipt accepted;
      accepted.set_transaction(ToField(TransactionHash(transaction)));
      return accepted;
    }
    while (!answer->receipt) {
      // Whoever runs the engine first forms a block of all that is queued; the others find their answer there.
      lock.unlock();
      engine_.RunOnce();
      lock.lock();
      answer->ready.wait_for(lock, std::chrono::milliseconds(1), [&] { return answer->receipt.has_value(); });
    }
    return *answer->receipt;
  }

  absl::StatusOr<pb::TransactionReceipt> Simulate(const pb::SignedTransaction& transaction) override {
    return engine_.Simulate(transaction);
  }

  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) override { return engine_.Query(request); }

  absl::Status Follow(uint64_t from_height, const std::function<bool(const pb::Block&)>& sink) override {
    uint64_t height = from_height == 0 ? engine_.height() + 1 : from_height;
    while (true) {
      auto block = engine_.NextBlock(height, kFollowPoll);
      if (!block.ok()) return block.status();
      if (!*block) continue;
      if (!sink(**block)) return absl::OkStatus();
      ++height;
    }
  }

 private:
  EmbeddedEngine& engine_;
};

}  // namespace

std::unique_ptr<Client> NewInProcessClient(EmbeddedEngine& engine) {
  return std::make_unique<InProcessClient>(engine);
}

}  // namespace cairn::chain
