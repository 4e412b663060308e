#include "cairn/payment/watchtower.h"

#include "cairn/base/status.h"
#include "cairn/payment/pool_watch.h"
#include "catch.h"
#include "channel_rig.h"

namespace cairn::payment {
namespace {

using base::Amount;
using base::kTickBytes;

const absl::Duration kWindow = absl::Hours(48);

struct Rig : Ends {
  base::SigningKey tower_key = base::SigningKey::Generate(entropy);
  Watchtower tower{tower_key.account()};
  ChannelFacts facts = Facts();
  base::Claim best = base::ClaimOf(Voucher(facts, 4 * kTickBytes));

  SignedAppointment Appointment(absl::Duration beyond_expiry = kWindow) {
    SignedAppointment appointment;
    appointment.terms = {facts.chain, facts.id, tower_key.account(),
                         static_cast<uint64_t>(absl::ToUnixMillis(facts.expires + beyond_expiry))};
    appointment.payee_key = payee_key.public_key();
    appointment.signature = payee_key.Sign(base::SigningDigest(appointment.terms));
    return appointment;
  }
  ChannelFacts Closing(uint64_t claimed) {
    ChannelFacts closing = facts;
    closing.phase = ChannelPhase::kClosing;
    closing.closed_by = ClosedBy::kPayer;
    closing.claimed = Amount(claimed);
    closing.due = now + kWindow;
    return closing;
  }
};

TEST_CASE("a tower disputes a close below the claim it holds, and no other [CD-39]") {
  Rig rig;
  REQUIRE(rig.tower.WatchPeer(rig.facts, rig.best, rig.Appointment(), kWindow).ok());
  CHECK_FALSE(rig.tower.OnFacts(rig.facts, rig.now));
  CHECK_FALSE(rig.tower.OnFacts(rig.Closing(40), rig.now));  // at the claim: legitimate
  CHECK_FALSE(rig.tower.OnFacts(rig.Closing(41), rig.now));
  const auto order = rig.tower.OnFacts(rig.Closing(39), rig.now);
  REQUIRE(order);
  CHECK(order->claim == rig.best);
  CHECK(order->appointment.has_value());
  // Repeated until the ledger shows it, or the window ends.
  CHECK(rig.tower.OnTime(rig.now + absl::Seconds(59)).empty());
  CHECK(rig.tower.OnTime(rig.now + absl::Seconds(60)).size() == 1);
  CHECK(rig.tower.OnTime(rig.now + kWindow).empty());
  CHECK_FALSE(rig.tower.OnFacts(rig.Closing(40), rig.now + absl::Hours(1)));
  CHECK(rig.tower.OnTime(rig.now + absl::Hours(2)).empty());
}

TEST_CASE("a tower keeps the highest claim of a channel, for its own account without an appointment [CD-39]") {
  Rig rig;
  REQUIRE(rig.tower.WatchOwn(rig.facts, rig.best).ok());
  const base::Claim higher = base::ClaimOf(rig.Voucher(rig.facts, 9 * kTickBytes));
  REQUIRE(rig.tower.WatchOwn(rig.facts, higher).ok());
  REQUIRE(rig.tower.WatchOwn(rig.facts, rig.best).ok());
  const auto order = rig.tower.OnFacts(rig.Closing(40), rig.now);
  REQUIRE(order);
  CHECK(order->claim == higher);
  CHECK_FALSE(order->appointment.has_value());
  ChannelFacts settled = rig.facts;
  settled.phase = ChannelPhase::kSettled;
  CHECK_FALSE(rig.tower.OnFacts(settled, rig.now));
  CHECK(rig.tower.watched() == 0);
}

TEST_CASE("of what a peer sends, in whatever order, a tower keeps the highest claim and the longest appointment") {
  Rig rig;
  const base::Claim higher = base::ClaimOf(rig.Voucher(rig.facts, 9 * kTickBytes));
  REQUIRE(rig.tower.WatchPeer(rig.facts, higher, rig.Appointment(3 * kWindow), kWindow).ok());
  REQUIRE(rig.tower.WatchPeer(rig.facts, rig.best, rig.Appointment(kWindow), kWindow).ok());
  const auto held = rig.tower.Find(rig.facts.id);
  REQUIRE(held);
  CHECK(held->claim == higher);
  CHECK(held->appointment->terms.expires_ms == rig.Appointment(3 * kWindow).terms.expires_ms);
  CHECK_FALSE(rig.tower.Find(rig.Facts().id));
}

TEST_CASE("a tower takes no forged claim, no foreign appointment, none that ends too early, and no flood") {
  Rig rig;
  const auto reason = [&](const base::Claim& claim, const SignedAppointment& appointment) {
    return base::ReasonOf(rig.tower.WatchPeer(rig.facts, claim, appointment, kWindow));
  };
  base::Claim forged = rig.best;
  forged.voucher.bytes += 1;
  CHECK(reason(forged, rig.Appointment()) == "FORGED_CLAIM");
  const base::Claim above = base::ClaimOf(rig.Voucher(rig.facts, uint64_t{1} << 40));
  CHECK(reason(above, rig.Appointment()) == "FORGED_CLAIM");
  SignedAppointment foreign = rig.Appointment();
  foreign.payee_key = rig.wallet.public_key();
  foreign.signature = rig.wallet.Sign(base::SigningDigest(foreign.terms));
  CHECK(reason(rig.best, foreign) == "BAD_APPOINTMENT");
  foreign = rig.Appointment();
  foreign.terms.expires_ms += 1;
  CHECK(reason(rig.best, foreign) == "BAD_APPOINTMENT");
  CHECK(reason(rig.best, rig.Appointment(kWindow - absl::Seconds(1))) == "APPOINTMENT_TOO_SHORT");

  Watchtower small(rig.tower_key.account(), {.max_channels_per_payee = 2});
  for (int i = 0; i < 3; ++i) {
    rig.facts = rig.Facts();
    const base::Claim claim = base::ClaimOf(rig.Voucher(rig.facts, kTickBytes));
    const absl::Status status = small.WatchPeer(rig.facts, claim, rig.Appointment(), kWindow);
    CHECK(base::ReasonOf(status) == (i < 2 ? "OK" : "TOWER_FULL"));
  }
}

TEST_CASE("a payee serves a pool's lane only as far as the pool covers it, and redeems when it gets short [JS-15]") {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  LaneFacts facts{.pool_deposit = Amount(1000), .signer_cap = Amount(5000)};
  const LanePolicy policy{.window = Amount(50)};
  const auto decide = [&](uint64_t promised, uint64_t next) {
    return WatchLane(facts, Amount(promised), Amount(next), policy, now);
  };
  CHECK(decide(0, 50) == LaneDecision::kServe);
  CHECK(decide(100, 50) == LaneDecision::kServe);
  facts.pool_paid = Amount(851);  // others redeemed: 149 are left, less than three windows
  CHECK(decide(0, 50) == LaneDecision::kServe);
  CHECK(decide(90, 50) == LaneDecision::kRedeem);
  CHECK(decide(100, 50) == LaneDecision::kStop);
  facts.redeemed = Amount(100);
  CHECK(decide(100, 149) == LaneDecision::kServe);
  CHECK(decide(100, 150) == LaneDecision::kStop);
  facts = {.pool_deposit = Amount(1000), .signer_cap = Amount(100), .signer_spent = Amount(60)};
  CHECK(LaneCover(facts) == Amount(40));
  CHECK(decide(0, 41) == LaneDecision::kStop);
  facts = {.pool_deposit = Amount(1000), .signer_cap = Amount(5000), .signer_ends = now + absl::Hours(5)};
  CHECK(decide(10, 50) == LaneDecision::kRedeem);
  facts.signer_ends = now;
  CHECK(decide(10, 50) == LaneDecision::kStop);
  facts = {.pool_deposit = Amount(1000), .pool_phase = ChannelPhase::kClosing, .signer_cap = Amount(5000)};
  CHECK(decide(10, 50) == LaneDecision::kStop);
}

TEST_CASE("a lane of a pool is served like a channel, as far as the pool covers it [JS-15]") {
  Ends ends;
  LaneFacts facts{.pool_deposit = Amount(1000),
                  .pool_paid = Amount(900),
                  .pool_open_fee = Amount(100),
                  .signer_cap = Amount(5000),
                  .signer_ends = ends.now + absl::Hours(48),
                  .redeemed = Amount(50)};
  const LaneParties parties{.chain = {},
                            .pool = base::PoolIdFor({}, 1),
                            .owner = ends.wallet.account(),
                            .payee = ends.payee_key.account(),
                            .signer = ends.wallet.public_key()};
  ChannelFacts lane = LaneAsChannel(facts, parties);
  CHECK(lane.id == base::LaneIdFor({}, parties.pool, parties.signer, parties.payee));
  CHECK(lane.deposit == Amount(150));
  Payee payee = *Payee::Open(lane, ends.Terms(), std::nullopt, std::nullopt, ends.now);
  base::Voucher voucher = ends.Voucher(lane, 16 * kTickBytes);  // 160 units
  voucher.chain = lane.chain;
  CHECK(payee.OnVoucher(ends.Signed(voucher), parties.signer, ends.now) == Reject::kInsufficientDeposit);
  voucher.bytes = 15 * kTickBytes;
  CHECK(payee.OnVoucher(ends.Signed(voucher), parties.signer, ends.now) == Reject::kNone);
  payee.OnDurable(payee.paid_bytes());
  CHECK(payee.MaySend(kTickBytes, 0, ends.now) == SendDecision::kSend);
  // Another payee was faster: nothing more is covered.
  facts.pool_paid = Amount(1000);
  payee.OnFacts(LaneAsChannel(facts, parties));
  CHECK(payee.MaySend(kTickBytes, 0, ends.now) == SendDecision::kTopUp);
}

}  // namespace
}  // namespace cairn::payment
