// What every coder asks of the units it is given to reconstruct from.
#pragma once

#include "cairn/storage/erasure.h"

namespace cairn::storage {

absl::Status CheckUnits(uint32_t data, uint32_t parity, absl::Span<const Coder::Unit> have,
                        absl::Span<const Coder::Missing> missing);

}  // namespace cairn::storage
