// The payer's side of a channel: what to sign, and never more than one chunk ahead of verified bytes.
//
// A state machine without I/O: verified bytes in, payments out. The first chunk is prepaid, then each
// verified chunk is paid by one tick, and a new voucher opens when the ticks are used up, the rate
// changes, or a last partial chunk is due. What it promises is the bytes it verified plus one chunk
// at most, so that is all a cheating payee can take. Not thread-safe. Rules: CD-10, CD-12, CD-49.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "cairn/base/entropy.h"
#include "cairn/payment/channel_facts.h"

namespace cairn::payment {

struct PayerLimits {
  base::Price max_rate{};      // per 2^20 bytes
  base::Amount max_total{};    // over the channel's whole life
  uint32_t ticks = 256;        // of one voucher, at most base::kMaxTicks
};

struct TickRelease {
  base::Nonce16 epoch;
  uint32_t tick = 0;
  base::Tick x;
  friend bool operator==(const TickRelease&, const TickRelease&) = default;
};

// To send, in this order; empty when nothing is due.
struct Payment {
  std::optional<base::Voucher> voucher{};
  std::optional<TickRelease> tick{};
  bool empty() const { return !voucher && !tick; }
};

class Payer {
 public:
  // `key` is the channel's pinned signer and must outlive this, as must `entropy`. `last` is what
  // the store holds: a payer that starts from a store, and not from a channel that it opened itself
  // in this run, is never certain that nothing newer was signed (see `certain`).
  // InvalidArgument (reason WRONG_SIGNER) when the key is another one.
  static absl::StatusOr<Payer> Open(const ChannelFacts& facts, const PayerLimits& limits,
                                    const base::SigningKey& key, base::Entropy& entropy);
  static absl::StatusOr<Payer> Reopen(const ChannelFacts& facts, const PayerLimits& limits,
                                      const base::SigningKey& key, base::Entropy& entropy,
                                      const std::optional<base::Claim>& last);

  void OnFacts(const ChannelFacts& facts) {
    facts_ = facts;
    affordable_.reset();
  }
  // The payee's rate, from its signed answer. FailedPrecondition (reason PRICE_GUARD) above the
  // limit: nothing is signed at it.
  absl::Status Agree(base::Price rate);
  // So many bytes are wanted next; from now on payments are due for them.
  void Want(uint64_t bytes) { wanted_ += bytes; }
  // So many of them arrived and were verified.
  void OnVerified(uint64_t bytes);
  // So many of the wanted ones are not wanted any more; what was promised ahead stays promised.
  void Forgo(uint64_t bytes);

  // What is due now: one chunk ahead of the verified bytes, but not beyond what is wanted.
  // FailedPrecondition: PRICE_GUARD (the total), CHANNEL_DEPOSIT (top up), CHANNEL_ENDED, NO_RATE.
  absl::StatusOr<Payment> Due(absl::Time now);

  // What was promised last, once more: for a payee that may have missed it. Sending it is harmless.
  Payment Again() const;
  // After a restart: so many bytes of what was promised had arrived; the rest is still owed.
  void ResumeAt(uint64_t verified_bytes);

  // The payee shows the best claim it holds. One that this key signed and that is above our own is
  // ours from now on; a forged one is refused (PermissionDenied, reason FORGED_CLAIM).
  absl::Status Adopt(const base::Claim& best_of_payee);

  // The newest claim that was signed: what the store must hold before a payment is sent.
  const std::optional<base::Claim>& last() const { return last_; }
  // Did this very object sign everything that was ever signed for the channel? Only then a close
  // without the payee's consent cannot be stale.
  bool certain() const { return certain_; }
  const ChannelFacts& facts() const { return facts_; }
  uint64_t verified_bytes() const { return verified_; }
  uint64_t wanted_bytes() const { return wanted_; }
  uint64_t promised_bytes() const;
  base::Amount promised() const;

 private:
  Payer(const ChannelFacts& facts, const PayerLimits& limits, const base::SigningKey& key,
        base::Entropy& entropy)
      : facts_(facts), limits_(limits), key_(&key), entropy_(&entropy) {}
  uint64_t Target() const;
  base::Voucher Terms() const;
  bool IsAffordable(uint64_t bytes);
  absl::Status CheckAffordable(uint64_t target, absl::Time now);
  base::Voucher Sign(uint64_t bytes, uint32_t ticks);

  ChannelFacts facts_;
  PayerLimits limits_;
  const base::SigningKey* key_;
  base::Entropy* entropy_;
  std::optional<base::Price> rate_;
  std::optional<base::Claim> last_;
  std::optional<base::TickChain> chain_;  // of the last voucher; none after a restart
  std::optional<uint64_t> affordable_;    // bytes, until rate, deposit or base change
  uint64_t wanted_ = 0;    // both count the channel's whole life
  uint64_t verified_ = 0;
  bool certain_ = true;
};

}  // namespace cairn::payment
