#include "cairn/base/gate.h"

#include <atomic>
#include <thread>
#include <vector>

#include "catch.h"

namespace cairn::base {

TEST_CASE("whoever looked before a gate opened does not sleep") {
  Gate gate;
  const uint32_t seen = gate.Look();
  gate.WakeAll();
  gate.Sleep(seen);
  const uint32_t later = gate.Look();
  CHECK(later != seen);
  gate.WakeOne();
  gate.Sleep(later);
  CHECK(gate.Look() != later);
}

TEST_CASE("one call wakes all who sleep at a gate, and none of them misses what was written before it") {
  for (int round = 0; round < 50; ++round) {
    Gate gate;
    std::atomic<bool> done = false;
    int written = 0;
    std::atomic<int> right = 0;
    std::vector<std::thread> sleepers;
    for (int i = 0; i < 8; ++i) {
      sleepers.emplace_back([&] {
        for (uint32_t seen = gate.Look(); !done; seen = gate.Look()) gate.Sleep(seen);
        right += written == round;
      });
    }
    written = round;
    done = true;
    gate.WakeAll();
    for (std::thread& sleeper : sleepers) sleeper.join();
    CHECK(right == 8);
  }
}

}  // namespace cairn::base
