#include "apps/storaged/storaged.h"

#include "absl/strings/str_cat.h"
#include "apps/common/log.h"
#include "apps/net/http_server.h"
#include "apps/rpc/server.h"
#include "apps/storaged/commands.h"
#include "apps/storaged/known_ledger.h"
#include "apps/storaged/node.h"
#include "apps/storaged/provider.h"
#include "cairn/base/disk.h"

namespace cairn::storaged {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(1);

// Waits for the ledger to answer; another than the configured one ends the wait.
absl::StatusOr<KnownLedger> WaitForLedger(const Settings& settings, app::DaemonContext& context) {
  rpc::ChainClientOptions options;
  options.submit_timeout = absl::Seconds(10);
  options.stopping = [&context] { return context.stopping(); };
  while (true) {
    auto ledger = MeetLedger(settings, options);
    if (ledger.ok() || base::ReasonOf(ledger.status()) == "WRONG_CHAIN") return ledger;
    app::LogError("ledger.unreachable", ledger.status());
    for (int i = 0; i < 10; ++i) {
      if (context.stopping()) return absl::CancelledError("stopped while waiting for the ledger");
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(kRetry / 10));
    }
  }
}

class Daemon {
 public:
  struct Opened {  // what lies on the disk
    Settings settings;
    NodeKeys keys;
    rpc::NodeCertificate certificate;
    std::unique_ptr<base::Kv> kv;
    std::unique_ptr<base::Kv> claims;
    std::unique_ptr<storage::DiskBlobStore> store;
  };

  Daemon(app::DaemonContext& context, Opened& opened, Identity identity, bool test_network,
         chain::Client& client, base::RealClock& clock, base::Entropy& entropy)
      : context_(context),
        settings_(opened.settings),
        opened_(opened),
        identity_(std::move(identity)),
        disk_(base::OpenPosixDisk(settings_.store_path)),
        verifier_(identity_.chain, identity_.node.public_key(), clock),
        provider_({.settings = settings_,
                   .identity = identity_,
                   .tls_pin = opened.certificate.pin,
                   .test_network = test_network,
                   .index = *opened.kv,
                   .claims = opened.claims.get(),
                   .store = *opened.store,
                   .disk = *disk_,
                   .client = client,
                   .clock = clock,
                   .entropy = entropy,
                   .peers =
                       [this, &clock](Ledger& ledger) {
                         return std::make_unique<PeerParts>(identity_, ledger, clock);
                       },
                   .joined = [this] { OnJoined(); },
                   .asked = [this] { TellReady(); },
                   .fatal = [this](const absl::Status& cause) { context_.RequestStop(cause); }}) {}

  absl::Status Run() {
    RETURN_IF_ERROR(provider_.Load());
    AddGauges();
    RETURN_IF_ERROR(Listen());
    provider_.Start();
    absl::Status cause = context_.WaitForStop();
    Stop();
    return cause;
  }

 private:
  absl::Status Listen() {
    rpc::ServerOptions provider{.listen = settings_.listen,
                                .certificate = &opened_.certificate,
                                .services = {rpc::MakeProviderService(provider_.service(), verifier_)},
                                .metrics = &context_.metrics(),
                                .max_threads = ThreadsFor(
                                    {.uploads = settings_.uploads, .reads = settings_.reads}),
                                .memory_bytes = settings_.memory_bytes};
    ASSIGN_OR_RETURN(server_, rpc::Server::Start(std::move(provider)));
    rpc::ServerOptions admin{.listen = settings_.admin_listen,
                             .services = {rpc::MakeProviderAdminService(provider_.service())},
                             .metrics = &context_.metrics(),
                             .max_threads = 16};
    ASSIGN_OR_RETURN(admin_, rpc::Server::Start(std::move(admin)));
    admin_->SetReady(true);
    if (settings_.http_listen.empty()) return absl::OkStatus();
    net::AdminPages pages{.program = "storaged",
                          .ready = [this] { return provider_.service().ready(); },
                          .metrics = &context_.metrics(),
                          .status = [this] { return StatusRows(); }};
    ASSIGN_OR_RETURN(
        http_, net::HttpServer::Start({.listen = settings_.http_listen}, net::AdminHandler(pages)));
    return absl::OkStatus();
  }

  void OnJoined() {
    server_->SetReady(true);
    app::LogInfo("provider.ready", "serving",
                 {{"account", base::ToText(identity_.id())}, {"endpoint", server_->endpoint()}});
  }

  void TellReady() {
    context_.Ready(absl::StrCat("grpc=", server_->endpoint(), " admin=", admin_->endpoint(),
                                " http=", http_ == nullptr ? "" : http_->endpoint(),
                                " account=", base::ToText(identity_.id())));
  }

  // From the outside in: no new calls, running ones drain, background work ends, then what the
  // ledger is owed.
  void Stop() {
    server_->SetReady(false);
    provider_.BeginStop();
    server_->Stop(context_.stop_timeout());
    provider_.Stop();
    admin_->Stop(absl::Seconds(1));
    if (http_ != nullptr) http_->Stop(absl::Seconds(1));
    absl::Status kept = provider_.Checkpoint();
    if (!kept.ok()) app::LogError("store.checkpoint", kept);
  }

  void AddGauges() {
    for (auto& [name, value] : provider_.Numbers()) context_.metrics().Gauge(name, name, value);
  }

  std::vector<std::pair<std::string, std::string>> StatusRows() {
    std::vector<std::pair<std::string, std::string>> rows = {
        {"account", base::ToText(identity_.id())},
        {"chain", identity_.chain.ToHexString()},
        {"store", opened_.store->store_id().ToHexString()},
        {"endpoint", settings_.advertise},
        {"ready", provider_.service().ready() ? "yes" : "no"},
    };
    for (auto& [name, value] : provider_.Numbers())
      rows.emplace_back(name, absl::StrCat(static_cast<uint64_t>(value())));
    for (const std::string& damaged : provider_.scrubber().Damaged()) rows.emplace_back("damaged", damaged);
    return rows;
  }

  app::DaemonContext& context_;
  const Settings& settings_;
  Opened& opened_;
  const Identity identity_;
  std::unique_ptr<base::Disk> disk_;
  rpc::CallVerifier verifier_;
  Provider provider_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Server> admin_;
  std::unique_ptr<net::HttpServer> http_;
};

absl::Status RunStoraged(app::DaemonContext& context) {
  base::SystemEntropy entropy;
  base::RealClock clock;
  app::LogObserver observer(&context.metrics());
  ASSIGN_OR_RETURN(Settings settings, ReadSettings(context.config()));
  ASSIGN_OR_RETURN(NodeKeys keys, LoadKeys(settings));
  ASSIGN_OR_RETURN(rpc::NodeCertificate certificate, LoadCertificate(settings));
  ASSIGN_OR_RETURN(std::unique_ptr<base::Kv> kv, OpenIndex(settings));
  ASSIGN_OR_RETURN(std::unique_ptr<base::Kv> claims, OpenClaims(settings));
  ASSIGN_OR_RETURN(auto store, OpenStore(settings, entropy, observer));

  ASSIGN_OR_RETURN(KnownLedger ledger, WaitForLedger(settings, context));
  ASSIGN_OR_RETURN(const bool test_network, IsTestNetwork(*ledger.client));
  if (test_network) RETURN_IF_ERROR(FollowTime(*ledger.client, clock));
  Identity identity{ledger.chain, keys.account.Clone(), keys.node.Clone()};
  Daemon::Opened opened{std::move(settings), std::move(keys), std::move(certificate), std::move(kv),
                        std::move(claims), std::move(store)};
  Daemon daemon(context, opened, std::move(identity), test_network, *ledger.client, clock, entropy);
  return daemon.Run();
}

}  // namespace

app::DaemonSpec Spec() {
  return {
      .name = "storaged",
      .doc =
          "Keeps parts of objects for others, proves that it has them, and repairs what was lost.",
      .keys = SettingKeys(),
      .commands = Commands(),
      .check = [](const app::Config& config) { return ReadSettings(config).status(); },
      .run = RunStoraged,
  };
}

}  // namespace cairn::storaged
