// What a client says to providers, without saying how it travels: gRPC in the programs
// (provider_transport.h), memory in tests and simulations.
//
// Calls block until the answer, the deadline or Cancel. Errors: Unavailable when nobody answers,
// DeadlineExceeded, or what the provider said (reason, hint and evidence kept).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/channel.h"
#include "cairn/base/id.h"
#include "cairn/base/key.h"

namespace cairn::chain::v1 {
class Approval;
class Receipt;
}  // namespace cairn::chain::v1
namespace cairn::rpc::v1 {
class AgreeToCloseRequest;
class AgreeToCloseResponse;
class ApproveRequest;
class ChannelStatementRequest;
class ChannelStatementResponse;
class GetInfoResponse;
class ListReadsRequest;
class ListReadsResponse;
class PayRequest;
class PayResponse;
class PoolGrant;
class PutOpen;
class QueryUploadResponse;
class SubmitReceiptsRequest;
class SubmitReceiptsResponse;
}  // namespace cairn::rpc::v1

namespace cairn::client {

// Where a provider is and how it is recognised, as the registry has it.
struct ProviderAddress {
  base::AccountId account;
  base::PublicKey node_key;
  base::Digest tls_pin;
  std::string endpoint;
};

// Lets another thread end a call that is under way. Thread-safe.
class CancelToken {
 public:
  virtual ~CancelToken() = default;
  virtual void Cancel() = 0;
};

// Parts on their way to one holder. One thread at a time, except Cancel.
class PutStream : public CancelToken {
 public:
  virtual absl::Status Open(const rpc::v1::PutOpen& part) = 0;
  // Blocks while the holder is behind.
  virtual absl::Status Send(base::ByteView bytes) = 0;
  // How much the holder has of the part that was opened with `report`, so that it stays when we go;
  // waits until it is at least so much.
  virtual absl::StatusOr<uint64_t> WaitHeld(uint64_t at_least) = 0;
  // Everything opened since the last commit is durable when this returns.
  virtual absl::StatusOr<chain::v1::Receipt> Commit(absl::Span<const base::ObjectId> objects) = 0;
};

// One read. Pieces of the slice come to `sink` on the calling thread.
class GetStream : public CancelToken {
 public:
  virtual absl::Status Run(const std::function<absl::Status(base::ByteView)>& sink) = 0;
};

struct GetPart {
  base::ObjectId object;
  base::ContentId part;
  base::ByteRange range;
  std::optional<base::ChannelId> channel{};  // that pays for it
};

// Payments over one channel. One thread.
class PayStream {
 public:
  virtual ~PayStream() = default;
  // Sends one request and waits for its answer.
  virtual absl::StatusOr<rpc::v1::PayResponse> Exchange(const rpc::v1::PayRequest& request) = 0;
};

// Thread-safe. The calls about channels are Unimplemented where nothing is paid for.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual absl::StatusOr<rpc::v1::GetInfoResponse> GetInfo(const ProviderAddress& to,
                                                           absl::Duration timeout) = 0;
  virtual absl::StatusOr<chain::v1::Approval> Approve(const ProviderAddress& to,
                                                      const rpc::v1::ApproveRequest& request,
                                                      absl::Duration timeout) = 0;
  virtual absl::StatusOr<rpc::v1::QueryUploadResponse> QueryUpload(const ProviderAddress& to,
                                                                   const base::ObjectId& object,
                                                                   uint32_t position,
                                                                   const base::ContentId& part,
                                                                   absl::Duration timeout) = 0;
  // `timeout` bounds the whole stream, here and below.
  virtual absl::StatusOr<std::unique_ptr<PutStream>> Put(const ProviderAddress& to,
                                                         absl::Duration timeout) = 0;
  virtual absl::StatusOr<std::unique_ptr<GetStream>> Get(const ProviderAddress& to,
                                                         const GetPart& what,
                                                         absl::Duration timeout) = 0;
  virtual absl::StatusOr<rpc::v1::SubmitReceiptsResponse> SubmitReceipts(
      const ProviderAddress& to, const rpc::v1::SubmitReceiptsRequest& request,
      absl::Duration timeout) = 0;
  virtual absl::StatusOr<rpc::v1::ListReadsResponse> ListReads(
      const ProviderAddress& to, const rpc::v1::ListReadsRequest& request,
      absl::Duration timeout) = 0;
  virtual absl::StatusOr<std::unique_ptr<PayStream>> Pay(const ProviderAddress& to,
                                                         absl::Duration timeout);
  virtual absl::StatusOr<rpc::v1::AgreeToCloseResponse> AgreeToClose(
      const ProviderAddress& to, const rpc::v1::AgreeToCloseRequest& request,
      absl::Duration timeout);
  virtual absl::StatusOr<rpc::v1::ChannelStatementResponse> ChannelStatement(
      const ProviderAddress& to, const rpc::v1::ChannelStatementRequest& request,
      absl::Duration timeout);
};

}  // namespace cairn::client
