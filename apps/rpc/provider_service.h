// cairn.rpc.v1.Provider and ProviderAdmin with gRPC taken off: storaged implements the two
// handlers.
//
// Handlers are called from many threads at once. A returned status goes to the caller with reason,
// hint and evidence.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "apps/rpc/call_auth.h"
#include "apps/rpc/stall_guard.h"
#include "cairn/base/key.h"

namespace grpc {
class Service;
}
namespace cairn::rpc::v1 {
class AgreeToCloseRequest;
class AgreeToCloseResponse;
class ApproveRequest;
class ApproveResponse;
class ChannelStatementRequest;
class ChannelStatementResponse;
class CompactResponse;
class DevAdvanceRequest;
class DevAdvanceResponse;
class GetInfoResponse;
class GetRequest;
class GetStatusResponse;
class ListReadsRequest;
class ListReadsResponse;
class PayRequest;
class PayResponse;
class PutCommit;
class PutOpen;
class PutResponse;
class QueryUploadRequest;
class QueryUploadResponse;
class ScrubResponse;
class PickBlobResponse;
class SetFaultRequest;
class SubmitReceiptsRequest;
class SubmitReceiptsResponse;
class WatchRequest;
class WatchResponse;
}  // namespace cairn::rpc::v1

namespace cairn::rpc {

// A client's Put. The handler pulls steps until the client is done. One thread.
class PutReader {
 public:
  struct End {};  // the client closed its side
  using Step = std::variant<std::shared_ptr<const v1::PutOpen>, absl::Cord,
                            std::shared_ptr<const v1::PutCommit>, End>;
  virtual ~PutReader() = default;
  // Blocks. A message with header and data gives two steps. Cancelled when the client went away,
  // InvalidArgument when it sent something malformed.
  virtual absl::StatusOr<Step> Next() = 0;
  virtual absl::Status Respond(const v1::PutResponse& response) = 0;
};

// The answer to a Get. One thread.
class ChunkWriter {
 public:
  virtual ~ChunkWriter() = default;
  // Before the first byte: size of the whole part.
  virtual void SetSize(uint64_t size) = 0;
  // Gathered into messages of 256 KiB: one copy.
  virtual absl::Status Write(base::ByteView bytes) = 0;
  // As its own message, not copied; at most 1 MiB.
  virtual absl::Status WriteOwned(base::Bytes bytes) = 0;
  // What is gathered goes out now: the reader pays for it before more is sent.
  virtual absl::Status Flush() = 0;
  virtual bool cancelled() const = 0;
};

// A payer's Pay: requests come one after the other, each one answered before the next. One thread.
class PayPeer {
 public:
  virtual ~PayPeer() = default;
  // Blocks. Null when the payer closed its side; Cancelled when it went away.
  virtual absl::StatusOr<std::shared_ptr<const v1::PayRequest>> Next() = 0;
  virtual absl::Status Answer(const v1::PayResponse& response) = 0;
};

class ProviderHandler {
 public:
  virtual ~ProviderHandler() = default;
  virtual absl::Status GetInfo(v1::GetInfoResponse& response) = 0;
  virtual absl::Status Approve(const Caller& caller, const v1::ApproveRequest& request,
                               v1::ApproveResponse& response) = 0;
  virtual absl::Status QueryUpload(const Caller& caller, const v1::QueryUploadRequest& request,
                                   v1::QueryUploadResponse& response) = 0;
  virtual absl::Status Put(const Caller& caller, PutReader& reader) = 0;
  virtual absl::Status Get(const Caller& caller, const v1::GetRequest& request,
                           ChunkWriter& writer) = 0;
  virtual absl::Status SubmitReceipts(const Caller& caller,
                                      const v1::SubmitReceiptsRequest& request,
                                      v1::SubmitReceiptsResponse& response) = 0;
  virtual absl::Status ListReads(const Caller& caller, const v1::ListReadsRequest& request,
                                 v1::ListReadsResponse& response) = 0;
  // Channels. A provider that sells no reads answers Unimplemented (reason NO_CHANNELS).
  virtual absl::Status Pay(const Caller& caller, PayPeer& peer);
  virtual absl::Status AgreeToClose(const Caller& caller, const v1::AgreeToCloseRequest& request,
                                    v1::AgreeToCloseResponse& response);
  virtual absl::Status ChannelStatement(const Caller& caller,
                                        const v1::ChannelStatementRequest& request,
                                        v1::ChannelStatementResponse& response);
  virtual absl::Status Watch(const Caller& caller, const v1::WatchRequest& request,
                             v1::WatchResponse& response);
};
// `handler` and `verifier` must outlive the server. A Put or Get whose client moves nothing, and a Pay
// that does not begin, is cancelled after the limits' patience.
std::shared_ptr<grpc::Service> MakeProviderService(ProviderHandler& handler,
                                                   const CallVerifier& verifier,
                                                   const StallLimits& limits = {});

class ProviderAdminHandler {
 public:
  virtual ~ProviderAdminHandler() = default;
  virtual absl::Status GetStatus(v1::GetStatusResponse& response) = 0;
  virtual absl::Status Scrub(v1::ScrubResponse& response) = 0;
  virtual absl::Status Compact(v1::CompactResponse& response) = 0;
  virtual absl::Status ChannelStatement(const v1::ChannelStatementRequest& request,
                                        v1::ChannelStatementResponse& response) = 0;
  virtual absl::Status Advance(const v1::DevAdvanceRequest& request,
                               v1::DevAdvanceResponse& response) = 0;
  virtual absl::Status PickBlob(v1::PickBlobResponse& response) = 0;
  virtual absl::Status SetFault(const v1::SetFaultRequest& request) = 0;
};
std::shared_ptr<grpc::Service> MakeProviderAdminService(ProviderAdminHandler& handler);

// The client of ProviderAdmin (storectl, dev networks).
class ProviderAdminClient {
 public:
  static absl::StatusOr<std::unique_ptr<ProviderAdminClient>> Connect(absl::string_view endpoint);
  ~ProviderAdminClient();
  absl::StatusOr<v1::GetStatusResponse> GetStatus(absl::Duration timeout);
  absl::StatusOr<v1::ScrubResponse> Scrub(absl::Duration timeout);
  absl::StatusOr<v1::CompactResponse> Compact(absl::Duration timeout);
  absl::StatusOr<v1::ChannelStatementResponse> ChannelStatement(
      const v1::ChannelStatementRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::DevAdvanceResponse> Advance(const v1::DevAdvanceRequest& request,
                                                 absl::Duration timeout);
  absl::Status SetFault(const v1::SetFaultRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::PickBlobResponse> PickBlob(absl::Duration timeout);

 private:
  struct State;
  explicit ProviderAdminClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::rpc
