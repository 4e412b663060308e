#include "cairn/base/stream.h"

#include <algorithm>
#include <limits>

namespace cairn::base {

StreamTerms InOrder(StreamTerms terms) {
  terms.throttle = std::min(terms.throttle, terms.reserve / 2);
  terms.forced_settle = std::min(terms.forced_settle, terms.throttle / 4 * 3);
  const uint64_t between =
      std::min(terms.throttle - terms.forced_settle, terms.reserve - terms.throttle);
  terms.warning = std::min(terms.warning, between / 2);
  return terms;
}

bool RunStream(uint64_t second, StreamBalance* balance) {
  if (second <= balance->settled_s) return true;
  const uint64_t seconds = second - balance->settled_s;
  const auto earned = balance->net_in().Times(seconds);
  const auto owed = balance->net_out().Times(seconds);
  if (!earned || !owed) return false;
  const auto free = balance->free.Plus(*earned);
  const auto money = free ? free->Plus(balance->buffer) : std::nullopt;
  if (!money || *money < *owed) return false;
  const Amount from_buffer = owed->MinusOrZero(*free);
  balance->free = free->MinusOrZero(*owed);
  balance->buffer = balance->buffer.MinusOrZero(from_buffer);
  balance->settled_s = second;
  return true;
}

void FillBuffer(uint64_t reserve, StreamBalance* balance) {
  // Neither overflows below the supply's limit; if one ever did, everything free would go into the buffer.
  const Amount money = balance->free.Plus(balance->buffer).value_or(Amount::Max());
  const Amount target = balance->net_out().Times(reserve).value_or(Amount::Max());
  balance->buffer = std::min(money, target);
  balance->free = money.MinusOrZero(balance->buffer);
}

uint64_t SecondsLeft(Amount money, Amount net_rate) {
  constexpr uint64_t kForEver = std::numeric_limits<uint64_t>::max();
  if (net_rate.zero()) return kForEver;
  const absl::uint128 seconds = money.units() / net_rate.units();
  return seconds > kForEver ? kForEver : static_cast<uint64_t>(seconds);
}

}  // namespace cairn::base
