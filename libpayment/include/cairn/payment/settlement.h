// When to take the money, and how to close without risking a penalty.
//
// Pure functions: what the ledger says and what the store holds in, one decision out. A payee may
// withdraw at any time on whatever it holds, because a withdrawal is a lower bound and never the last
// word. A payer is penalised for a close below a claim it signed, so it closes alone only when it is
// certain of everything it signed; with a store that may be an old backup it asks the payee to close
// together, or waits for the expiry, which carries no penalty. Rules: CD-15, CD-17, CD-18.
#pragma once

#include "cairn/payment/payer.h"

namespace cairn::payment {

enum class Settlement : uint8_t {
  kNothing = 0,
  kWithdraw = 1,      // payee: show the best claim, the channel stays open
  kDispute = 2,       // either: the window is open and the best claim is above what was shown
  kClose = 3,         // show the last claim and begin the window
  kCloseTogether = 4,  // ask the other side to sign
  kReclaim = 5,       // payer: the channel has expired
  kForget = 6,        // settled
};

struct PayeePolicy {
  base::Amount withdraw_from{};  // so much unredeemed is worth a transaction
  absl::Duration before_expiry = absl::Hours(7 * 24);  // redeem what there is from then on
};
Settlement DecidePayee(const ChannelFacts& facts, const std::optional<base::Claim>& best,
                       const PayeePolicy& policy, absl::Time now);

struct PayerWish {
  bool close = false;            // the user wants the money back
  bool payee_answers = true;     // a close by both was not tried in vain
  bool owner_vouches = false;    // the user says that the store was not restored
};
Settlement DecidePayer(const Payer& payer, const PayerWish& wish, absl::Time now);

// What the two sides say to each other when they meet, besides claims: how often each one's store was
// opened, and the highest such number it remembers of the other.
struct StoreHello {
  uint64_t generation = 0;
  uint64_t seen_of_peer = 0;
};
// Was our store restored from a backup? The peer has seen this generation, or a later one, before.
bool StoreWasRestored(const StoreHello& ours, const StoreHello& theirs);

}  // namespace cairn::payment
