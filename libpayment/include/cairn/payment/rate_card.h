// Rate cards: what a provider asks for.
#pragma once

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

// What moving `bytes` costs, rounded up to a whole unit.
using base::TransferCost;

}  // namespace cairn::payment
