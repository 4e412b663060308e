#include "apps/chaind/chaind.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "apps/common/key_file.h"
#include "apps/common/log.h"
#include "apps/net/http_server.h"
#include "apps/rpc/chain_service.h"
#include "apps/rpc/server.h"
#include "apps/rpc/tls.h"
#include "cairn/base/kv.h"
#include "cairn/base/status.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/genesis.h"

namespace cairn::chaind {
namespace {

using base::Error;
namespace pb = chain::pb;

constexpr char kOff[] = "off";

std::vector<app::ConfigKey> Keys() {
  using app::ValueType;
  return {
      {"node.data_dir", ValueType::kText, "/var/lib/chaind", "Folder of genesis, keys and ledger."},
      {"net.listen", ValueType::kText, "127.0.0.1:4853", "Where gRPC is served."},
      {"net.tls", ValueType::kBool, "true",
       "TLS 1.3 with the node certificate; false only on loopback."},
      {"http.listen", ValueType::kText, "127.0.0.1:4854",
       "Admin pages and /metrics, loopback only; off: none."},
      {"chain.keep_history", ValueType::kDuration, "2160h",
       "How long blocks and receipts are kept."},
      {"chain.max_queue", ValueType::kNumber, "20000",
       "Transactions that may wait; more are refused."},
      {"limits.max_calls", ValueType::kNumber, "128", "Calls served at once; half of them may follow blocks."},
      {"limits.memory", ValueType::kBytes, "128MiB", "For bytes on their way in and out; beyond it calls are ended."},
      {"genesis.network", ValueType::kText, "dev", "Name of a new network (init)."},
      {"genesis.class", ValueType::kText, "test", "Class of a new network: test or main (init)."},
      {"genesis.accounts", ValueType::kList, "", "ACCOUNT=CRN[:USDC] that genesis credits (init)."},
      {"genesis.oracles", ValueType::kList, "",
       "Public keys that may sign prices, in hex; none: the median of what providers ask (init)."},
      {"genesis.params", ValueType::kList, "",
       "NAME=VALUE of parameters, in smallest units (init)."},
  };
}

absl::Status Check(const app::Config& config) {
  const std::string& admin = config.Text("http.listen");
  if (admin != kOff && !rpc::IsLoopback(admin)) {
    return Error(absl::StatusCode::kInvalidArgument, "ADMIN_NOT_LOOPBACK",
                 "http.listen must be a loopback address: the admin pages ask for no password",
                 "use 127.0.0.1 and a tunnel", {{"http.listen", admin}});
  }
  for (const char* key : {"chain.max_queue", "limits.max_calls"}) {
    if (config.Number(key) >= 1 && config.Number(key) <= 1'000'000) continue;
    return Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG_VALUE",
                 absl::StrCat(key, " must be from 1 to 1000000"), "",
                 {{"value", absl::StrCat(config.Number(key))}});
  }
  return rpc::CheckMemoryLimit("limits.memory", config.Bytes("limits.memory"));
}

absl::StatusOr<pb::Genesis> ReadGenesis(const app::Config& config) {
  std::string path = GenesisPath(config);
  absl::StatusOr<std::string> bytes = app::ReadSmallFile(path, 64 << 20);
  if (absl::IsNotFound(bytes.status())) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "NO_GENESIS", absl::StrCat("there is no ", path),
        "make a network with `chaind init`, or give its --node.data_dir", {{"file", path}});
  }
  RETURN_IF_ERROR(bytes.status());
  pb::Genesis genesis;
  if (!genesis.ParseFromString(*bytes)) {
    return Error(absl::StatusCode::kDataLoss, "BAD_GENESIS",
                 absl::StrCat(path, " is no genesis record"), "restore it from a copy",
                 {{"file", path}});
  }
  return genesis;
}

// The ledger and the thread that drives it.
class Node {
 public:
  explicit Node(app::DaemonContext& context) : context_(context), observer_(&context.metrics()) {}

  ~Node() {
    if (!engine_) return;
    engine_->Stop();
    // After Stop, which ends its wait; before the store that it works on goes.
    if (driver_.joinable()) driver_.join();
  }

  absl::Status Open() {
    const app::Config& config = context_.config();
    ASSIGN_OR_RETURN(pb::Genesis genesis, ReadGenesis(config));
    ASSIGN_OR_RETURN(base::Secret<32> seed, app::ReadPlainSeedFile(EngineKeyPath(config)));
    ASSIGN_OR_RETURN(kv_, base::OpenLmdb(config.Text("node.data_dir") + "/ledger"));
    chain::EngineOptions options;
    options.keep_history = config.Duration("chain.keep_history");
    options.max_queue = static_cast<size_t>(config.Number("chain.max_queue"));
    ASSIGN_OR_RETURN(engine_,
                     chain::EmbeddedEngine::Open(*kv_, clock_, base::SigningKey::FromSeed(seed),
                                                 genesis, observer_, options));
    driver_ = std::thread([this] { Drive(); });
    return absl::OkStatus();
  }

  chain::EmbeddedEngine& engine() { return *engine_; }

  uint64_t pending() const {
    pb::QueryRequest request;
    request.set_status(true);
    absl::StatusOr<pb::QueryResponse> answer = engine_->Query(request);
    return answer.ok() ? answer->status().pending_transactions() : 0;
  }

 private:
  void Drive() {
    while (true) {
      absl::Duration idle = engine_->RunOnce();
      absl::Status health = engine_->Health();
      if (!health.ok()) {
        if (!context_.stopping()) context_.RequestStop(health);
        return;
      }
      if (idle > absl::ZeroDuration()) engine_->WaitForWork(std::min(idle, absl::Seconds(1)));
    }
  }

  app::DaemonContext& context_;
  base::RealClock clock_;
  app::LogObserver observer_;
  std::unique_ptr<base::Kv> kv_;
  std::unique_ptr<chain::EmbeddedEngine> engine_;
  std::thread driver_;
};

absl::StatusOr<std::unique_ptr<rpc::Server>> StartGrpc(app::DaemonContext& context, Node& node,
                                                       const rpc::NodeCertificate* certificate) {
  rpc::ServerOptions options;
  options.listen = context.config().Text("net.listen");
  options.certificate = certificate;
  options.metrics = &context.metrics();
  options.max_threads = static_cast<int>(context.config().Number("limits.max_calls"));
  options.memory_bytes = context.config().Bytes("limits.memory");
  options.services.push_back(rpc::MakeChainService(node.engine(), &context.metrics(),
                                                   [&context] { return context.stopping(); },
                                                   std::max(options.max_threads / 2, 1)));
  if (node.engine().genesis().network_class() == pb::NETWORK_CLASS_TEST) {
    options.services.push_back(
        rpc::MakeChainDevService([&node](absl::Duration by) { return node.engine().Advance(by); }));
  }
  return rpc::Server::Start(std::move(options));
}

absl::StatusOr<std::unique_ptr<net::HttpServer>> StartHttp(app::DaemonContext& context, Node& node,
                                                           const std::string& grpc_endpoint,
                                                           const std::string& pin,
                                                           const std::atomic<bool>& ready) {
  net::AdminPages pages;
  pages.program = "chaind";
  pages.ready = [&ready] { return ready.load(); };
  pages.metrics = &context.metrics();
  pages.status = [&node, grpc_endpoint, pin] {
    chain::EmbeddedEngine& engine = node.engine();
    return std::vector<std::pair<std::string, std::string>>{
        {"network", engine.genesis().network()},
        {"chain id", engine.chain_id().ToHexString()},
        {"height", absl::StrCat(engine.height())},
        {"ledger time",
         absl::FormatTime("%Y-%m-%d %H:%M:%E3S UTC", engine.Now(), absl::UTCTimeZone())},
        {"waiting transactions", absl::StrCat(node.pending())},
        {"gRPC", grpc_endpoint},
        {"TLS pin", pin.empty() ? "none (plaintext)" : pin}};
  };
  return net::HttpServer::Start({.listen = context.config().Text("http.listen")},
                                AdminHandler(std::move(pages)));
}

}  // namespace

std::string GenesisPath(const app::Config& config) {
  return config.Text("node.data_dir") + "/genesis.pb";
}
std::string EngineKeyPath(const app::Config& config) {
  return config.Text("node.data_dir") + "/engine.key";
}

absl::Status Run(app::DaemonContext& context) {
  const app::Config& config = context.config();
  Node node(context);
  RETURN_IF_ERROR(node.Open());
  std::optional<rpc::NodeCertificate> certificate;
  if (config.Bool("net.tls")) {
    ASSIGN_OR_RETURN(certificate,
                     rpc::LoadOrMakeNodeCertificate(config.Text("node.data_dir"), "chaind"));
  }
  ASSIGN_OR_RETURN(auto server, StartGrpc(context, node, certificate ? &*certificate : nullptr));
  context.metrics().Gauge("chain_height", "Height of the newest block.",
                          [&node] { return static_cast<double>(node.engine().height()); });
  context.metrics().Gauge("chain_pending_transactions", "Transactions that wait for a block.",
                          [&node] { return static_cast<double>(node.pending()); });
  std::atomic<bool> ready{true};
  std::string pin = certificate ? certificate->pin.ToHexString() : "";
  std::unique_ptr<net::HttpServer> http;
  if (config.Text("http.listen") != kOff) {
    ASSIGN_OR_RETURN(http, StartHttp(context, node, server->endpoint(), pin, ready));
  }
  server->SetReady(true);
  std::string http_endpoint = http ? http->endpoint() : "";
  app::LogInfo("chaind.ready", "the ledger serves",
               {{"grpc", server->endpoint()},
                {"http", http_endpoint},
                {"tls_pin", pin},
                {"chain_id", node.engine().chain_id().ToHexString()},
                {"height", absl::StrCat(node.engine().height())}});
  context.Ready(absl::StrCat("grpc=", server->endpoint(), " http=", http_endpoint));
  absl::Status cause = context.WaitForStop();
  ready = false;
  server->SetReady(false);
  server->Stop(context.stop_timeout());
  if (http) http->Stop(absl::Seconds(1));
  app::LogInfo("chaind.stopped", "the ledger rests",
               {{"height", absl::StrCat(node.engine().height())}});
  return cause;
}

app::DaemonSpec Spec() {
  return {.name = "chaind",
          .doc = "Hosts a Cairn ledger.",
          .keys = Keys(),
          .commands = {InitCommand()},
          .check = Check,
          .run = Run};
}

}  // namespace cairn::chaind
