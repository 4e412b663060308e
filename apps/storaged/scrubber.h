// Proving, again and again, that what we hold is still what it was.
//
// The store is read from start to end at a bounded rate; what does not fit its id is remembered,
// named in logs and status, and handed to repair. A finished round gives a signed digest
// (base::ScrubClaim), which counts as our proof of being live. Cursor and last digest survive a
// restart. Slice and RunAll exclude each other; everything is thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "apps/storaged/identity.h"
#include "apps/storaged/write_queue.h"
#include "cairn/base/clock.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storaged {

class Scrubber {
 public:
  struct Environment {
    const Identity& identity;
    storage::BlobStore& blobs;
    WriteQueue& writes;
    const base::Clock& clock;
    std::function<void(const base::ContentId&)> repair;
  };
  explicit Scrubber(const Environment& environment) : env_(environment) {}

  absl::Status Load();
  // Reads about `budget_bytes`. True when a round was finished by it.
  absl::StatusOr<bool> Slice(uint64_t budget_bytes);
  // A whole round, now. "content id: where", of what it found, and of what was known before and is not mended yet.
  absl::StatusOr<std::vector<std::string>> RunAll(const std::function<bool()>& stopping);
  // A read found the blob damaged.
  void Report(const base::ContentId& id, absl::string_view where);

  rpc::v1::ScrubStatement statement() const;
  // "content id: where", of what is still damaged.
  std::vector<std::string> Damaged();
  uint64_t scrubbed_bytes() const { return scrubbed_bytes_; }

 private:
  absl::StatusOr<bool> Slice(uint64_t budget_bytes, std::map<base::ContentId, std::string>* found);
  void Restart();  // the round begins anew
  void Finish();

  Environment env_;
  std::mutex round_;  // one slice at a time
  std::string cursor_;
  uint64_t blobs_ = 0;  // of this round
  uint64_t bytes_ = 0;
  std::map<base::ContentId, std::string> damaged_in_round_;
  std::atomic<uint64_t> scrubbed_bytes_{0};
  mutable std::mutex mutex_;
  rpc::v1::ScrubStatement statement_;
  std::map<base::ContentId, std::string> damaged_;
};

}  // namespace cairn::storaged
