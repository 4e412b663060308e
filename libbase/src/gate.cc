#include "cairn/base/gate.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace cairn::base {
namespace {

void Futex(std::atomic<uint32_t>& word, int operation, uint32_t value) {
  static_assert(sizeof word == sizeof(uint32_t));
  (void)syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), operation, value, nullptr, nullptr, 0);
}

}  // namespace

void Gate::Sleep(uint32_t seen) { Futex(word_, FUTEX_WAIT_PRIVATE, seen); }

void Gate::WakeOne() {
  // Before the wake: whoever has looked and not yet slept does not sleep any more.
  ++word_;
  Futex(word_, FUTEX_WAKE_PRIVATE, 1);
}

void Gate::WakeAll() {
  ++word_;
  Futex(word_, FUTEX_WAKE_PRIVATE, INT_MAX);
}

}  // namespace cairn::base
