#include "apps/storaged/storaged.h"

#include "absl/strings/str_cat.h"
#include "apps/common/log.h"
#include "apps/net/http_server.h"
#include "apps/rpc/server.h"
#include "apps/storaged/commands.h"
#include "apps/storaged/known_ledger.h"
#include "apps/storaged/node.h"
#include "apps/storaged/periodic.h"
#include "apps/storaged/registration.h"
#include "apps/storaged/service.h"
#include "cairn/base/disk.h"
#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

constexpr uint32_t kSealLane = 1;
constexpr uint32_t kPullLane = 2;
constexpr uint64_t kCompactBudget = 256 << 20;
constexpr size_t kSweepStep = 4096;
constexpr absl::Duration kRetry = absl::Seconds(1);
constexpr absl::Duration kIdle = absl::Hours(24);
constexpr absl::Duration kTestScrub = absl::Seconds(30);  // proofs age in seconds in test networks

// The ledger's identity is asked once and kept: a daemon never follows another chain by mistake.
class ChainGuard {
 public:
  explicit ChainGuard(WriteQueue& writes) : writes_(writes) {}
  absl::Status Check(const base::ChainId& chain) {
    {
      auto view = writes_.kv().Snapshot();
      ASSIGN_OR_RETURN(auto known, view->Get(kKey));
      if (known.has_value() && *known != chain::ToField(chain)) {
        return WrongChain(chain);
      }
      if (known.has_value()) return absl::OkStatus();
    }
    base::KvBatch batch;
    batch.Put(kKey, chain::ToField(chain));
    return writes_.Commit(batch);
  }

 private:
  static constexpr char kKey[] = "mchain";
  WriteQueue& writes_;
};

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
    std::unique_ptr<storage::DiskBlobStore> store;
  };

  Daemon(app::DaemonContext& context, Opened& opened, Identity identity, bool test_network,
         chain::Client& client, base::RealClock& clock, base::Entropy& entropy)
      : context_(context),
        settings_(opened.settings),
        opened_(opened),
        client_(client),
        clock_(clock),
        test_network_(test_network),
        identity_(std::move(identity)),
        disk_(base::OpenPosixDisk(settings_.store_path)),
        writes_(*opened.kv),
        index_(writes_, *opened.store),
        ledger_(client, clock),
        seal_lane_(client, identity_, clock, kSealLane),
        pull_lane_(client, identity_, clock, kPullLane),
        approver_(identity_, ledger_, entropy, clock,
                  {.accept = settings_.accept, .max_object_bytes = settings_.max_object_bytes},
                  [this] { return Room(); }),
        ingest_({identity_, ledger_, index_, *opened.store, faults_}),
        sealer_({identity_, ledger_, writes_, seal_lane_, clock, faults_}),
        source_(identity_, ledger_, clock),
        puller_({identity_, ledger_, index_, *opened.store, ingest_, sealer_, pull_lane_, source_,
                 clock},
                {.grace = settings_.repair_grace}),
        scrubber_({identity_, *opened.store, writes_, clock,
                   [this](const base::ContentId& id) {
                     puller_.AddDamaged(id);
                     pull_.Wake();
                   }}),
        follower_({identity_, ledger_, index_, writes_, sealer_, puller_,
                   [this] { return Willing(); }, [this] { pull_.Wake(); }}),
        service_({identity_, ledger_, index_, *opened.store, approver_, ingest_, sealer_, follower_,
                  puller_, scrubber_, faults_, clock, test_network, settings_.store_bytes,
                  [this] { return Room(); }, [this] { return stopping_.load(); },
                  [this](const absl::Status& cause) { context_.RequestStop(cause); }},
                 {.uploads = settings_.uploads, .reads = settings_.reads}),
        verifier_(identity_.chain, identity_.node.public_key(), clock) {}

  absl::Status Run() {
    RETURN_IF_ERROR(ChainGuard(writes_).Check(identity_.chain));
    RETURN_IF_ERROR(follower_.Load());
    RETURN_IF_ERROR(scrubber_.Load());
    AddGauges();
    RETURN_IF_ERROR(Listen());
    seal_lane_.Start();
    pull_lane_.Start();
    join_.Start([this] { return JoinLedger(); });
    absl::Status cause = context_.WaitForStop();
    Stop();
    return cause;
  }

 private:
  absl::Status Listen() {
    rpc::ServerOptions provider{.listen = settings_.listen,
                                .certificate = settings_.plaintext ? nullptr : &opened_.certificate,
                                .services = {rpc::MakeProviderService(service_, verifier_)},
                                .metrics = &context_.metrics()};
    ASSIGN_OR_RETURN(server_, rpc::Server::Start(std::move(provider)));
    rpc::ServerOptions admin{.listen = settings_.admin_listen,
                             .services = {rpc::MakeProviderAdminService(service_)},
                             .metrics = &context_.metrics(),
                             .max_threads = 16};
    ASSIGN_OR_RETURN(admin_, rpc::Server::Start(std::move(admin)));
    admin_->SetReady(true);
    if (settings_.http_listen.empty()) return absl::OkStatus();
    net::AdminPages pages{.program = "storaged",
                          .ready = [this] { return service_.ready(); },
                          .metrics = &context_.metrics(),
                          .status = [this] { return StatusRows(); }};
    ASSIGN_OR_RETURN(
        http_, net::HttpServer::Start({.listen = settings_.http_listen}, net::AdminHandler(pages)));
    return absl::OkStatus();
  }

  // Makes sure that the ledger knows us and our store; then everything else starts. Called until it
  // is done.
  absl::Duration JoinLedger() {
    if (service_.ready()) return kIdle;
    absl::Status joined = TryJoin();
    if (!joined.ok()) {
      app::LogError("provider.join", joined);
      if (base::ReasonOf(joined) == "NODE_KEY_DIFFERS") context_.RequestStop(joined);
      TellReady();
      return kRetry;
    }
    follow_.Start([this] { return Follow(); });
    pull_.Start([this] { return Pull(); });
    scrub_.Start([this] { return Scrub(); });
    tidy_.Start([this] { return Tidy(); });
    service_.SetReady(true);
    server_->SetReady(true);
    app::LogInfo("provider.ready", "serving",
                 {{"account", base::ToText(identity_.id())}, {"endpoint", server_->endpoint()}});
    TellReady();
    return kIdle;
  }

  absl::Status TryJoin() {
    ASSIGN_OR_RETURN(pb::Provider record, FindRegistration(client_, identity_.id()));
    if (record.node_key() != base::ToString(identity_.node.public_key().Encode())) {
      return base::Error(absl::StatusCode::kFailedPrecondition, "NODE_KEY_DIFFERS",
                         "the ledger names another node key for this account",
                         "restore the node key that was registered");
    }
    std::string store = chain::ToField(opened_.store->store_id());
    if (record.store_id() != store) {
      app::LogWarning("store.new",
                      "the store is not the registered one; reporting the loss to the ledger");
      pb::Operation report;
      report.mutable_report_new_store()->set_store_id(store);
      RETURN_IF_ERROR(pull_lane_.Run(std::move(report)).status());
      ledger_.ForgetAll();
      puller_.SetLost();
    }
    if (EditOperation(settings_, opened_.certificate.pin, record).has_value()) {
      app::LogWarning(
          "provider.differs",
          "the ledger's record differs from the configuration; run `storaged register`");
    }
    if (follower_.height() == 0) {  // nothing before our first block concerns us
      ASSIGN_OR_RETURN(pb::ChainStatus status, ledger_.Status());
      follower_.Skip(status.height());
    }
    return sealer_.Resume();
  }

  void TellReady() {
    if (std::exchange(told_, true)) return;
    context_.Ready(absl::StrCat("grpc=", server_->endpoint(), " admin=", admin_->endpoint(),
                                " http=", http_ == nullptr ? "" : http_->endpoint(),
                                " account=", base::ToText(identity_.id())));
  }

  absl::Duration Follow() {
    auto stopping = [this] { return stopping_.load(); };
    absl::Status ended = follower_.Run(stopping);
    if (absl::IsOutOfRange(ended)) {
      absl::StatusOr<pb::ChainStatus> status = ledger_.Status();
      ledger_.ForgetAll();
      absl::Status reconciled =
          status.ok() ? follower_.Reconcile(stopping).status() : status.status();
      if (reconciled.ok()) {
        follower_.Skip(status->height());
      } else {
        app::LogError("follow.reconcile", reconciled);
      }
    } else if (!ended.ok() && !stopping_) {
      app::LogError("follow.ended", ended);
    }
    return kRetry;
  }

  absl::Duration Pull() {
    absl::Status pulled = puller_.RunOnce([this] { return stopping_.load(); });
    if (!pulled.ok() && !stopping_) app::LogError("pull.round", pulled);
    return settings_.repair_interval;
  }

  absl::Duration Scrub() {
    uint64_t rate = std::max<uint64_t>(settings_.scrub_bytes_per_second, 1);
    absl::StatusOr<bool> finished = scrubber_.Slice(rate);
    if (!finished.ok()) app::LogError("scrub", finished.status());
    if (finished.ok() && !*finished) return absl::Seconds(1);
    return test_network_ ? std::min(settings_.scrub_interval, kTestScrub)
                         : settings_.scrub_interval;
  }

  absl::Duration Tidy() {
    auto stopping = [this] { return stopping_.load(); };
    auto dropped = follower_.Reconcile(stopping);
    if (!dropped.ok()) app::LogError("tidy.reconcile", dropped.status());
    base::ContentId cursor;
    do {
      auto swept = index_.Sweep(cursor, kSweepStep);
      if (!swept.ok()) {
        app::LogError("tidy.sweep", swept.status());
        break;
      }
    } while (!cursor.empty() && !stopping_);
    auto freed = opened_.store->Compact(kCompactBudget);
    if (!freed.ok()) app::LogError("tidy.compact", freed.status());
    absl::Status resumed = sealer_.Resume();
    if (!resumed.ok()) app::LogError("tidy.seals", resumed);
    return settings_.gc_interval;
  }

  // From the outside in: no new calls, running ones drain, background work ends, then what the
  // ledger is owed.
  void Stop() {
    service_.SetReady(false);
    server_->SetReady(false);
    approver_.set_accepting(false);
    stopping_ = true;
    source_.Stop();
    server_->Stop(context_.stop_timeout());
    pull_lane_.Stop();  // whoever waits for a receipt is answered
    join_.Stop();
    for (Periodic* work : {&pull_, &scrub_, &tidy_, &follow_}) work->Stop();
    seal_lane_.Stop();
    admin_->Stop(absl::Seconds(1));
    if (http_ != nullptr) http_->Stop(absl::Seconds(1));
    absl::Status kept = opened_.store->Checkpoint();
    if (kept.ok()) kept = opened_.kv->Sync();
    if (!kept.ok()) app::LogError("store.checkpoint", kept);
  }

  uint64_t Room() {
    storage::BlobUsage usage = opened_.store->Usage();
    uint64_t used = usage.disk_bytes - std::min(usage.disk_bytes, usage.reclaimable_bytes);
    uint64_t room = usage.quota_bytes - std::min(usage.quota_bytes, used);
    auto space = disk_->Space();
    if (!space.ok()) return room;
    return std::min(room, space->free_bytes - std::min(space->free_bytes, settings_.reserve_bytes));
  }

  absl::Status Willing() {
    if (!approver_.accepting())
      return base::Error(absl::StatusCode::kFailedPrecondition, "NOT_ACCEPTING", "not accepting");
    if (Room() == 0)
      return base::Error(absl::StatusCode::kResourceExhausted, "NO_SPACE", "no space");
    return absl::OkStatus();
  }

  std::vector<std::pair<std::string, std::function<double()>>> Numbers() {
    auto& store = *opened_.store;
    auto number = [](auto value) { return static_cast<double>(value); };
    return {
        {"storage.blobs", [&store, number] { return number(store.Usage().blobs); }},
        {"storage.live_bytes", [&store, number] { return number(store.Usage().live_bytes); }},
        {"storage.disk_bytes", [&store, number] { return number(store.Usage().disk_bytes); }},
        {"storage.quota_bytes", [&store, number] { return number(store.Usage().quota_bytes); }},
        {"storage.free_bytes", [this, number] { return number(Room()); }},
        {"storage.damaged_blobs", [&store, number] { return number(store.Usage().damaged); }},
        {"storage.received_bytes", [this, number] { return number(ingest_.received_bytes()); }},
        {"storage.received_parts", [this, number] { return number(ingest_.received_parts()); }},
        {"storage.served_bytes", [this, number] { return number(service_.served_bytes()); }},
        {"storage.uploads", [this, number] { return number(service_.uploads()); }},
        {"storage.reads", [this, number] { return number(service_.reads()); }},
        {"storage.sealed_objects", [this, number] { return number(sealer_.sealed()); }},
        {"storage.pending_seals", [this, number] { return number(sealer_.pending()); }},
        {"storage.pulls_due", [this, number] { return number(puller_.due()); }},
        {"storage.pulled_parts", [this, number] { return number(puller_.pulled()); }},
        {"storage.dropped_blobs", [this, number] { return number(follower_.dropped()); }},
        {"storage.scrubbed_bytes", [this, number] { return number(scrubber_.scrubbed_bytes()); }},
        {"storage.chain_height", [this, number] { return number(follower_.height()); }},
    };
  }

  void AddGauges() {
    for (auto& [name, value] : Numbers()) context_.metrics().Gauge(name, name, value);
  }

  std::vector<std::pair<std::string, std::string>> StatusRows() {
    std::vector<std::pair<std::string, std::string>> rows = {
        {"account", base::ToText(identity_.id())},
        {"chain", identity_.chain.ToHexString()},
        {"store", opened_.store->store_id().ToHexString()},
        {"endpoint", settings_.advertise},
        {"ready", service_.ready() ? "yes" : "no"},
    };
    for (auto& [name, value] : Numbers())
      rows.emplace_back(name, absl::StrCat(static_cast<uint64_t>(value())));
    for (const std::string& damaged : scrubber_.Damaged()) rows.emplace_back("damaged", damaged);
    return rows;
  }

  app::DaemonContext& context_;
  const Settings& settings_;
  Opened& opened_;
  chain::Client& client_;
  base::RealClock& clock_;
  const bool test_network_;
  const Identity identity_;
  std::atomic<bool> stopping_{false};
  bool told_ = false;
  std::unique_ptr<base::Disk> disk_;
  Faults faults_;
  WriteQueue writes_;
  PartIndex index_;
  Ledger ledger_;
  Submitter seal_lane_;
  Submitter pull_lane_;
  Approver approver_;
  Ingest ingest_;
  Sealer sealer_;
  PeerParts source_;
  Puller puller_;
  Scrubber scrubber_;
  Follower follower_;
  Service service_;
  rpc::CallVerifier verifier_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Server> admin_;
  std::unique_ptr<net::HttpServer> http_;
  Periodic join_;
  Periodic follow_;
  Periodic pull_;
  Periodic scrub_;
  Periodic tidy_;
};

absl::Status RunStoraged(app::DaemonContext& context) {
  base::SystemEntropy entropy;
  base::RealClock clock;
  app::LogObserver observer(&context.metrics());
  ASSIGN_OR_RETURN(Settings settings, ReadSettings(context.config()));
  ASSIGN_OR_RETURN(NodeKeys keys, LoadKeys(settings));
  ASSIGN_OR_RETURN(rpc::NodeCertificate certificate, LoadCertificate(settings));
  ASSIGN_OR_RETURN(std::unique_ptr<base::Kv> kv, OpenIndex(settings));
  ASSIGN_OR_RETURN(auto store, OpenStore(settings, entropy, observer));

  ASSIGN_OR_RETURN(KnownLedger ledger, WaitForLedger(settings, context));
  ASSIGN_OR_RETURN(const bool test_network, IsTestNetwork(*ledger.client));
  if (test_network) RETURN_IF_ERROR(FollowTime(*ledger.client, clock));
  Identity identity{ledger.chain, keys.account.Clone(), keys.node.Clone()};
  Daemon::Opened opened{std::move(settings), std::move(keys), std::move(certificate), std::move(kv),
                        std::move(store)};
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
