// A provider over gRPC: thin, blocking calls with deadlines, errors with reason and hint, bulk
// bytes without copies.
//
// One ProviderClient is one connection to one provider; thread-safe. A PutStream and a running Get
// belong to one thread each; CallControl cancels them from another.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "apps/rpc/tls.h"
#include "cairn/base/clock.h"
#include "cairn/base/key.h"

namespace cairn::chain::v1 {
class Approval;
class Operation;
class Receipt;
}  // namespace cairn::chain::v1
namespace cairn::rpc::v1 {
class ApproveRequest;
class ApproveResponse;
class GetInfoResponse;
class GetRequest;
class ListReadsRequest;
class ListReadsResponse;
class PutOpen;
class QueryUploadRequest;
class QueryUploadResponse;
class SubmitReceiptsRequest;
class SubmitReceiptsResponse;
}  // namespace cairn::rpc::v1

namespace cairn::rpc {

// Cancels a call that another thread is in; the call then ends with Cancelled. May be cancelled
// before it starts.
class CallControl {
 public:
  void Cancel();
  bool cancelled() const;

  // For the transport: `cancel` is called once, at once when already cancelled.
  void Attach(std::function<void()> cancel);
  void Detach();

 private:
  mutable std::mutex mutex_;
  bool cancelled_ = false;
  std::function<void()> cancel_;
};

// Parts of objects on their way to one holder: Open, Write ..., Open, Write ..., Commit. Ends the
// call when destroyed.
class PutStream {
 public:
  virtual ~PutStream() = default;
  virtual absl::Status Open(const v1::PutOpen& open) = 0;
  // In messages of at most 256 KiB; the bytes are not copied. A refusal by the provider comes back
  // from the next call.
  virtual absl::Status Write(absl::Cord data) = 0;
  // How much the holder has of the part that was opened with `report`; waits until it is at least
  // so much.
  virtual absl::StatusOr<uint64_t> WaitHeld(uint64_t at_least) = 0;
  // Waits for the holder's receipt over all objects opened since the last commit (sorted ids).
  virtual absl::StatusOr<chain::v1::Receipt> Commit(const std::vector<base::ObjectId>& objects) = 0;
};

struct ProviderClientOptions {
  std::string endpoint = {};
  PeerPin pin = PeerPin::Plaintext();
  base::ChainId chain = {};
  base::PublicKey node_key = {};                // of the provider: signed calls name it
  std::optional<base::SigningKey> caller = {};  // absent: calls are not signed
  const base::Clock* clock = nullptr;           // needed with `caller`
  absl::Duration call_timeout = absl::Seconds(15);
  absl::Duration connect_timeout = absl::Seconds(3);
  bool own_connection = false;
};

class ProviderClient {
 public:
  static absl::StatusOr<std::unique_ptr<ProviderClient>> Connect(ProviderClientOptions options);
  ~ProviderClient();

  absl::StatusOr<v1::GetInfoResponse> GetInfo();
  absl::StatusOr<v1::ApproveResponse> Approve(const v1::ApproveRequest& request);
  absl::StatusOr<v1::QueryUploadResponse> QueryUpload(const v1::QueryUploadRequest& request);
  absl::StatusOr<v1::SubmitReceiptsResponse> SubmitReceipts(
      const v1::SubmitReceiptsRequest& request);

  absl::StatusOr<v1::ListReadsResponse> ListReads(const v1::ListReadsRequest& request);

  // `timeout` bounds the whole stream.
  absl::StatusOr<std::unique_ptr<PutStream>> Put(absl::Duration timeout,
                                                 CallControl* control = nullptr);
  // A signed read gets a fresh nonce when the request has none. Hands the slice's bytes to `sink` as they come; they are unverified. Stops with the sink's
  // error when it has one. Returns the size that the provider claims the part has.
  absl::StatusOr<uint64_t> Get(const v1::GetRequest& request, absl::Duration timeout,
                               const std::function<absl::Status(base::ByteView)>& sink,
                               CallControl* control = nullptr);

 private:
  struct State;
  explicit ProviderClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::rpc
