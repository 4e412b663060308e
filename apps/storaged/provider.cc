#include "apps/storaged/provider.h"

#include "apps/common/log.h"
#include "apps/storaged/known_ledger.h"
#include "apps/storaged/registration.h"
#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

constexpr uint32_t kSealLane = 1;
constexpr uint32_t kPullLane = 2;
constexpr uint64_t kCompactBudget = 256 << 20;
constexpr size_t kSweepStep = 4096;
constexpr absl::Duration kRetry = absl::Seconds(1);
constexpr absl::Duration kIdle = absl::Hours(24);
constexpr absl::Duration kAccount = absl::Seconds(30);
constexpr absl::Duration kTestAccount = absl::Seconds(2);
constexpr absl::Duration kPrunePause = absl::Minutes(1);
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

}  // namespace

Provider::Provider(const Environment& environment)
    : env_(environment),
      settings_(env_.settings),
      identity_(env_.identity),
      writes_(env_.index),
      index_(writes_, env_.store),
      ledger_(env_.client, env_.clock),
      seal_lane_(env_.client, identity_, env_.clock, kSealLane),
      pull_lane_(env_.client, identity_, env_.clock, kPullLane),
      approver_(identity_, ledger_, env_.entropy, env_.clock,
                {.accept = settings_.accept, .max_object_bytes = settings_.max_object_bytes},
                [this] { return Room(); }),
      ingest_({identity_, ledger_, index_, env_.store, faults_}),
      sealer_({identity_, ledger_, writes_, seal_lane_, env_.clock, faults_}),
      source_(env_.peers(ledger_)),
      puller_({identity_, ledger_, index_, env_.store, ingest_, sealer_, pull_lane_, *source_,
               env_.clock},
              {.grace = settings_.repair_grace}),
      scrubber_({identity_, env_.store, writes_, env_.clock,
                 [this](const base::ContentId& id) {
                   puller_.AddDamaged(id);
                   pull_.Wake();
                 }}),
      throttle_(env_.clock),
      journal_(identity_, env_.index, env_.clock,
               {.max_records = settings_.journal_records, .keep = settings_.journal_keep}),
      meter_({.identity = identity_,
              .ledger = ledger_,
              .journal = journal_,
              .clock = env_.clock,
              .throttle = throttle_,
              .faults = &faults_,
              .max_throttled = static_cast<uint32_t>(std::max(settings_.reads / 4, 1))}),
      anchor_(identity_, ledger_, journal_, pull_lane_),
      unpaid_(identity_, ledger_, pull_lane_),
      follower_({identity_, ledger_, index_, writes_, sealer_, puller_,
                 [this] { return Willing(); }, [this] { pull_.Wake(); },
                 [this] {
                   clear_due_ = true;
                   account_.Wake();
                 },
                 [this](const base::ChannelId& channel) { OnChannel(channel); },
                 [this](const base::ChannelId& pool) { OnPool(pool); }}),
      service_({identity_, ledger_, index_, env_.store, approver_, ingest_, sealer_, follower_,
                puller_, meter_, scrubber_, faults_, env_.clock, env_.test_network, settings_.store_bytes,
                [this] { return Room(); }, [this] { return stopping_.load(); },
                [this](const absl::Status&) { CheckStore(); }},
               {.uploads = settings_.uploads, .reads = settings_.reads}) {}

absl::Status Provider::Load() {
  RETURN_IF_ERROR(ChainGuard(writes_).Check(identity_.chain));
  RETURN_IF_ERROR(follower_.Load());
  RETURN_IF_ERROR(journal_.Load());
  RETURN_IF_ERROR(OpenChannels());
  return scrubber_.Load();
}

absl::Status Provider::OpenChannels() {
  if (env_.claims == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(channels_, Channels::Open({settings_, identity_, ledger_, writes_, *source_,
                                              env_.client, env_.clock, *env_.claims,
                                              [this] { return stopping_.load(); },
                                              [this](const absl::Status& why) {
                                                if (absl::IsAborted(why)) env_.fatal(why);
                                              }}));
  service_.SetChannels(channels_.get());
  meter_.SetPaid(&channels_->reads());
  return absl::OkStatus();
}

void Provider::OnChannel(const base::ChannelId& channel) {
  if (channels_ != nullptr) channels_->OnChannel(channel);
}

void Provider::OnPool(const base::ChannelId& pool) {
  if (channels_ != nullptr) channels_->OnPool(pool);
}

void Provider::Start() {
  seal_lane_.Start();
  pull_lane_.Start();
  join_.Start([this] { return JoinLedger(); });
}

void Provider::BeginStop() {
  service_.SetReady(false);
  approver_.set_accepting(false);
  stopping_ = true;
  source_->Stop();
}

void Provider::Stop() {
  BeginStop();
  pull_lane_.Stop();  // whoever waits for a receipt is answered
  join_.Stop();
  for (Periodic* work : {&pull_, &scrub_, &tidy_, &follow_, &account_}) work->Stop();
  if (channels_ != nullptr) channels_->Stop();
  seal_lane_.Stop();
}

absl::Status Provider::Checkpoint() {
  RETURN_IF_ERROR(env_.store.Checkpoint());
  return env_.index.Sync();
}

// Makes sure that the ledger knows us and our store; then everything else starts. Called until it
// is done.
absl::Duration Provider::JoinLedger() {
  if (service_.ready()) return kIdle;
  absl::Status joined = TryJoin();
  if (joined.ok()) {
    follow_.Start([this] { return Follow(); });
    pull_.Start([this] { return Pull(); });
    scrub_.Start([this] { return Scrub(); });
    tidy_.Start([this] { return Tidy(); });
    account_.Start([this] { return Account(); });
    if (channels_ != nullptr) channels_->Start();
    service_.SetReady(true);
    env_.joined();
  } else {
    app::LogError("provider.join", joined);
    if (base::ReasonOf(joined) == "NODE_KEY_DIFFERS") env_.fatal(joined);
  }
  if (!std::exchange(told_, true)) env_.asked();
  return joined.ok() ? kIdle : kRetry;
}

absl::Status Provider::TryJoin() {
  ASSIGN_OR_RETURN(pb::Provider record, FindRegistration(env_.client, identity_.id()));
  if (record.node_key() != base::ToString(identity_.node.public_key().Encode())) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "NODE_KEY_DIFFERS",
                       "the ledger names another node key for this account",
                       "restore the node key that was registered");
  }
  std::string store = chain::ToField(env_.store.store_id());
  if (record.store_id() != store) {
    app::LogWarning("store.new",
                    "the store is not the registered one; reporting the loss to the ledger");
    pb::Operation report;
    report.mutable_report_new_store()->set_store_id(store);
    RETURN_IF_ERROR(pull_lane_.Run(std::move(report)).status());
    ledger_.ForgetAll();
    puller_.SetLost();
  }
  if (EditOperation(settings_, env_.tls_pin, record).has_value()) {
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

void Provider::Failed(const char* what, const absl::Status& why) {
  app::LogError(what, why);
  if (absl::IsAborted(why)) CheckStore();
}

// Asked of our own store, because the error may be another machine's.
void Provider::CheckStore() {
  absl::Status health = env_.store.Health();
  if (health.ok()) health = env_.index.Sync();
  if (!health.ok()) env_.fatal(health);
}

absl::Duration Provider::Follow() {
  auto stopping = [this] { return stopping_.load(); };
  absl::Status ended = follower_.Run(stopping);
  if (absl::IsOutOfRange(ended)) {
    // The height first: what happens while Reconcile looks is in blocks that are then followed.
    absl::StatusOr<pb::ChainStatus> status = ledger_.Status();
    ledger_.ForgetAll();
    absl::Status reconciled =
        status.ok() ? follower_.Reconcile(stopping).status() : status.status();
    if (reconciled.ok()) {
      follower_.Skip(status->height());
    } else {
      Failed("follow.reconcile", reconciled);
    }
  } else if (!ended.ok() && !stopping_) {
    Failed("follow.ended", ended);
  }
  return kRetry;
}

absl::Duration Provider::Pull() {
  absl::Status pulled = puller_.RunOnce([this] { return stopping_.load(); });
  if (!pulled.ok() && !stopping_) Failed("pull.round", pulled);
  return settings_.repair_interval;
}

absl::Duration Provider::Scrub() {
  uint64_t rate = std::max<uint64_t>(settings_.scrub_bytes_per_second, 1);
  absl::StatusOr<bool> finished = scrubber_.Slice(rate);
  if (!finished.ok()) Failed("scrub", finished.status());
  if (finished.ok() && !*finished) return absl::Seconds(1);
  return env_.test_network ? std::min(settings_.scrub_interval, kTestScrub)
                       : settings_.scrub_interval;
}

absl::Duration Provider::Tidy() {
  auto stopping = [this] { return stopping_.load(); };
  auto dropped = follower_.Reconcile(stopping);
  if (!dropped.ok()) Failed("tidy.reconcile", dropped.status());
  base::ContentId cursor;
  do {
    auto swept = index_.Sweep(cursor, kSweepStep);
    if (!swept.ok()) {
      Failed("tidy.sweep", swept.status());
      break;
    }
  } while (!cursor.empty() && !stopping_);
  auto freed = env_.store.Compact(kCompactBudget);
  if (!freed.ok()) Failed("tidy.compact", freed.status());
  absl::Status resumed = sealer_.Resume();
  if (!resumed.ok()) Failed("tidy.seals", resumed);
  clear_due_ = true;  // the block that said so may have been missed
  account_.Wake();
  return settings_.gc_interval;
}

// Anchors the download journals, drops what is too old of them, and what nobody pays for.
absl::Duration Provider::Account() {
  auto anchored = anchor_.RunOnce();
  if (!anchored.ok() && !stopping_) Failed("journal.anchor", anchored.status());
  const absl::Duration now = env_.clock.Monotonic();
  if (now >= next_prune_) {
    next_prune_ = now + kPrunePause;
    auto pruned = journal_.Prune();
    if (!pruned.ok()) Failed("journal.prune", pruned.status());
  }
  if (settings_.clear_unpaid && clear_due_.exchange(false)) {
    auto cleared = unpaid_.RunOnce([this] { return stopping_.load(); });
    if (!cleared.ok() && !stopping_) {
      clear_due_ = true;
      Failed("unpaid.clear", cleared.status());
    }
  }
  return env_.test_network ? kTestAccount : kAccount;
}

uint64_t Provider::Room() {
  storage::BlobUsage usage = env_.store.Usage();
  uint64_t used = usage.disk_bytes - std::min(usage.disk_bytes, usage.reclaimable_bytes);
  uint64_t room = usage.quota_bytes - std::min(usage.quota_bytes, used);
  auto space = env_.disk.Space();
  if (!space.ok()) return room;
  return std::min(room, space->free_bytes - std::min(space->free_bytes, settings_.reserve_bytes));
}

absl::Status Provider::Willing() {
  if (!approver_.accepting())
    return base::Error(absl::StatusCode::kFailedPrecondition, "NOT_ACCEPTING", "not accepting");
  if (Room() == 0)
    return base::Error(absl::StatusCode::kResourceExhausted, "NO_SPACE", "no space");
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::function<double()>>> Provider::Numbers() {
  auto& store = env_.store;
  auto number = [](auto value) { return static_cast<double>(value); };
  std::vector<std::pair<std::string, std::function<double()>>> numbers = {
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
      {"reads.records", [this, number] { return number(journal_.records()); }},
      {"reads.records_kept", [this, number] { return number(journal_.kept()); }},
      {"reads.throttled", [this, number] { return number(meter_.throttled_reads()); }},
      {"reads.throttled_bytes", [this, number] { return number(throttle_.delayed_bytes()); }},
      {"storage.chain_height", [this, number] { return number(follower_.height()); }},
  };
  if (channels_ == nullptr) return numbers;
  for (auto& more : channels_->Numbers()) numbers.push_back(std::move(more));
  return numbers;
}

}  // namespace cairn::storaged
