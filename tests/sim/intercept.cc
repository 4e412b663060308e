// The thread library and the clocks, as the simulator's executable has them.
//
// A definition in an executable goes before the C library's, for shared libraries too. On a fiber these functions are
// the scheduler's; everywhere else they pass on to the real ones.
#include "sim/intercept.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <map>
#include <set>

#include "sim/threads.h"

using cairn::sim::Scheduler;

namespace {

template <class F>
F Real(F, const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}
#define REAL(name) static const auto real = Real(&name, #name)

// Thread ids of fibers: far from addresses, which is what real ones are.
constexpr pthread_t kFiberThreads = pthread_t{1} << 60;

absl::Duration Until(clockid_t clock, const timespec* at) {
  const Scheduler& scheduler = *Scheduler::Running();
  const absl::Duration due = absl::DurationFromTimespec(*at);
  return clock == CLOCK_REALTIME ? due - (scheduler.wall() - absl::UnixEpoch()) : due - scheduler.now();
}

int WaitOn(pthread_cond_t* cond, pthread_mutex_t* mutex, absl::Duration timeout) {
  const bool notified = Scheduler::Running()->CondWait(
      cond, timeout, [&] { pthread_mutex_unlock(mutex); }, [&] { pthread_mutex_lock(mutex); });
  return notified ? 0 : ETIMEDOUT;
}

std::map<cairn::sim::Process, std::set<int>>& FileLocks() {
  static auto& locks = *new std::map<cairn::sim::Process, std::set<int>>();
  return locks;
}

extern "C" char __executable_start, etext;

// Only the program's own mutexes let others run first: how often libraries lock theirs may depend on where memory
// happens to lie, and whether the process was forked (BoringSSL's read-write locks).
bool OurOwn(const void* caller) { return caller >= &__executable_start && caller < &etext; }

template <class TryLock>
int Lock(void* lock, TryLock try_lock) {
  Scheduler::Running()->LockContended(lock, [&] { return try_lock() == 0; });
  return 0;
}

}  // namespace

void cairn::sim::CloseFileLocks(Process process) {
  for (int fd : FileLocks()[process]) close(fd);
  FileLocks().erase(process);
}

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  REAL(pthread_mutex_lock);
  if (Scheduler::Running() == nullptr) return real(mutex);
  if (OurOwn(__builtin_return_address(0))) Scheduler::Running()->MaybePreempt();
  return Lock(mutex, [&] { return pthread_mutex_trylock(mutex); });
}
int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  REAL(pthread_mutex_unlock);
  const int result = real(mutex);
  if (Scheduler::Running() != nullptr) Scheduler::Running()->Unlocked(mutex);
  return result;
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  REAL(pthread_rwlock_rdlock);
  if (Scheduler::Running() == nullptr) return real(lock);
  return Lock(lock, [&] { return pthread_rwlock_tryrdlock(lock); });
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  REAL(pthread_rwlock_wrlock);
  if (Scheduler::Running() == nullptr) return real(lock);
  return Lock(lock, [&] { return pthread_rwlock_trywrlock(lock); });
}
int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  REAL(pthread_rwlock_unlock);
  const int result = real(lock);
  if (Scheduler::Running() != nullptr) Scheduler::Running()->Unlocked(lock);
  return result;
}

int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* mutex) {
  REAL(pthread_cond_wait);
  if (Scheduler::Running() == nullptr) return real(cond, mutex);
  return WaitOn(cond, mutex, absl::InfiniteDuration());
}
int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* mutex, const timespec* at) {
  REAL(pthread_cond_timedwait);
  if (Scheduler::Running() == nullptr) return real(cond, mutex, at);
  return WaitOn(cond, mutex, Until(CLOCK_REALTIME, at));
}
int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* mutex, clockid_t clock, const timespec* at) {
  REAL(pthread_cond_clockwait);
  if (Scheduler::Running() == nullptr) return real(cond, mutex, clock, at);
  return WaitOn(cond, mutex, Until(clock, at));
}
int pthread_cond_signal(pthread_cond_t* cond) noexcept {
  REAL(pthread_cond_signal);
  if (Scheduler::Running() == nullptr) return real(cond);
  Scheduler::Running()->CondNotify(cond, /*all=*/false);
  return 0;
}
int pthread_cond_broadcast(pthread_cond_t* cond) noexcept {
  REAL(pthread_cond_broadcast);
  if (Scheduler::Running() == nullptr) return real(cond);
  Scheduler::Running()->CondNotify(cond, /*all=*/true);
  return 0;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
  REAL(pthread_create);
  if (Scheduler::Running() == nullptr) return real(thread, attributes, start, argument);
  Scheduler& scheduler = *Scheduler::Running();
  *thread = kFiberThreads + scheduler.Spawn(scheduler.current(), [start, argument] { start(argument); });
  return 0;
}
int pthread_join(pthread_t thread, void** result) {
  REAL(pthread_join);
  if (thread < kFiberThreads) return real(thread, result);
  Scheduler::Running()->Join(thread - kFiberThreads);
  return 0;
}
int pthread_detach(pthread_t thread) noexcept {
  REAL(pthread_detach);
  return thread < kFiberThreads ? real(thread) : 0;
}

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const Scheduler* scheduler = Scheduler::Running();
  REAL(clock_gettime);
  if (scheduler == nullptr) return real(clock, out);
  *out = clock == CLOCK_REALTIME ? absl::ToTimespec(scheduler->wall()) : absl::ToTimespec(scheduler->now());
  return 0;
}
int nanosleep(const timespec* time, timespec* left) {
  REAL(nanosleep);
  if (Scheduler::Running() == nullptr) return real(time, left);
  Scheduler::Running()->Sleep(absl::DurationFromTimespec(*time));
  return 0;
}
int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* left) {
  REAL(clock_nanosleep);
  if (Scheduler::Running() == nullptr) return real(clock, flags, time, left);
  const bool absolute = (flags & TIMER_ABSTIME) != 0;
  Scheduler::Running()->Sleep(absolute ? Until(clock, time) : absl::DurationFromTimespec(*time));
  return 0;
}

// Locks on files go with the process that holds them.
int flock(int fd, int operation) noexcept {
  REAL(flock);
  const int result = real(fd, operation);
  if (result == 0 && Scheduler::Running() != nullptr) FileLocks()[Scheduler::Running()->current()].insert(fd);
  return result;
}
int close(int fd) {
  REAL(close);
  if (Scheduler::Running() != nullptr) FileLocks()[Scheduler::Running()->current()].erase(fd);
  return real(fd);
}

// std::future and std::atomic::wait use the futex itself.
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  Scheduler* scheduler = Scheduler::Running();
  if (number == SYS_futex && scheduler != nullptr) {
    const auto* word = reinterpret_cast<const int*>(a[0]);
    const int operation = static_cast<int>(a[1]) & FUTEX_CMD_MASK;
    if (operation == FUTEX_WAKE) {
      scheduler->CondNotify(word, /*all=*/a[2] != 1);
      return 1;
    }
    if (*word != static_cast<int>(a[2])) {
      errno = EAGAIN;
      return -1;
    }
    absl::Duration timeout = absl::InfiniteDuration();
    if (const auto* at = reinterpret_cast<const timespec*>(a[3])) {
      const clockid_t clock = (a[1] & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
      timeout = operation == FUTEX_WAIT ? absl::DurationFromTimespec(*at) : Until(clock, at);
    }
    if (scheduler->CondWait(word, timeout, [] {}, [] {})) return 0;
    errno = ETIMEDOUT;
    return -1;
  }
  long result;
  register long r10 __asm__("r10") = a[3];
  register long r8 __asm__("r8") = a[4];
  register long r9 __asm__("r9") = a[5];
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  if (result < 0 && result > -4096) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

}  // extern "C"
