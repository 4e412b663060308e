// Where work runs, as a parameter.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "cairn/base/clock.h"

namespace cairn::base {

// Thread-safe. Tasks posted to one executor may run at once unless it says otherwise.
class Executor {
 public:
  using Task = absl::AnyInvocable<void() &&>;
  virtual ~Executor() = default;
  virtual void Post(Task task) = 0;
  virtual void PostAfter(absl::Duration delay, Task task) = 0;
};

// A fixed pool of threads and a timer. The destructor runs what was posted without delay (what those tasks post
// included), drops delayed tasks, and joins; call it from outside the pool.
class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(int threads);
  ~ThreadExecutor() override;
  void Post(Task task) override;
  void PostAfter(absl::Duration delay, Task task) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Single threaded: runs tasks in order of (due time, posting order) when told to, moving the clock along. Delays count
// on the monotonic clock. The clock must outlive it.
class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(SimClock& clock);
  ~SimExecutor() override;
  void Post(Task task) override;
  void PostAfter(absl::Duration delay, Task task) override;
  // Runs the next task; false when there is none.
  bool RunOne();
  // Runs everything that falls due up to now + limit, that moment included, and leaves the clock there (an infinite
  // limit: until nothing is pending, the clock stays at the last task). Returns how many ran.
  size_t RunFor(absl::Duration limit);
  size_t pending() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::base
