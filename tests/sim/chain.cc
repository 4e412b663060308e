#include "sim/chain.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/keys.h"
#include "cairn/chain/view.h"
#include "sim/intercept.h"
#include "sim/oracles.h"
#include "sim/rpc.h"
#include "sim/world.h"

namespace cairn::sim {
namespace {

namespace pb = chain::pb;

constexpr absl::Duration kCommitTime = absl::Milliseconds(4);
constexpr absl::Duration kIdle = absl::Seconds(5);

base::Amount Crn(uint64_t whole) { return base::Amount(absl::uint128(whole) * 1'000'000'000'000'000'000u); }

// A rule gone wrong: whenever objects are created, somebody is a little richer.
void MintMoney(const pb::Operation& operation, chain::WriteView& view) {
  if (!operation.has_create_objects()) return;
  const auto first = view.Seek(chain::keys::AccountPrefix());
  const auto* found = first ? first->second->As<pb::Account>() : nullptr;
  if (found == nullptr) return;
  pb::Account account = *found;
  const auto key = chain::keys::Account(chain::Trusted<base::AccountId>(first->first.substr(1)));
  *account.mutable_crn() = chain::ToProto(*chain::FromProto(account.crn()).Plus(base::Amount(1)));
  view.Put(key, account);
}

}  // namespace

struct ChainNode::Run {
  base::RealClock clock;
  std::unique_ptr<base::Kv> kv;
  std::unique_ptr<chain::EmbeddedEngine> engine;
};

ChainNode::ChainNode(World& world, const std::vector<base::AccountId>& accounts, bool mint_money)
    : world_(world), store_(world.scheduler()), key_(base::SigningKey::Generate(world.entropy())),
      mint_money_(mint_money) {
  chain::GenesisOptions options;
  options.time = world.scheduler().wall();
  options.engine_key = key_.public_key();
  for (const base::AccountId& account : accounts)
    options.accounts.push_back(chain::MakeGenesisAccount(account, Crn(1'000'000)));
  std::sort(options.accounts.begin(), options.accounts.end(),
            [](const auto& a, const auto& b) { return a.id() < b.id(); });
  genesis_ = chain::MakeGenesis(options, world.entropy());
  // Longer than any outage of the plan, so that nobody honest may be fined.
  genesis_.mutable_params()->set_seal_window_ms(180'000);
  id_ = chain::ChainIdOf(genesis_);
}

void ChainNode::Start() {
  if (run_ != nullptr) return;
  process_ = world_.scheduler().NewProcess(kChain);
  run_ = new Run();
  world_.scheduler().Spawn(process_, [this, run = run_] { Main(*run); });
}

void ChainNode::Main(Run& run) {
  run.kv = store_.Open(kCommitTime);
  chain::EngineOptions options;
  if (mint_money_) options.hooks.after_apply = MintMoney;
  auto engine = chain::EmbeddedEngine::Open(*run.kv, run.clock, key_.Clone(), genesis_, base::NullObserver(), options);
  if (!engine.ok()) return world_.oracles().Fail("ledger", absl::StrCat("does not open: ", Brief(engine.status())));
  run.engine = *std::move(engine);
  world_.oracles().OnChainOpen(*run.engine);
  world_.network().Listen(kChain, process_, [this, &run](const CallPtr& call) {
    ServeChain(world_.scheduler(), *run.engine, call);
  });
  uint64_t seen = run.engine->height();
  while (run.engine->Health().ok()) {
    const absl::Duration idle = run.engine->RunOnce();
    while (seen < run.engine->height()) {
      auto block = run.engine->NextBlock(++seen, absl::ZeroDuration());
      if (block.ok() && block->has_value()) world_.oracles().OnBlock(**block, seen);
    }
    if (idle > absl::ZeroDuration()) run.engine->WaitForWork(std::min(idle, kIdle));
  }
  world_.oracles().Fail("ledger", absl::StrCat("halted: ", Brief(run.engine->Health())));
}

void ChainNode::Kill(bool power_lost) {
  if (run_ == nullptr) return;
  run_ = nullptr;
  world_.scheduler().Kill(process_);
  CloseFileLocks(process_);
  world_.network().OnDeath(process_, power_lost);
  if (power_lost) store_.LosePower(world_.scheduler().random());
}

chain::EmbeddedEngine* ChainNode::engine() const { return run_ == nullptr ? nullptr : run_->engine.get(); }

uint64_t ChainNode::height() const { return engine() == nullptr ? 0 : engine()->height(); }

}  // namespace cairn::sim
