// Verifying: every part of an object read from every holder and checked, or a local file held
// against an object.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/list.h"
#include "apps/client/source.h"

namespace cairn::client {

struct PartReport {
  uint32_t position = 0;
  base::AccountId provider;
  uint64_t bytes = 0;
  absl::Status status;  // DataLoss: its bytes are wrong; Unavailable: it does not answer; NotFound:
                        // it has nothing
};
struct VerifyReport {
  std::vector<PartReport> parts;
  std::optional<PartReport> whole;  // the primary's own copy, under +primary; enough by itself
  uint32_t good = 0;
  uint32_t needed = 0;  // parts that are enough to read
};
absl::StatusOr<VerifyReport> VerifyObject(Client& client, const Bucket& bucket,
                                          const ObjectInfo& object);

// DataLoss (reason CONTENT_DIFFERS) unless the source's bytes are the object's. Reads no provider
// when the manifest holds the plaintext's hash.
absl::Status VerifySource(Client& client, const Bucket& bucket, const ObjectInfo& object,
                          Source& source);

}  // namespace cairn::client
