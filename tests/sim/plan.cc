#include "sim/plan.h"

#include <algorithm>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace cairn::sim {
namespace {

struct Draw {
  std::mt19937_64 random;
  uint64_t Below(uint64_t bound) { return random() % bound; }
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  double Unit() { return std::generate_canonical<double, 32>(random); }
  absl::Duration Time(absl::Duration low, absl::Duration high) { return low + (high - low) * Unit(); }
};

constexpr absl::Duration kChaos = absl::Seconds(90);  // in which faults begin

uint64_t DrawSize(Draw& draw) {
  switch (draw.Below(10)) {
    case 0:
      return draw.OneIn(3) ? 0 : draw.Between(1, 64);
    case 1:
    case 2:
      return draw.Between(256 << 10, 420 << 10);  // spread as shards
    case 3:
      return draw.Between(60 << 10, 200 << 10);
    default:
      return draw.Between(65, 12 << 10);
  }
}

Op DrawOp(Draw& draw, int client) {
  static constexpr Op::Kind kKinds[] = {Op::Kind::kPut, Op::Kind::kPut,   Op::Kind::kPut,    Op::Kind::kPutMany,
                                        Op::Kind::kGet, Op::Kind::kRange, Op::Kind::kRemove, Op::Kind::kCopy,
                                        Op::Kind::kPut, Op::Kind::kGet,   Op::Kind::kList};
  Op op;
  op.kind = kKinds[draw.Below(std::size(kKinds))];
  op.client = client;
  op.name = static_cast<int>(draw.Below(5));
  op.other = static_cast<int>(draw.Below(5));
  op.size = DrawSize(draw);
  op.content = draw.random();
  op.wait = draw.OneIn(4) ? static_cast<int>(draw.Below(3)) : 2;
  op.pause = draw.OneIn(3) ? draw.Time(absl::ZeroDuration(), absl::Seconds(20))
                           : draw.Time(absl::ZeroDuration(), absl::Seconds(2));
  return op;
}

Fault DrawFault(Draw& draw, const Plan& plan) {
  using Kind = Fault::Kind;
  static constexpr Kind kKinds[] = {
      Kind::kLossy, Kind::kLossy,    Kind::kLag,        Kind::kCut,  Kind::kCutChain, Kind::kKill,       Kind::kKill,
      Kind::kPower, Kind::kPower,    Kind::kWipe,       Kind::kRot,  Kind::kRot,      Kind::kFull,       Kind::kSlowDisk,
      Kind::kSkew,  Kind::kLie,      Kind::kKillClient, Kind::kKillClient, Kind::kKillChain, Kind::kPowerChain,
      Kind::kSyncError, Kind::kBadReceipt};
  Fault fault;
  fault.kind = kKinds[draw.Below(std::size(kKinds))];
  fault.at = draw.Time(absl::ZeroDuration(), kChaos);
  fault.length = draw.Time(absl::Milliseconds(200), absl::Seconds(draw.OneIn(4) ? 25 : 8));
  fault.target = static_cast<int>(draw.Below(static_cast<uint64_t>(plan.providers)));
  fault.amount = draw.Unit();
  switch (fault.kind) {
    case Kind::kWipe:
    case Kind::kRot:
    case Kind::kLie:
    case Kind::kBadReceipt:
      fault.target = plan.victim;  // bytes are lost or falsified in one place only
      break;
    case Kind::kKillClient:
      fault.target = static_cast<int>(draw.Below(static_cast<uint64_t>(plan.clients)));
      break;
    case Kind::kSkew:
      fault.amount = (fault.amount * 2 - 1) * (draw.OneIn(4) ? 3600 : 240);
      break;
    default:
      break;
  }
  return fault;
}

void AddCalibration(Draw& draw, Plan& plan) {
  static constexpr Fault::Kind kKinds[] = {Fault::Kind::kWipeAll, Fault::Kind::kForgetful, Fault::Kind::kRefuseSeal,
                                           Fault::Kind::kMintMoney};
  Fault fault;
  fault.kind = kKinds[plan.seed % std::size(kKinds)];
  fault.at = fault.kind == Fault::Kind::kWipeAll ? absl::Minutes(3) : absl::ZeroDuration();
  fault.length = absl::Hours(1);
  plan.faults = {fault};
  plan.preempt = 0;
  plan.ops.clear();
  for (int i = 0; i < 6; ++i) {
    Op op = DrawOp(draw, 0);
    op.kind = Op::Kind::kPut;
    op.name = i % 5;
    op.size = draw.Between(200, 9000);
    op.wait = 2;
    plan.ops.push_back(op);
  }
}

void Keep(bool all, const std::vector<int>& which, auto& entries) {
  if (all) return;
  auto kept = entries;
  kept.clear();
  for (int i : which) {
    if (i >= 0 && static_cast<size_t>(i) < entries.size()) kept.push_back(entries[static_cast<size_t>(i)]);
  }
  entries = std::move(kept);
}

}  // namespace

const char* Name(Mode mode) {
  switch (mode) {
    case Mode::kSafety:
      return "safety";
    case Mode::kLiveness:
      return "liveness";
    case Mode::kCalibration:
      return "calibration";
  }
  return "?";
}

const char* Name(Fault::Kind kind) {
  static constexpr const char* kNames[] = {
      "lossy",     "lag",  "cut",        "cut-chain",   "kill",       "power",       "wipe",
      "rot",       "full", "slow-disk",  "sync-error",  "skew",       "lie",         "bad-receipt",
      "kill-client", "kill-chain", "power-chain", "wipe-all", "forgetful", "refuse-seal", "mint-money"};
  return kNames[static_cast<int>(kind)];
}

std::string Plan::Describe() const {
  static constexpr const char* kOps[] = {"put", "put-many", "get", "range", "remove", "copy", "list"};
  std::string out = absl::StrCat("seed ", seed, " ", Name(mode), ": ", providers, " providers of ", operators,
                                 " operators, buckets ", absl::StrJoin(policies, " "), ", victim ", victim, "\n");
  for (const Op& op : ops) {
    absl::StrAppend(&out, "  client ", op.client, " after ", absl::FormatDuration(op.pause), ": ",
                    kOps[static_cast<int>(op.kind)], " n", op.name, " other ", op.other, " size ", op.size, " wait ",
                    op.wait, "\n");
  }
  for (const Fault& fault : faults) {
    absl::StrAppend(&out, "  at ", absl::FormatDuration(fault.at), " for ", absl::FormatDuration(fault.length), ": ",
                    Name(fault.kind), " target ", fault.target, " amount ", fault.amount, "\n");
  }
  return out;
}

Plan MakePlan(uint64_t seed, Mode mode) {
  Draw draw{std::mt19937_64(seed * 4 + static_cast<uint64_t>(mode))};
  static constexpr const char* kPolicies[] = {"rs:2+1", "rs:4+2", "rs:3+2", "replicate:2", "replicate:3", "rs:2+2"};
  Plan plan;
  plan.seed = seed;
  plan.mode = mode;
  plan.providers = static_cast<int>(draw.Between(6, 8));
  plan.operators = static_cast<int>(draw.Between(3, 4));
  plan.clients = static_cast<int>(draw.Between(1, 2));
  plan.victim = static_cast<int>(draw.Below(static_cast<uint64_t>(plan.providers)));
  plan.preempt = draw.OneIn(2) ? 0 : draw.Unit() * 0.05;
  for (int client = 0; client < plan.clients; ++client) {
    plan.policies.push_back(kPolicies[draw.Below(std::size(kPolicies))]);
    plan.open.push_back(draw.OneIn(2));
    const uint64_t ops = draw.Between(6, 15);
    for (uint64_t i = 0; i < ops; ++i) plan.ops.push_back(DrawOp(draw, client));
  }
  const uint64_t faults = draw.Between(1, 11);
  for (uint64_t i = 0; i < faults; ++i) plan.faults.push_back(DrawFault(draw, plan));
  if (mode == Mode::kCalibration) AddCalibration(draw, plan);
  return plan;
}

std::string PlanText::ToText() const {
  std::string out = absl::StrCat(seed, " ", Name(mode));
  if (!all_ops) absl::StrAppend(&out, " ops=", absl::StrJoin(ops, ","));
  if (!all_faults) absl::StrAppend(&out, " faults=", absl::StrJoin(faults, ","));
  return out;
}

absl::StatusOr<PlanText> PlanText::Parse(const std::string& text) {
  PlanText out;
  const std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  const absl::Status bad = absl::InvalidArgumentError(absl::StrCat("not a plan: ", text));
  if (words.empty() || !absl::SimpleAtoi(words[0], &out.seed)) return bad;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    if (pair.first == "ops" || pair.first == "faults") {
      (pair.first == "ops" ? out.all_ops : out.all_faults) = false;
      for (absl::string_view number : absl::StrSplit(pair.second, ',', absl::SkipEmpty())) {
        int index = 0;
        if (!absl::SimpleAtoi(number, &index)) return bad;
        (pair.first == "ops" ? out.ops : out.faults).push_back(index);
      }
      continue;
    }
    bool known = false;
    for (Mode mode : {Mode::kSafety, Mode::kLiveness, Mode::kCalibration}) {
      if (words[i] != Name(mode)) continue;
      out.mode = mode;
      known = true;
    }
    if (!known) return bad;
  }
  return out;
}

Plan PlanText::Make() const {
  Plan plan = MakePlan(seed, mode);
  Keep(all_ops, ops, plan.ops);
  Keep(all_faults, faults, plan.faults);
  return plan;
}

}  // namespace cairn::sim
