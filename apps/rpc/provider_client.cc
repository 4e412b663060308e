#include "apps/rpc/provider_client.h"

#include <grpcpp/impl/codegen/rpc_method.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/rpc/call.h"
#include "apps/rpc/raw_chunk_grpc.h"
#include "cairn/base/entropy.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.grpc.pb.h"

namespace cairn::rpc {
namespace {

constexpr char kGet[] = "/cairn.rpc.v1.Provider/Get";
constexpr char kPut[] = "/cairn.rpc.v1.Provider/Put";
constexpr char kApprove[] = "/cairn.rpc.v1.Provider/Approve";
constexpr char kQueryUpload[] = "/cairn.rpc.v1.Provider/QueryUpload";
constexpr char kPay[] = "/cairn.rpc.v1.Provider/Pay";
constexpr char kAgreeToClose[] = "/cairn.rpc.v1.Provider/AgreeToClose";
constexpr char kChannelStatement[] = "/cairn.rpc.v1.Provider/ChannelStatement";
constexpr char kWatch[] = "/cairn.rpc.v1.Provider/Watch";
constexpr char kSubmitReceipts[] = "/cairn.rpc.v1.Provider/SubmitReceipts";
constexpr char kListReads[] = "/cairn.rpc.v1.Provider/ListReads";

using RawPutCall = grpc::ClientReaderWriter<RawMessage, v1::PutResponse>;
using RawGetCall = grpc::ClientReader<RawMessage>;

// Keeps a CallControl pointed at a context for as long as the call lasts.
class Attached {
 public:
  Attached(CallControl* control, grpc::ClientContext& context) : control_(control) {
    if (control_ != nullptr) control_->Attach([&context] { context.TryCancel(); });
  }
  ~Attached() {
    if (control_ != nullptr) control_->Detach();
  }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  CallControl* control_;
};

class GrpcPutStream final : public PutStream {
 public:
  GrpcPutStream(std::shared_ptr<grpc::Channel> channel, const std::string& peer,
                absl::Duration timeout, const CallMetadata& metadata, CallControl* control)
      : channel_(std::move(channel)), peer_(peer), attached_(control, context_) {
    SetDeadline(context_, timeout);
    AddMetadata(context_, metadata);
    grpc::internal::RpcMethod method(kPut, grpc::internal::RpcMethod::BIDI_STREAMING, channel_);
    call_.reset(grpc::internal::ClientReaderWriterFactory<RawMessage, v1::PutResponse>::Create(
        channel_.get(), method, &context_));
  }

  ~GrpcPutStream() override {
    if (finished_) return;
    context_.TryCancel();
    (void)call_->Finish();
  }

  absl::Status Open(const v1::PutOpen& open) override {
    v1::PutHeader header;
    *header.mutable_open() = open;
    held_ = open.from_offset();
    return SendHeader(header);
  }

  absl::Status Write(absl::Cord data) override {
    while (!data.empty()) {
      size_t size = std::min(data.size(), kBulkMessageBytes);
      RawMessage message;
      message.data = data.Subcord(0, size);
      data.RemovePrefix(size);
      RETURN_IF_ERROR(Send(message));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<chain::v1::Receipt> Commit(const std::vector<base::ObjectId>& objects) override {
    v1::PutHeader header;
    for (const base::ObjectId& object : objects)
      header.mutable_commit()->add_objects(base::ToString(object.view()));
    if (objects.empty()) header.mutable_commit();
    RETURN_IF_ERROR(SendHeader(header));
    v1::PutResponse response;
    do {
      if (finished_ || !call_->Read(&response)) return Ended();
    } while (!response.has_receipt());
    return std::move(*response.mutable_receipt());
  }

  absl::StatusOr<uint64_t> WaitHeld(uint64_t at_least) override {
    v1::PutResponse response;
    while (held_ < at_least) {
      if (finished_ || !call_->Read(&response)) return Ended();
      held_ = std::max(held_, response.held());
    }
    return held_;
  }

 private:
  absl::Status SendHeader(const v1::PutHeader& header) {
    RawMessage message;
    message.header = header.SerializeAsString();
    message.has_header = true;
    return Send(message);
  }

  absl::Status Send(const RawMessage& message) {
    if (finished_ || !call_->Write(message)) return Ended();
    return absl::OkStatus();
  }

  // Why the provider ended the call. Kept, so that every later step says the same.
  absl::Status Ended() {
    if (!finished_) {
      finished_ = true;
      v1::PutResponse rest;
      while (call_->Read(&rest)) {
      }
      ended_ = FromGrpc(call_->Finish());
      if (ended_.ok()) {
        ended_ = base::Error(absl::StatusCode::kUnavailable, "ENDED_EARLY",
                             "the provider ended the upload early",
                             "try again, or use another provider");
      }
      ended_ = base::Annotate(ended_, peer_);
    }
    return ended_;
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::string peer_;
  grpc::ClientContext context_;
  Attached attached_;
  std::unique_ptr<RawPutCall> call_;
  bool finished_ = false;
  uint64_t held_ = 0;  // as last reported
  absl::Status ended_;
};

class GrpcPayStream final : public PayStream {
 public:
  GrpcPayStream(v1::Provider::Stub& stub, const std::string& peer, absl::Duration timeout,
                const CallMetadata& metadata, CallControl* control)
      : peer_(peer), attached_(control, context_) {
    SetDeadline(context_, timeout);
    AddMetadata(context_, metadata);
    call_ = stub.Pay(&context_);
  }
  ~GrpcPayStream() override {
    if (ended_) return;
    context_.TryCancel();
    (void)call_->Finish();
  }

  absl::StatusOr<v1::PayResponse> Exchange(const v1::PayRequest& request) override {
    v1::PayResponse response;
    if (!ended_ && call_->Write(request) && call_->Read(&response)) return response;
    if (!ended_) {
      ended_ = FromGrpc(call_->Finish());
      if (ended_->ok()) {
        ended_ = base::Error(absl::StatusCode::kUnavailable, "ENDED_EARLY",
                             "the provider takes no more payments",
                             "try again, or use another provider");
      }
      ended_ = base::Annotate(*ended_, peer_);
    }
    return *ended_;
  }

 private:
  std::string peer_;
  grpc::ClientContext context_;
  Attached attached_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PayRequest, v1::PayResponse>> call_;
  std::optional<absl::Status> ended_;
};

}  // namespace

void CallControl::Cancel() {
  std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  // Under the lock: Detach waits for it, so that the call is still there.
  if (cancel_) cancel_();
  cancel_ = nullptr;
}

bool CallControl::cancelled() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return cancelled_;
}

void CallControl::Attach(std::function<void()> cancel) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (cancelled_) {
    cancel();
  } else {
    cancel_ = std::move(cancel);
  }
}

void CallControl::Detach() {
  std::lock_guard<std::mutex> lock(mutex_);
  cancel_ = nullptr;
}

struct ProviderClient::State {
  std::string endpoint;
  absl::Duration call_timeout;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Provider::Stub> stub;
  std::optional<CallSigner> signer;

  std::string peer() const { return absl::StrCat("provider at ", endpoint); }
  CallMetadata Sign(absl::string_view method, absl::string_view request) const {
    return signer.has_value() ? signer->Sign(method, request) : CallMetadata();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Unary(const char* method,
                                 grpc::Status (v1::Provider::Stub::*call)(grpc::ClientContext*,
                                                                          const Request&,
                                                                          Response*),
                                 const Request& request) const {
    absl::StatusOr<Response> response =
        Call(*stub, call, request, call_timeout, Sign(method, request.SerializeAsString()));
    if (!response.ok()) return base::Annotate(response.status(), peer());
    return response;
  }
};

ProviderClient::ProviderClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProviderClient::~ProviderClient() = default;

absl::StatusOr<std::unique_ptr<ProviderClient>> ProviderClient::Connect(
    ProviderClientOptions options) {
  auto state = std::make_unique<State>();
  ASSIGN_OR_RETURN(state->channel,
                   rpc::Connect(options.endpoint, options.pin, options.own_connection));
  state->endpoint = options.endpoint;
  state->call_timeout = options.call_timeout;
  state->stub = v1::Provider::NewStub(state->channel);
  if (options.caller.has_value()) {
    if (options.clock == nullptr) return absl::InvalidArgumentError("signed calls need a clock");
    state->signer.emplace(options.chain, options.node_key, *std::move(options.caller),
                          *options.clock);
  }
  return std::unique_ptr<ProviderClient>(new ProviderClient(std::move(state)));
}

absl::StatusOr<v1::GetInfoResponse> ProviderClient::GetInfo() {
  absl::StatusOr<v1::GetInfoResponse> info =
      Call(*state_->stub, &v1::Provider::Stub::GetInfo, v1::GetInfoRequest(), state_->call_timeout);
  if (!info.ok()) return base::Annotate(info.status(), state_->peer());
  return info;
}

absl::StatusOr<v1::ApproveResponse> ProviderClient::Approve(const v1::ApproveRequest& request) {
  return state_->Unary(kApprove, &v1::Provider::Stub::Approve, request);
}

absl::StatusOr<v1::QueryUploadResponse> ProviderClient::QueryUpload(
    const v1::QueryUploadRequest& request) {
  return state_->Unary(kQueryUpload, &v1::Provider::Stub::QueryUpload, request);
}

absl::StatusOr<v1::SubmitReceiptsResponse> ProviderClient::SubmitReceipts(
    const v1::SubmitReceiptsRequest& request) {
  return state_->Unary(kSubmitReceipts, &v1::Provider::Stub::SubmitReceipts, request);
}

absl::StatusOr<v1::ListReadsResponse> ProviderClient::ListReads(const v1::ListReadsRequest& request) {
  return state_->Unary(kListReads, &v1::Provider::Stub::ListReads, request);
}

absl::StatusOr<v1::AgreeToCloseResponse> ProviderClient::AgreeToClose(
    const v1::AgreeToCloseRequest& request) {
  return state_->Unary(kAgreeToClose, &v1::Provider::Stub::AgreeToClose, request);
}

absl::StatusOr<v1::ChannelStatementResponse> ProviderClient::ChannelStatement(
    const v1::ChannelStatementRequest& request) {
  return state_->Unary(kChannelStatement, &v1::Provider::Stub::ChannelStatement, request);
}

absl::StatusOr<v1::WatchResponse> ProviderClient::Watch(const v1::WatchRequest& request) {
  return state_->Unary(kWatch, &v1::Provider::Stub::Watch, request);
}

absl::StatusOr<std::unique_ptr<PayStream>> ProviderClient::Pay(absl::Duration timeout,
                                                               CallControl* control) {
  return std::unique_ptr<PayStream>(new GrpcPayStream(*state_->stub, state_->peer(), timeout,
                                                      state_->Sign(kPay, ""), control));
}

absl::StatusOr<std::unique_ptr<PutStream>> ProviderClient::Put(absl::Duration timeout,
                                                               CallControl* control) {
  return std::unique_ptr<PutStream>(
      new GrpcPutStream(state_->channel, state_->peer(), timeout, state_->Sign(kPut, ""), control));
}

absl::StatusOr<uint64_t> ProviderClient::Get(
    const v1::GetRequest& wanted, absl::Duration timeout,
    const std::function<absl::Status(base::ByteView)>& sink, CallControl* control) {
  v1::GetRequest request = wanted;
  if (state_->signer.has_value() && request.nonce().empty())
    request.set_nonce(base::ToString(base::SystemEntropy().Draw<base::Nonce16>().view()));
  grpc::ClientContext context;
  SetDeadline(context, timeout);
  AddMetadata(context, state_->Sign(kGet, request.SerializeAsString()));
  Attached attached(control, context);
  grpc::internal::RpcMethod method(kGet, grpc::internal::RpcMethod::SERVER_STREAMING,
                                   state_->channel);
  std::unique_ptr<RawGetCall> call(grpc::internal::ClientReaderFactory<RawMessage>::Create(
      state_->channel.get(), method, &context, request));
  uint64_t size = 0;
  bool first = true;
  absl::Status local;
  RawMessage message;
  while (local.ok() && call->Read(&message)) {
    v1::ChunkHeader header;
    if (message.has_header && first && header.ParseFromString(message.header)) size = header.size();
    first = false;
    for (absl::string_view chunk : message.data.Chunks()) {
      local = sink(base::AsBytes(chunk));
      if (!local.ok()) break;
    }
  }
  if (!local.ok()) context.TryCancel();
  absl::Status remote = FromGrpc(call->Finish());
  RETURN_IF_ERROR(local);
  RETURN_IF_ERROR(base::Annotate(remote, state_->peer()));
  return size;
}

}  // namespace cairn::rpc
