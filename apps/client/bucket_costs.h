// What a bucket costs, what it would cost at other prices, and its read package.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/amount.h"
#include "cairn/chain/client.h"
#include "cairn/chain/pb.h"

namespace cairn::client {

// Rates in units of crn a second, taxes included.
struct BucketCosts {
  base::Amount objects;  // of everything stored and being stored, each at the price of its creation
  base::Amount package;  // of the read package, at the price of its last change
};
// What the bucket's bills say. Nothing but a change of the bucket changes it, whatever prices do.
absl::StatusOr<BucketCosts> CostsOf(chain::Client& chain, uint64_t bucket);

// What `objects` of a group with this policy, and a package, would cost if they were made at `prices`. Amount::Max()
// where a sum does not fit.
BucketCosts CostsAt(const chain::pb::ProviderPrices& prices, const chain::pb::Params& params,
                    const chain::pb::Redundancy& policy, const std::vector<chain::pb::Object>& objects,
                    uint64_t package_bytes);

// Every version that the bucket keeps, as recorded: names stay encrypted.
absl::StatusOr<std::vector<chain::pb::Object>> RecordsOf(chain::Client& chain, uint64_t bucket);

// The price that new objects get now, and the one announced to follow it, when there is one.
struct KnownPrices {
  chain::pb::PriceRecord current;
  bool coming = false;
  chain::pb::PriceRecord next;
  absl::Time now;  // of the ledger
};
absl::StatusOr<KnownPrices> ReadPrices(chain::Client& chain);

}  // namespace cairn::client
