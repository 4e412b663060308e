// What this provider answers: rpc::ProviderHandler for everybody, rpc::ProviderAdminHandler for its
// operator.
//
// Thin: admission, access and limits here, the work in the parts. Uploads and reads beyond the
// limits are refused with TOO_BUSY (Unavailable). Calls of Provider are refused with NOT_READY
// until the store is known to the ledger.
#pragma once

#include <atomic>
#include <functional>

#include "apps/rpc/provider_service.h"
#include "apps/storaged/approver.h"
#include "apps/storaged/channels.h"
#include "apps/storaged/faults.h"
#include "apps/storaged/follower.h"
#include "apps/storaged/ingest.h"
#include "apps/storaged/puller.h"
#include "apps/storaged/read_meter.h"
#include "apps/storaged/scrubber.h"
#include "apps/storaged/sealer.h"

namespace cairn::storaged {

struct ServiceLimits {
  int uploads = 48;
  int reads = 64;
  int payers = 256;  // Pay streams
  absl::Duration seal_patience = absl::Seconds(20);  // of a caller that waits for its seal
};
// For a listener: however many lasting calls of one kind a stranger opens, the others have room.
inline int ThreadsFor(const ServiceLimits& limits) {
  constexpr int kShortCalls = 32;
  return limits.uploads + limits.reads + limits.payers + kShortCalls;
}

class Service final : public rpc::ProviderHandler, public rpc::ProviderAdminHandler {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    PartIndex& index;
    storage::BlobStore& blobs;
    Approver& approver;
    Ingest& ingest;
    Sealer& sealer;
    Follower& follower;
    Puller& puller;
    ReadMeter& meter;
    Scrubber& scrubber;
    Faults& faults;
    base::RealClock& clock;
    bool test_network;
    uint64_t capacity_bytes;
    std::function<uint64_t()> room;
    std::function<bool()> stopping;
    // Told of Aborted errors: the store or the index may be past use.
    std::function<void(const absl::Status&)> failed;
  };
  Service(const Environment& environment, const ServiceLimits& limits)
      : env_(environment), limits_(limits) {}

  void SetReady(bool ready) { ready_ = ready; }
  // Before the first call. Null: no reads are sold.
  void SetChannels(Channels* channels) { channels_ = channels; }
  bool ready() const { return ready_; }

  absl::Status GetInfo(rpc::v1::GetInfoResponse& response) override;
  absl::Status Approve(const rpc::Caller& caller, const rpc::v1::ApproveRequest& request,
                       rpc::v1::ApproveResponse& response) override;
  absl::Status QueryUpload(const rpc::Caller& caller, const rpc::v1::QueryUploadRequest& request,
                           rpc::v1::QueryUploadResponse& response) override;
  absl::Status Put(const rpc::Caller& caller, rpc::PutReader& reader) override;
  absl::Status Get(const rpc::Caller& caller, const rpc::v1::GetRequest& request,
                   rpc::ChunkWriter& writer) override;
  absl::Status SubmitReceipts(const rpc::Caller& caller,
                              const rpc::v1::SubmitReceiptsRequest& request,
                              rpc::v1::SubmitReceiptsResponse& response) override;
  absl::Status ListReads(const rpc::Caller& caller, const rpc::v1::ListReadsRequest& request,
                         rpc::v1::ListReadsResponse& response) override;
  absl::Status Pay(const rpc::Caller& caller, rpc::PayPeer& peer) override;
  absl::Status AgreeToClose(const rpc::Caller& caller,
                            const rpc::v1::AgreeToCloseRequest& request,
                            rpc::v1::AgreeToCloseResponse& response) override;
  absl::Status ChannelStatement(const rpc::Caller& caller,
                                const rpc::v1::ChannelStatementRequest& request,
                                rpc::v1::ChannelStatementResponse& response) override;
  absl::Status Watch(const rpc::Caller& caller, const rpc::v1::WatchRequest& request,
                     rpc::v1::WatchResponse& response) override;

  absl::Status GetStatus(rpc::v1::GetStatusResponse& response) override;
  absl::Status Scrub(rpc::v1::ScrubResponse& response) override;
  absl::Status Compact(rpc::v1::CompactResponse& response) override;
  absl::Status ChannelStatement(const rpc::v1::ChannelStatementRequest& request,
                                rpc::v1::ChannelStatementResponse& response) override;
  absl::Status PickBlob(rpc::v1::PickBlobResponse& response) override;
  absl::Status Advance(const rpc::v1::DevAdvanceRequest& request,
                       rpc::v1::DevAdvanceResponse& response) override;
  absl::Status SetFault(const rpc::v1::SetFaultRequest& request) override;

  uint64_t served_bytes() const { return served_bytes_; }
  int uploads() const { return uploads_; }
  int reads() const { return reads_; }

 private:
  absl::Status CheckReady() const;
  absl::Status Watch(absl::Status status) const;
  absl::Status Receive(rpc::PutReader& reader);
  absl::Status CheckTestNetwork() const;
  absl::Status SendSlice(const rpc::v1::GetRequest& request, const base::ContentId& id,
                         ReadMeter::Read& read, rpc::ChunkWriter& writer);
  absl::Status CheckChannels() const;
  absl::Status StaySilent() const;
  void HoldBack(absl::Duration time) const;

  Environment env_;
  ServiceLimits limits_;
  std::atomic<bool> ready_{false};
  std::atomic<int> uploads_{0};
  std::atomic<int> reads_{0};
  std::atomic<int> payers_{0};
  Channels* channels_ = nullptr;
  std::atomic<uint64_t> served_bytes_{0};
};

}  // namespace cairn::storaged
