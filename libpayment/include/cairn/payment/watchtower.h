// A watchtower: shows the best claim of a channel when somebody closes it below that.
//
// A state machine without I/O, inside every daemon: it watches the channels of its own account and
// those of peers that appointed it. It asks one question only: do I hold a strictly higher claim? It
// holds no money and cannot redirect any; for a peer it earns at most half of the penalty. Not
// thread-safe. Rule: CD-39.
#pragma once

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "cairn/payment/channel_facts.h"

namespace cairn::payment {

// What a payee gives its tower, signed by the payee's key.
struct SignedAppointment {
  base::TowerAppointment terms;
  base::PublicKey payee_key;
  base::Signature signature;
};

struct DisputeOrder {
  base::ChannelId channel;
  base::Claim claim;
  std::optional<SignedAppointment> appointment;  // for a peer's channel: the bounty
};

struct TowerLimits {
  size_t max_channels = 100'000;
  size_t max_channels_per_payee = 1'000;
  absl::Duration retry = absl::Minutes(1);  // an order that the ledger does not show yet
};

class Watchtower {
 public:
  explicit Watchtower(const base::AccountId& self, TowerLimits limits = {})
      : self_(self), limits_(limits) {}

  // A channel of our own, or a higher claim for it. Lower ones change nothing.
  absl::Status WatchOwn(const ChannelFacts& facts, const base::Claim& claim);
  // A peer's; of several claims and appointments for one channel the best of each stays.
  // PermissionDenied (FORGED_CLAIM, BAD_APPOINTMENT), FailedPrecondition (APPOINTMENT_TOO_SHORT: it
  // ends before a close after the expiry could settle), ResourceExhausted (TOWER_FULL).
  absl::Status WatchPeer(const ChannelFacts& facts, const base::Claim& claim,
                         const SignedAppointment& appointment, absl::Duration window);

  // News of the ledger about a channel; what to submit now, if anything.
  std::optional<DisputeOrder> OnFacts(const ChannelFacts& facts, absl::Time now);
  // Orders that were given and that the ledger does not show yet, once more.
  std::vector<DisputeOrder> OnTime(absl::Time now);

  size_t watched() const { return watched_.size(); }
  struct Held {
    base::Claim claim;                             // the highest
    std::optional<SignedAppointment> appointment;  // the one that lasts longest
  };
  // What is held for a channel; nullopt when it is not watched.
  std::optional<Held> Find(const base::ChannelId& channel) const;

 private:
  struct Watched {
    ChannelFacts facts;
    Held held;
    absl::Time ordered = absl::InfinitePast();
  };
  absl::Status Watch(const ChannelFacts& facts, const base::Claim& claim,
                     const std::optional<SignedAppointment>& appointment);
  std::optional<DisputeOrder> Order(Watched& watched, absl::Time now) const;

  base::AccountId self_;
  TowerLimits limits_;
  std::map<base::ChannelId, Watched> watched_;
  std::map<base::AccountId, size_t> per_payee_;
};

}  // namespace cairn::payment
