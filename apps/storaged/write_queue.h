// Durable writes to one key-value store by many threads at once: those that wait share one sync.
#pragma once

#include <condition_variable>
#include <mutex>

#include "cairn/base/kv.h"

namespace cairn::storaged {

// Thread-safe. The store must outlive it.
class WriteQueue {
 public:
  explicit WriteQueue(base::Kv& kv) : kv_(kv) {}

  // Returns once the batch is durable. Batches are applied in the order of the calls; the ones of
  // callers that wait at the same time go in one commit, and share its outcome.
  absl::Status Commit(const base::KvBatch& batch);

  base::Kv& kv() { return kv_; }

 private:
  struct Round {
    base::KvBatch batch;
    bool done = false;
    absl::Status status;
  };

  base::Kv& kv_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Round> gathering_;  // whose leader has not begun to commit
  bool committing_ = false;
};

}  // namespace cairn::storaged
