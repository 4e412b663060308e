// Threads, locks and time for a simulated world: one operating-system thread, any number of fibers, one seed.
//
// The daemons' objects start std::threads, wait on condition variables and read clocks. In the simulator's executable
// those calls end here (intercept.cc defines the thread library's functions), so the same object code runs on fibers:
// whoever would block hands over to another fiber, the clock moves only when nobody can run, and which fiber is next
// comes from the seed. Nothing is ever waited for in real time.
//
// Fibers belong to a process. Killing a process is kill -9: its fibers never run again, nothing is unwound, what it had
// in memory is lost; files and disks are the world's. Everything here is for one real thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace cairn::sim {

struct Fiber;
struct ProcessState;
using Process = ProcessState*;

// Names one wait of one fiber: waking it twice, or after it was woken otherwise, does nothing.
struct Waiter {
  Fiber* fiber = nullptr;
  uint64_t wait = 0;
};

class Scheduler {
 public:
  // `preempt`: how often taking a free lock lets others run first.
  Scheduler(uint64_t seed, double preempt);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Of the fiber that runs now; null outside of fibers.
  static Scheduler* Running();

  // ---- from anywhere ----
  Process NewProcess(std::string name);
  void Kill(Process process);
  bool Alive(Process process) const;
  const std::string& Name(Process process) const;
  uint64_t Spawn(Process process, std::function<void()> body);
  // `task` runs between fibers and must not block.
  void After(absl::Duration delay, std::function<void()> task);
  absl::Duration now() const { return absl::Nanoseconds(now_); }
  absl::Time wall() const { return kEpoch + now(); }
  std::mt19937_64& random() { return random_; }
  // Things that happened: messages delivered, waits that ended by time, faults.
  uint64_t events() const { return events_; }

  // Runs until `done` (asked between fibers), until nothing can happen any more, or for `limit` events. True when done.
  bool Run(const std::function<bool()>& done, uint64_t limit);
  // What every fiber that cannot run waits for, for people.
  std::string Describe() const;

  // ---- from a fiber ----
  Process current() const;
  void Yield();
  void Sleep(absl::Duration time);
  // The wait that the next Block of the running fiber is.
  Waiter Self() const;
  // Returns false when `timeout` passed before a Wake.
  bool Block(absl::Duration timeout = absl::InfiniteDuration(), const char* why = "wait");
  void Wake(const Waiter& waiter);

  // ---- what the thread library does (intercept.cc) ----
  void Join(uint64_t thread);
  void LockContended(const void* lock, const std::function<bool()>& try_lock);
  void Unlocked(const void* lock);
  void MaybePreempt();
  bool CondWait(const void* cond, absl::Duration timeout, const std::function<void()>& unlock,
                const std::function<void()>& lock);
  void CondNotify(const void* cond, bool all);

 private:
  struct Timer {
    int64_t due;
    uint64_t order;
    Waiter waiter;
    std::shared_ptr<std::function<void()>> task;
    bool operator>(const Timer& other) const {
      return due != other.due ? due > other.due : order > other.order;
    }
  };
  static const absl::Time kEpoch;

  void AddTimer(absl::Duration delay, Waiter waiter, std::function<void()> task);
  bool FireNext();
  void Resume(Fiber& fiber);
  void* TakeStack();
  void GiveStack(void* stack);
  static void Enter(unsigned high, unsigned low);

  std::mt19937_64 random_;
  const double preempt_;
  int64_t now_ = 0;
  uint64_t events_ = 0;
  uint64_t order_ = 0;
  uint64_t next_thread_ = 0;
  std::vector<std::unique_ptr<ProcessState>> processes_;
  std::map<uint64_t, std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> ready_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<Timer>> timers_;
  std::map<const void*, std::deque<Waiter>> waiting_;  // by lock or condition
  std::vector<void*> free_stacks_;
};

// A condition among fibers that needs no lock, because only one runs at a time.
class Signal {
 public:
  // False when `timeout` passed first.
  bool Wait(Scheduler& scheduler, absl::Duration timeout, const char* why);
  void NotifyAll(Scheduler& scheduler);

 private:
  std::vector<Waiter> waiters_;
};

}  // namespace cairn::sim
