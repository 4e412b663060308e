// Who pays for what a read delivers: the seam between reads, quotas and channels.
//
// A read is metered in content bytes: those of the asked range that the part has; proofs beside them are free. Its payer
// is found before its first byte, in this order:
//
//   1. the bucket's free quota of the month, at most free_cap_bytes of it for one object   [GF-47, GF-48]
//   2. the bucket's package                                                                [GF-49]
//   3. the channel that the request names (GetRequest.channel), slice by slice
//   4. nobody, when this provider asks nothing for egress, or a provider of the group reads to repair
//
// Otherwise it is refused with READ_QUOTA_SPENT (ResourceExhausted). One read has one payer: quota and package cover it
// together or not at all, and a read that a channel pays takes nothing from either. Quotas count whole objects: a
// byte of a shard counts k times, since k holders send one each for k bytes of the object, and each counts for itself.
// So any k holders that live give the whole quota, and none gives more of its own bytes than the quota over k.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apps/rpc/provider_service.h"
#include "cairn/base/id.h"

namespace cairn::storaged {

// One read, as it was admitted.
struct ReadFacts {
  base::BucketId bucket{};
  base::ObjectId object{};
  base::ContentId part{};
  uint64_t offset = 0;
  uint64_t bytes = 0;    // content bytes asked for, clipped to the part
  uint32_t weight = 1;   // what each counts in quotas: k for shards, 1 for whole copies and manifests
  rpc::Caller caller;    // who signed the call; nullopt: nobody
  std::string channel;   // GetRequest.channel; empty: none
};

// A read that a channel pays. One thread; ended when destroyed.
class PaidRead {
 public:
  virtual ~PaidRead() = default;
  // Before each piece of at most 64 KiB leaves: waits until the payer's credit window has room for `bytes` more. Returns
  // the payee's refusal when there will be none, Cancelled soon after `gone` says that reader or server ends.
  virtual absl::Status Admit(uint64_t bytes, const std::function<bool()>& gone) = 0;
  // They left. What was admitted and never left is free again when the read ends.
  virtual void Sent(uint64_t bytes) = 0;
};

// The channels that pay us. Thread-safe.
class PaidReads {
 public:
  virtual ~PaidReads() = default;
  // May that channel pay for the read? Its errors go to the reader as they are. Does not wait.
  virtual absl::StatusOr<std::unique_ptr<PaidRead>> Begin(const ReadFacts& facts) = 0;
};

}  // namespace cairn::storaged
