// How much of a bucket's monthly quota was read, as each provider that may serve it counts it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "apps/client/session.h"

namespace cairn::client {

// Bytes of this month, as quotas count them. What a provider says is its own word; storectl bill holds it against what
// readers signed.
struct QuotaUse {
  base::AccountId provider;
  absl::Status answer;  // why the rest is not known
  uint64_t free_bytes = 0;
  uint64_t free_used = 0;
  uint64_t package_bytes = 0;
  uint64_t package_used = 0;
  bool throttled = false;  // the payer is out of funds: reads are slowed down to
  uint64_t bytes_per_second = 0;

  uint64_t free_left() const { return free_bytes - std::min(free_bytes, free_used); }
  uint64_t package_left() const { return package_bytes - std::min(package_bytes, package_used); }
};

// The group's primary and holders, each once, asked at once. Only the bucket's owner gets an answer.
std::vector<QuotaUse> ReadQuotaUse(Client& client, uint64_t bucket, const chain::v1::Group& group,
                                   absl::Duration timeout);

}  // namespace cairn::client
