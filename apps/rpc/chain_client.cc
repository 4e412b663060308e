#include "apps/rpc/chain_client.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "apps/rpc/call.h"
#include "apps/rpc/status_map.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/rpc/v1/chain.grpc.pb.h"

namespace cairn::rpc {
namespace {

namespace pb = ::cairn::chain::pb;

// What a ledger that is not honest could make its followers keep.
constexpr size_t kMaxBlockBytes = 256 << 20;

absl::Status BlockTooLarge() {
  return base::Error(absl::StatusCode::kDataLoss, "BLOCK_TOO_LARGE",
                     absl::StrCat("a block has more than ", kMaxBlockBytes >> 20, " MiB"),
                     "ask another endpoint of the network");
}

class GrpcChainClient final : public chain::Client {
 public:
  GrpcChainClient(std::string endpoint, std::shared_ptr<grpc::Channel> channel,
                  const ChainClientOptions& options)
      : endpoint_(std::move(endpoint)), stub_(v1::Chain::NewStub(channel)), options_(options) {}

  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction,
                                                chain::WaitFor wait) override {
    v1::SubmitRequest request;
    *request.mutable_transaction() = transaction;
    request.set_wait(wait == chain::WaitFor::kAccepted ? v1::WAIT_ACCEPTED : v1::WAIT_COMMITTED);
    ASSIGN_OR_RETURN(v1::SubmitResponse response, Retry([&] {
                       return Call(*stub_, &v1::Chain::Stub::Submit, request,
                                   options_.submit_timeout);
                     }));
    return ReceiptOf(response);
  }

  absl::StatusOr<pb::TransactionReceipt> Simulate(
      const pb::SignedTransaction& transaction) override {
    v1::SubmitRequest request;
    *request.mutable_transaction() = transaction;
    ASSIGN_OR_RETURN(v1::SubmitResponse response, Retry([&] {
                       return Call(*stub_, &v1::Chain::Stub::Simulate, request,
                                   options_.query_timeout);
                     }));
    return ReceiptOf(response);
  }

  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) override {
    return Retry(
        [&] { return Call(*stub_, &v1::Chain::Stub::Query, request, options_.query_timeout); });
  }

  absl::Status Follow(uint64_t from_height,
                      const std::function<bool(const pb::Block&)>& sink) override {
    grpc::ClientContext context;  // no deadline: the stream lasts as long as the sink wants it
    v1::FollowRequest request;
    request.set_from_height(from_height);
    std::atomic<bool> ended{false};
    std::thread watch;
    if (options_.stopping) {
      watch = std::thread([&] {
        while (!ended && !options_.stopping()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
        if (!ended) context.TryCancel();
      });
    }
    absl::Cleanup join = [&] {
      ended = true;
      if (watch.joinable()) watch.join();
    };
    auto reader = stub_->Follow(&context, request);
    v1::FollowResponse response;
    pb::Block block;
    size_t bytes = 0;
    bool too_large = false;
    while (reader->Read(&response)) {
      bytes += response.ByteSizeLong();
      too_large = bytes > kMaxBlockBytes;
      if (!too_large) {
        block.MergeFrom(response.block());
        if (response.more()) continue;
        const bool on = sink(block);
        block.Clear();
        bytes = 0;
        if (on) continue;
      }
      context.TryCancel();
      (void)reader->Finish();
      return too_large ? BlockTooLarge() : absl::OkStatus();
    }
    absl::Status status = FromGrpc(reader->Finish());
    if (status.ok()) {
      status =
          base::Error(absl::StatusCode::kUnavailable, "STOPPED",
                      "the ledger ended the stream of blocks", "follow again from the next height");
    }
    return base::Annotate(status, endpoint_);
  }

 private:
  static pb::TransactionReceipt ReceiptOf(v1::SubmitResponse& response) {
    pb::TransactionReceipt receipt = std::move(*response.mutable_receipt());
    if (receipt.transaction().empty()) receipt.set_transaction(response.transaction());
    return receipt;
  }

  // Repeats a call that found nobody there, with growing pauses. Somebody else there stays somebody else.
  template <class F>
  auto Retry(F call) -> decltype(call()) {
    const absl::Duration patience = known_ ? std::max(options_.retry_for, options_.retry_known_for) : options_.retry_for;
    absl::Time give_up = absl::Now() + patience;
    absl::Duration pause = absl::Milliseconds(50);
    while (true) {
      auto result = call();
      if (!absl::IsUnavailable(result.status())) known_ = true;
      if (result.ok()) return result;
      const bool again = absl::IsUnavailable(result.status()) && base::ReasonOf(result.status()) != kPinMismatch;
      if (!again || absl::Now() + pause > give_up) {
        return base::Annotate(result.status(), absl::StrCat("ledger at ", endpoint_));
      }
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(pause));
      pause = std::min(pause * 2, absl::Milliseconds(800));
    }
  }

  std::string endpoint_;
  std::unique_ptr<v1::Chain::Stub> stub_;
  ChainClientOptions options_;
  std::atomic<bool> known_{false};  // it has answered
};

}  // namespace

absl::StatusOr<std::unique_ptr<chain::Client>> ConnectChain(absl::string_view endpoint,
                                                            const PeerPin& pin,
                                                            const ChainClientOptions& options) {
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Connect(endpoint, pin));
  return std::unique_ptr<chain::Client>(
      new GrpcChainClient(std::string(endpoint), std::move(channel), options));
}

absl::StatusOr<absl::Time> AdvanceChain(absl::string_view endpoint, const PeerPin& pin,
                                        absl::Duration by) {
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Connect(endpoint, pin));
  auto stub = v1::ChainDev::NewStub(channel);
  v1::AdvanceRequest request;
  request.set_milliseconds(
      static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Milliseconds(by))));
  ASSIGN_OR_RETURN(v1::AdvanceResponse response,
                   Call(*stub, &v1::ChainDev::Stub::Advance, request, absl::Seconds(30)));
  return absl::FromUnixMillis(static_cast<int64_t>(response.time_ms()));
}

}  // namespace cairn::rpc
