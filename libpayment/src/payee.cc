#include "cairn/payment/payee.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::payment {
namespace {

struct Row {
  Reject reject;
  absl::string_view name;
  absl::string_view reason;
  absl::string_view hint;
};

constexpr Row kRows[] = {
    {Reject::kNone, "None", "", ""},
    {Reject::kBadSignature, "BadSignature", "VOUCHER_BAD_SIGNATURE",
     "Sign the voucher with the channel's key."},
    {Reject::kWrongSigner, "WrongSigner", "VOUCHER_WRONG_SIGNER",
     "Sign with the key that the channel pinned when it was opened."},
    {Reject::kWrongChannel, "WrongChannel", "VOUCHER_WRONG_CHANNEL",
     "Send the voucher to the payee of its channel, on its chain."},
    {Reject::kWrongToken, "WrongToken", "VOUCHER_WRONG_TOKEN",
     "Pay in the asset that the channel was opened with."},
    {Reject::kStaleNonce, "StaleNonce", "VOUCHER_STALE_NONCE",
     "Ask the payee for its best claim and continue from it."},
    {Reject::kAmountRegression, "AmountRegression", "VOUCHER_AMOUNT_REGRESSION",
     "Ask the payee for its best claim and continue from it."},
    {Reject::kBytesRegression, "BytesRegression", "VOUCHER_BYTES_REGRESSION",
     "Ask the payee for its best claim and continue from it."},
    {Reject::kInsufficientDeposit, "InsufficientDeposit", "VOUCHER_INSUFFICIENT_DEPOSIT",
     "Top the channel up, or open another one."},
    {Reject::kRetryLater, "RetryLater", "VOUCHER_RETRY_LATER",
     "Wait some minutes, or use another provider."},
    {Reject::kExpired, "Expired", "VOUCHER_EXPIRED", "Open another channel."},
    {Reject::kCooperativeCloseSigned, "CooperativeCloseSigned", "VOUCHER_CLOSE_SIGNED",
     "Submit the close that both signed, or wait until it has expired."},
    {Reject::kRateFloorRaised, "RateFloorRaised", "VOUCHER_RATE_FLOOR_RAISED",
     "Accept the payee's rate and sign a voucher at it."},
    {Reject::kBadTick, "BadTick", "VOUCHER_BAD_TICK", "Send a new voucher."},
    {Reject::kOverpaid, "Overpaid", "VOUCHER_OVERPAID",
     "Pay for what was delivered, and no more than one window ahead."},
    {Reject::kMalformed, "Malformed", "VOUCHER_MALFORMED",
     "Use a current version of the program."},
};

const Row& RowOf(Reject reject) {
  for (const Row& row : kRows) {
    if (row.reject == reject) return row;
  }
  return kRows[std::size(kRows) - 1];
}

absl::Status Refused(absl::string_view reason, absl::string_view message, absl::string_view hint) {
  return base::Error(absl::StatusCode::kFailedPrecondition, reason, message, hint);
}

// Does one total of bytes cost the same under both?
bool SameTerms(const base::Voucher& a, const base::Voucher& b) {
  return a.rate == b.rate && a.base_bytes == b.base_bytes && a.base_amount == b.base_amount;
}

// All of it at one rate, from the first byte on.
base::Voucher VoucherAt(base::Price rate) {
  base::Voucher voucher;
  voucher.rate = rate;
  return voucher;
}

// What can be unpaid after the first chunk was paid, at the rate.
base::Amount CostOfFirstWindow(base::Price rate) {
  return base::WorthAt(VoucherAt(rate), CreditWindow(base::kTickBytes, kMaxWindowBytes))
      .value_or(base::Amount::Max());
}

}  // namespace

absl::string_view Name(Reject reject) { return RowOf(reject).name; }

absl::Status ToStatus(Reject reject) {
  if (reject == Reject::kNone) return absl::OkStatus();
  const Row& row = RowOf(reject);
  return Refused(row.reason, absl::StrCat("the payee refused the payment: ", row.name), row.hint);
}

uint64_t CreditWindow(uint64_t paid_bytes, uint64_t max_window_bytes) {
  return std::min(max_window_bytes, base::kTickBytes + paid_bytes / 8);
}

absl::StatusOr<Payee> Payee::Open(const ChannelFacts& facts, const PayeeTerms& terms,
                                  const std::optional<base::Claim>& best,
                                  const std::optional<Waiver>& waiver, absl::Time now) {
  Payee payee(facts, terms);
  if (best) payee.Take(*best);
  payee.waiver_ = waiver;
  // The chunk that was paid ahead may not have been sent before the restart: it is still owed.
  payee.durable_ = payee.paid_bytes();
  payee.sent_ = payee.paid_bytes() - std::min(payee.paid_bytes(), base::kTickBytes);
  if (payee.Ended(now)) {
    return Refused("CHANNEL_ENDED", "the channel is expiring, closing or settled",
                   "open another channel");
  }
  if (facts.deposit < terms.min_deposit) {
    return Refused("DUST_CHANNEL",
                   absl::StrCat("the deposit is ", facts.deposit.ToString(),
                                ", settling it is worth while from ", terms.min_deposit.ToString()),
                   "top the channel up");
  }
  const base::Amount first = CostOfFirstWindow(terms.rate);
  if (first > facts.open_fee) {
    return Refused("WINDOW_ABOVE_OPEN_FEE",
                   absl::StrCat("what a new payer may leave unpaid costs ", first.ToString(),
                                ", opening the channel cost ", facts.open_fee.ToString()),
                   "ask for a lower rate");
  }
  return payee;
}

bool Payee::Ended(absl::Time now) const {
  return facts_.phase != ChannelPhase::kOpen || now + terms_.expiry_margin >= facts_.expires;
}

base::Amount Payee::earned() const {
  return best_ ? base::WorthOf(*best_).value_or(base::Amount()) : base::Amount();
}

uint64_t Payee::paid_bytes() const { return best_ ? base::BytesOf(*best_).value_or(0) : 0; }

uint64_t Payee::unpaid_bytes() const { return sent_ - std::min(sent_, durable_); }

uint64_t Payee::BytesAtPresentRate() const {
  return std::min(durable_, base::BytesWithin(VoucherAt(terms_.rate), earned()).value_or(0));
}

Reject Payee::CheckTerms(const base::Voucher& voucher, absl::Time now) const {
  if (voucher.channel != facts_.id || voucher.chain != facts_.chain) return Reject::kWrongChannel;
  if (voucher.asset != facts_.asset) return Reject::kWrongToken;
  const base::Claim claim = base::ClaimOf(voucher);
  if (base::CheckShape(claim) != base::ClaimFault::kNone) return Reject::kMalformed;
  if (facts_.phase != ChannelPhase::kOpen || now >= facts_.expires) return Reject::kExpired;
  if (waiver_ && now < waiver_->expires) return Reject::kCooperativeCloseSigned;
  if (voucher.rate.per_unit_e18 < terms_.rate.per_unit_e18) return Reject::kRateFloorRaised;
  const base::Amount worth = *base::WorthOf(claim);
  // The base of a first voucher is its payer's word alone.
  const bool worth_it = base::MeetsFloor(worth, voucher.bytes, terms_.floor) &&
                        (best_ || base::MeetsFloor(worth, voucher.bytes, terms_.rate));
  if (!worth_it) return Reject::kRateFloorRaised;
  if (worth > facts_.deposit) return Reject::kInsufficientDeposit;
  const uint64_t ahead = voucher.bytes - std::min(voucher.bytes, sent_);
  return ahead > base::kTickBytes + terms_.max_window_bytes ? Reject::kOverpaid : Reject::kNone;
}

Reject Payee::CheckAgainstBest(const base::Voucher& voucher) const {
  if (!best_) return Reject::kNone;
  const base::Voucher& held = best_->voucher;
  if (voucher.bytes < paid_bytes()) return Reject::kBytesRegression;
  const base::Amount worth = *base::WorthOf(base::ClaimOf(voucher));
  if (worth < earned()) return Reject::kAmountRegression;
  if (!SameTerms(voucher, held)) {
    // The base is what the last claim under the old terms was worth, ticks that are still on their
    // way included.
    if (voucher.base_bytes < paid_bytes()) return Reject::kBytesRegression;
    const auto base_worth = base::WorthAt(held, voucher.base_bytes);
    if (!base_worth || voucher.base_amount < *base_worth) return Reject::kAmountRegression;
    if (voucher.base_amount > *base_worth) return Reject::kOverpaid;
  }
  // A voucher that only opens a new chain of ticks, or a new rate, need not be worth more.
  const bool opens = voucher.ticks != 0 || voucher.rate != held.rate;
  const bool more = worth > earned() || voucher.bytes > paid_bytes();
  return more || opens ? Reject::kNone : Reject::kStaleNonce;
}

void Payee::CountCovered() {
  covered_ = best_ ? base::BytesWithin(best_->voucher, facts_.deposit).value_or(0) : 0;
}

void Payee::OnFacts(const ChannelFacts& facts) {
  facts_ = facts;
  CountCovered();
}

void Payee::Take(const base::Claim& claim) {
  const bool covers_as_before = best_ && SameTerms(best_->voucher, claim.voucher);
  best_ = claim;
  ticks_.reset();
  if (claim.voucher.ticks != 0) ticks_.emplace(claim.voucher.channel, claim.voucher.epoch);
  if (!covers_as_before) CountCovered();
  waiting_since_.reset();
  refused_until_ = absl::InfinitePast();
}

Reject Payee::OnVoucher(const base::Voucher& voucher, const base::PublicKey& stated,
                        absl::Time now) {
  // Before all checks: a payer that lost our answer must not be told that its voucher is stale.
  if (best_ && voucher == best_->voucher) return Reject::kNone;  // sent again
  if (stated != facts_.signer) return Reject::kWrongSigner;
  const Reject terms = CheckTerms(voucher, now);
  if (terms != Reject::kNone) return terms;
  if (best_ && voucher.epoch == best_->voucher.epoch) return Reject::kStaleNonce;
  const Reject against = CheckAgainstBest(voucher);
  if (against != Reject::kNone) return against;
  // Last, since it is what costs: all else is cheap to refuse, however often it is sent.
  if (!facts_.signer.Verify(base::SigningDigest(voucher), voucher.signature)) {
    return Reject::kBadSignature;
  }
  Take(base::ClaimOf(voucher));
  return Reject::kNone;
}

Reject Payee::OnTick(const base::Nonce16& epoch, uint32_t tick, const base::Tick& x,
                     absl::Time now) {
  if (!best_ || epoch != best_->voucher.epoch) return Reject::kStaleNonce;
  if (tick == best_->tick && x == best_->preimage) return Reject::kNone;  // sent again
  if (tick <= best_->tick) return Reject::kStaleNonce;
  if (facts_.phase != ChannelPhase::kOpen || now >= facts_.expires) return Reject::kExpired;
  if (waiver_ && now < waiver_->expires) return Reject::kCooperativeCloseSigned;
  if (tick > best_->voucher.ticks) return Reject::kBadTick;
  const auto more = base::BytesOf(best_->voucher, tick);
  if (!more) return Reject::kBadTick;
  const uint64_t total = *more;
  // Counted once for each voucher: a tick costs comparisons and one hash, nothing more.
  if (total > covered_) return Reject::kInsufficientDeposit;
  if (total - std::min(total, sent_) > base::kTickBytes + terms_.max_window_bytes) {
    return Reject::kOverpaid;
  }
  if (!ticks_->Connects(best_->tick, best_->preimage, tick, x)) return Reject::kBadTick;
  best_->tick = tick;
  best_->preimage = x;
  waiting_since_.reset();
  refused_until_ = absl::InfinitePast();
  return Reject::kNone;
}

Reject Payee::Adopt(const base::Claim& claim, absl::Time now) {
  if (best_ && claim == *best_) return Reject::kNone;
  if (claim.voucher.channel != facts_.id || claim.voucher.chain != facts_.chain) {
    return Reject::kWrongChannel;
  }
  if (facts_.phase != ChannelPhase::kOpen || now >= facts_.expires) return Reject::kExpired;
  if (waiver_ && now < waiver_->expires) return Reject::kCooperativeCloseSigned;
  const auto worth = base::WorthOf(claim);
  const auto bytes = base::BytesOf(claim);
  if (!worth || !bytes || *worth < earned() || *bytes < paid_bytes()) return Reject::kStaleNonce;
  // A chunk may cost less than a unit: more bytes are news, too.
  if (*worth == earned() && *bytes == paid_bytes()) return Reject::kStaleNonce;
  // Or bytes that cost nothing would open the whole window.
  if (!base::MeetsFloor(*worth, *bytes, terms_.floor)) return Reject::kRateFloorRaised;
  if (*worth > facts_.deposit) return Reject::kInsufficientDeposit;
  if (!ClaimHolds(facts_, claim)) return Reject::kBadSignature;
  Take(claim);
  // As after a restart: what was paid for was sent, but perhaps for the chunk ahead. Bytes that were
  // cheaper than today's are not owed on a stranger's word.
  const uint64_t ahead = base::MeetsFloor(earned(), paid_bytes(), terms_.rate) ? base::kTickBytes : 0;
  sent_ = std::max(sent_, paid_bytes() - std::min(paid_bytes(), ahead));
  return Reject::kNone;
}

SendDecision Payee::MaySend(uint64_t bytes, uint64_t payer_unpaid, absl::Time now) {
  if (Ended(now) || (waiver_ && now < waiver_->expires)) return SendDecision::kEnded;
  if (now < refused_until_) return SendDecision::kRefused;
  const uint64_t after = sent_ + bytes;
  const uint64_t unpaid_after = after - std::min(after, durable_);
  // The first chunk is paid before it is sent, so that a payer who never pays takes nothing.
  const bool prepaid = durable_ >= std::min(base::kTickBytes, after);
  if (!prepaid || unpaid_after > CreditWindow(BytesAtPresentRate(), terms_.max_window_bytes)) {
    if (!waiting_since_) waiting_since_ = now;
    if (now - *waiting_since_ < terms_.pay_timeout) return SendDecision::kWaitForPayment;
    refused_until_ = now + terms_.refusal;
    waiting_since_.reset();
    return SendDecision::kRefused;
  }
  if (best_ && best_->voucher.rate.per_unit_e18 < terms_.rate.per_unit_e18) return SendDecision::kNewVoucher;
  // The cover of a pool's lane may fall below what was promised already.
  if (std::max(after, paid_bytes()) > covered_) return SendDecision::kTopUp;
  const uint64_t more_unpaid = unpaid_after - unpaid_bytes();
  if (payer_unpaid + unpaid_bytes() + more_unpaid > terms_.max_payer_bytes) {
    return SendDecision::kWaitForOtherChannels;
  }
  waiting_since_.reset();
  return SendDecision::kSend;
}

absl::StatusOr<base::CooperativeClose> Payee::AgreeToClose(base::Amount amount, absl::Time expires,
                                                           absl::Time now) {
  if (facts_.phase == ChannelPhase::kSettled || expires <= now) {
    return Refused("CHANNEL_ENDED", "there is nothing left to close together", "");
  }
  // A close by both is never penalised: one that comes after a stale close would undo the penalty,
  // and a payer could try one whenever it liked.
  if (facts_.phase == ChannelPhase::kClosing && facts_.closed_by == ClosedBy::kPayer) {
    return Refused("CHANNEL_CLOSING", "the payer has begun to close the channel by itself",
                   "wait until the dispute window ends: the ledger settles then");
  }
  if (amount < earned() || amount > facts_.deposit) {
    return Refused("CLOSE_BELOW_CLAIM",
                   absl::StrCat("the payee holds a claim of ", earned().ToString(), " of a deposit of ",
                                facts_.deposit.ToString(), ", the close says ", amount.ToString()),
                   "ask the payee for its best claim and agree on that");
  }
  // An earlier close that lives longer can still settle the channel at its own amount: whatever was
  // taken after this one's end would be lost to it.
  const absl::Time until = waiver_ ? std::max(waiver_->expires, expires) : expires;
  waiver_ = Waiver{amount, until};
  return base::CooperativeClose{facts_.chain, facts_.id, amount,
                                static_cast<uint64_t>(absl::ToUnixMillis(expires))};
}

// ---- all channels ----

absl::Status PayeeBook::Open(const ChannelFacts& facts, absl::Time now) {
  const auto found = payees_.find(facts.id);
  if (found != payees_.end()) {
    found->second.OnFacts(facts);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto best, store_.Find(facts.id));
  ASSIGN_OR_RETURN(const auto waiver, store_.FindWaiver(facts.id));
  ASSIGN_OR_RETURN(Payee payee, Payee::Open(facts, terms_, best, waiver, now));
  const auto opened = payees_.emplace(facts.id, std::move(payee)).first;
  of_payer_.emplace(facts.payer, &opened->second);
  return absl::OkStatus();
}

Payee* PayeeBook::Find(const base::ChannelId& channel) {
  const auto found = payees_.find(channel);
  return found == payees_.end() ? nullptr : &found->second;
}

void PayeeBook::StageBest(const Payee& payee) {
  Pending& pending = pending_[payee.facts().id];
  pending.claim = *payee.best();
  pending.number = store_.Stage(pending.claim);
}

Reject PayeeBook::OnVoucher(const base::Voucher& voucher, const base::PublicKey& stated,
                            absl::Time now) {
  Payee* payee = Find(voucher.channel);
  if (payee == nullptr) return Reject::kWrongChannel;
  const Reject reject = payee->OnVoucher(voucher, stated, now);
  if (reject == Reject::kNone) StageBest(*payee);
  return reject;
}

Reject PayeeBook::OnTick(const base::ChannelId& channel, const base::Nonce16& epoch, uint32_t tick,
                         const base::Tick& x, absl::Time now) {
  Payee* payee = Find(channel);
  if (payee == nullptr) return Reject::kWrongChannel;
  const Reject reject = payee->OnTick(epoch, tick, x, now);
  if (reject == Reject::kNone) StageBest(*payee);
  return reject;
}

Reject PayeeBook::Adopt(const base::Claim& claim, absl::Time now) {
  Payee* payee = Find(claim.voucher.channel);
  if (payee == nullptr) return Reject::kWrongChannel;
  const Reject reject = payee->Adopt(claim, now);
  if (reject == Reject::kNone) StageBest(*payee);
  return reject;
}

uint64_t PayeeBook::UnpaidOf(const base::AccountId& payer) const {
  uint64_t unpaid = 0;
  const auto [begin, end] = of_payer_.equal_range(payer);
  for (auto at = begin; at != end; ++at) unpaid += at->second->unpaid_bytes();
  return unpaid;
}

SendDecision PayeeBook::MaySend(const base::ChannelId& channel, uint64_t bytes, absl::Time now) {
  Payee* payee = Find(channel);
  if (payee == nullptr) return SendDecision::kEnded;
  return payee->MaySend(bytes, UnpaidOf(payee->facts().payer) - payee->unpaid_bytes(), now);
}

void PayeeBook::OnSent(const base::ChannelId& channel, uint64_t bytes) {
  if (Payee* payee = Find(channel)) payee->OnSent(bytes);
}

absl::StatusOr<base::CooperativeClose> PayeeBook::AgreeToClose(const base::ChannelId& channel,
                                                               base::Amount amount,
                                                               absl::Time expires, absl::Time now) {
  Payee* payee = Find(channel);
  if (payee == nullptr) return Refused("CHANNEL_ENDED", "the channel is not open here", "");
  ASSIGN_OR_RETURN(const base::CooperativeClose close, payee->AgreeToClose(amount, expires, now));
  store_.StageWaiver(channel, *payee->waiver());
  RETURN_IF_ERROR(store_.Commit().status());
  return close;
}

void PayeeBook::Forget(const base::ChannelId& channel) {
  if (const auto found = payees_.find(channel); found != payees_.end()) {
    const auto [begin, end] = of_payer_.equal_range(found->second.facts().payer);
    of_payer_.erase(std::find_if(begin, end, [&](const auto& at) { return at.second == &found->second; }));
    payees_.erase(found);
  }
  store_.StageForget(channel);
}

absl::StatusOr<std::vector<PayeeBook::Ack>> PayeeBook::Commit() {
  ASSIGN_OR_RETURN(const Durable durable, store_.Commit());
  return OnCommitted(durable);
}

std::vector<PayeeBook::Ack> PayeeBook::OnCommitted(const Durable& durable) {
  std::vector<Ack> acks;
  std::erase_if(pending_, [&](const auto& pending) {
    if (pending.second.number > durable.up_to()) return false;
    if (Payee* payee = Find(pending.first)) {
      const base::Claim& claim = pending.second.claim;
      const Ack ack{pending.first, base::WorthOf(claim).value_or(base::Amount()),
                    base::BytesOf(claim).value_or(0)};
      payee->OnDurable(ack.paid_bytes);
      acks.push_back(ack);
    }
    return true;
  });
  return acks;
}

}  // namespace cairn::payment
