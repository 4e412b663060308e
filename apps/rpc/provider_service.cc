#include "apps/rpc/provider_service.h"

#include <grpcpp/impl/codegen/method_handler.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <list>

#include "absl/strings/str_cat.h"
#include "apps/rpc/call.h"
#include "apps/rpc/raw_chunk_grpc.h"
#include "apps/rpc/stall_guard.h"
#include "apps/rpc/status_map.h"
#include "apps/rpc/tls.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.grpc.pb.h"

namespace cairn::rpc {
namespace {

using grpc::internal::BidiStreamingHandler;
using grpc::internal::RpcMethod;
using grpc::internal::RpcMethodHandler;
using grpc::internal::RpcServiceMethod;
using grpc::internal::ServerStreamingHandler;

using RawPutStream = grpc::ServerReaderWriter<v1::PutResponse, RawMessage>;
using RawGetStream = grpc::ServerWriter<RawMessage>;
using PayStream = grpc::ServerReaderWriter<v1::PayResponse, v1::PayRequest>;

CallMetadata MetadataOf(const grpc::ServerContext& context) {
  CallMetadata metadata;
  for (const auto& [name, value] : context.client_metadata()) {
    absl::string_view key(name.data(), name.size());
    if (key == "cairn-caller" || key == "cairn-expires" || key == "cairn-signature") {
      metadata.emplace(std::string(key), std::string(value.data(), value.size()));
    }
  }
  return metadata;
}

class Reader final : public PutReader {
 public:
  Reader(RawPutStream& stream, grpc::ServerContext& context, StallGuard& guard)
      : stream_(stream), context_(context), call_(guard, context) {}

  absl::StatusOr<Step> Next() override {
    while (pending_.empty()) {
      RawMessage message;
      call_.Wait();
      const bool read = stream_.Read(&message);
      call_.Moved(message.data.size());
      if (!read) {
        if (context_.IsCancelled()) return absl::CancelledError("the client went away");
        return Step(End());
      }
      if (message.has_header) {
        RETURN_IF_ERROR(TakeHeader(message.header));
      }
      if (!message.data.empty()) {
        pending_ = std::move(message.data);
      } else if (!message.has_header) {
        return Malformed("an empty upload message");
      }
      if (message.has_header) return std::move(header_);
    }
    return Step(std::exchange(pending_, absl::Cord()));
  }

  absl::Status Respond(const v1::PutResponse& response) override {
    call_.Wait();
    const bool written = stream_.Write(response);
    call_.Moved(0);
    if (!written) return absl::CancelledError("the client went away");
    return absl::OkStatus();
  }

 private:
  static absl::Status Malformed(absl::string_view what) {
    return base::Error(absl::StatusCode::kInvalidArgument, "MALFORMED",
                       absl::StrCat("the client sent ", what));
  }

  absl::Status TakeHeader(const std::string& bytes) {
    v1::PutHeader header;
    if (!header.ParseFromString(bytes)) return Malformed("an unreadable upload header");
    switch (header.step_case()) {
      case v1::PutHeader::kOpen:
        header_ = Step(std::make_shared<const v1::PutOpen>(std::move(*header.mutable_open())));
        return absl::OkStatus();
      case v1::PutHeader::kCommit:
        header_ = Step(std::make_shared<const v1::PutCommit>(std::move(*header.mutable_commit())));
        return absl::OkStatus();
      default:
        return Malformed("an upload header that says nothing");
    }
  }

  RawPutStream& stream_;
  const grpc::ServerContext& context_;
  StallGuard::Call call_;
  absl::Cord pending_;  // data that came in the message of the header handed out last
  Step header_;
};

class Writer final : public ChunkWriter {
 public:
  Writer(RawGetStream& stream, grpc::ServerContext& context, StallGuard& guard)
      : stream_(stream), context_(context), call_(guard, context) {}

  void SetSize(uint64_t size) override { size_ = size; }

  absl::Status Write(base::ByteView bytes) override {
    while (!bytes.empty()) {
      if (buffer_.capacity() < kBulkMessageBytes) buffer_.reserve(kBulkMessageBytes);
      base::ByteView part = bytes.subspan(0, kBulkMessageBytes - buffer_.size());
      buffer_.insert(buffer_.end(), part.begin(), part.end());
      bytes.remove_prefix(part.size());
      if (buffer_.size() == kBulkMessageBytes) RETURN_IF_ERROR(Flush());
    }
    return absl::OkStatus();
  }

  absl::Status WriteOwned(base::Bytes bytes) override {
    RETURN_IF_ERROR(Flush());
    return Send(CordOf(std::move(bytes)));
  }

  bool cancelled() const override { return context_.IsCancelled(); }

  // The buffer itself travels: the next one is new memory.
  absl::Status Flush() override {
    if (buffer_.empty()) return absl::OkStatus();
    return Send(CordOf(std::exchange(buffer_, base::Bytes())));
  }
  // A part of no bytes still tells its size.
  absl::Status Finish() {
    RETURN_IF_ERROR(Flush());
    return header_sent_ || !size_.has_value() ? absl::OkStatus() : Send(absl::Cord());
  }

 private:
  absl::Status Send(absl::Cord data) {
    RawMessage message;
    message.data = std::move(data);
    if (!header_sent_ && size_.has_value()) {
      v1::ChunkHeader header;
      header.set_size(*size_);
      message.header = header.SerializeAsString();
      message.has_header = true;
    }
    header_sent_ = true;
    const uint64_t bytes = message.data.size();
    call_.Wait();
    const bool written = stream_.Write(message);
    call_.Moved(bytes);
    if (!written) return absl::CancelledError("the client went away");
    return absl::OkStatus();
  }

  RawGetStream& stream_;
  const grpc::ServerContext& context_;
  StallGuard::Call call_;
  std::optional<uint64_t> size_;
  bool header_sent_ = false;
  base::Bytes buffer_;
};

class Payments final : public PayPeer {
 public:
  Payments(PayStream& stream, grpc::ServerContext& context, StallGuard& guard)
      : stream_(stream), context_(context), call_(guard, context) {}

  absl::StatusOr<std::shared_ptr<const v1::PayRequest>> Next() override {
    auto request = std::make_shared<v1::PayRequest>();
    // Whoever has said which channel it pays may be quiet until it reads again.
    if (!greeted_) call_.Wait();
    const bool read = stream_.Read(request.get());
    if (!std::exchange(greeted_, true)) call_.Moved(0);
    if (read) return request;
    if (context_.IsCancelled()) return absl::CancelledError("the client went away");
    return std::shared_ptr<const v1::PayRequest>();
  }
  absl::Status Answer(const v1::PayResponse& response) override {
    if (!stream_.Write(response)) return absl::CancelledError("the client went away");
    return absl::OkStatus();
  }

 private:
  PayStream& stream_;
  const grpc::ServerContext& context_;
  StallGuard::Call call_;
  bool greeted_ = false;
};

// What the generated service does, with the two bulk methods on raw messages.
class ProviderService final : public grpc::Service {
 public:
  ProviderService(ProviderHandler& handler, const CallVerifier& verifier, const StallLimits& limits)
      : handler_(handler), verifier_(verifier), guard_(limits) {
    AddUnary<v1::GetInfoRequest, v1::GetInfoResponse>(
        "GetInfo", [](ProviderHandler& to, const Caller&, const v1::GetInfoRequest&,
                      v1::GetInfoResponse& response) { return to.GetInfo(response); });
    AddUnary<v1::ApproveRequest, v1::ApproveResponse>(
        "Approve",
        [](ProviderHandler& to, const Caller& caller, const v1::ApproveRequest& request,
           v1::ApproveResponse& response) { return to.Approve(caller, request, response); });
    AddUnary<v1::QueryUploadRequest, v1::QueryUploadResponse>(
        "QueryUpload",
        [](ProviderHandler& to, const Caller& caller, const v1::QueryUploadRequest& request,
           v1::QueryUploadResponse& response) {
          return to.QueryUpload(caller, request, response);
        });
    AddUnary<v1::SubmitReceiptsRequest, v1::SubmitReceiptsResponse>(
        "SubmitReceipts",
        [](ProviderHandler& to, const Caller& caller, const v1::SubmitReceiptsRequest& request,
           v1::SubmitReceiptsResponse& response) {
          return to.SubmitReceipts(caller, request, response);
        });
    AddUnary<v1::ListReadsRequest, v1::ListReadsResponse>(
        "ListReads", [](ProviderHandler& to, const Caller& caller, const v1::ListReadsRequest& request,
                        v1::ListReadsResponse& response) { return to.ListReads(caller, request, response); });
    AddChannelMethods();
    AddMethod(
        new RpcServiceMethod("/cairn.rpc.v1.Provider/Put", RpcMethod::BIDI_STREAMING,
                             new BidiStreamingHandler<ProviderService, RawMessage, v1::PutResponse>(
                                 [](ProviderService* self, grpc::ServerContext* context,
                                    RawPutStream* stream) { return self->Put(*context, *stream); },
                                 this)));
    AddMethod(new RpcServiceMethod(
        "/cairn.rpc.v1.Provider/Get", RpcMethod::SERVER_STREAMING,
        new ServerStreamingHandler<ProviderService, v1::GetRequest, RawMessage>(
            [](ProviderService* self, grpc::ServerContext* context, const v1::GetRequest* request,
               RawGetStream* stream) { return self->Get(*context, *request, *stream); },
            this)));
  }

 private:
  void AddChannelMethods() {
    AddUnary<v1::AgreeToCloseRequest, v1::AgreeToCloseResponse>(
        "AgreeToClose",
        [](ProviderHandler& to, const Caller& caller, const v1::AgreeToCloseRequest& request,
           v1::AgreeToCloseResponse& response) {
          return to.AgreeToClose(caller, request, response);
        });
    AddUnary<v1::ChannelStatementRequest, v1::ChannelStatementResponse>(
        "ChannelStatement",
        [](ProviderHandler& to, const Caller& caller, const v1::ChannelStatementRequest& request,
           v1::ChannelStatementResponse& response) {
          return to.ChannelStatement(caller, request, response);
        });
    AddUnary<v1::WatchRequest, v1::WatchResponse>(
        "Watch",
        [](ProviderHandler& to, const Caller& caller, const v1::WatchRequest& request,
           v1::WatchResponse& response) { return to.Watch(caller, request, response); });
    AddMethod(new RpcServiceMethod(
        "/cairn.rpc.v1.Provider/Pay", RpcMethod::BIDI_STREAMING,
        new BidiStreamingHandler<ProviderService, v1::PayRequest, v1::PayResponse>(
            [](ProviderService* self, grpc::ServerContext* context, PayStream* stream) {
              return self->Pay(*context, *stream);
            },
            this)));
  }

  template <class Request, class Response, class F>
  void AddUnary(const char* name, F call) {
    std::string method = absl::StrCat("/cairn.rpc.v1.Provider/", name);
    methods_.push_back(method);
    AddMethod(new RpcServiceMethod(
        methods_.back().c_str(), RpcMethod::NORMAL_RPC,
        new RpcMethodHandler<ProviderService, Request, Response, google::protobuf::MessageLite,
                             google::protobuf::MessageLite>(
            [method, call](ProviderService* self, grpc::ServerContext* context,
                           const Request* request, Response* response) {
              // A signature that is there must be right, also where none is asked for.
              absl::StatusOr<Caller> caller = self->verifier_.Verify(MetadataOf(*context), method,
                                                                     request->SerializeAsString());
              if (!caller.ok()) return ToGrpc(caller.status());
              return ToGrpc(call(self->handler_, *caller, *request, *response));
            },
            this)));
  }

  grpc::Status Put(grpc::ServerContext& context, RawPutStream& stream) {
    absl::StatusOr<Caller> caller =
        verifier_.Verify(MetadataOf(context), "/cairn.rpc.v1.Provider/Put", "");
    if (!caller.ok()) return ToGrpc(caller.status());
    Reader reader(stream, context, guard_);
    return ToGrpc(handler_.Put(*caller, reader));
  }

  grpc::Status Get(grpc::ServerContext& context, const v1::GetRequest& request,
                   RawGetStream& stream) {
    absl::StatusOr<Caller> caller = verifier_.Verify(
        MetadataOf(context), "/cairn.rpc.v1.Provider/Get", request.SerializeAsString());
    if (!caller.ok()) return ToGrpc(caller.status());
    Writer writer(stream, context, guard_);
    absl::Status status = handler_.Get(*caller, request, writer);
    if (status.ok()) status = writer.Finish();
    return ToGrpc(status);
  }

  grpc::Status Pay(grpc::ServerContext& context, PayStream& stream) {
    absl::StatusOr<Caller> caller =
        verifier_.Verify(MetadataOf(context), "/cairn.rpc.v1.Provider/Pay", "");
    if (!caller.ok()) return ToGrpc(caller.status());
    Payments peer(stream, context, guard_);
    return ToGrpc(handler_.Pay(*caller, peer));
  }

  ProviderHandler& handler_;
  const CallVerifier& verifier_;
  StallGuard guard_;
  std::list<std::string> methods_;  // the names must outlive the registration
};

class AdminService final : public v1::ProviderAdmin::Service {
 public:
  explicit AdminService(ProviderAdminHandler& handler) : handler_(handler) {}
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    return ToGrpc(handler_.GetStatus(*response));
  }
  grpc::Status Scrub(grpc::ServerContext*, const v1::ScrubRequest*,
                     v1::ScrubResponse* response) override {
    return ToGrpc(handler_.Scrub(*response));
  }
  grpc::Status Compact(grpc::ServerContext*, const v1::CompactRequest*,
                       v1::CompactResponse* response) override {
    return ToGrpc(handler_.Compact(*response));
  }
  grpc::Status ChannelStatement(grpc::ServerContext*, const v1::ChannelStatementRequest* request,
                                v1::ChannelStatementResponse* response) override {
    return ToGrpc(handler_.ChannelStatement(*request, *response));
  }
  grpc::Status Advance(grpc::ServerContext*, const v1::DevAdvanceRequest* request,
                       v1::DevAdvanceResponse* response) override {
    return ToGrpc(handler_.Advance(*request, *response));
  }
  grpc::Status PickBlob(grpc::ServerContext*, const v1::PickBlobRequest*,
                        v1::PickBlobResponse* response) override {
    return ToGrpc(handler_.PickBlob(*response));
  }
  grpc::Status SetFault(grpc::ServerContext*, const v1::SetFaultRequest* request,
                        v1::SetFaultResponse*) override {
    return ToGrpc(handler_.SetFault(*request));
  }

 private:
  ProviderAdminHandler& handler_;
};

absl::Status NoChannels() {
  return base::Error(absl::StatusCode::kUnimplemented, "NO_CHANNELS",
                     "this provider sells no reads and watches no channels",
                     "use another provider");
}

}  // namespace

absl::Status ProviderHandler::Pay(const Caller&, PayPeer&) { return NoChannels(); }
absl::Status ProviderHandler::AgreeToClose(const Caller&, const v1::AgreeToCloseRequest&,
                                           v1::AgreeToCloseResponse&) {
  return NoChannels();
}
absl::Status ProviderHandler::ChannelStatement(const Caller&, const v1::ChannelStatementRequest&,
                                               v1::ChannelStatementResponse&) {
  return NoChannels();
}
absl::Status ProviderHandler::Watch(const Caller&, const v1::WatchRequest&, v1::WatchResponse&) {
  return NoChannels();
}

std::shared_ptr<grpc::Service> MakeProviderService(ProviderHandler& handler,
                                                   const CallVerifier& verifier,
                                                   const StallLimits& limits) {
  return std::make_shared<ProviderService>(handler, verifier, limits);
}

std::shared_ptr<grpc::Service> MakeProviderAdminService(ProviderAdminHandler& handler) {
  return std::make_shared<AdminService>(handler);
}

struct ProviderAdminClient::State {
  std::unique_ptr<v1::ProviderAdmin::Stub> stub;
};

ProviderAdminClient::ProviderAdminClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProviderAdminClient::~ProviderAdminClient() = default;

absl::StatusOr<std::unique_ptr<ProviderAdminClient>> ProviderAdminClient::Connect(
    absl::string_view endpoint) {
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                   rpc::Connect(endpoint, PeerPin::Plaintext()));
  auto state = std::make_unique<State>();
  state->stub = v1::ProviderAdmin::NewStub(channel);
  return std::unique_ptr<ProviderAdminClient>(new ProviderAdminClient(std::move(state)));
}

absl::StatusOr<v1::GetStatusResponse> ProviderAdminClient::GetStatus(absl::Duration timeout) {
  return Call(*state_->stub, &v1::ProviderAdmin::Stub::GetStatus, v1::GetStatusRequest(), timeout);
}

absl::StatusOr<v1::ScrubResponse> ProviderAdminClient::Scrub(absl::Duration timeout) {
  return Call(*state_->stub, &v1::ProviderAdmin::Stub::Scrub, v1::ScrubRequest(), timeout);
}

absl::StatusOr<v1::CompactResponse> ProviderAdminClient::Compact(absl::Duration timeout) {
  return Call(*state_->stub, &v1::ProviderAdmin::Stub::Compact, v1::CompactRequest(), timeout);
}

absl::StatusOr<v1::ChannelStatementResponse> ProviderAdminClient::ChannelStatement(
    const v1::ChannelStatementRequest& request, absl::Duration timeout) {
  return Call(*state_->stub, &v1::ProviderAdmin::Stub::ChannelStatement, request, timeout);
}

absl::StatusOr<v1::DevAdvanceResponse> ProviderAdminClient::Advance(
    const v1::DevAdvanceRequest& request, absl::Duration timeout) {
  return Call(*state_->stub, &v1::ProviderAdmin::Stub::Advance, request, timeout);
}

absl::StatusOr<v1::PickBlobResponse> ProviderAdminClient::PickBlob(absl::Duration timeout) {
  return Call(*state_->stub, &v1::ProviderAdmin::Stub::PickBlob, v1::PickBlobRequest(), timeout);
}

absl::Status ProviderAdminClient::SetFault(const v1::SetFaultRequest& request,
                                           absl::Duration timeout) {
  return Call(*state_->stub, &v1::ProviderAdmin::Stub::SetFault, request, timeout).status();
}

}  // namespace cairn::rpc
