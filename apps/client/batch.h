// Small objects travelling together: one create, one stream and one receipt a holder, one seal.
// Internal.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/prepare.h"
#include "apps/client/put.h"

namespace cairn::client {

inline constexpr size_t kBatchObjects = 256;
inline constexpr uint64_t kBatchBytes = 24 << 20;         // stored bytes held in memory
inline constexpr uint64_t kBatchRecordBytes = 700 << 10;  // of the transaction

struct BatchItem {
  Reference ref;
  Prepared prepared;  // with object.name (and after_version when known)
};

// Creates, delivers, seals. One result for each item.
std::vector<absl::StatusOr<PutResult>> ShipBatch(Client& client, const Bucket& bucket,
                                                 std::vector<BatchItem> items,
                                                 const PutOptions& options, bool versions_known);

// Delivers what exists on the ledger (a batch, a copy) to all positions at once and seals what
// reached its quorum. Fills the results' parts, missing, durable.
class Shipment;
absl::Status DeliverAndSeal(Client& client, Shipment& shipment,
                            const PutOptions& options, std::vector<absl::Status>* outcome,
                            std::vector<std::vector<MissingPart>>* missing);

}  // namespace cairn::client
