// A provider that keeps parts in memory: what tests of the transport talk to.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "apps/rpc/call_auth.h"
#include "apps/rpc/provider_service.h"
#include "cairn/base/clock.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::rpc {

class FakeProvider : public ProviderHandler {
 public:
  base::SeededEntropy entropy{11};
  base::RealClock clock;
  base::ChainId chain = entropy.Draw<base::ChainId>();
  base::SigningKey node_key = base::SigningKey::Generate(entropy);
  CallVerifier verifier{chain, node_key.public_key(), clock};

  std::mutex mutex;
  std::map<std::string, std::string> parts;  // by content id as given
  Caller last_caller;
  bool refuse_put = false;

  absl::Status GetInfo(v1::GetInfoResponse& response) override {
    response.set_chain_id(base::ToString(chain.view()));
    return absl::OkStatus();
  }
  absl::Status Approve(const Caller& caller, const v1::ApproveRequest&,
                       v1::ApproveResponse&) override {
    last_caller = caller;
    return base::Error(absl::StatusCode::kFailedPrecondition, "FULL", "no room",
                       "ask another provider", {{"free_bytes", "0"}});
  }
  absl::Status QueryUpload(const Caller& caller, const v1::QueryUploadRequest& request,
                           v1::QueryUploadResponse& response) override {
    std::lock_guard<std::mutex> lock(mutex);
    last_caller = caller;
    auto found = parts.find(request.part());
    response.set_complete(found != parts.end());
    response.set_held_bytes(found == parts.end() ? 0 : found->second.size());
    return absl::OkStatus();
  }
  absl::Status Put(const Caller& caller, PutReader& reader) override {
    std::lock_guard<std::mutex> lock(mutex);
    last_caller = caller;
    std::string open;
    bool report = false;
    while (true) {
      ASSIGN_OR_RETURN(PutReader::Step step, reader.Next());
      if (std::holds_alternative<PutReader::End>(step)) return absl::OkStatus();
      if (refuse_put) {
        return base::Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "the disk is full",
                           "free some space");
      }
      if (auto* header = std::get_if<std::shared_ptr<const v1::PutOpen>>(&step)) {
        open = (*header)->part();
        report = (*header)->report();
        parts[open];
      } else if (auto* data = std::get_if<absl::Cord>(&step)) {
        absl::StrAppend(&parts[open], std::string(*data));
        v1::PutResponse response;
        response.set_held(parts[open].size());
        if (report) RETURN_IF_ERROR(reader.Respond(response));
      } else {
        v1::PutResponse response;
        const auto& commit = *std::get<std::shared_ptr<const v1::PutCommit>>(step);
        response.mutable_receipt()->set_position(static_cast<uint32_t>(commit.objects_size()));
        RETURN_IF_ERROR(reader.Respond(response));
      }
    }
  }
  absl::Status Get(const Caller& caller, const v1::GetRequest& request,
                   ChunkWriter& writer) override {
    std::string bytes;
    {
      std::lock_guard<std::mutex> lock(mutex);
      last_caller = caller;
      auto found = parts.find(request.part());
      if (found == parts.end())
        return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_PART", "not held here");
      bytes = found->second;
    }
    writer.SetSize(bytes.size());
    base::ByteView rest = base::AsBytes(bytes);
    while (!rest.empty()) {  // in odd pieces, as a slice encoder would
      RETURN_IF_ERROR(writer.Write(rest.subspan(0, 16'391)));
      rest.remove_prefix(std::min<size_t>(rest.size(), 16'391));
    }
    return absl::OkStatus();
  }
  // Says how many payments came.
  absl::Status Pay(const Caller&, PayPeer& peer) override {
    for (uint64_t count = 1;; ++count) {
      ASSIGN_OR_RETURN(const auto request, peer.Next());
      if (request == nullptr) return absl::OkStatus();
      v1::PayResponse response;
      response.set_sent_bytes(count);
      RETURN_IF_ERROR(peer.Answer(response));
    }
  }
  absl::Status ListReads(const Caller& caller, const v1::ListReadsRequest&,
                         v1::ListReadsResponse& response) override {
    last_caller = caller;
    response.set_sequence(7);
    return absl::OkStatus();
  }
  absl::Status SubmitReceipts(const Caller& caller, const v1::SubmitReceiptsRequest&,
                              v1::SubmitReceiptsResponse& response) override {
    last_caller = caller;
    response.set_sealed_height(42);
    return absl::OkStatus();
  }
};

}  // namespace cairn::rpc
