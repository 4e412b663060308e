#include "apps/storaged/write_queue.h"

namespace cairn::storaged {

absl::Status WriteQueue::Commit(const base::KvBatch& batch) {
  if (batch.empty()) return absl::OkStatus();
  std::unique_lock lock(mutex_);
  if (gathering_ == nullptr) gathering_ = std::make_shared<Round>();
  std::shared_ptr<Round> round = gathering_;
  for (const auto& [key, value] : batch.changes()) {
    if (value.has_value()) {
      round->batch.Put(key, *value);
    } else {
      round->batch.Delete(key);
    }
  }
  changed_.wait(lock, [&] { return round->done || !committing_; });
  if (round->done) return round->status;

  committing_ = true;  // this caller leads: whoever comes from here on gathers for the next round
  gathering_ = nullptr;
  lock.unlock();
  absl::Status status = kv_.Commit(round->batch);
  lock.lock();
  round->status = status;
  round->done = true;
  committing_ = false;
  changed_.notify_all();
  return status;
}

}  // namespace cairn::storaged
