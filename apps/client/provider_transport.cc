#include "apps/client/provider_transport.h"

#include <map>
#include <mutex>
#include <tuple>

#include "apps/rpc/provider_client.h"
#include "apps/rpc/raw_chunk.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

absl::Status Named(const ProviderAddress& to, const absl::Status& status) {
  return base::Annotate(status, to.endpoint);
}

class RpcPut final : public PutStream {
 public:
  RpcPut(ProviderAddress to, std::shared_ptr<rpc::ProviderClient> client,
         std::shared_ptr<rpc::CallControl> control, std::unique_ptr<rpc::PutStream> stream)
      : to_(std::move(to)),
        client_(std::move(client)),
        control_(std::move(control)),
        stream_(std::move(stream)) {}
  void Cancel() override { control_->Cancel(); }
  absl::Status Open(const rpc::v1::PutOpen& part) override {
    return Named(to_, stream_->Open(part));
  }
  absl::Status Send(base::ByteView bytes) override {
    while (!bytes.empty()) {
      const base::ByteView piece = bytes.subspan(0, rpc::kBulkMessageBytes);
      RETURN_IF_ERROR(Named(to_, stream_->Write(rpc::CordOf(base::ToBytes(piece)))));
      bytes.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> WaitHeld(uint64_t at_least) override {
    auto held = stream_->WaitHeld(at_least);
    if (!held.ok()) return Named(to_, held.status());
    return held;
  }
  absl::StatusOr<chain::v1::Receipt> Commit(absl::Span<const base::ObjectId> objects) override {
    auto receipt = stream_->Commit(std::vector<base::ObjectId>(objects.begin(), objects.end()));
    if (!receipt.ok()) return Named(to_, receipt.status());
    return receipt;
  }

 private:
  ProviderAddress to_;
  std::shared_ptr<rpc::ProviderClient> client_;
  std::shared_ptr<rpc::CallControl> control_;
  std::unique_ptr<rpc::PutStream> stream_;
};

class RpcGet final : public GetStream {
 public:
  RpcGet(ProviderAddress to, std::shared_ptr<rpc::ProviderClient> client, const GetPart& what,
         absl::Duration timeout)
      : to_(std::move(to)), client_(std::move(client)), what_(what), timeout_(timeout) {}
  void Cancel() override { control_.Cancel(); }
  absl::Status Run(const std::function<absl::Status(base::ByteView)>& sink) override {
    rpc::v1::GetRequest request;
    request.set_object(chain::ToField(what_.object));
    request.set_part(chain::ToField(what_.part.digest));
    request.set_offset(what_.range.offset);
    request.set_length(what_.range.length);
    return Named(to_, client_->Get(request, timeout_, sink, &control_).status());
  }

 private:
  ProviderAddress to_;
  std::shared_ptr<rpc::ProviderClient> client_;
  rpc::CallControl control_;
  GetPart what_;
  absl::Duration timeout_;
};

class ProviderTransport final : public Transport {
 public:
  ProviderTransport(const base::ChainId& chain, base::SigningKey caller, const base::Clock& clock)
      : chain_(chain), caller_(std::move(caller)), clock_(clock) {}

  absl::StatusOr<rpc::v1::GetInfoResponse> GetInfo(const ProviderAddress& to,
                                                   absl::Duration timeout) override {
    ASSIGN_OR_RETURN(auto client, Find(to, timeout));
    auto answer = client->GetInfo();
    if (!answer.ok()) return Named(to, answer.status());
    return answer;
  }
  absl::StatusOr<chain::v1::Approval> Approve(const ProviderAddress& to,
                                              const rpc::v1::ApproveRequest& request,
                                              absl::Duration timeout) override {
    ASSIGN_OR_RETURN(auto client, Find(to, timeout));
    auto answer = client->Approve(request);
    if (!answer.ok()) return Named(to, answer.status());
    return answer->approval();
  }
  absl::StatusOr<rpc::v1::QueryUploadResponse> QueryUpload(const ProviderAddress& to,
                                                           const base::ObjectId& object,
                                                           uint32_t position,
                                                           const base::ContentId& part,
                                                           absl::Duration timeout) override {
    ASSIGN_OR_RETURN(auto client, Find(to, timeout));
    rpc::v1::QueryUploadRequest request;
    request.set_object(chain::ToField(object));
    request.set_position(position);
    request.set_part(chain::ToField(part.digest));
    auto answer = client->QueryUpload(request);
    if (!answer.ok()) return Named(to, answer.status());
    return answer;
  }
  absl::StatusOr<std::unique_ptr<PutStream>> Put(const ProviderAddress& to,
                                                 absl::Duration timeout) override {
    ASSIGN_OR_RETURN(auto client, Find(to, kCall));
    auto control = std::make_shared<rpc::CallControl>();
    auto stream = client->Put(timeout, control.get());
    if (!stream.ok()) return Named(to, stream.status());
    return std::make_unique<RpcPut>(to, std::move(client), std::move(control), *std::move(stream));
  }
  absl::StatusOr<std::unique_ptr<GetStream>> Get(const ProviderAddress& to, const GetPart& what,
                                                 absl::Duration timeout) override {
    ASSIGN_OR_RETURN(auto client, Find(to, kCall));
    return std::make_unique<RpcGet>(to, std::move(client), what, timeout);
  }
  absl::StatusOr<rpc::v1::SubmitReceiptsResponse> SubmitReceipts(
      const ProviderAddress& to, const rpc::v1::SubmitReceiptsRequest& request,
      absl::Duration timeout) override {
    ASSIGN_OR_RETURN(auto client, Find(to, timeout));
    auto answer = client->SubmitReceipts(request);
    if (!answer.ok()) return Named(to, answer.status());
    return answer;
  }
  absl::StatusOr<rpc::v1::ListReadsResponse> ListReads(const ProviderAddress& to,
                                                       const rpc::v1::ListReadsRequest& request,
                                                       absl::Duration timeout) override {
    ASSIGN_OR_RETURN(auto client, Find(to, timeout));
    auto answer = client->ListReads(request);
    if (!answer.ok()) return Named(to, answer.status());
    return answer;
  }

 private:
  static constexpr absl::Duration kCall = absl::Seconds(15);

  // Connections are kept by (endpoint, pin, call timeout): gRPC shares the TCP connection below
  // them.
  absl::StatusOr<std::shared_ptr<rpc::ProviderClient>> Find(const ProviderAddress& to,
                                                            absl::Duration timeout) {
    const auto key = std::make_tuple(to.endpoint, to.tls_pin, absl::ToInt64Milliseconds(timeout));
    std::lock_guard<std::mutex> lock(mutex_);
    auto& known = clients_[key];
    if (known) return known;
    ASSIGN_OR_RETURN(auto made, rpc::ProviderClient::Connect(
                                    {.endpoint = to.endpoint,
                                     .pin = to.tls_pin.empty() ? rpc::PeerPin::Plaintext()
                                                               : rpc::PeerPin::Of(to.tls_pin),
                                     .chain = chain_,
                                     .node_key = to.node_key,
                                     .caller = caller_.Clone(),
                                     .clock = &clock_,
                                     .call_timeout = timeout,
                                     .connect_timeout = std::min(timeout, absl::Seconds(3))}));
    known = std::move(made);
    return known;
  }

  const base::ChainId chain_;
  const base::SigningKey caller_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<std::tuple<std::string, base::Digest, int64_t>, std::shared_ptr<rpc::ProviderClient>>
      clients_;
};

}  // namespace

std::shared_ptr<Transport> NewProviderTransport(const base::ChainId& chain,
                                                const base::SigningKey& caller,
                                                const base::Clock& clock) {
  return std::make_shared<ProviderTransport>(chain, caller.Clone(), clock);
}

}  // namespace cairn::client
