// Where callers sleep until something happens: one system call wakes them all, and none of them takes a lock for it.
//
//   const uint32_t seen = gate.Look();   // then look at what is waited for
//   if (nothing to do) gate.Sleep(seen);  // returns at once when it has opened since
//
// Thread-safe. Whoever wakes must keep the gate alive meanwhile.
#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::base {

class Gate {
 public:
  uint32_t Look() const { return word_.load(); }
  // Until the gate has opened since `seen`; sometimes earlier.
  void Sleep(uint32_t seen);
  void WakeOne();  // one of the sleepers
  void WakeAll();

 private:
  std::atomic<uint32_t> word_ = 0;
};

}  // namespace cairn::base
