#include "cairn/payment/payer.h"

#include <algorithm>
#include <set>

#include "cairn/base/status.h"
#include "cairn/payment/settlement.h"
#include "catch.h"
#include "channel_rig.h"

namespace cairn::payment {
namespace {

using base::Amount;
using base::kTickBytes;

// Hands payments from one end to the other and bytes back, a piece at a time.
struct Pair : Ends {
  ChannelFacts facts = Facts();
  Payer payer = *Payer::Open(facts, Limits(), wallet, entropy);
  Payee payee = *Payee::Open(facts, Terms(), std::nullopt, std::nullopt, now);
  int vouchers = 0, ticks = 0;
  uint64_t most_ahead = 0, most_unpaid = 0;

  Pair() { REQUIRE(payer.Agree(PerMebibyte(160)).ok()); }

  void PayDue() {
    const auto payment = payer.Due(now);
    INFO(payment.status().ToString());
    REQUIRE(payment.ok());
    if (payment->voucher) {
      ++vouchers;
      REQUIRE(payee.OnVoucher(*payment->voucher, wallet.public_key(), now) == Reject::kNone);
    }
    if (payment->tick) {
      ++ticks;
      const TickRelease& tick = *payment->tick;
      REQUIRE(payee.OnTick(tick.epoch, tick.tick, tick.x, now) == Reject::kNone);
    }
    payee.OnDurable(payee.paid_bytes());
    most_ahead = std::max(most_ahead, payer.promised_bytes() - std::min(payer.promised_bytes(), payer.verified_bytes()));
  }
  // Delivers an object; every piece arrives and is verified.
  void Download(uint64_t size, uint64_t piece = 16'384) {
    payer.Want(size);
    for (uint64_t left = size; left != 0;) {
      PayDue();
      const uint64_t bytes = std::min(left, piece);
      REQUIRE(payee.MaySend(bytes, 0, now) == SendDecision::kSend);
      payee.OnSent(bytes);
      most_unpaid = std::max(most_unpaid, payee.unpaid_bytes());
      payer.OnVerified(bytes);
      left -= bytes;
    }
    PayDue();
  }
};

TEST_CASE("a download is paid to the byte, by ticks and a last partial voucher, one chunk ahead at most [CD-10]") {
  Pair pair;
  const uint64_t size = 20 * kTickBytes + 12'345;
  pair.Download(size);
  CHECK(pair.payee.paid_bytes() == size);
  CHECK(pair.payer.promised_bytes() == size);
  CHECK(pair.payee.earned() == Amount((size * 160 + (1 << 20) - 1) >> 20));
  CHECK(pair.ticks == 20);
  CHECK(pair.vouchers == 4);  // chains of 8, 8 and 4 of 8; the last, partial chunk
  CHECK(pair.most_ahead <= kTickBytes);
  CHECK(pair.payee.best() == pair.payer.last());
}

TEST_CASE("many objects over one channel cost what their bytes cost together") {
  Pair pair;
  uint64_t total = 0;
  for (const uint64_t size : {1ull, 65'535ull, 65'536ull, 65'537ull, 300'000ull, 7ull}) {
    pair.Download(size);
    total += size;
    CHECK(pair.payee.paid_bytes() == total);
  }
  CHECK(pair.payee.earned() == Amount((total * 160 + (1 << 20) - 1) >> 20));
}

TEST_CASE("a rate change keeps the worth of everything before it [CD-49]") {
  Pair pair;
  pair.Download(3 * kTickBytes + 1);
  const Amount before = pair.payee.earned();
  pair.payee.Requote(PerMebibyte(320));
  REQUIRE(pair.payer.Agree(PerMebibyte(320)).ok());
  pair.Download(2 * kTickBytes);
  CHECK(pair.payee.earned() == before.Plus(Amount(40)));
  REQUIRE(base::ReasonOf(pair.payer.Agree(PerMebibyte(1001))) == "PRICE_GUARD");
}

TEST_CASE("a payer stops at its limit, its deposit and the channel's end, and signs nothing beyond") {
  Pair pair;
  pair.payer.Want(uint64_t{1} << 40);
  const auto stopped_by = [&] {
    for (;;) {
      const auto payment = pair.payer.Due(pair.now);
      if (!payment.ok()) return base::ReasonOf(payment.status());
      pair.payer.OnVerified(kTickBytes);
    }
  };
  CHECK(stopped_by() == "CHANNEL_DEPOSIT");
  CHECK(pair.payer.promised() <= Amount(100'000));
  ChannelFacts richer = pair.facts;
  richer.deposit = Amount(10'000'000);
  pair.payer.OnFacts(richer);
  CHECK(stopped_by() == "PRICE_GUARD");
  CHECK(pair.payer.promised() <= Amount(1'000'000));
  richer.phase = ChannelPhase::kClosing;
  pair.payer.OnFacts(richer);
  CHECK(stopped_by() == "CHANNEL_ENDED");
}

TEST_CASE("no tip and no epoch is ever signed twice [CD-10]") {
  Pair pair;
  std::set<base::Nonce16> epochs;
  std::set<base::Tick> tips;
  pair.payer.Want(uint64_t{100} << 16);
  int vouchers = 0;
  for (int i = 0; i < 100; ++i) {
    const auto payment = pair.payer.Due(pair.now);
    if (payment->voucher) {
      ++vouchers;
      epochs.insert(payment->voucher->epoch);
      tips.insert(payment->voucher->tip);
    }
    pair.payer.OnVerified(kTickBytes);
  }
  CHECK(vouchers == 13);
  CHECK(epochs.size() == 13);
  CHECK(tips.size() == 13);
}

TEST_CASE("a payer that restored an old store continues from the payee's claim and is never certain again") {
  Pair pair;
  pair.Download(5 * kTickBytes);
  const auto backup = pair.payer.last();
  CHECK(pair.payer.certain());
  pair.Download(5 * kTickBytes);
  Payer restored = *Payer::Reopen(pair.facts, pair.Limits(), pair.wallet, pair.entropy, backup);
  CHECK_FALSE(restored.certain());
  // Its next voucher is refused, which is how it learns.
  restored.Want(kTickBytes);
  auto payment = restored.Due(pair.now);
  REQUIRE(payment->voucher);
  CHECK(pair.payee.OnVoucher(*payment->voucher, pair.wallet.public_key(), pair.now) ==
        Reject::kBytesRegression);
  REQUIRE(restored.Adopt(*pair.payee.best()).ok());
  CHECK(restored.promised() == pair.payee.earned());
  pair.payer = std::move(restored);
  pair.Download(3 * kTickBytes);
  CHECK(pair.payee.paid_bytes() == 13 * kTickBytes);
  base::Claim forged = *pair.payee.best();
  forged.voucher.bytes += 1;
  CHECK(base::ReasonOf(pair.payer.Adopt(forged)) == "FORGED_CLAIM");
}

TEST_CASE("a store that may be old never closes alone: together, or by reclaiming after the expiry") {
  Pair pair;
  pair.Download(5 * kTickBytes);
  Payer restored =
      *Payer::Reopen(pair.facts, pair.Limits(), pair.wallet, pair.entropy, pair.payer.last());
  const PayerWish alone{.close = true, .payee_answers = false};
  CHECK(DecidePayer(restored, {.close = true}, pair.now) == Settlement::kCloseTogether);
  CHECK(DecidePayer(restored, alone, pair.now) == Settlement::kNothing);
  CHECK(DecidePayer(restored, alone, pair.facts.expires) == Settlement::kReclaim);
  CHECK(DecidePayer(restored, {.close = true, .payee_answers = false, .owner_vouches = true},
                    pair.now) == Settlement::kClose);
  // One that signed everything itself may.
  CHECK(DecidePayer(pair.payer, alone, pair.now) == Settlement::kClose);
  CHECK(DecidePayer(pair.payer, {}, pair.now) == Settlement::kNothing);
  // The ledger knows of more than the store: whatever the owner says, the store is old.
  ChannelFacts ahead = pair.facts;
  ahead.claimed = ahead.withdrawn = Amount(1000);
  restored.OnFacts(ahead);
  CHECK(DecidePayer(restored, {.close = true, .payee_answers = false, .owner_vouches = true},
                    pair.now) == Settlement::kNothing);
}

TEST_CASE("a payee withdraws on what it holds and disputes what is below, and never closes [CD-15] [CD-18]") {
  Pair pair;
  pair.Download(16 * kTickBytes);  // 160 units
  const auto& best = pair.payee.best();
  PayeePolicy policy{.withdraw_from = Amount(200)};
  CHECK(DecidePayee(pair.facts, best, policy, pair.now) == Settlement::kNothing);
  CHECK(DecidePayee(pair.facts, best, policy, pair.facts.expires - absl::Hours(24)) ==
        Settlement::kWithdraw);
  policy.withdraw_from = Amount(160);
  CHECK(DecidePayee(pair.facts, best, policy, pair.now) == Settlement::kWithdraw);
  ChannelFacts facts = pair.facts;
  facts.withdrawn = facts.claimed = Amount(160);
  CHECK(DecidePayee(facts, best, policy, pair.now) == Settlement::kNothing);
  facts.withdrawn = Amount(1);
  facts.claimed = Amount(159);
  facts.phase = ChannelPhase::kClosing;
  facts.due = pair.now + absl::Hours(1);
  CHECK(DecidePayee(facts, best, policy, pair.now) == Settlement::kDispute);
  CHECK(DecidePayee(facts, best, policy, facts.due) == Settlement::kNothing);
  facts.claimed = Amount(160);
  CHECK(DecidePayee(facts, best, policy, pair.now) == Settlement::kNothing);
  facts.phase = ChannelPhase::kSettled;
  CHECK(DecidePayee(facts, best, policy, pair.now) == Settlement::kForget);
}

TEST_CASE("a store is known to be restored when the other side has seen its generation before") {
  CHECK_FALSE(StoreWasRestored({.generation = 3}, {.generation = 9, .seen_of_peer = 2}));
  CHECK(StoreWasRestored({.generation = 3}, {.generation = 9, .seen_of_peer = 3}));
  CHECK(StoreWasRestored({.generation = 3}, {.generation = 9, .seen_of_peer = 7}));
}

TEST_CASE("why a channel's money is locked, until when and who must act is said in every phase") {
  Ends ends;
  ChannelFacts facts = ends.Facts();
  facts.withdrawn = Amount(10);
  LockExplanation why = ExplainLock(facts, ends.now);
  CHECK(why.locked == Amount(100'000 - 10 + 1'000'000));
  CHECK(why.until == facts.expires);
  CHECK(ExplainLock(facts, facts.expires).who == "payer");
  facts.phase = ChannelPhase::kClosing;
  facts.due = ends.now + absl::Hours(1);
  why = ExplainLock(facts, ends.now);
  CHECK(why.until == facts.due);
  CHECK(why.who == "ledger");
  facts.phase = ChannelPhase::kSettled;
  CHECK(ExplainLock(facts, ends.now).locked.zero());
}

TEST_CASE("what is not wanted any more is not paid for; what was promised ahead pays for the next bytes [CD-10]") {
  Ends ends;
  auto payer = *Payer::Open(ends.Facts(), ends.Limits(), ends.wallet, ends.entropy);
  REQUIRE(payer.Agree(PerMebibyte(160)).ok());
  payer.Want(10 * kTickBytes);
  REQUIRE(payer.Due(ends.now).ok());
  payer.OnVerified(kTickBytes / 2);
  payer.Forgo(10 * kTickBytes - kTickBytes / 2);
  CHECK(payer.wanted_bytes() == kTickBytes / 2);
  CHECK(payer.Due(ends.now)->empty());
  CHECK(payer.promised_bytes() == kTickBytes);
  payer.Want(kTickBytes);
  CHECK(payer.Due(ends.now)->empty());  // the chunk ahead is still owed
  payer.OnVerified(kTickBytes);
  REQUIRE(payer.Due(ends.now).ok());
  CHECK(payer.promised_bytes() == kTickBytes + kTickBytes / 2);
}

}  // namespace
}  // namespace cairn::payment
