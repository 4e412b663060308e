#include "sim/faults.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sim/chain.h"
#include "sim/client.h"
#include "sim/oracles.h"
#include "sim/provider.h"
#include "sim/rpc.h"
#include "sim/world.h"

namespace cairn::sim {

ProviderNode& Faults::Target(const Fault& fault) {
  return *world_.providers()[static_cast<size_t>(fault.target) % world_.providers().size()];
}

void Faults::Arm() {
  armed_ = world_.scheduler().now();
  last_ = armed_;
  for (const Fault& fault : world_.plan().faults) {
    world_.scheduler().After(fault.at, [this, fault] { Begin(fault); });
    const absl::Duration end = fault.at + fault.length;
    if (fault.length < absl::Minutes(30)) {
      world_.scheduler().After(end, [this, fault] { End(fault); });
      last_ = std::max(last_, armed_ + end);
    }
    last_ = std::max(last_, armed_ + fault.at);
  }
}

bool Faults::over() const { return world_.scheduler().now() >= last_; }

void Faults::CutOff(const Fault& fault, bool cut) {
  const std::string& name = Target(fault).endpoint();
  std::vector<std::string> others = {kChain};
  if (fault.kind == Fault::Kind::kCut) {
    for (const auto& provider : world_.providers()) others.push_back(provider->endpoint());
    for (size_t i = 0; i < world_.clients().size(); ++i) others.push_back(absl::StrCat("client", i));
  }
  for (const std::string& other : others) {
    world_.network().Cut(name, other, cut);
    if (fault.amount < 0.7) world_.network().Cut(other, name, cut);  // otherwise one way only
  }
}

void Faults::Begin(const Fault& fault) {
  using Kind = Fault::Kind;
  world_.Say(absl::StrCat("fault ", Name(fault.kind), " ", fault.target, " for ", absl::FormatDuration(fault.length)));
  ProviderNode& target = Target(fault);
  switch (fault.kind) {
    case Kind::kLossy:
      return world_.network().SetFaults({.loss = fault.amount * 0.15, .duplicate = fault.amount * 0.3,
                                         .max_delay = absl::Milliseconds(1 + 60 * fault.amount)});
    case Kind::kLag:
      return world_.network().Slow(target.endpoint(), absl::Seconds(4) * fault.amount);
    case Kind::kCut:
    case Kind::kCutChain:
      return CutOff(fault, true);
    case Kind::kKill:
    case Kind::kPower:
      return target.Kill(fault.kind == Kind::kPower);
    case Kind::kWipe:
      target.Kill(/*power_lost=*/true);
      return target.Wipe();
    case Kind::kRot:
      (void)target.Rot(world_.scheduler().random());
      return;
    case Kind::kFull:
      return target.FillDisk(true);
    case Kind::kSlowDisk:
      return target.SetSlow(1 + 200 * fault.amount);
    case Kind::kSyncError:
      return target.FailSync();
    case Kind::kSkew:
      return target.SetSkew(absl::Seconds(fault.amount));
    case Kind::kLie:
      return target.SetFault(storaged::Fault::kWrongBytes);
    case Kind::kBadReceipt:
      return target.SetFault(storaged::Fault::kWrongReceipt);
    case Kind::kKillClient:
      return world_.clients()[static_cast<size_t>(fault.target)]->Kill();
    case Kind::kKillChain:
    case Kind::kPowerChain:
      return world_.chain().Kill(fault.kind == Kind::kPowerChain);
    case Kind::kWipeAll:
      for (const auto& provider : world_.providers()) {
        provider->Kill(/*power_lost=*/true);
        provider->Wipe();
      }
      return;
    case Kind::kForgetful:
      for (const auto& provider : world_.providers()) provider->MakeForgetful();
      return;
    case Kind::kRefuseSeal:
      for (const auto& provider : world_.providers()) provider->SetFault(storaged::Fault::kRefuseSeal);
      return;
    case Kind::kMintMoney:
      return;
  }
}

void Faults::End(const Fault& fault) {
  using Kind = Fault::Kind;
  ProviderNode& target = Target(fault);
  switch (fault.kind) {
    case Kind::kLossy:
      return world_.network().SetFaults({});
    case Kind::kLag:
      return world_.network().Slow(target.endpoint(), absl::ZeroDuration());
    case Kind::kCut:
    case Kind::kCutChain:
      return CutOff(fault, false);
    case Kind::kKill:
    case Kind::kPower:
    case Kind::kWipe:
      return target.Start();
    case Kind::kFull:
      return target.FillDisk(false);
    case Kind::kSlowDisk:
      return target.SetSlow(1);
    case Kind::kSkew:
      return target.SetSkew(absl::ZeroDuration());
    case Kind::kLie:
    case Kind::kBadReceipt:
      return target.SetFault(storaged::Fault::kNone);
    case Kind::kKillClient:
      return world_.clients()[static_cast<size_t>(fault.target)]->Start();
    case Kind::kKillChain:
    case Kind::kPowerChain:
      return world_.chain().Start();
    default:
      return;
  }
}

void Faults::Heal() {
  world_.Say("everything heals");
  world_.network().Heal();
  for (const Fault& fault : world_.plan().faults) End(fault);
  world_.chain().Start();
  for (const auto& provider : world_.providers()) provider->Start();
  if (world_.plan().mode != Mode::kLiveness) return;
  ProviderNode& victim = *world_.providers()[static_cast<size_t>(world_.plan().victim)];
  victim.Kill(/*power_lost=*/true);
  victim.KeepDown(true);
}

}  // namespace cairn::sim
