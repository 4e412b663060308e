#include "cairn/base/executor.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace cairn::base {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// Far enough to mean never, near enough not to overflow.
constexpr absl::Duration kLongestDelay = absl::Hours(24 * 365 * 50);

}  // namespace

struct ThreadExecutor::State {
  std::mutex mutex;
  std::condition_variable work;
  std::condition_variable timer;
  bool stopping = false;
  std::deque<Task> ready;
  std::map<std::pair<SteadyTime, uint64_t>, Task> delayed;
  uint64_t next_number = 0;
  std::vector<std::thread> threads;

  void Work() {
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock, [this] { return stopping || !ready.empty(); });
      if (ready.empty()) return;
      {
        // Destroyed before the lock is taken again: what it owns may post as it goes.
        Task task = std::move(ready.front());
        ready.pop_front();
        lock.unlock();
        std::move(task)();
      }
      lock.lock();
    }
  }

  void KeepTime() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      if (delayed.empty()) {
        timer.wait(lock);
        continue;
      }
      SteadyTime due = delayed.begin()->first.first;
      if (std::chrono::steady_clock::now() < due) {
        timer.wait_until(lock, due);
        continue;
      }
      ready.push_back(std::move(delayed.begin()->second));
      delayed.erase(delayed.begin());
      work.notify_one();
    }
  }
};

ThreadExecutor::ThreadExecutor(int threads) : state_(std::make_shared<State>()) {
  state_->threads.emplace_back([state = state_.get()] { state->KeepTime(); });
  for (int i = 0; i < std::max(threads, 1); ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->Work(); });
  }
}

ThreadExecutor::~ThreadExecutor() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->work.notify_all();
  state_->timer.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

void ThreadExecutor::Post(Task task) {
  {
    std::lock_guard lock(state_->mutex);
    state_->ready.push_back(std::move(task));
  }
  state_->work.notify_one();
}

void ThreadExecutor::PostAfter(absl::Duration delay, Task task) {
  if (delay <= absl::ZeroDuration()) return Post(std::move(task));
  SteadyTime due =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(std::min(delay, kLongestDelay));
  {
    std::lock_guard lock(state_->mutex);
    state_->delayed.emplace(std::make_pair(due, state_->next_number++), std::move(task));
  }
  state_->timer.notify_one();
}

struct SimExecutor::State {
  explicit State(SimClock& c) : clock(c) {}
  SimClock& clock;
  std::map<std::pair<absl::Duration, uint64_t>, Task> tasks;
  uint64_t next_number = 0;
};

SimExecutor::SimExecutor(SimClock& clock) : state_(std::make_unique<State>(clock)) {}
SimExecutor::~SimExecutor() = default;

void SimExecutor::Post(Task task) { PostAfter(absl::ZeroDuration(), std::move(task)); }

void SimExecutor::PostAfter(absl::Duration delay, Task task) {
  absl::Duration due = state_->clock.Monotonic() + std::max(delay, absl::ZeroDuration());
  state_->tasks.emplace(std::make_pair(due, state_->next_number++), std::move(task));
}

bool SimExecutor::RunOne() {
  if (state_->tasks.empty()) return false;
  auto first = state_->tasks.begin();
  absl::Duration wait = first->first.first - state_->clock.Monotonic();
  Task task = std::move(first->second);
  state_->tasks.erase(first);
  if (wait > absl::ZeroDuration()) state_->clock.Advance(wait);
  std::move(task)();
  return true;
}

size_t SimExecutor::RunFor(absl::Duration limit) {
  absl::Duration end = state_->clock.Monotonic() + limit;
  size_t ran = 0;
  while (!state_->tasks.empty() && state_->tasks.begin()->first.first <= end) ran += RunOne();
  absl::Duration rest = end - state_->clock.Monotonic();
  if (rest > absl::ZeroDuration() && end != absl::InfiniteDuration()) state_->clock.Advance(rest);
  return ran;
}

size_t SimExecutor::pending() const { return state_->tasks.size(); }

}  // namespace cairn::base
