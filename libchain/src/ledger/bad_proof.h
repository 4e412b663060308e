// The one error of proofs.
#pragma once

#include "absl/status/status.h"
#include "cairn/base/status.h"

namespace cairn::chain {

inline absl::Status BadProof(absl::string_view what) {
  return base::Error(absl::StatusCode::kDataLoss, "BAD_PROOF", what, "ask another node, and distrust this one");
}

}  // namespace cairn::chain
