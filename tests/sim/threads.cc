#include "sim/threads.h"

#include <cxxabi.h>
#include <sys/mman.h>
#include <ucontext.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace cairn::sim {

namespace {

constexpr size_t kStackBytes = 512 << 10;
constexpr size_t kGuardBytes = 4096;

// AddressSanitizer is told which stack runs; elsewhere these say nothing.
#if defined(__SANITIZE_ADDRESS__)
void LeaveFor(void** own_fake_stack, const void* bottom, size_t size) {
  __sanitizer_start_switch_fiber(own_fake_stack, bottom, size);
}
void ArriveWith(void* own_fake_stack, const void** left_bottom, size_t* left_size) {
  __sanitizer_finish_switch_fiber(own_fake_stack, left_bottom, left_size);
}
void MakeNew(void* stack, size_t size) { __asan_unpoison_memory_region(stack, size); }
#else
void LeaveFor(void**, const void*, size_t) {}
void ArriveWith(void*, const void**, size_t*) {}
void MakeNew(void*, size_t) {}
#endif
// The scheduler's own stack, as the fibers leave for it.
const void* outside_bottom = nullptr;
size_t outside_size = 0;

Scheduler* running = nullptr;
Fiber* current_fiber = nullptr;
ucontext_t outside;  // the scheduler's own context

// What the C++ runtime keeps of exceptions in flight belongs to the fiber.
struct ExceptionState {
  void* caught = nullptr;
  unsigned uncaught = 0;
};

ExceptionState& LiveExceptions() { return *reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals()); }

}  // namespace

struct ProcessState {
  std::string name;
  bool alive = true;
};

struct Fiber {
  uint64_t id = 0;
  Process process = nullptr;
  std::function<void()> body;
  ucontext_t context = {};
  void* stack = nullptr;
  void* fake_stack = nullptr;
  ExceptionState exceptions;
  uint64_t wait = 0;
  bool blocked = false;
  bool timed_out = false;
  bool dead = false;
  bool finished = false;
  const char* why = "";
  std::vector<Waiter> joining;
};

const absl::Time Scheduler::kEpoch = absl::FromUnixSeconds(1'800'000'000);

Scheduler::Scheduler(uint64_t seed, double preempt) : random_(seed), preempt_(preempt) {}
Scheduler::~Scheduler() {
  for (auto& [id, fiber] : fibers_) {
    if (fiber->stack != nullptr) GiveStack(fiber->stack);
  }
  for (void* stack : free_stacks_) munmap(stack, kStackBytes + kGuardBytes);
}

Scheduler* Scheduler::Running() { return running; }

Process Scheduler::NewProcess(std::string name) {
  processes_.push_back(std::make_unique<ProcessState>());
  processes_.back()->name = std::move(name);
  return processes_.back().get();
}

bool Scheduler::Alive(Process process) const { return process->alive; }
const std::string& Scheduler::Name(Process process) const { return process->name; }

void Scheduler::Kill(Process process) {
  process->alive = false;
  for (auto it = fibers_.begin(); it != fibers_.end(); ++it) {
    Fiber& fiber = *it->second;
    if (fiber.process != process || fiber.finished) continue;
    fiber.dead = true;
    // The memory goes to the next fiber: whoever could reach it is dead as well.
    if (fiber.stack != nullptr) GiveStack(std::exchange(fiber.stack, nullptr));
  }
  ready_.erase(std::remove_if(ready_.begin(), ready_.end(), [](Fiber* fiber) { return fiber->dead; }), ready_.end());
}

void* Scheduler::TakeStack() {
  if (!free_stacks_.empty()) {
    void* stack = free_stacks_.back();
    free_stacks_.pop_back();
    return stack;
  }
  void* stack = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) std::abort();
  mprotect(stack, kGuardBytes, PROT_NONE);
  return stack;
}

void Scheduler::GiveStack(void* stack) { free_stacks_.push_back(stack); }

void Scheduler::Enter(unsigned high, unsigned low) {
  ArriveWith(nullptr, &outside_bottom, &outside_size);
  Fiber& fiber = *reinterpret_cast<Fiber*>((uint64_t{high} << 32) | low);
  fiber.body();
  fiber.finished = true;
  LeaveFor(nullptr, outside_bottom, outside_size);
  setcontext(&outside);
}

uint64_t Scheduler::Spawn(Process process, std::function<void()> body) {
  auto fiber = std::make_unique<Fiber>();
  Fiber* raw = fiber.get();
  raw->id = ++next_thread_;
  raw->process = process;
  raw->body = std::move(body);
  raw->dead = !process->alive;
  fibers_[raw->id] = std::move(fiber);
  if (raw->dead) return raw->id;
  raw->stack = TakeStack();
  MakeNew(static_cast<char*>(raw->stack) + kGuardBytes, kStackBytes);
  getcontext(&raw->context);
  raw->context.uc_stack.ss_sp = static_cast<char*>(raw->stack) + kGuardBytes;
  raw->context.uc_stack.ss_size = kStackBytes;
  const uint64_t address = reinterpret_cast<uint64_t>(raw);
  makecontext(&raw->context, reinterpret_cast<void (*)()>(&Scheduler::Enter), 2, static_cast<unsigned>(address >> 32),
              static_cast<unsigned>(address));
  ready_.push_back(raw);
  return raw->id;
}

void Scheduler::Resume(Fiber& fiber) {
  running = this;
  current_fiber = &fiber;
  const ExceptionState mine = std::exchange(LiveExceptions(), fiber.exceptions);
  void* fake_stack = nullptr;
  LeaveFor(&fake_stack, fiber.context.uc_stack.ss_sp, kStackBytes);
  swapcontext(&outside, &fiber.context);
  ArriveWith(fake_stack, nullptr, nullptr);
  fiber.exceptions = std::exchange(LiveExceptions(), mine);
  running = nullptr;
  current_fiber = nullptr;
  if (!fiber.finished) return;
  GiveStack(std::exchange(fiber.stack, nullptr));
  fiber.body = nullptr;
  for (const Waiter& waiter : fiber.joining) Wake(waiter);
}

void Scheduler::AddTimer(absl::Duration delay, Waiter waiter, std::function<void()> task) {
  constexpr int64_t kNever = int64_t{1} << 62;
  const int64_t ns = std::clamp<int64_t>(absl::ToInt64Nanoseconds(delay), 0, kNever - now_);
  timers_.push({now_ + ns, order_++, waiter,
                task ? std::make_shared<std::function<void()>>(std::move(task)) : nullptr});
}

void Scheduler::After(absl::Duration delay, std::function<void()> task) { AddTimer(delay, {}, std::move(task)); }

bool Scheduler::FireNext() {
  while (!timers_.empty()) {
    const Timer timer = timers_.top();
    timers_.pop();
    Fiber* fiber = timer.waiter.fiber;
    // Stale: the wait ended otherwise. It does not move the clock.
    if (fiber != nullptr && (fiber->dead || !fiber->blocked || fiber->wait != timer.waiter.wait)) continue;
    now_ = std::max(now_, timer.due);
    ++events_;
    if (fiber != nullptr) {
      Wake(timer.waiter);
      fiber->timed_out = true;
    } else {
      (*timer.task)();
    }
    return true;
  }
  return false;
}

bool Scheduler::Run(const std::function<bool()>& done, uint64_t limit) {
  const uint64_t stop = events_ + limit;
  while (!done()) {
    if (events_ >= stop) return false;
    if (ready_.empty()) {
      if (!FireNext()) return false;
      continue;
    }
    const size_t pick = ready_.size() == 1 ? 0 : random_() % ready_.size();
    Fiber* fiber = ready_[pick];
    ready_[pick] = ready_.back();
    ready_.pop_back();
    Resume(*fiber);
  }
  return true;
}

std::string Scheduler::Describe() const {
  std::string out;
  for (const auto& [id, fiber] : fibers_) {
    if (fiber->finished || fiber->dead) continue;
    absl::StrAppend(&out, "  ", fiber->process->name, " #", id, ": ", fiber->why, "\n");
  }
  return out;
}

Process Scheduler::current() const { return current_fiber->process; }

Waiter Scheduler::Self() const { return {current_fiber, current_fiber->wait + 1}; }

bool Scheduler::Block(absl::Duration timeout, const char* why) {
  Fiber& fiber = *current_fiber;
  ++fiber.wait;
  fiber.blocked = true;
  fiber.timed_out = false;
  fiber.why = why;
  if (timeout < absl::InfiniteDuration()) AddTimer(timeout, {&fiber, fiber.wait}, nullptr);
  LeaveFor(&fiber.fake_stack, outside_bottom, outside_size);
  swapcontext(&fiber.context, &outside);
  ArriveWith(fiber.fake_stack, &outside_bottom, &outside_size);
  return !fiber.timed_out;
}

void Scheduler::Wake(const Waiter& waiter) {
  Fiber* fiber = waiter.fiber;
  if (fiber == nullptr || fiber->dead || fiber->finished || !fiber->blocked || fiber->wait != waiter.wait) return;
  fiber->blocked = false;
  ready_.push_back(fiber);
}

void Scheduler::Yield() {
  Fiber& fiber = *current_fiber;
  ++fiber.wait;
  fiber.why = "yield";
  ready_.push_back(&fiber);
  LeaveFor(&fiber.fake_stack, outside_bottom, outside_size);
  swapcontext(&fiber.context, &outside);
  ArriveWith(fiber.fake_stack, &outside_bottom, &outside_size);
}

void Scheduler::Sleep(absl::Duration time) {
  if (time <= absl::ZeroDuration()) return Yield();
  Block(time, "sleep");
}

void Scheduler::Join(uint64_t thread) {
  const auto it = fibers_.find(thread);
  if (it == fibers_.end() || it->second->finished) return;
  it->second->joining.push_back(Self());
  Block(absl::InfiniteDuration(), "join");
}

void Scheduler::LockContended(const void* lock, const std::function<bool()>& try_lock) {
  while (!try_lock()) {
    waiting_[lock].push_back(Self());
    Block(absl::InfiniteDuration(), "lock");
  }
}

void Scheduler::Unlocked(const void* lock) {
  const auto it = waiting_.find(lock);
  if (it == waiting_.end()) return;
  const std::deque<Waiter> waiters = std::move(it->second);
  waiting_.erase(it);
  for (const Waiter& waiter : waiters) Wake(waiter);
}

void Scheduler::MaybePreempt() {
  if (preempt_ <= 0) return;
  if (std::generate_canonical<double, 32>(random_) < preempt_) Yield();
}

bool Scheduler::CondWait(const void* cond, absl::Duration timeout, const std::function<void()>& unlock,
                         const std::function<void()>& lock) {
  waiting_[cond].push_back(Self());
  unlock();
  const bool notified = Block(timeout, "condition");
  lock();
  return notified;
}

void Scheduler::CondNotify(const void* cond, bool all) {
  const auto it = waiting_.find(cond);
  if (it == waiting_.end()) return;
  std::deque<Waiter>& waiters = it->second;
  while (!waiters.empty()) {
    const Waiter waiter = waiters.front();
    waiters.pop_front();
    const bool waits = !waiter.fiber->dead && waiter.fiber->blocked && waiter.fiber->wait == waiter.wait;
    Wake(waiter);
    if (waits && !all) break;
  }
  if (waiters.empty()) waiting_.erase(it);
}

bool Signal::Wait(Scheduler& scheduler, absl::Duration timeout, const char* why) {
  waiters_.push_back(scheduler.Self());
  return scheduler.Block(timeout, why);
}

void Signal::NotifyAll(Scheduler& scheduler) {
  for (const Waiter& waiter : std::exchange(waiters_, {})) scheduler.Wake(waiter);
}

}  // namespace cairn::sim
