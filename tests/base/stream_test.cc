#include "cairn/base/stream.h"

#include <limits>

#include "catch.h"

namespace cairn::base {
namespace {

TEST_CASE("a stream draws on what is free, then on the buffer, and never beyond", "[GF-65]") {
  StreamBalance balance{.free = Amount(50), .buffer = Amount(100), .in_rate = Amount(3), .out_rate = Amount(13)};
  CHECK(RunStream(4, &balance));
  CHECK(balance.free == Amount(10));
  CHECK(balance.buffer == Amount(100));
  CHECK(RunStream(11, &balance));
  CHECK(balance.free == Amount(0));
  CHECK(balance.buffer == Amount(40));
  const StreamBalance before = balance;
  CHECK_FALSE(RunStream(16, &balance));
  CHECK(balance == before);
  CHECK(RunStream(15, &balance));
  CHECK(balance.buffer == Amount(0));
  CHECK(RunStream(3, &balance));  // time does not go back
  CHECK(balance.settled_s == 15);
}

TEST_CASE("what flows in becomes free", "[GF-65]") {
  StreamBalance balance{.free = Amount(1), .in_rate = Amount(9), .out_rate = Amount(2), .settled_s = 10};
  CHECK(RunStream(20, &balance));
  CHECK(balance.free == Amount(71));
}

TEST_CASE("free money fills the buffer to its reserve, and what is above returns") {
  StreamBalance balance{.free = Amount(250), .buffer = Amount(100), .out_rate = Amount(3)};
  FillBuffer(100, &balance);
  CHECK(balance.buffer == Amount(300));
  CHECK(balance.free == Amount(50));
  balance.out_rate = Amount(4);
  FillBuffer(100, &balance);
  CHECK(balance.buffer == Amount(350));
  CHECK(balance.free == Amount(0));
  balance.in_rate = Amount(4);
  FillBuffer(100, &balance);
  CHECK(balance.buffer == Amount(0));
  CHECK(balance.free == Amount(350));
}

TEST_CASE("seconds left are whole ones, and without end when nothing flows out") {
  CHECK(SecondsLeft(Amount(99), Amount(10)) == 9);
  CHECK(SecondsLeft(Amount(0), Amount(10)) == 0);
  CHECK(SecondsLeft(Amount(1), Amount(0)) == std::numeric_limits<uint64_t>::max());
  CHECK(SecondsLeft(Amount::Max(), Amount(1)) == std::numeric_limits<uint64_t>::max());
}

TEST_CASE("whatever a network sets, its steps come in order") {
  for (const uint64_t reserve : {0, 1, 2, 3, 10, 1000, 15'552'000}) {
    for (const uint64_t each : {0, 1, 5, 999, 100'000'000}) {
      const StreamTerms terms = InOrder({reserve, each, each, each});
      INFO(reserve << " " << each);
      CHECK(terms.throttle + terms.warning <= reserve);
      CHECK(terms.forced_settle + terms.warning <= terms.throttle);
    }
  }
  const StreamTerms kept = InOrder({30, 10, 7, 1});
  CHECK(kept.throttle == 10);
  CHECK(kept.forced_settle == 6);  // three quarters of ten, in whole quarters
  CHECK(InOrder({2'592'000, 864'000, 604'800, 86'400}).forced_settle == 604'800);
}

}  // namespace
}  // namespace cairn::base
