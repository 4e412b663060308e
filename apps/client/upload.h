// Streams one large object to its holders: the sockets and threads around storage::Upload.
// Internal.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "apps/client/delivery.h"
#include "cairn/storage/encode.h"

namespace cairn::client {

// One pass over the source from a stripe on; every piece of every shard goes to the sink, in order.
using PassFn = std::function<absl::Status(uint64_t first_stripe, const storage::ShardSink& sink)>;

struct UploadRun {
  bool resumed = false;  // holders may have parts: ask before sending
  bool replace_holders =
      true;          // a holder that was given up gets a successor where one is to be had
  std::string item;  // for progress
  uint64_t plaintext_size = 0;
  uint64_t repeat_bytes = 0;  // sent and not yet kept, at most; over all holders
};

struct UploadOutcome {
  std::vector<MissingPart> missing;
  uint64_t sent_bytes = 0;
};

// Receipts end up in the shipment (of one parcel). Unavailable (NOT_ENOUGH_RECEIPTS) when the
// quorum was not reached; the errors of the pass (SOURCE_CHANGED) and of an interrupt end it at
// once.
absl::StatusOr<UploadOutcome> UploadParcel(Client& client, Shipment& shipment, const PassFn& pass,
                                           const UploadRun& run);

}  // namespace cairn::client
