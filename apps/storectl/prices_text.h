// Prices as commands read and show them: people think in crn a TB and 30 days, the ledger in 10^-18 units a byte-second.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "apps/storectl/output.h"
#include "cairn/chain/pb.h"

namespace CLI {
class App;
}

namespace cairn::storectl {

// One flag a component; empty: as it is.
struct PriceFlags {
  std::string primary;
  std::string holder;
  std::string egress;
  std::string ingress;
  std::string package;

  bool empty() const;
  void AddTo(CLI::App& command);
  // `from` with the components that were given.
  absl::StatusOr<chain::pb::ProviderPrices> Over(const chain::pb::ProviderPrices& from) const;
};

std::string PricesJson(const chain::pb::ProviderPrices& prices);
// Five lines, each with what stands in `before` where it differs.
std::string PricesText(const chain::pb::ProviderPrices& prices, const chain::pb::ProviderPrices* before);

}  // namespace cairn::storectl
