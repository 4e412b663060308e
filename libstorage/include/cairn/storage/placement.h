// Placement: who holds which shard of a new group, and who takes over a position.
//
// Hard rules: distinct live providers with room; no operator holds more than m shards (max(1, n -
// 2) of n copies), so that no operator alone can break or withhold an object. The same cap holds
// for networks and regions where the candidates allow it; where they do not, the best that is
// possible is taken, `reduced_spread` is set and the loss probability shows what that costs. Among
// valid choices the cheapest is taken; ties are broken by the seed. The same request gives the same
// answer. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/amount.h"
#include "cairn/base/id.h"
#include "cairn/base/layout.h"

namespace cairn::storage {

struct Candidate {
  base::AccountId account{};
  base::AccountId operator_id{};
  std::string network{};  // a label that fails as one: an autonomous system, or an address prefix
  std::string region{};
  uint64_t free_bytes = 0;
  base::Price holder_price{};   // per byte-second of what it keeps
  base::Price primary_price{};  // per byte-second when it is primary
  bool live = true;
};

// Probabilities of losing one of each within the time a repair takes.
struct FailureModel {
  double provider = 0.01;
  double operator_id = 0.001;
  double network = 0.0005;
  double region = 0.0002;
};

struct PlacementRequest {
  base::Redundancy policy{};
  uint64_t bytes_per_holder = 0;           // room that each must have
  uint64_t seed = 0;                       // breaks ties
  std::vector<base::AccountId> exclude{};  // never these
  FailureModel failures{};
};

struct Placement {
  std::vector<base::AccountId> holders;  // position order
  base::AccountId primary;               // the holder that is cheapest as primary
  bool reduced_spread = false;
  std::string spread_note;      // which rule could not be kept, e.g. "region eu holds 3 of 6"
  double loss_probability = 0;  // of more than m positions at once, first order in domain failures
};

// The cap for one operator, network or region.
uint32_t DomainCap(const base::Redundancy& policy);

// FailedPrecondition: NOT_ENOUGH_PROVIDERS or NOT_ENOUGH_OPERATORS; message and evidence say how
// many are missing.
absl::StatusOr<Placement> PlaceGroup(const PlacementRequest& request,
                                     absl::Span<const Candidate> candidates);

struct SuccessorChoice {
  base::AccountId provider;
  bool reduced_spread = false;
  std::string spread_note;
  double loss_probability = 0;
};
// Who should take `position` over from its holder: the cheapest that keeps the rules beside the
// others of `holders` (position order; those unknown to `candidates` count as alone in their
// domains). Errors as PlaceGroup.
absl::StatusOr<SuccessorChoice> PlaceSuccessor(const PlacementRequest& request,
                                               absl::Span<const base::AccountId> holders,
                                               uint32_t position,
                                               absl::Span<const Candidate> candidates);

}  // namespace cairn::storage
