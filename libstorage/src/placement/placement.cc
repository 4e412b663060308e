#include "cairn/storage/placement.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/hash.h"
#include "cairn/base/status.h"
#include "placement/loss.h"
#include "placement/spread_search.h"

namespace cairn::storage {
namespace {

using base::AccountId;

absl::Status NotEnoughProviders(size_t missing, absl::string_view why) {
  return base::Error(absl::StatusCode::kFailedPrecondition, "NOT_ENOUGH_PROVIDERS",
                     absl::StrCat(missing, " more live providers with room are needed: ", why),
                     "Choose a smaller policy, or wait until more providers offer space.",
                     {{"missing", absl::StrCat(missing)}});
}

absl::Status NotEnoughOperators(size_t missing, uint32_t cap) {
  return base::Error(
      absl::StatusCode::kFailedPrecondition, "NOT_ENOUGH_OPERATORS",
      absl::StrCat("providers of ", missing, " more operators are needed: one operator may hold ",
                   cap, " positions"),
      "Choose a policy with more parity, or wait for more operators.",
      {{"missing", absl::StrCat(missing)}, {"per_operator", absl::StrCat(cap)}});
}

base::Digest TieOf(uint64_t seed, const AccountId& account) {
  return base::Hasher::DeriveKey("cairn v1 placement tie")
      .Field(seed)
      .Field(account.view())
      .Finish();
}

bool Eligible(const PlacementRequest& request, const Candidate& c) {
  return c.live && c.free_bytes >= request.bytes_per_holder &&
         std::find(request.exclude.begin(), request.exclude.end(), c.account) ==
             request.exclude.end();
}

uint32_t Number(std::map<std::string, uint32_t>& known, const std::string& label) {
  return known.emplace(label, static_cast<uint32_t>(known.size())).first->second;
}

std::array<std::string, kDomains> LabelsOf(const Candidate& c) {
  return {c.operator_id.ToHexString(), c.network, c.region};
}

// Eligible candidates, one for each account, cheapest first, ties by the seed.
std::vector<Choice> Choices(const PlacementRequest& request,
                            absl::Span<const Candidate> candidates) {
  std::vector<std::pair<base::Digest, const Candidate*>> order;
  std::set<AccountId> seen;
  for (const Candidate& c : candidates) {
    if (Eligible(request, c) && seen.insert(c.account).second) {
      // By lot among equal prices: else whoever comes first in the registry would hold everything.
      order.emplace_back(TieOf(request.seed, c.account), &c);
    }
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    const base::Amount pa = a.second->holder_price.per_unit_e18;
    const base::Amount pb = b.second->holder_price.per_unit_e18;
    return pa == pb ? a.first < b.first : pa < pb;
  });
  std::array<std::map<std::string, uint32_t>, kDomains> numbers;
  std::map<std::string, uint32_t> kinds;
  std::vector<Choice> choices;
  for (const auto& [tie, candidate] : order) {
    Choice choice{candidate, {}, 0};
    const auto labels = LabelsOf(*candidate);
    for (size_t d = 0; d < kDomains; ++d) choice.domain[d] = Number(numbers[d], labels[d]);
    choice.kind =
        Number(kinds, absl::StrCat(choice.domain[0], "/", choice.domain[1], "/", choice.domain[2]));
    choices.push_back(choice);
  }
  return choices;
}

// The search would fail as well, but could not tell how many are missing.
absl::Status CheckOperators(const std::vector<Choice>& choices, uint32_t width, uint32_t cap) {
  std::map<uint32_t, uint32_t> held;
  size_t room = 0;
  for (const Choice& c : choices) room += ++held[c.domain[kOperator]] <= cap;
  return room >= width ? absl::OkStatus() : NotEnoughOperators((width - room + cap - 1) / cap, cap);
}

// The smallest cap for domain `d`, from caps[d] on, under which there is a choice at all.
void Relax(const std::vector<Choice>& choices, uint32_t width, Domain d, Caps& caps) {
  while (caps[d] < width && !FindSpread(choices, width, caps, true)) ++caps[d];
}

uint32_t Tolerated(const base::Redundancy& policy) {
  return policy.kind == base::LayoutKind::kShards ? policy.parity : policy.copies - 1;
}

// What a group looks like: spread, and the risk that follows from it.
struct Spread {
  bool reduced = false;
  std::string note;
  double loss = 0;
};

// `holders`: null for those nothing is known about, who count as alone.
Spread Describe(const PlacementRequest& request, const std::vector<const Candidate*>& holders) {
  static constexpr const char* kNames[kDomains] = {"operator", "network", "region"};
  const FailureModel& f = request.failures;
  const double failure[kDomains] = {f.operator_id, f.network, f.region};
  const uint32_t width = request.policy.width();
  Spread spread;
  std::vector<DomainLoad> loads;
  for (size_t d = 0; d < kDomains; ++d) {
    std::map<std::string, uint32_t> held;
    for (const Candidate* c : holders) {
      if (c != nullptr) ++held[LabelsOf(*c)[d]];
    }
    for (const auto& [label, count] : held) {
      loads.push_back({count, failure[d]});
      if (count <= DomainCap(request.policy)) continue;
      spread.reduced = true;
      absl::StrAppend(&spread.note, spread.note.empty() ? "" : ", ", kNames[d], " ", label,
                      " holds ", count, " of ", width);
    }
  }
  spread.loss = LossProbability(width, Tolerated(request.policy), f.provider, loads);
  return spread;
}

}  // namespace

uint32_t DomainCap(const base::Redundancy& policy) {
  if (policy.kind == base::LayoutKind::kShards) return std::max(policy.parity, 1u);
  return policy.copies > 3 ? policy.copies - 2 : 1;
}

absl::StatusOr<Placement> PlaceGroup(const PlacementRequest& request,
                                     absl::Span<const Candidate> candidates) {
  const uint32_t width = request.policy.width();
  const uint32_t cap = DomainCap(request.policy);
  const std::vector<Choice> choices = Choices(request, candidates);
  if (choices.size() < width) {
    return NotEnoughProviders(
        width - choices.size(),
        absl::StrCat("the policy ", request.policy.ToText(), " has ", width, " positions"));
  }
  RETURN_IF_ERROR(CheckOperators(choices, width, cap));
  // Regions matter more than networks: networks are opened first, then closed again as far as the
  // regions allow.
  Caps caps = {cap, width, cap};
  Relax(choices, width, kRegion, caps);
  caps[kNetwork] = cap;
  Relax(choices, width, kNetwork, caps);
  std::optional<std::vector<size_t>> found = FindSpread(choices, width, caps, false);
  if (!found) return NotEnoughOperators(1, cap);
  std::vector<const Candidate*> holders;
  for (size_t i : *found) holders.push_back(choices[i].candidate);
  // Positions by lot, so that the data shards are not always with the cheapest.
  std::sort(holders.begin(), holders.end(), [&](const Candidate* a, const Candidate* b) {
    return TieOf(request.seed, a->account) < TieOf(request.seed, b->account);
  });
  Placement placement;
  const Candidate* primary = holders[0];
  for (const Candidate* c : holders) {
    placement.holders.push_back(c->account);
    if (c->primary_price.per_unit_e18 < primary->primary_price.per_unit_e18) primary = c;
  }
  placement.primary = primary->account;
  Spread spread = Describe(request, holders);
  placement.reduced_spread = spread.reduced;
  placement.spread_note = std::move(spread.note);
  placement.loss_probability = spread.loss;
  return placement;
}

absl::StatusOr<SuccessorChoice> PlaceSuccessor(const PlacementRequest& request,
                                               absl::Span<const AccountId> holders,
                                               uint32_t position,
                                               absl::Span<const Candidate> candidates) {
  if (position >= holders.size() || holders.size() != request.policy.width()) {
    return absl::InvalidArgumentError("no such position in the group");
  }
  const uint32_t cap = DomainCap(request.policy);
  // Holders that nobody knows any more count as alone: they must not keep a successor away.
  std::vector<const Candidate*> group(holders.size(), nullptr);
  std::array<std::map<std::string, uint32_t>, kDomains> held;
  for (size_t i = 0; i < holders.size(); ++i) {
    if (i == position) continue;
    auto known = std::find_if(candidates.begin(), candidates.end(),
                              [&](const Candidate& c) { return c.account == holders[i]; });
    if (known == candidates.end()) continue;
    group[i] = &*known;
    const auto labels = LabelsOf(*known);
    for (size_t d = 0; d < kDomains; ++d) ++held[d][labels[d]];
  }
  // Excess over the caps of region, then network; among equals the cheapest, which comes first.
  std::optional<std::pair<uint32_t, uint32_t>> best;
  bool anyone = false;
  for (const Choice& choice : Choices(request, candidates)) {
    if (std::find(holders.begin(), holders.end(), choice.candidate->account) != holders.end())
      continue;
    anyone = true;
    const auto labels = LabelsOf(*choice.candidate);
    auto excess = [&](Domain d) {
      const uint32_t count = held[d][labels[d]] + 1;
      return count > cap ? count - cap : 0;
    };
    if (excess(kOperator) > 0) continue;
    const std::pair<uint32_t, uint32_t> score = {excess(kRegion), excess(kNetwork)};
    if (best && *best <= score) continue;
    best = score;
    group[position] = choice.candidate;
  }
  if (!anyone) return NotEnoughProviders(1, "none is left outside the group");
  if (!best) return NotEnoughOperators(1, cap);
  Spread spread = Describe(request, group);
  return SuccessorChoice{group[position]->account, spread.reduced, std::move(spread.note),
                         spread.loss};
}

}  // namespace cairn::storage
