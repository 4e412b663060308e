#include "cairn/payment/payer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::payment {
namespace {

absl::Status Refused(absl::string_view reason, absl::string_view message, absl::string_view hint) {
  return base::Error(absl::StatusCode::kFailedPrecondition, reason, message, hint);
}

}  // namespace

absl::StatusOr<Payer> Payer::Open(const ChannelFacts& facts, const PayerLimits& limits,
                                  const base::SigningKey& key, base::Entropy& entropy) {
  if (key.public_key() != facts.signer) {
    return base::Error(absl::StatusCode::kInvalidArgument, "WRONG_SIGNER",
                       "the key is not the one that the channel pinned",
                       "use the wallet that opened the channel");
  }
  return Payer(facts, limits, key, entropy);
}

absl::StatusOr<Payer> Payer::Reopen(const ChannelFacts& facts, const PayerLimits& limits,
                                    const base::SigningKey& key, base::Entropy& entropy,
                                    const std::optional<base::Claim>& last) {
  ASSIGN_OR_RETURN(Payer payer, Open(facts, limits, key, entropy));
  payer.certain_ = false;
  payer.last_ = last;
  payer.verified_ = payer.wanted_ = payer.promised_bytes();
  if (last) payer.rate_ = last->voucher.rate;
  return payer;
}

uint64_t Payer::promised_bytes() const { return last_ ? base::BytesOf(*last_).value_or(0) : 0; }

base::Amount Payer::promised() const {
  return last_ ? base::WorthOf(*last_).value_or(base::Amount()) : base::Amount();
}

absl::Status Payer::Agree(base::Price rate) {
  if (rate.per_unit_e18 > limits_.max_rate.per_unit_e18) {
    return Refused("PRICE_GUARD",
                   absl::StrCat("the payee asks ", rate.per_unit_e18.ToString(),
                                " (10^-18 units per 2^20 bytes), the limit is ",
                                limits_.max_rate.per_unit_e18.ToString()),
                   "choose a cheaper provider, or raise the limit");
  }
  rate_ = rate;
  affordable_.reset();
  return absl::OkStatus();
}

void Payer::OnVerified(uint64_t bytes) {
  verified_ += bytes;
  wanted_ = std::max(wanted_, verified_);
}

void Payer::Forgo(uint64_t bytes) {
  wanted_ = std::max(wanted_ - std::min(wanted_, bytes), verified_);
}

// What should be promised by now. Whole chunks behind the verified bytes and one ahead; at the end
// exactly what is wanted.
uint64_t Payer::Target() const {
  // One chunk ahead and no more: that is all a payer can lose.
  const uint64_t ahead = verified_ - verified_ % base::kTickBytes + base::kTickBytes;
  return std::max(promised_bytes(), std::min(ahead, wanted_));
}

// Rate and base of a promise, at the agreed rate for what is new.
base::Voucher Payer::Terms() const {
  base::Voucher terms;
  terms.rate = *rate_;
  if (last_ && last_->voucher.rate == *rate_) {
    terms.base_bytes = last_->voucher.base_bytes;
    terms.base_amount = last_->voucher.base_amount;
  } else {
    terms.base_bytes = promised_bytes();
    terms.base_amount = promised();
  }
  return terms;
}

// Counted once for many payments.
bool Payer::IsAffordable(uint64_t bytes) {
  if (!affordable_) {
    const base::Amount limit = std::min(limits_.max_total, facts_.deposit);
    affordable_ = base::BytesWithin(Terms(), limit).value_or(0);
  }
  return bytes <= *affordable_;
}

absl::Status Payer::CheckAffordable(uint64_t target, absl::Time now) {
  if (facts_.phase != ChannelPhase::kOpen || now >= facts_.expires) {
    return Refused("CHANNEL_ENDED", "the channel has expired, is closing or is settled",
                   "open another channel");
  }
  if (IsAffordable(target)) return absl::OkStatus();
  const base::Amount cost = base::WorthAt(Terms(), target).value_or(base::Amount::Max());
  if (cost > limits_.max_total) {
    return Refused("PRICE_GUARD",
                   absl::StrCat("the channel's payments would reach ", cost.ToString(),
                                ", the limit is ", limits_.max_total.ToString()),
                   "raise the limit to go on");
  }
  return Refused("CHANNEL_DEPOSIT",
                 absl::StrCat("the channel's payments would reach ", cost.ToString(),
                              ", its deposit is ", facts_.deposit.ToString()),
                 "top the channel up");
}

base::Voucher Payer::Sign(uint64_t bytes, uint32_t ticks) {
  base::Voucher voucher;
  voucher.chain = facts_.chain;
  voucher.channel = facts_.id;
  voucher.epoch = entropy_->Draw<base::Nonce16>();
  voucher.asset = facts_.asset;
  voucher.rate = *rate_;
  const bool same_rate = last_ && last_->voucher.rate == *rate_;
  voucher.base_bytes = same_rate ? last_->voucher.base_bytes : promised_bytes();
  voucher.base_amount = same_rate ? last_->voucher.base_amount : promised();
  voucher.bytes = bytes;
  // A fresh chain under every voucher: one tick would otherwise count under two of them.
  chain_.emplace(facts_.id, voucher.epoch, ticks, entropy_->DrawSecret<32>());
  voucher.tip = chain_->tip();
  voucher.ticks = ticks;
  voucher.signature = key_->Sign(base::SigningDigest(voucher));
  last_ = base::ClaimOf(voucher);
  return voucher;
}

absl::StatusOr<Payment> Payer::Due(absl::Time now) {
  if (!rate_) return Refused("NO_RATE", "no rate is agreed on", "ask the payee for its rate");
  const uint64_t target = Target();
  const bool new_rate = last_ && last_->voucher.rate != *rate_ && wanted_ > promised_bytes();
  if (target == promised_bytes() && !new_rate) return Payment{};
  RETURN_IF_ERROR(CheckAffordable(target, now));
  const uint64_t missing = target - promised_bytes();
  const uint64_t whole = missing / base::kTickBytes;
  Payment payment;
  if (missing % base::kTickBytes != 0) {
    // A partial chunk cannot be a tick.
    payment.voucher = Sign(target, 0);
    return payment;
  }
  const uint64_t left = last_ && chain_ ? chain_->ticks() - last_->tick : 0;
  const bool same_rate = last_ && last_->voucher.rate == *rate_;
  if (!same_rate || left < whole) payment.voucher = Sign(promised_bytes(), limits_.ticks);
  if (whole == 0) return payment;
  // More than one voucher's ticks at once: a resumed payer pays them by the voucher itself.
  if (whole > chain_->ticks() - last_->tick) {
    payment.voucher = Sign(target, limits_.ticks);
    return payment;
  }
  last_->tick += static_cast<uint32_t>(whole);
  last_->preimage = chain_->At(last_->tick);
  payment.tick = TickRelease{last_->voucher.epoch, last_->tick, last_->preimage};
  return payment;
}

Payment Payer::Again() const {
  Payment payment;
  if (!last_) return payment;
  payment.voucher = last_->voucher;
  if (last_->tick != 0) {
    payment.tick = TickRelease{last_->voucher.epoch, last_->tick, last_->preimage};
  }
  return payment;
}

void Payer::ResumeAt(uint64_t verified_bytes) {
  verified_ = wanted_ = std::min(verified_bytes, promised_bytes());
}

absl::Status Payer::Adopt(const base::Claim& best_of_payee) {
  const bool ours = best_of_payee.voucher.chain == facts_.chain &&
                    best_of_payee.voucher.channel == facts_.id &&
                    base::CheckClaim(best_of_payee, facts_.signer) == base::ClaimFault::kNone;
  if (!ours) {
    return base::Error(absl::StatusCode::kPermissionDenied, "FORGED_CLAIM",
                       "the payee shows a claim that this wallet did not sign for this channel",
                       "do not use this payee any more");
  }
  const auto bytes = base::BytesOf(best_of_payee);
  const auto worth = base::WorthOf(best_of_payee);
  if (*worth < promised() || (*worth == promised() && *bytes <= promised_bytes())) {
    return absl::OkStatus();
  }
  // Somebody signed with our key what we know nothing of: our store was older than the channel.
  certain_ = false;
  last_ = best_of_payee;
  affordable_.reset();
  chain_.reset();
  verified_ = std::max(verified_, *bytes);
  wanted_ = std::max(wanted_, verified_);
  return absl::OkStatus();
}

}  // namespace cairn::payment
