// Where a daemon keeps the best claim of every channel, durably, in groups.
//
// A payee acknowledges a claim only with a `Durable` that covers it, and a `Durable` comes only from
// a commit that the store made (CD-40, and "acknowledged means durable"). Many claims share one
// commit; of several staged for one channel only the newest is written.
//
// When a voucher follows another one, the last claim under the old one moves to the channel's
// statement: what both sides compare when they disagree. A voucher that added nothing leaves no
// line, and a statement ends at `kMaxStatement` lines, so a payer cannot fill a payee's disk.
//
// A store counts its openings (`generation`) and keeps, for every channel, the highest generation
// that the other side said it had seen of it: a store restored from an old backup meets a
// counterparty that has seen a later one.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/kv.h"
#include "cairn/base/voucher.h"

namespace cairn::payment {

// Everything staged with a number up to `up_to` survives a crash. Made by ClaimStore alone.
class Durable {
 public:
  uint64_t up_to() const { return up_to_; }

 private:
  friend class ClaimStore;
  explicit Durable(uint64_t up_to) : up_to_(up_to) {}
  uint64_t up_to_;
};

inline constexpr uint32_t kMaxStatement = 65'536;

// A promise of the payee to take no voucher any more, until the close by both has expired.
struct Waiver {
  base::Amount amount;
  absl::Time expires;
  friend bool operator==(const Waiver&, const Waiver&) = default;
};

// Thread-safe: any number of threads stage, one at a time commits.
class ClaimStore {
 public:
  virtual ~ClaimStore() = default;

  // Durably higher with every opening of the store; 1 in a new one.
  virtual uint64_t generation() const = 0;

  // What is in the store, staged changes not included. DataLoss (reason STORE_DAMAGED) when a
  // record is none.
  virtual absl::StatusOr<std::optional<base::Claim>> Find(const base::ChannelId& channel) const = 0;
  virtual absl::StatusOr<std::vector<base::Claim>> All() const = 0;
  virtual absl::StatusOr<std::optional<Waiver>> FindWaiver(
      const base::ChannelId& channel) const = 0;
  // The highest generation of this store that the channel's other side has seen; 0 when none.
  virtual absl::StatusOr<uint64_t> PeerGeneration(const base::ChannelId& channel) const = 0;

  // The last claim under each earlier voucher that was worth something, the oldest first, from line
  // `from` on and at most `limit`; the newest claim is not in it (Find).
  virtual absl::StatusOr<std::vector<base::Claim>> Statement(const base::ChannelId& channel,
                                                             uint32_t from, size_t limit) const = 0;

  // Each returns the number that a later Durable must reach.
  virtual uint64_t Stage(const base::Claim& claim) = 0;
  virtual uint64_t StageWaiver(const base::ChannelId& channel, const Waiver& waiver) = 0;
  virtual uint64_t StagePeerGeneration(const base::ChannelId& channel, uint64_t generation) = 0;
  // For a channel that is settled: everything about it goes.
  virtual uint64_t StageForget(const base::ChannelId& channel) = 0;

  // Writes everything staged in one durable commit. On an error nothing staged since counts as
  // written; the store's own error says whether it can go on.
  virtual absl::StatusOr<Durable> Commit() = 0;

 protected:
  static Durable MakeDurable(uint64_t up_to) { return Durable(up_to); }
};

// Over a key-value store of its own, which must outlive it. Opening raises the generation, durably.
absl::StatusOr<std::unique_ptr<ClaimStore>> OpenClaimStore(base::Kv& kv);

}  // namespace cairn::payment
