// Deleting: names with all their versions; unused reserve and bond come back.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/buckets.h"

namespace cairn::client {

// One transaction for up to 256 names. Names without a version are an error (NO_SUCH_OBJECT),
// nothing is deleted then.
absl::Status RemoveNames(Client& client, const Bucket& bucket,
                         const std::vector<std::string>& names);

}  // namespace cairn::client
