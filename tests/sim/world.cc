#include "sim/world.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "apps/common/log.h"
#include "sim/chain.h"
#include "sim/client.h"
#include "sim/faults.h"
#include "sim/oracles.h"
#include "sim/provider.h"

namespace cairn::sim {
namespace {

constexpr uint64_t kMaxEvents = 20'000;
constexpr absl::Duration kSetup = absl::Minutes(2);
constexpr absl::Duration kWork = absl::Minutes(30);
constexpr absl::Duration kScrubbed = absl::Seconds(75);
constexpr absl::Duration kSettle = absl::Minutes(12);

bool Has(const Plan& plan, Fault::Kind kind) {
  for (const Fault& fault : plan.faults) {
    if (fault.kind == kind) return true;
  }
  return false;
}

}  // namespace

World::World(const Plan& plan, std::string folder, bool verbose)
    : plan_(plan),
      folder_(std::move(folder)),
      verbose_(verbose),
      scheduler_(plan.seed * 3 + 1, plan.preempt),
      network_(scheduler_, plan.seed * 3 + 2),
      entropy_(plan.seed),
      driver_(scheduler_.NewProcess("driver")),
      oracles_(std::make_unique<Oracles>(*this)) {
  app::SetLogLevel(verbose ? base::Severity::kInfo : static_cast<base::Severity>(100));
  network_.on_message = [this](const Call& call, bool up, const std::string& bytes) {
    oracles_->OnMessage(call, up, bytes);
  };
  for (int i = 0; i < plan_.clients; ++i) {
    clients_.push_back(std::make_unique<ClientNode>(*this, i, plan_.policies[static_cast<size_t>(i)],
                                                    plan_.open[static_cast<size_t>(i)]));
  }
  std::vector<base::AccountId> operators;
  for (int i = 0; i < plan_.operators; ++i) operators.push_back(base::SigningKey::Generate(entropy_).account());
  std::vector<base::AccountId> accounts;
  for (const auto& client : clients_) accounts.push_back(client->keys().signing.account());
  std::vector<base::SigningKey> keys;
  for (int i = 0; i < plan_.providers; ++i) {
    keys.push_back(base::SigningKey::Generate(entropy_));
    accounts.push_back(keys.back().account());
  }
  chain_ = std::make_unique<ChainNode>(*this, accounts, Has(plan_, Fault::Kind::kMintMoney));
  for (int i = 0; i < plan_.providers; ++i) {
    providers_.push_back(std::make_unique<ProviderNode>(*this, i, std::move(keys[static_cast<size_t>(i)]),
                                                        operators[static_cast<size_t>(i % plan_.operators)]));
  }
}

World::~World() = default;

void World::Say(absl::string_view text) {
  if (!verbose_) return;
  std::fprintf(stderr, "%10.3f  %s\n", absl::ToDoubleSeconds(scheduler_.now()), std::string(text).c_str());
}

bool World::Phase(const char* name, const std::function<bool()>& done, absl::Duration limit) {
  Say(absl::StrCat("---- ", name));
  const absl::Duration until = scheduler_.now() + limit;
  scheduler_.After(limit, [] {});  // the clock gets there in any case
  const auto stop = [&] { return oracles_->failed() || scheduler_.now() >= until || done(); };
  const uint64_t left = kMaxEvents > scheduler_.events() ? kMaxEvents - scheduler_.events() : 0;
  const bool stopped = scheduler_.Run(stop, left);
  if (oracles_->failed()) return false;
  if (stopped && done()) return true;
  const char* why = scheduler_.now() >= until ? " takes too long" : left == 0 || scheduler_.events() >= kMaxEvents
                                                                         ? " takes too many events"
                                                                         : " is stuck";
  oracles_->Fail("liveness", absl::StrCat(name, why, "\n", scheduler_.Describe()));
  return false;
}

// Objects are sealed and whole everywhere, for a while.
bool World::Converge() {
  bool calm = false;
  std::string last;
  scheduler_.Spawn(driver_, [this, &calm, &last] {
    // A round of scrubbing has to come by what rotted.
    scheduler_.Sleep(healed_at_ + kScrubbed - scheduler_.now());
    while (!(last = oracles_->Unsettled()).empty()) scheduler_.Sleep(absl::Seconds(5));
    calm = true;
  });
  if (Phase("settling", [&] { return calm; }, kSettle)) return true;
  if (oracles_->oracle() == "liveness" && !last.empty()) {
    Say(last);
    oracles_->Explain(last);
  }
  return false;
}

// Every machine loses power at once and comes back.
void World::Outage() {
  chain_->Kill(/*power_lost=*/true);
  for (const auto& provider : providers_) provider->Kill(/*power_lost=*/true);
  chain_->Start();
  for (const auto& provider : providers_) provider->Start();
}

Outcome World::Run() {
  const auto all_ready = [this] {
    for (const auto& provider : providers_) {
      if (!provider->kept_down() && !provider->ready()) return false;
    }
    return chain_->running();
  };
  const auto clients_done = [this] {
    for (const auto& client : clients_) {
      if (!client->done()) return false;
    }
    return true;
  };
  bool checked = false;
  const auto check = [&] {
    checked = false;
    scheduler_.Spawn(driver_, [&] {
      while (chain_->engine() == nullptr) scheduler_.Sleep(absl::Milliseconds(100));  // it may just have begun
      oracles_->CheckReceipts();
      for (const auto& client : clients_) client->ReadAll();
      checked = true;
    });
    return Phase("checking", [&] { return checked; }, kWork);
  };
  chain_->Start();
  for (const auto& provider : providers_) provider->Start();
  bool ok = Phase("setup", [&] { return all_ready(); }, kSetup);
  if (ok) {
    Faults faults(*this);
    faults.Arm();
    for (const auto& client : clients_) client->Start();
    ok = Phase("faults", [&] { return faults.over(); }, kWork);
    faults.Heal();
    healed_ = true;
    healed_at_ = scheduler_.now();
    ok = ok && Phase("working", clients_done, kWork);
    ok = ok && Phase("rejoining", all_ready, kSetup);
    const bool whole = plan_.mode != Mode::kLiveness;
    ok = ok && (!whole || Converge()) && check();
    if (ok) Outage();
    ok = ok && Phase("restarting", all_ready, kSetup) && check();
  }
  Outcome out;
  out.ok = ok && !oracles_->failed();
  out.oracle = oracles_->oracle();
  out.what = oracles_->what();
  out.trace = network_.TraceHash();
  out.events = scheduler_.events();
  out.messages = network_.messages();
  out.blocks = oracles_->blocks();
  for (const auto& client : clients_) out.acknowledged += client->acknowledged();
  out.time = scheduler_.now();
  return out;
}

}  // namespace cairn::sim
