#include "apps/rpc/server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_interceptor.h>

#include <cerrno>
#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "apps/common/listen.h"
#include "apps/common/metrics.h"
#include "apps/rpc/reflection.h"
#include "cairn/base/status.h"

namespace cairn::rpc {
namespace {

using base::Error;
using grpc::experimental::InterceptionHookPoints;

constexpr size_t kMaxMetadataBytes = 16 * 1024;
constexpr int kMaxStreamsPerConnection = 256;

const char* CodeName(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  int number = static_cast<int>(code);
  return number >= 0 && number <= 16 ? kNames[number] : "UNKNOWN";
}

// Times each call from its arrival to its status.
class CallTimer final : public grpc::experimental::Interceptor {
 public:
  CallTimer(app::Metrics& metrics, absl::string_view method) : metrics_(metrics) {
    std::vector<std::string> parts = absl::StrSplit(method, '/');  // "", service, method
    if (parts.size() == 3) {
      service_ = parts[1];
      method_ = parts[2];
    }
  }
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS) &&
        !service_.empty()) {
      auto elapsed = std::chrono::steady_clock::now() - started_;
      metrics_.ObserveCall(service_, method_, CodeName(methods->GetSendStatus().error_code()),
                           absl::FromChrono(elapsed));
    }
    methods->Proceed();
  }

 private:
  app::Metrics& metrics_;
  std::string service_;
  std::string method_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

class CallTimerFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallTimerFactory(app::Metrics& metrics) : metrics_(metrics) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    return new CallTimer(metrics_, info->method());
  }

 private:
  app::Metrics& metrics_;
};

void Configure(grpc::ServerBuilder& builder, const ServerOptions& options) {
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a taken port must be an error
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(kMaxMetadataBytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  grpc::ResourceQuota quota("listener");
  quota.SetMaxThreads(options.max_threads);
  quota.Resize(options.memory_bytes);
  builder.SetResourceQuota(quota);
  if (options.metrics != nullptr) {
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
        interceptors;
    interceptors.push_back(std::make_unique<CallTimerFactory>(*options.metrics));
    builder.experimental().SetInterceptorCreators(std::move(interceptors));
  }
  for (const std::shared_ptr<grpc::Service>& service : options.services)
    builder.RegisterService(service.get());
}

}  // namespace

absl::Status CheckMemoryLimit(absl::string_view key, uint64_t bytes) {
  if (bytes >= kMinMemoryBytes) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG_VALUE",
               absl::StrCat(key, " must be at least ", kMinMemoryBytes >> 20, " MiB"), "",
               {{"value", absl::StrCat(bytes)}});
}

struct Server::State {
  ServerOptions options;  // keeps the services alive
  ServiceNames names = std::make_shared<std::vector<std::string>>();
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  bool stopped = false;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
  if (!state_->stopped) Stop(absl::ZeroDuration());
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  if (options.certificate == nullptr && !IsLoopback(options.listen)) {
    return Error(absl::StatusCode::kFailedPrecondition, "PLAINTEXT_NOT_LOOPBACK",
                 absl::StrCat("refusing to serve plaintext on ", options.listen),
                 "switch TLS on, or listen on a loopback address", {{"listen", options.listen}});
  }
  RETURN_IF_ERROR(app::CanListen(options.listen));
  // Malformed messages of strangers are answered, not printed.
  google::protobuf::SetLogHandler(nullptr);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::EnableDefaultHealthCheckService(true);
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  grpc::ServerBuilder builder;
  builder.SetOption(ReflectionOption(state->names));
  std::shared_ptr<grpc::ServerCredentials> credentials =
      state->options.certificate == nullptr ? grpc::InsecureServerCredentials()
                                            : ServerCredentialsFor(*state->options.certificate);
  builder.AddListeningPort(state->options.listen, credentials, &state->port);
  Configure(builder, state->options);
  state->server = builder.BuildAndStart();
  if (!state->server || state->port <= 0)
    return app::ListenError(state->options.listen, EADDRINUSE);
  auto server = std::unique_ptr<Server>(new Server(std::move(state)));
  server->SetReady(false);
  return server;
}

int Server::port() const { return state_->port; }

std::string Server::endpoint() const {
  absl::string_view listen = state_->options.listen;
  return absl::StrCat(listen.substr(0, listen.rfind(':')), ":", state_->port);
}

void Server::SetReady(bool ready) {
  grpc::HealthCheckServiceInterface* health = state_->server->GetHealthCheckService();
  for (const std::string& name : *state_->names) {
    if (!absl::StartsWith(name, "grpc.")) health->SetServingStatus(name, ready);
  }
}

void Server::Stop(absl::Duration grace) {
  if (state_->stopped) return;
  state_->stopped = true;
  state_->server->GetHealthCheckService()->Shutdown();
  state_->server->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
  state_->server->Wait();
}

}  // namespace cairn::rpc
