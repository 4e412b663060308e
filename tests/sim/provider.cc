#include "sim/provider.h"

#include "absl/strings/str_cat.h"
#include "apps/client/sender.h"
#include "apps/storaged/registration.h"
#include "cairn/base/status.h"
#include "cairn/chain/pb.h"
#include "sim/chain.h"
#include "sim/intercept.h"
#include "sim/oracles.h"
#include "sim/rpc.h"
#include "sim/world.h"

namespace cairn::sim {
namespace {

constexpr uint64_t kDiskBytes = 256 << 20;
constexpr uint64_t kPackBytes = 1 << 20;  // several packs in a small world
constexpr absl::Duration kCommitTime = absl::Milliseconds(2);
constexpr absl::Duration kRestart = absl::Seconds(3);

base::Digest Pin() { return base::Blake3(base::AsBytes("certificate")); }

storaged::Settings SettingsOf(int index, const base::AccountId& operator_account) {
  storaged::Settings settings;
  settings.name = absl::StrCat("provider", index);
  settings.advertise = absl::StrCat("127.0.", index + 1, ".1:4856");
  settings.store_bytes = uint64_t{1} << 34;  // what the ledger may promise; the disk is smaller
  settings.operator_account = base::ToText(operator_account);
  settings.network = absl::StrCat("net", index % 3);
  settings.region = absl::StrCat("region", index % 3);
  settings.prices.primary_storage = base::Price{base::Amount(1'000'000)};
  settings.prices.holder_storage = base::Price{base::Amount(1'000'000)};
  settings.deposit = base::Amount(absl::uint128(1000) * 1'000'000'000'000'000'000u);
  settings.max_object_bytes = base::kMaxObjectBytes;
  settings.scrub_bytes_per_second = 4 << 20;
  settings.scrub_interval = absl::Seconds(30);
  settings.repair_interval = absl::Seconds(10);
  settings.repair_grace = absl::Seconds(10);
  settings.gc_interval = absl::Seconds(45);
  settings.uploads = 48;
  settings.reads = 64;
  return settings;
}

}  // namespace

// What the process has in memory.
struct ProviderNode::Run {
  explicit Run(storaged::Identity who) : identity(std::move(who)) {}
  storaged::Identity identity;
  base::RealClock clock;
  std::unique_ptr<base::Disk> disk;
  std::unique_ptr<base::Kv> index;
  std::unique_ptr<base::Kv> store_index;
  std::unique_ptr<storage::DiskBlobStore> store;
  std::unique_ptr<chain::Client> client;
  std::unique_ptr<rpc::CallVerifier> verifier;
  std::unique_ptr<storaged::Provider> provider;
};

ProviderNode::ProviderNode(World& world, int index, base::SigningKey account, const base::AccountId& operator_account)
    : world_(world),
      settings_(SettingsOf(index, operator_account)),
      keys_{std::move(account), base::SigningKey::Generate(world.entropy())},
      entropy_(world.entropy().DrawNumber()),
      disk_(std::make_unique<base::SimDisk>(kDiskBytes)),
      index_file_(world.scheduler()),
      store_index_(world.scheduler()) {}

void ProviderNode::Start() {
  if (run_ != nullptr || keep_down_) return;
  process_ = world_.scheduler().NewProcess(settings_.name);
  run_ = new Run({world_.chain().id(), keys_.account.Clone(), keys_.node.Clone()});
  world_.scheduler().Spawn(process_, [this, run = run_] { Main(*run); });
}

void ProviderNode::Main(Run& run) {
  const absl::Status booted = Boot(run);
  if (booted.ok()) return;
  world_.Say(absl::StrCat(settings_.name, " does not start: ", Brief(booted)));
  Restart(kRestart);
}

absl::Status ProviderNode::Boot(Run& run) {
  Scheduler& scheduler = world_.scheduler();
  run.clock.SetOffset(skew_);
  run.disk = NewPacedDisk(scheduler, *disk_, slow_);
  run.index = index_file_.Open(kCommitTime);
  run.store_index = store_index_.Open(kCommitTime);
  storage::DiskBlobStoreOptions options;
  options.quota_bytes = kDiskBytes;
  options.reserve_bytes = 0;
  options.pack_bytes = kPackBytes;
  options.index_step = 32;
  ASSIGN_OR_RETURN(run.store, storage::DiskBlobStore::Open(
                                  {*run.disk, *run.store_index, entropy_, base::NullObserver()}, options));
  run.client = NewChainClient(world_.network(), settings_.advertise);
  if (!registered_) RETURN_IF_ERROR(Register(run));
  registered_ = true;
  run.verifier = std::make_unique<rpc::CallVerifier>(run.identity.chain, keys_.node.public_key(), run.clock);
  run.provider = std::make_unique<storaged::Provider>(storaged::Provider::Environment{
      .settings = settings_,
      .identity = run.identity,
      .tls_pin = Pin(),
      .test_network = true,
      .index = *run.index,
      .store = *run.store,
      .disk = *run.disk,
      .client = *run.client,
      .clock = run.clock,
      .entropy = entropy_,
      .peers =
          [this, &run](storaged::Ledger& ledger) {
            return NewPeerParts(world_.network(), settings_.advertise, run.identity, ledger, run.clock);
          },
      .joined = [] {},
      .asked = [] {},
      .fatal =
          [this](const absl::Status& why) {
            world_.Say(absl::StrCat(settings_.name, " ends itself: ", Brief(why)));
            Restart(kRestart);
          }});
  run.provider->faults().Set(fault_, 0);
  RETURN_IF_ERROR(run.provider->Load());
  world_.network().Listen(settings_.advertise, process_, [&run](const CallPtr& call) {
    ServeProvider(run.provider->service(), *run.verifier, call);
  });
  run.provider->Start();
  return absl::OkStatus();
}

absl::Status ProviderNode::Register(Run& run) {
  client::Sender sender(*run.client, keys_.account, run.clock, entropy_,
                        {.chain_id = run.identity.chain, .lane_folder = ""});
  chain::pb::Operation operation =
      storaged::RegisterOperation(settings_, run.identity.chain, keys_, Pin(), run.store->store_id());
  return sender.Send({operation}).status();
}

void ProviderNode::Kill(bool power_lost) {
  if (run_ == nullptr) return;
  run_ = nullptr;
  world_.scheduler().Kill(process_);
  world_.network().OnDeath(process_, power_lost);
  if (!power_lost) return;
  std::mt19937_64& random = world_.scheduler().random();
  disk_->Crash([&](size_t) { return !forgetful_ && random() % 2 == 0; });
  index_file_.LosePower(random);
  store_index_.LosePower(random);
  if (!forgetful_) return;
  disk_ = std::make_unique<base::SimDisk>(kDiskBytes);
}

void ProviderNode::Restart(absl::Duration after) {
  world_.scheduler().After(absl::ZeroDuration(), [this] { Kill(/*power_lost=*/false); });
  world_.scheduler().After(after, [this] { Start(); });
}

void ProviderNode::Wipe() {
  disk_ = std::make_unique<base::SimDisk>(kDiskBytes);
  store_index_.Wipe();
}

bool ProviderNode::Rot(std::mt19937_64& random) {
  auto names = disk_->List("packs");
  if (!names.ok() || names->empty()) return false;
  const std::string path = absl::StrCat("packs/", (*names)[random() % names->size()]);
  auto file = disk_->Open(path, base::OpenMode::kRead);
  if (!file.ok()) return false;
  const auto size = (*file)->Size();
  if (!size.ok() || *size == 0) return false;
  for (int i = 0; i < 3; ++i)
    (void)disk_->Corrupt(path, random() % *size, static_cast<uint8_t>(1 + random() % 255));
  return true;
}

void ProviderNode::FillDisk(bool full) {
  const absl::Status status = full ? base::Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "no space is left")
                                   : absl::OkStatus();
  disk_->FailAfter(base::SimDisk::Op::kWrite, 0, status);
}

void ProviderNode::FailSync() {
  disk_->FailAfter(base::SimDisk::Op::kSync, 0,
                   base::Error(absl::StatusCode::kUnknown, "IO_ERROR", "the disk does not answer"));
  world_.scheduler().After(absl::Milliseconds(500), [this] {
    disk_->FailAfter(base::SimDisk::Op::kSync, 0, absl::OkStatus());
  });
}

void ProviderNode::SetSkew(absl::Duration skew) {
  skew_ = skew;
  if (run_ != nullptr) run_->clock.SetOffset(skew);
}

void ProviderNode::SetFault(storaged::Fault fault) {
  fault_ = fault;
  if (provider() != nullptr) provider()->faults().Set(fault, 0);
}

bool ProviderNode::ready() const { return provider() != nullptr && provider()->service().ready(); }
storaged::Provider* ProviderNode::provider() const { return run_ == nullptr ? nullptr : run_->provider.get(); }
storage::DiskBlobStore* ProviderNode::store() const { return run_ == nullptr ? nullptr : run_->store.get(); }

}  // namespace cairn::sim
