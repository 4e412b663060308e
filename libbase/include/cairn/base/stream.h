// Streams: money that flows at a constant rate, charged by the second.
//
// One arithmetic for the ledger, which settles, and for clients, which show what a balance is now and when it ends.
// Amounts are units of one asset, times are whole seconds of the streams' clock. What an account pays net is drawn from
// its free balance first and then from its buffer; whatever is free refills the buffer up to `reserve` seconds of the
// net rate. Pure functions; safe from any thread.
#pragma once

#include <cstdint>

#include "cairn/base/amount.h"

namespace cairn::base {

// Lengths in seconds, as a network sets them.
struct StreamTerms {
  uint64_t reserve = 0;        // what the buffer covers
  uint64_t throttle = 0;       // left in it when service slows down
  uint64_t forced_settle = 0;  // left in it when the flows stop
  uint64_t warning = 0;        // before either
};
// The same in order, so that no step can come before the one it follows: throttle is at most half the reserve, forced
// settlement at most three quarters of that, a warning at most half of what lies between.
StreamTerms InOrder(StreamTerms terms);

struct StreamBalance {
  Amount free{};
  Amount buffer{};
  Amount in_rate{};
  Amount out_rate{};
  uint64_t settled_s = 0;

  // What it pays a second more than it receives; and the other way round.
  Amount net_out() const { return out_rate.MinusOrZero(in_rate); }
  Amount net_in() const { return in_rate.MinusOrZero(out_rate); }
  friend bool operator==(const StreamBalance&, const StreamBalance&) = default;
};

// The balance at `second` (never before settled_s). False, and nothing changed, when the money does not suffice.
[[nodiscard]] bool RunStream(uint64_t second, StreamBalance* balance);
// Fills the buffer to `reserve` seconds of the net rate as far as free money goes; what is above returns to free.
void FillBuffer(uint64_t reserve, StreamBalance* balance);
// Whole seconds that `money` lasts at a net rate; 2^64 - 1 when for longer or for ever.
uint64_t SecondsLeft(Amount money, Amount net_rate);

}  // namespace cairn::base
