// How likely it is that a placement loses an object before repair can act.
#pragma once

#include "cairn/storage/placement.h"

namespace cairn::storage {

// Holders of one group that share a domain, with the probability that the domain fails.
struct DomainLoad {
  uint32_t holders = 0;
  double failure = 0;
};

// Probability that more than `tolerated` of `width` holders are lost at once: independent failures,
// plus for each domain its failure together with independent ones of the others (first order: two
// domains at once are neglected).
double LossProbability(uint32_t width, uint32_t tolerated, double provider_failure,
                       absl::Span<const DomainLoad> domains);

}  // namespace cairn::storage
