// A thread that does one thing again and again until it is stopped.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace cairn::storaged {

class Periodic {
 public:
  Periodic() = default;
  ~Periodic() { Stop(); }

  // `work` returns how long to wait before it is called again.
  void Start(std::function<absl::Duration()> work) {
    thread_ = std::thread([this, work = std::move(work)] {
      std::unique_lock lock(mutex_);
      while (!stopping_) {
        woken_ = false;
        lock.unlock();
        absl::Duration pause = work();
        lock.lock();
        changed_.wait_for(lock, absl::ToChronoMilliseconds(pause),
                          [&] { return stopping_ || woken_; });
      }
    });
  }
  // Ends the current wait. Thread-safe.
  void Wake() {
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  // Returns when the work under way is done.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool woken_ = false;
  std::thread thread_;
};

}  // namespace cairn::storaged
