// Rate cards: what a provider asks for.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cairn/base/charge.h"

namespace cairn::payment {

// All in one asset. Storage is per byte-second, transfer per 2^20 bytes.
struct RateCard {
  base::Price storage_primary{};  // as the primary of a bucket, for stored bytes
  base::Price storage_holder{};   // as a holder, for the bytes it keeps
  base::Price ingress{};
  base::Price egress{};
  friend bool operator==(const RateCard&, const RateCard&) = default;
};

// People write storage in crn per terabyte (10^12 bytes) and 30 days, a read package in crn per terabyte that may be
// read each month and 30 days, transfer in crn per terabyte. Rounded down to the ledger's units. InvalidArgument
// (reason BAD_AMOUNT, BAD_PRICE).
absl::StatusOr<base::Price> ParseStoragePrice(absl::string_view crn);
absl::StatusOr<base::Price> ParseTransferPrice(absl::string_view crn);
// The other way round, rounded down to a unit of crn; the largest amount when it does not fit.
base::Amount StoragePerTbMonth(base::Price price);
base::Amount TransferPerTb(base::Price price);

// What moving `bytes` costs, rounded up to a whole unit.
using base::TransferCost;

}  // namespace cairn::payment
