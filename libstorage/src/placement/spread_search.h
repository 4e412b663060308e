// The cheapest choice of `width` candidates under caps per operator, network and region.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "cairn/storage/placement.h"

namespace cairn::storage {

enum Domain : size_t { kOperator = 0, kNetwork = 1, kRegion = 2, kDomains = 3 };

// A candidate with its domains as small numbers. Sorted by the caller: cheapest first.
struct Choice {
  const Candidate* candidate = nullptr;
  std::array<uint32_t, kDomains> domain{};
  uint32_t kind = 0;  // equal for candidates whose domains are all equal
};

using Caps = std::array<uint32_t, kDomains>;

// Indices into `choices`, or nullopt when the caps cannot be kept. Branch and bound: exact while it
// stays within a fixed number of steps, the best found so far beyond. `first_only`: any valid
// choice will do.
std::optional<std::vector<size_t>> FindSpread(const std::vector<Choice>& choices, uint32_t width,
                                              const Caps& caps, bool first_only);

}  // namespace cairn::storage
