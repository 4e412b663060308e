// Single parts from single holders, paid for like any other read: from the bucket's quota or package while they cover
// it, over a channel when its owner says so. Internal to the client library.
//
// What arrives is verified against the part's root before it is paid for or handed on. Thread-safe. Rules: CD-10, CD-12.
#pragma once

#include <functional>
#include <mutex>

#include "absl/status/status.h"
#include "apps/client/session.h"
#include "cairn/base/blake3_tree.h"

namespace cairn::client {

// Money that is not there for one holder is not there for another one: a limit, a pool, what the ledger refuses.
bool IsAboutMoney(const absl::Status& status);
// READ_QUOTA_SPENT for somebody who did not say that reads may be paid for.
absl::Status NotAllowed(const absl::Status& spent);

class PartReader {
 public:
  // `parties`: holders that are going to be read, each for about as much. What all of them will cost is looked at
  // before the first is paid.
  PartReader(Client& client, uint32_t parties) : client_(client), parties_(parties) {}

  struct Part {
    GetPart what;
    uint64_t bytes = 0;      // of the part within the range; 0: the holder is asked when it is to be paid
    uint64_t max_bytes = 0;  // a larger part is refused
    absl::Duration timeout;
  };
  // Verified bytes to `sink`, in order. DataLoss: they are others; READ_QUOTA_SPENT; errors of Purse::For.
  absl::Status Read(const ProviderAddress& holder, const Part& part,
                    const std::function<absl::Status(base::ByteView)>& sink);
  // Why something was not paid for; OK while nothing of that kind happened.
  absl::Status unpaid() const;

 private:
  absl::Status Keep(const absl::Status& status);
  absl::Status Unpaid() const;  // what makes further reads needless
  absl::Status Receive(const ProviderAddress& holder, const Part& part,
                       const std::function<absl::Status(base::ByteView)>& sink);
  absl::StatusOr<uint64_t> SizeAt(const ProviderAddress& holder, const Part& part);
  absl::Status ReadPaid(const ProviderAddress& holder, Part part,
                        const std::function<absl::Status(base::ByteView)>& sink);

  Client& client_;
  std::mutex paying_;  // one at a time, until it is known that all can be paid
  uint32_t parties_;
  mutable std::mutex mutex_;
  absl::Status unpaid_;  // of IsAboutMoney
  absl::Status spent_;   // READ_QUOTA_SPENT; another holder may have some left
};

}  // namespace cairn::client
