#include "apps/storaged/service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "apps/common/daemon.h"
#include "apps/common/log.h"
#include "apps/storaged/access.h"
#include "cairn/base/entropy.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::storaged {
namespace {

constexpr uint64_t kCompactBudget = uint64_t{1} << 30;  // of one Compact call
constexpr size_t kPickFrom = 64;
constexpr absl::Duration kSilence = absl::Minutes(2);

// Content bytes of a read in each piece of its slice: one piece is one group with the proofs before it.
class ContentSteps {
 public:
  ContentSteps(uint64_t offset, uint64_t length)
      : group_(offset / base::kTreeGroupBytes * base::kTreeGroupBytes), at_(offset), end_(offset + length) {}
  uint64_t Next() {
    group_ += base::kTreeGroupBytes;
    const uint64_t from = std::exchange(at_, std::max(at_, std::min(end_, group_)));
    return at_ - from;
  }

 private:
  uint64_t group_, at_, end_;
};

// Counts itself in and out of a limit.
class Place {
 public:
  Place(std::atomic<int>& used, int limit) : used_(used), got_(++used <= limit) {}
  ~Place() { --used_; }
  absl::Status status() const {
    if (got_) return absl::OkStatus();
    return base::Error(absl::StatusCode::kUnavailable, "TOO_BUSY",
                       "too many transfers are under way", "try again in a moment");
  }

 private:
  std::atomic<int>& used_;
  bool got_;
};

}  // namespace

absl::Status Service::CheckReady() const {
  if (ready_) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnavailable, "NOT_READY",
                     "this provider is starting, or not registered on the ledger",
                     "try again in a moment");
}

absl::Status Service::Watch(absl::Status status) const {
  if (absl::IsAborted(status)) env_.failed(status);
  return status;
}

absl::Status Service::CheckTestNetwork() const {
  if (env_.test_network) return absl::OkStatus();
  return base::Error(absl::StatusCode::kPermissionDenied, "NOT_A_TEST_NETWORK",
                     "this call exists in test networks only");
}

void Service::HoldBack(absl::Duration time) const {
  for (absl::Duration waited; waited < time && !env_.stopping(); waited += absl::Milliseconds(20)) {
    env_.clock.Sleep(absl::Milliseconds(20));
  }
}

absl::Status Service::StaySilent() const {
  HoldBack(kSilence);
  return absl::UnavailableError("silent");
}

absl::Status Service::GetInfo(rpc::v1::GetInfoResponse& response) {
  storage::BlobUsage usage = env_.blobs.Usage();
  response.set_chain_id(chain::ToField(env_.identity.chain));
  response.set_account(chain::ToField(env_.identity.id()));
  response.set_node_key(base::ToString(env_.identity.node.public_key().Encode()));
  response.set_store_id(chain::ToField(env_.blobs.store_id()));
  response.set_version(app::kVersion);
  response.set_capacity_bytes(env_.capacity_bytes);
  response.set_used_bytes(usage.disk_bytes);
  response.set_free_bytes(env_.room());
  response.set_accepting(ready_ && env_.approver.accepting());
  response.set_loss_reported(env_.puller.lost_parts());
  *response.mutable_scrub() = env_.scrubber.statement();
  response.set_time_ms(absl::ToUnixMillis(env_.clock.Now()));
  if (channels_ != nullptr) *response.mutable_reads() = channels_->reads().terms();
  return absl::OkStatus();
}

absl::Status Service::Approve(const rpc::Caller&, const rpc::v1::ApproveRequest& request,
                              rpc::v1::ApproveResponse& response) {
  RETURN_IF_ERROR(CheckReady());
  auto owner = chain::FromField<base::AccountId>(request.owner());
  if (!owner)
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST",
                       "the owner is no account id");
  ASSIGN_OR_RETURN(*response.mutable_approval(), env_.approver.Decide(request.operation(), *owner));
  return absl::OkStatus();
}

absl::Status Service::QueryUpload(const rpc::Caller&, const rpc::v1::QueryUploadRequest& request,
                                  rpc::v1::QueryUploadResponse& response) {
  RETURN_IF_ERROR(CheckReady());
  if (env_.faults.Is(Fault::kSilentAfterApproval)) return StaySilent();
  ASSIGN_OR_RETURN(response, env_.ingest.Query(request));
  return absl::OkStatus();
}

absl::Status Service::Put(const rpc::Caller&, rpc::PutReader& reader) {
  RETURN_IF_ERROR(CheckReady());
  if (env_.faults.Is(Fault::kSilentAfterApproval)) return StaySilent();
  Place place(uploads_, limits_.uploads);
  RETURN_IF_ERROR(place.status());
  return Watch(Receive(reader));
}

absl::Status Service::Receive(rpc::PutReader& reader) {
  Ingest::Session session(env_.ingest);
  while (true) {
    ASSIGN_OR_RETURN(rpc::PutReader::Step step, reader.Next());
    if (std::holds_alternative<rpc::PutReader::End>(step)) return absl::OkStatus();
    if (auto* open = std::get_if<std::shared_ptr<const rpc::v1::PutOpen>>(&step)) {
      RETURN_IF_ERROR(session.Open(**open));
    } else if (auto* data = std::get_if<absl::Cord>(&step)) {
      RETURN_IF_ERROR(session.Data(*data));
      if (const std::optional<uint64_t> held = session.Report()) {
        rpc::v1::PutResponse response;
        response.set_held(*held);
        RETURN_IF_ERROR(reader.Respond(response));
      }
    } else {
      rpc::v1::PutResponse response;
      ASSIGN_OR_RETURN(*response.mutable_receipt(),
                       session.Commit(*std::get<std::shared_ptr<const rpc::v1::PutCommit>>(step)));
      RETURN_IF_ERROR(reader.Respond(response));
    }
  }
}

absl::Status Service::Get(const rpc::Caller& caller, const rpc::v1::GetRequest& request,
                          rpc::ChunkWriter& writer) {
  RETURN_IF_ERROR(CheckReady());
  Place place(reads_, limits_.reads);
  RETURN_IF_ERROR(place.status());
  auto object = chain::FromField<base::ObjectId>(request.object());
  auto digest = chain::FromField<base::Digest>(request.part());
  if (!object || !digest)
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST", "malformed ids");
  base::ContentId id{*digest};
  // Before anything that would tell a stranger whether the part is here.
  RETURN_IF_ERROR(CheckReadAccess(env_.ledger, *object, caller));
  ASSIGN_OR_RETURN(std::optional<Part> part, env_.index.Find(*object, id));
  if (!part.has_value()) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_PART",
                       "this provider does not keep that part of the object",
                       "ask another holder of the group", {{"part", id.ToText()}});
  }
  ASSIGN_OR_RETURN(std::unique_ptr<ReadMeter::Read> read, env_.meter.Begin(caller, request, *part));
  if (env_.faults.Is(Fault::kSlow)) HoldBack(absl::Milliseconds(env_.faults.parameter()));
  writer.SetSize(part->size);
  absl::Status sent = SendSlice(request, id, *read, writer);
  if (absl::IsDataLoss(sent)) env_.scrubber.Report(id, sent.message());
  absl::Status kept = Watch(read->End(sent.ok()));  // the journal tries again; the reader has its bytes
  if (!kept.ok()) app::LogError("journal.write", kept);
  return sent;
}

absl::Status Service::SendSlice(const rpc::v1::GetRequest& request, const base::ContentId& id,
                                ReadMeter::Read& read, rpc::ChunkWriter& writer) {
  bool lie = env_.faults.Is(Fault::kWrongBytes);
  uint64_t at = 0;
  ContentSteps steps(read.facts().offset, read.facts().bytes);
  const auto gone = [&] { return writer.cancelled() || env_.stopping(); };
  const auto send = [&](base::ByteView piece) {
    if (!lie || at <= 8) return writer.Write(piece);
    lie = false;
    base::Bytes wrong = base::ToBytes(piece);
    wrong.back() ^= 1;
    return writer.Write(wrong);
  };
  return env_.blobs.ReadSlice(id, {request.offset(), request.length()}, [&](base::ByteView piece) {
    if (writer.cancelled()) return absl::CancelledError("the reader went away");
    const uint64_t content = steps.Next();
    if (read.MustWait(content)) RETURN_IF_ERROR(writer.Flush());
    RETURN_IF_ERROR(read.Admit(content, gone));
    served_bytes_ += piece.size();
    at += piece.size();
    RETURN_IF_ERROR(send(piece));
    read.Sent(content);
    return read.paced() ? writer.Flush() : absl::OkStatus();
  });
}

absl::Status Service::ListReads(const rpc::Caller& caller, const rpc::v1::ListReadsRequest& request,
                                rpc::v1::ListReadsResponse& response) {
  RETURN_IF_ERROR(CheckReady());
  return Watch(env_.meter.List(caller, request, response));
}

absl::Status Service::CheckChannels() const {
  if (channels_ != nullptr) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnimplemented, "NO_CHANNELS",
                     "this provider sells no reads and watches no channels", "use another provider");
}

absl::Status Service::Pay(const rpc::Caller& caller, rpc::PayPeer& peer) {
  RETURN_IF_ERROR(CheckReady());
  RETURN_IF_ERROR(CheckChannels());
  if (!caller) {
    return base::Error(absl::StatusCode::kUnauthenticated, "NOT_SIGNED",
                       "a payer's call is signed", "sign it with the key of the channel");
  }
  Place place(payers_, limits_.payers);
  RETURN_IF_ERROR(place.status());
  return channels_->reads().Serve(caller, peer);
}

absl::Status Service::AgreeToClose(const rpc::Caller& caller,
                                   const rpc::v1::AgreeToCloseRequest& request,
                                   rpc::v1::AgreeToCloseResponse& response) {
  RETURN_IF_ERROR(CheckReady());
  RETURN_IF_ERROR(CheckChannels());
  return channels_->reads().AgreeToClose(caller, request, response);
}

absl::Status Service::ChannelStatement(const rpc::Caller& caller,
                                       const rpc::v1::ChannelStatementRequest& request,
                                       rpc::v1::ChannelStatementResponse& response) {
  RETURN_IF_ERROR(CheckReady());
  RETURN_IF_ERROR(CheckChannels());
  return channels_->reads().Statement(caller, request, response);
}

absl::Status Service::ChannelStatement(const rpc::v1::ChannelStatementRequest& request,
                                       rpc::v1::ChannelStatementResponse& response) {
  RETURN_IF_ERROR(CheckChannels());
  return channels_->reads().OwnStatement(request, response);
}

absl::Status Service::Watch(const rpc::Caller&, const rpc::v1::WatchRequest& request,
                            rpc::v1::WatchResponse& response) {
  RETURN_IF_ERROR(CheckReady());
  RETURN_IF_ERROR(CheckChannels());
  return channels_->tower().Watch(request, response);
}

absl::Status Service::SubmitReceipts(const rpc::Caller&,
                                     const rpc::v1::SubmitReceiptsRequest& request,
                                     rpc::v1::SubmitReceiptsResponse& response) {
  RETURN_IF_ERROR(CheckReady());
  if (env_.faults.Is(Fault::kSilentAfterApproval)) return StaySilent();
  auto accepted = env_.sealer.Accept(request, limits_.seal_patience);
  if (!accepted.ok()) return Watch(accepted.status());
  response = *std::move(accepted);
  return absl::OkStatus();
}

absl::Status Service::GetStatus(rpc::v1::GetStatusResponse& response) {
  RETURN_IF_ERROR(GetInfo(*response.mutable_info()));
  storage::BlobUsage usage = env_.blobs.Usage();
  response.set_blobs(usage.blobs);
  response.set_live_bytes(usage.live_bytes);
  response.set_disk_bytes(usage.disk_bytes);
  response.set_quota_bytes(usage.quota_bytes);
  response.set_chain_height(env_.follower.height());
  response.set_pending_seals(env_.sealer.pending());
  response.set_pulls_due(env_.puller.due());
  for (const std::string& damaged : env_.scrubber.Damaged()) {
    response.add_damaged(damaged.substr(0, damaged.find(':')));
  }
  return absl::OkStatus();
}

absl::Status Service::Scrub(rpc::v1::ScrubResponse& response) {
  ASSIGN_OR_RETURN(std::vector<std::string> found, env_.scrubber.RunAll(env_.stopping));
  *response.mutable_statement() = env_.scrubber.statement();
  for (std::string& damaged : found) response.add_damaged(std::move(damaged));
  return absl::OkStatus();
}

absl::Status Service::Compact(rpc::v1::CompactResponse& response) {
  uint64_t total = 0;
  while (!env_.stopping()) {
    ASSIGN_OR_RETURN(uint64_t freed, env_.blobs.Compact(kCompactBudget));
    if (freed == 0) break;
    total += freed;
  }
  response.set_reclaimed_bytes(total);
  return absl::OkStatus();
}

absl::Status Service::PickBlob(rpc::v1::PickBlobResponse& response) {
  RETURN_IF_ERROR(CheckTestNetwork());
  base::ContentId after;
  const auto drawn = base::SystemEntropy().Draw<base::Nonce16>();
  std::copy(drawn.value.begin(), drawn.value.end(), after.digest.value.begin());
  for (const base::ContentId& from : {after, base::ContentId{}}) {
    ASSIGN_OR_RETURN(std::vector<storage::BlobInfo> blobs, env_.blobs.List(from, kPickFrom));
    for (const storage::BlobInfo& blob : blobs) {
      if (!env_.blobs.Stat(blob.id).ok()) continue;
      response.set_part(chain::ToField(blob.id.digest));
      return absl::OkStatus();
    }
  }
  return base::Error(absl::StatusCode::kNotFound, "NOTHING_HELD", "this provider keeps no sound blob",
                     "put something that it holds first");
}

absl::Status Service::Advance(const rpc::v1::DevAdvanceRequest& request,
                              rpc::v1::DevAdvanceResponse& response) {
  RETURN_IF_ERROR(CheckTestNetwork());
  env_.clock.SetOffset(env_.clock.offset() + absl::Milliseconds(request.milliseconds()));
  response.set_time_ms(absl::ToUnixMillis(env_.clock.Now()));
  return absl::OkStatus();
}

absl::Status Service::SetFault(const rpc::v1::SetFaultRequest& request) {
  RETURN_IF_ERROR(CheckTestNetwork());
  std::optional<Fault> fault = FaultNamed(request.fault());
  if (!fault.has_value()) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, "UNKNOWN_FAULT",
        absl::StrCat("there is no fault ", request.fault()),
        "use slow, wrong_bytes, wrong_receipt, silent_after_approval, refuse_seal, forged_reads or none");
  }
  env_.faults.Set(*fault, request.parameter());
  return absl::OkStatus();
}

}  // namespace cairn::storaged
