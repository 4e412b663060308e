// An answer worked out anew from its proofs.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "cairn/chain/pb.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

// The part of a state that proofs show. A question about any other key poisons it (DataLoss, BAD_PROOF).
class ProvenView final : public ReadView {
 public:
  // The proofs must have been verified.
  explicit ProvenView(const google::protobuf::RepeatedPtrField<pb::StateProof>& proofs);
  ProvenView() = default;

  RecordPtr Get(const std::string& key) const override;
  // The first record shown to be present; what stands between two of them is not known.
  std::optional<Entry> Seek(const std::string& key) const override;
  absl::Status health() const override { return health_; }

 private:
  std::map<std::string, RecordPtr> records_;
  mutable absl::Status health_;
};

// Does `answer` (whose header and proofs are verified) say what its proofs show, and no more? DataLoss (BAD_PROOF).
// `request` asked for proofs.
absl::Status CheckAgainstProofs(const pb::QueryRequest& request, const pb::QueryResponse& answer);

}  // namespace cairn::chain
