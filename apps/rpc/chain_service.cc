#include "apps/rpc/chain_service.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "apps/common/metrics.h"
#include "apps/rpc/status_map.h"
#include "cairn/base/status.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"
#include "cairn/rpc/v1/chain.grpc.pb.h"

namespace cairn::rpc {
namespace {

namespace pb = ::cairn::chain::pb;

// The block without events of other types; false when a filter is set and nothing of it matches.
bool KeepEvents(const std::set<std::string>& types, pb::Block* block) {
  if (types.empty()) return true;
  pb::Block kept = *block;
  kept.clear_events();
  kept.clear_event_transactions();
  for (int i = 0; i < block->events_size(); ++i) {
    if (types.count(block->events(i).type()) == 0) continue;
    *kept.add_events() = block->events(i);
    if (i < block->event_transactions_size())
      kept.add_event_transactions(block->event_transactions(i));
  }
  bool any = kept.events_size() > 0;
  *block = std::move(kept);
  return any;
}

// Well below what a message may have, and the largest transaction fits.
constexpr size_t kPieceBytes = 2 << 20;

// Sends a block in pieces: what it amounts to with its events has no limit of its own.
class BlockPieces {
 public:
  explicit BlockPieces(grpc::ServerWriter<v1::FollowResponse>& writer) : writer_(writer) {}

  bool Send(const pb::Block& block) {
    Room(0).set_header(block.header());
    Room(0).set_signature(block.signature());
    for (const auto& one : block.transactions()) *Room(one.ByteSizeLong()).add_transactions() = one;
    for (const auto& one : block.receipts()) *Room(one.ByteSizeLong()).add_receipts() = one;
    for (int i = 0; i < block.events_size(); ++i) {
      pb::Block& piece = Room(block.events(i).ByteSizeLong() + sizeof(uint64_t));
      *piece.add_events() = block.events(i);
      if (i < block.event_transactions_size())
        piece.add_event_transactions(block.event_transactions(i));
    }
    return sent_ && writer_.Write(piece_);
  }

 private:
  // The piece that has room for so many bytes more.
  pb::Block& Room(size_t bytes) {
    if (bytes_ != 0 && bytes_ + bytes > kPieceBytes) {
      piece_.set_more(true);
      sent_ = sent_ && writer_.Write(piece_);
      piece_.Clear();
      bytes_ = 0;
    }
    bytes_ += bytes;
    return *piece_.mutable_block();
  }

  grpc::ServerWriter<v1::FollowResponse>& writer_;
  v1::FollowResponse piece_;
  size_t bytes_ = 0;
  bool sent_ = true;
};

class ChainService final : public v1::Chain::Service {
 public:
  ChainService(chain::EmbeddedEngine& engine, app::Metrics* metrics, std::function<bool()> stopping,
               int max_followers)
      : engine_(engine),
        metrics_(metrics),
        stopping_(std::move(stopping)),
        max_followers_(max_followers) {}

  grpc::Status Simulate(grpc::ServerContext*, const v1::SubmitRequest* request,
                        v1::SubmitResponse* response) override {
    return Answer(engine_.Simulate(request->transaction()), *request, response);
  }

  grpc::Status Submit(grpc::ServerContext* context, const v1::SubmitRequest* request,
                      v1::SubmitResponse* response) override {
    auto outcome = std::make_shared<Outcome>();
    engine_.Submit(request->transaction(), [outcome, metrics = metrics_](const auto& receipt) {
      if (metrics != nullptr)
        metrics->Count("chain_transactions", 1, {{"verdict", VerdictName(receipt)}});
      std::lock_guard<std::mutex> lock(outcome->mutex);
      outcome->receipt = receipt;
      outcome->ready.notify_all();
    });
    std::unique_lock<std::mutex> lock(outcome->mutex);
    if (request->wait() == v1::WAIT_ACCEPTED && !outcome->receipt) {
      return Answer(pb::TransactionReceipt(), *request, response);
    }
    while (!outcome->ready.wait_for(lock, kPoll, [&] { return outcome->receipt.has_value(); })) {
      if (context->IsCancelled()) return grpc::Status::CANCELLED;  // the transaction stays queued
    }
    return Answer(*outcome->receipt, *request, response);
  }

  grpc::Status Query(grpc::ServerContext*, const pb::QueryRequest* request,
                     pb::QueryResponse* response) override {
    absl::StatusOr<pb::QueryResponse> answer = engine_.Query(*request);
    if (!answer.ok()) return ToGrpc(answer.status());
    *response = *std::move(answer);
    return grpc::Status::OK;
  }

  grpc::Status Follow(grpc::ServerContext* context, const v1::FollowRequest* request,
                      grpc::ServerWriter<v1::FollowResponse>* writer) override {
    if (request->event_types_size() > kMaxEventTypes) {
      return ToGrpc(base::Error(absl::StatusCode::kInvalidArgument, "TOO_MANY_TYPES",
                                "a follower may name at most 100 event types",
                                "follow all and filter"));
    }
    // A follower keeps its thread for as long as it likes; the others are for those who come and go.
    const absl::Cleanup leave = [this] { --followers_; };
    if (++followers_ > max_followers_) {
      return ToGrpc(base::Error(absl::StatusCode::kUnavailable, "TOO_BUSY",
                                "this ledger has as many followers as it takes",
                                "follow another endpoint of the network, or try again later"));
    }
    std::set<std::string> types(request->event_types().begin(), request->event_types().end());
    uint64_t height = request->from_height() > 0 ? request->from_height() : engine_.height() + 1;
    while (!context->IsCancelled()) {
      if (stopping_()) {
        return ToGrpc(base::Error(absl::StatusCode::kUnavailable, "STOPPED",
                                  "the ledger is stopping", "follow again from the next height"));
      }
      absl::StatusOr<std::optional<pb::Block>> block =
          engine_.NextBlock(height, absl::FromChrono(kPoll));
      if (!block.ok()) return ToGrpc(block.status());
      if (!block->has_value()) continue;
      ++height;
      if (KeepEvents(types, &**block) && !BlockPieces(*writer).Send(**block)) break;
    }
    return grpc::Status::CANCELLED;
  }

 private:
  static constexpr int kMaxEventTypes = 100;
  static constexpr std::chrono::milliseconds kPoll{400};

  // Shared with the engine: a caller that went away leaves it behind.
  struct Outcome {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<absl::StatusOr<pb::TransactionReceipt>> receipt;
  };

  static std::string VerdictName(const absl::StatusOr<pb::TransactionReceipt>& receipt) {
    return receipt.ok() ? std::string(chain::Name(chain::VerdictOf(*receipt))) : "ERROR";
  }

  // A refusal by the rules is an answer, not an error of the call: the receipt carries the verdict.
  static grpc::Status Answer(absl::StatusOr<pb::TransactionReceipt> receipt,
                             const v1::SubmitRequest& request, v1::SubmitResponse* response) {
    if (!receipt.ok()) return ToGrpc(receipt.status());
    response->set_transaction(base::ToString(chain::TransactionHash(request.transaction()).view()));
    // A transaction that only waits has a hash and no receipt.
    if (!receipt->transaction().empty()) *response->mutable_receipt() = *std::move(receipt);
    return grpc::Status::OK;
  }

  chain::EmbeddedEngine& engine_;
  app::Metrics* metrics_;
  std::function<bool()> stopping_;
  const int max_followers_;
  std::atomic<int> followers_{0};
};

class ChainDevService final : public v1::ChainDev::Service {
 public:
  explicit ChainDevService(std::function<absl::StatusOr<absl::Time>(absl::Duration)> advance)
      : advance_(std::move(advance)) {}

  grpc::Status Advance(grpc::ServerContext*, const v1::AdvanceRequest* request,
                       v1::AdvanceResponse* response) override {
    constexpr uint64_t kMaxMilliseconds = uint64_t{100} * 365 * 24 * 3600 * 1000;
    if (request->milliseconds() > kMaxMilliseconds) {
      return ToGrpc(base::Error(absl::StatusCode::kInvalidArgument, "BAD_DURATION",
                                "at most 100 years at once"));
    }
    auto time = advance_(absl::Milliseconds(static_cast<int64_t>(request->milliseconds())));
    if (!time.ok()) return ToGrpc(time.status());
    response->set_time_ms(static_cast<uint64_t>(absl::ToUnixMillis(*time)));
    return grpc::Status::OK;
  }

 private:
  std::function<absl::StatusOr<absl::Time>(absl::Duration)> advance_;
};

}  // namespace

std::shared_ptr<grpc::Service> MakeChainService(chain::EmbeddedEngine& engine,
                                                app::Metrics* metrics,
                                                std::function<bool()> stopping,
                                                int max_followers) {
  return std::make_shared<ChainService>(engine, metrics, std::move(stopping), max_followers);
}

std::shared_ptr<grpc::Service> MakeChainDevService(
    std::function<absl::StatusOr<absl::Time>(absl::Duration)> advance) {
  return std::make_shared<ChainDevService>(std::move(advance));
}

}  // namespace cairn::rpc
