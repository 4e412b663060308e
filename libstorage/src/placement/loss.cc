#include "placement/loss.h"

#include <algorithm>
#include <cmath>

namespace cairn::storage {
namespace {

// More than `tolerated` of `n`, each failing on its own with probability p.
double Tail(uint32_t n, int64_t tolerated, double p) {
  if (tolerated < 0) return 1;
  double sum = 0;
  double term = std::pow(1 - p, n);  // exactly i failures
  for (uint32_t i = 0; i <= n; ++i) {
    if (i > tolerated) sum += term;
    term *= p / (1 - p) * (n - i) / (i + 1);
  }
  return sum;
}

}  // namespace

double LossProbability(uint32_t width, uint32_t tolerated, double provider_failure,
                       absl::Span<const DomainLoad> domains) {
  double sum = Tail(width, tolerated, provider_failure);
  for (const DomainLoad& domain : domains) {
    sum +=
        domain.failure * Tail(width - domain.holders,
                              static_cast<int64_t>(tolerated) - domain.holders, provider_failure);
  }
  return std::min(sum, 1.0);
}

}  // namespace cairn::storage
