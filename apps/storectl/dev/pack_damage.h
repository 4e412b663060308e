// Rot on purpose: flips one bit in the packs of a stopped or running store, below everything that could notice.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cairn/base/id.h"

namespace cairn::storectl {

// Of the payload that follows the id in the newest record of the blob. Returns "FILE at OFFSET". NotFound (reason
// NO_SUCH_BLOB) when no pack mentions the id.
absl::StatusOr<std::string> FlipBit(const std::string& packs_folder, const base::ContentId& blob);

}  // namespace cairn::storectl
