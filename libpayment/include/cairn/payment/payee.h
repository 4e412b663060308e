// The payee's side of a channel: which vouchers count, what may be sent before more is paid, and
// when to take the money.
//
// State machines without I/O: facts in, decisions out. A payee never sends more unpaid bytes than
// the credit window of a channel, min(8 MiB, one chunk + an eighth of what was paid for, or of what
// that money buys at the present rate when it is less), nor than 32 MiB to one payer over all
// channels; the first chunk is prepaid. So its loss is bounded by the window, and a thief with fresh
// identities pays more for opening channels than it takes.
// Not thread-safe. Rules: CD-10, CD-11, CD-15, CD-36, CD-40, CD-49.
#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "cairn/base/key.h"
#include "cairn/payment/channel_facts.h"
#include "cairn/payment/claim_store.h"

namespace cairn::payment {

// Why a voucher or tick was not taken. Numbers go over the wire and are never reused.
enum class [[nodiscard]] Reject : uint8_t {
  kNone = 0,
  kBadSignature = 1,
  kWrongSigner = 2,       // said to be signed by a key that is not the channel's
  kWrongChannel = 3,      // of another channel or chain
  kWrongToken = 4,        // in another asset
  kStaleNonce = 5,        // not above the best claim held
  kAmountRegression = 6,  // worth less than what was promised before
  kBytesRegression = 7,   // fewer bytes than were promised before
  kInsufficientDeposit = 8,
  kRetryLater = 9,        // this payer is refused for a while
  kExpired = 10,          // the channel has expired, is closing or is settled
  kCooperativeCloseSigned = 11,
  kRateFloorRaised = 12,  // below the rate asked now, or below the floor
  kBadTick = 13,          // does not lead to the tick before
  kOverpaid = 14,         // more than one window ahead of what was sent: a slip of the payer
  kMalformed = 15,
};
// "StaleNonce".
absl::string_view Name(Reject reject);
// FailedPrecondition (reason VOUCHER_STALE_NONCE, …) with what to do next; OK for kNone.
absl::Status ToStatus(Reject reject);

inline constexpr uint64_t kMaxWindowBytes = 8 << 20;
inline constexpr uint64_t kMaxPayerWindowBytes = 32 << 20;

struct PayeeTerms {
  base::Price rate{};   // asked now, per 2^20 bytes
  base::Price floor{};  // no claim below it, over a channel's whole life
  uint64_t max_window_bytes = kMaxWindowBytes;
  uint64_t max_payer_bytes = kMaxPayerWindowBytes;
  base::Amount min_deposit{};  // a smaller one is dust: settling it costs more than it brings
  absl::Duration expiry_margin = absl::Hours(1);   // nothing is sent so shortly before the expiry
  absl::Duration pay_timeout = absl::Seconds(10);  // unpaid for so long: refused for a while
  absl::Duration refusal = absl::Minutes(10);
};

// What may be unpaid once `paid_bytes` were paid.
uint64_t CreditWindow(uint64_t paid_bytes, uint64_t max_window_bytes);

enum class SendDecision : uint8_t {
  kSend = 0,
  kWaitForPayment = 1,       // the window is used up, or the first chunk is not prepaid
  kWaitForOtherChannels = 2,  // the payer's cap over all channels is used up
  kNewVoucher = 3,           // the rate was raised: a voucher at the new rate first
  kTopUp = 4,                // the deposit does not cover more
  kRefused = 5,              // the payer let a window lapse
  kEnded = 6,                // expiring, closing, settled, or waived
};

// One channel.
class Payee {
 public:
  // FailedPrecondition: DUST_CHANNEL, CHANNEL_ENDED, WINDOW_ABOVE_OPEN_FEE (the first window at the
  // asked rate costs more than opening a channel did, so a thief would gain). `best` is what the
  // store holds.
  static absl::StatusOr<Payee> Open(const ChannelFacts& facts, const PayeeTerms& terms,
                                    const std::optional<base::Claim>& best,
                                    const std::optional<Waiver>& waiver, absl::Time now);

  // News of the ledger about the same channel.
  void OnFacts(const ChannelFacts& facts);
  // From now on more is asked (or less). Vouchers at a lower rate are refused.
  void Requote(base::Price rate) { terms_.rate = rate; }

  // kNone: `best` is now this claim; the same one again is taken and changes nothing. `stated` is
  // the key that the payer says it signed with. A channel's first voucher is worth all its bytes at the
  // rate asked.
  Reject OnVoucher(const base::Voucher& voucher, const base::PublicKey& stated, absl::Time now);
  Reject OnTick(const base::Nonce16& epoch, uint32_t tick, const base::Tick& x, absl::Time now);
  // The newest claim that the payer says it signed: taken when it is above the best one and not below
  // the floor, however far ahead of what was sent. So a payee whose store was an older one learns
  // what it is owed.
  Reject Adopt(const base::Claim& claim, absl::Time now);
  // A claim of so many bytes is in the store now. Only such claims open the window: what a crash
  // could undo is not served against.
  void OnDurable(uint64_t paid_bytes) { durable_ = std::max(durable_, paid_bytes); }

  // May `bytes` more be sent, a chunk at most? `payer_unpaid` counts the payer's other channels.
  SendDecision MaySend(uint64_t bytes, uint64_t payer_unpaid, absl::Time now);
  void OnSent(uint64_t bytes) { sent_ += bytes; }
  // So many of the bytes counted as sent never left.
  void OnNotSent(uint64_t bytes) { sent_ -= std::min(sent_, bytes); }
  // Whoever waited to be sent something went away: the next wait is a new one.
  void OnReaderGone() { waiting_since_.reset(); }

  // What the payee signs when both close; no voucher is taken until it expired. FailedPrecondition
  // (reason CLOSE_BELOW_CLAIM) below the best claim, CHANNEL_CLOSING once the payer has closed by
  // itself, CHANNEL_ENDED.
  absl::StatusOr<base::CooperativeClose> AgreeToClose(base::Amount amount, absl::Time expires,
                                                      absl::Time now);

  const ChannelFacts& facts() const { return facts_; }
  const std::optional<base::Claim>& best() const { return best_; }
  const std::optional<Waiver>& waiver() const { return waiver_; }
  base::Amount earned() const;
  uint64_t paid_bytes() const;
  uint64_t durable_bytes() const { return durable_; }
  uint64_t sent_bytes() const { return sent_; }
  uint64_t unpaid_bytes() const;

 private:
  Payee(const ChannelFacts& facts, const PayeeTerms& terms) : facts_(facts), terms_(terms) {}
  bool Ended(absl::Time now) const;
  // What the window grows with: bytes that are paid for durably, as many as the money buys now.
  uint64_t BytesAtPresentRate() const;
  Reject CheckTerms(const base::Voucher& voucher, absl::Time now) const;
  Reject CheckAgainstBest(const base::Voucher& voucher) const;
  void Take(const base::Claim& claim);
  void CountCovered();

  ChannelFacts facts_;
  PayeeTerms terms_;
  std::optional<base::Claim> best_;
  std::optional<base::TickHash> ticks_;  // of the best claim's voucher, when it has any
  std::optional<Waiver> waiver_;
  uint64_t sent_ = 0;
  uint64_t durable_ = 0;  // bytes paid by the claim in the store
  uint64_t covered_ = 0;  // bytes that the deposit pays for under the best voucher
  std::optional<absl::Time> waiting_since_;
  absl::Time refused_until_ = absl::InfinitePast();
};

// All channels of a payee, over a store: what is acknowledged is durable.
class PayeeBook {
 public:
  struct Ack {
    base::ChannelId channel;
    base::Amount earned;
    uint64_t paid_bytes = 0;
  };

  // The store must outlive the book.
  PayeeBook(ClaimStore& store, PayeeTerms terms) : store_(store), terms_(terms) {}

  // As Payee::Open, with the store's claim; a channel that is open already takes the new facts.
  absl::Status Open(const ChannelFacts& facts, absl::Time now);
  Payee* Find(const base::ChannelId& channel);
  // WrongChannel when the channel is not open here. An accepted claim is staged, not acknowledged.
  Reject OnVoucher(const base::Voucher& voucher, const base::PublicKey& stated, absl::Time now);
  Reject OnTick(const base::ChannelId& channel, const base::Nonce16& epoch, uint32_t tick,
                const base::Tick& x, absl::Time now);
  Reject Adopt(const base::Claim& claim, absl::Time now);
  SendDecision MaySend(const base::ChannelId& channel, uint64_t bytes, absl::Time now);
  void OnSent(const base::ChannelId& channel, uint64_t bytes);
  // As Payee::AgreeToClose; the waiver is durable when this returns.
  absl::StatusOr<base::CooperativeClose> AgreeToClose(const base::ChannelId& channel,
                                                      base::Amount amount, absl::Time expires,
                                                      absl::Time now);
  // Settled: forgotten here and in the store.
  void Forget(const base::ChannelId& channel);

  // One durable commit for everything accepted since the last one; only then the acknowledgements,
  // one for each channel with news: it covers all that was accepted before.
  absl::StatusOr<std::vector<Ack>> Commit();
  // The second half of Commit, for a caller whose threads share one commit of the store.
  std::vector<Ack> OnCommitted(const Durable& durable);
  uint64_t UnpaidOf(const base::AccountId& payer) const;

 private:
  struct Pending {
    uint64_t number = 0;  // what a Durable must reach
    base::Claim claim;
  };
  void StageBest(const Payee& payee);

  ClaimStore& store_;
  PayeeTerms terms_;
  std::map<base::ChannelId, Payee> payees_;
  std::multimap<base::AccountId, const Payee*> of_payer_;
  std::map<base::ChannelId, Pending> pending_;  // the newest of each channel
};

}  // namespace cairn::payment
