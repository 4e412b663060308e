#include "cairn/payment/payee.h"

#include <set>

#include "cairn/base/status.h"
#include "catch.h"
#include "channel_rig.h"

namespace cairn::payment {
namespace {

using base::Amount;
using base::kTickBytes;

struct Rig : Ends {
  ChannelFacts facts = Facts();
  Payee payee = *Payee::Open(facts, Terms(), std::nullopt, std::nullopt, now);

  Reject Send(const base::Voucher& voucher) {
    const Reject reject = payee.OnVoucher(voucher, wallet.public_key(), now);
    payee.OnDurable(payee.paid_bytes());
    return reject;
  }
  SendDecision May(uint64_t bytes) { return payee.MaySend(bytes, 0, now); }
};

TEST_CASE("vouchers are taken in order, and the same one again changes nothing [CD-10]") {
  Rig rig;
  const base::Voucher first = rig.Voucher(rig.facts, kTickBytes);
  CHECK(rig.Send(first) == Reject::kNone);
  CHECK(rig.payee.earned() == Amount(10));
  CHECK(rig.Send(first) == Reject::kNone);
  const base::Voucher second = rig.Voucher(rig.facts, 2 * kTickBytes);
  CHECK(rig.Send(second) == Reject::kNone);
  CHECK(rig.payee.earned() == Amount(20));
  CHECK(rig.Send(first) == Reject::kBytesRegression);
  CHECK(rig.Send(rig.Voucher(rig.facts, 2 * kTickBytes)) == Reject::kStaleNonce);
}

TEST_CASE("every voucher that does not count is refused with its own code [CD-10] [CD-36]") {
  Rig rig;
  const base::Voucher good = rig.Voucher(rig.facts, kTickBytes);
  base::Voucher bad = good;
  bad.signature.value[3] ^= 1;
  CHECK(rig.Send(bad) == Reject::kBadSignature);
  CHECK(rig.payee.OnVoucher(good, rig.payee_key.public_key(), rig.now) == Reject::kWrongSigner);
  bad = good;
  bad.channel.value[0] ^= 1;
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kWrongChannel);
  bad = good;
  bad.chain.value[0] ^= 1;
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kWrongChannel);
  bad = good;
  bad.asset = base::Asset::kCrn;
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kWrongToken);
  bad = good;
  bad.ticks = base::kMaxTicks + 1;
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kMalformed);
  bad = good;
  bad.base_amount = Amount(100'001);
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kInsufficientDeposit);
  bad = good;
  bad.rate = PerMebibyte(159);
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kRateFloorRaised);
  CHECK(rig.Send(rig.Voucher(rig.facts, kMaxWindowBytes + kTickBytes + 1)) == Reject::kOverpaid);

  REQUIRE(rig.Send(rig.Voucher(rig.facts, 4 * kTickBytes)) == Reject::kNone);
  bad = rig.Voucher(rig.facts, 5 * kTickBytes);
  bad.base_bytes = 5 * kTickBytes;
  bad.base_amount = Amount(39);
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kAmountRegression);
  CHECK(rig.Send(rig.Voucher(rig.facts, 3 * kTickBytes)) == Reject::kBytesRegression);

  rig.payee.OnFacts([&] {
    ChannelFacts closing = rig.facts;
    closing.phase = ChannelPhase::kClosing;
    return closing;
  }());
  CHECK(rig.Send(rig.Voucher(rig.facts, 5 * kTickBytes)) == Reject::kExpired);
  rig.payee.OnFacts(rig.facts);
  rig.now = rig.facts.expires;
  CHECK(rig.Send(rig.Voucher(rig.facts, 5 * kTickBytes)) == Reject::kExpired);
}

TEST_CASE("a refusal says its reason and what to do, each in its own words") {
  std::set<std::string> reasons;
  for (int code = 1; code <= 15; ++code) {
    const absl::Status status = ToStatus(static_cast<Reject>(code));
    CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
    CHECK(reasons.insert(base::ReasonOf(status)).second);
    CHECK_FALSE(base::DetailOf(status).hint.empty());
  }
  CHECK(ToStatus(Reject::kNone).ok());
  CHECK(Name(Reject::kStaleNonce) == "StaleNonce");
  CHECK(static_cast<int>(Reject::kRateFloorRaised) == 12);
}

TEST_CASE("a channel's first voucher is worth its bytes at the rate asked, however the base is chosen [CD-49]") {
  Rig rig;
  base::Voucher bad = rig.Voucher(rig.facts, 4 * kTickBytes);
  bad.base_bytes = 4 * kTickBytes;
  for (const uint64_t worth : {3, 4, 39}) {  // below the floor, at it, just below the rate
    bad.base_amount = Amount(worth);
    CHECK(rig.Send(rig.Signed(bad)) == Reject::kRateFloorRaised);
  }
  bad.base_amount = Amount(40);
  CHECK(rig.Send(rig.Signed(bad)) == Reject::kNone);
}

TEST_CASE("ticks count from the last one on, and only if they lead to it [CD-10]") {
  Rig rig;
  const base::Voucher voucher = rig.Voucher(rig.facts, 0, 8);
  const base::TickChain chain = Ends::Chain(voucher);
  const auto tick = [&](uint32_t i, const base::Tick& x) {
    return rig.payee.OnTick(voucher.epoch, i, x, rig.now);
  };
  CHECK(tick(1, chain.At(1)) == Reject::kStaleNonce);  // no voucher yet
  REQUIRE(rig.Send(voucher) == Reject::kNone);
  CHECK(tick(1, chain.At(1)) == Reject::kNone);
  CHECK(tick(1, chain.At(1)) == Reject::kNone);
  CHECK(rig.payee.earned() == Amount(10));
  CHECK(tick(4, chain.At(4)) == Reject::kNone);  // two in between were lost on the way
  CHECK(rig.payee.paid_bytes() == 4 * kTickBytes);
  CHECK(tick(3, chain.At(3)) == Reject::kStaleNonce);
  CHECK(tick(5, chain.At(6)) == Reject::kBadTick);
  CHECK(tick(9, chain.At(8)) == Reject::kBadTick);
  // The next voucher includes every tick; one that does not is refused.
  CHECK(rig.Send(rig.Voucher(rig.facts, 3 * kTickBytes, 8)) == Reject::kBytesRegression);
  CHECK(rig.Send(rig.Voucher(rig.facts, 4 * kTickBytes, 8)) == Reject::kNone);
  CHECK(tick(5, chain.At(5)) == Reject::kStaleNonce);  // of the voucher before
}

TEST_CASE("a tick released in one channel or under one voucher is nothing in another, though the tip is the same [CD-10] [CD-36]") {
  Rig rig;
  const base::Voucher paid = rig.Voucher(rig.facts, 0, 8);
  const base::TickChain chain = Ends::Chain(paid);
  REQUIRE(rig.Send(paid) == Reject::kNone);
  REQUIRE(rig.payee.OnTick(paid.epoch, 2, chain.At(2), rig.now) == Reject::kNone);

  const ChannelFacts other = rig.Facts();
  Payee elsewhere = *Payee::Open(other, rig.Terms(), std::nullopt, std::nullopt, rig.now);
  base::Voucher copy = paid;
  copy.channel = other.id;
  REQUIRE(elsewhere.OnVoucher(rig.Signed(copy), rig.wallet.public_key(), rig.now) == Reject::kNone);
  CHECK(elsewhere.OnTick(paid.epoch, 1, chain.At(1), rig.now) == Reject::kBadTick);
  CHECK(elsewhere.earned() == Amount(0));

  copy = rig.Voucher(rig.facts, 2 * kTickBytes, 8);
  copy.tip = paid.tip;
  REQUIRE(rig.Send(rig.Signed(copy)) == Reject::kNone);
  CHECK(rig.payee.OnTick(copy.epoch, 1, chain.At(1), rig.now) == Reject::kBadTick);
  CHECK(rig.payee.OnTick(paid.epoch, 3, chain.At(3), rig.now) == Reject::kStaleNonce);
  CHECK(rig.payee.paid_bytes() == 2 * kTickBytes);
}

TEST_CASE("a payee that starts again from its store goes on with the next tick [CD-10]") {
  Rig rig;
  const base::Voucher voucher = rig.Voucher(rig.facts, 0, 8);
  const base::TickChain chain = Ends::Chain(voucher);
  const base::Claim stored{voucher, 3, chain.At(3)};
  rig.payee = *Payee::Open(rig.facts, rig.Terms(), stored, std::nullopt, rig.now);
  CHECK(rig.payee.OnTick(voucher.epoch, 4, chain.At(5), rig.now) == Reject::kBadTick);
  CHECK(rig.payee.OnTick(voucher.epoch, 4, chain.At(4), rig.now) == Reject::kNone);
  CHECK(rig.payee.paid_bytes() == 4 * kTickBytes);
}

TEST_CASE("a raised rate needs a new voucher whose base is the last claim [CD-49]") {
  Rig rig;
  REQUIRE(rig.Send(rig.Voucher(rig.facts, 16 * kTickBytes)) == Reject::kNone);
  rig.payee.Requote(PerMebibyte(320));
  rig.payee.OnSent(16 * kTickBytes);
  CHECK(rig.May(kTickBytes) == SendDecision::kNewVoucher);
  CHECK(rig.Send(rig.Voucher(rig.facts, 17 * kTickBytes)) == Reject::kRateFloorRaised);
  base::Voucher raised = rig.Voucher(rig.facts, 17 * kTickBytes);
  raised.rate = PerMebibyte(320);
  CHECK(rig.Send(rig.Signed(raised)) == Reject::kBytesRegression);  // the base is still zero
  raised.base_bytes = 16 * kTickBytes;
  raised.base_amount = Amount(161);
  CHECK(rig.Send(rig.Signed(raised)) == Reject::kOverpaid);
  raised.base_amount = Amount(160);
  CHECK(rig.Send(rig.Signed(raised)) == Reject::kNone);
  CHECK(rig.payee.earned() == Amount(160 + 20));
  CHECK(rig.May(kTickBytes) == SendDecision::kSend);
}

TEST_CASE("the credit window begins at one prepaid chunk and grows by an eighth of what was paid [CD-10]") {
  CHECK(CreditWindow(0, kMaxWindowBytes) == kTickBytes);
  CHECK(CreditWindow(8 << 20, kMaxWindowBytes) == kTickBytes + (1 << 20));
  CHECK(CreditWindow(uint64_t{1} << 40, kMaxWindowBytes) == kMaxWindowBytes);
  Rig rig;
  CHECK(rig.May(1) == SendDecision::kWaitForPayment);  // not even a byte before the first chunk is paid
  REQUIRE(rig.Send(rig.Voucher(rig.facts, kTickBytes)) == Reject::kNone);
  uint64_t sent = 0;
  while (rig.May(4096) == SendDecision::kSend) {
    rig.payee.OnSent(4096);
    sent += 4096;
  }
  CHECK(sent == kTickBytes + kTickBytes + kTickBytes / 8);
  CHECK(rig.payee.unpaid_bytes() == CreditWindow(kTickBytes, kMaxWindowBytes));
  REQUIRE(rig.Send(rig.Voucher(rig.facts, 2 * kTickBytes)) == Reject::kNone);
  CHECK(rig.May(4096) == SendDecision::kSend);
}

TEST_CASE("only a claim that is in the store opens the window: a crash cannot undo what was served against [CD-40]") {
  Rig rig;
  REQUIRE(rig.payee.OnVoucher(rig.Voucher(rig.facts, kTickBytes), rig.wallet.public_key(), rig.now) ==
          Reject::kNone);
  CHECK(rig.payee.paid_bytes() == kTickBytes);
  CHECK(rig.May(1) == SendDecision::kWaitForPayment);
  rig.payee.OnDurable(kTickBytes);
  CHECK(rig.May(1) == SendDecision::kSend);
}

TEST_CASE("a small object is prepaid by its own size") {
  Rig rig;
  REQUIRE(rig.Send(rig.Voucher(rig.facts, 1000)) == Reject::kNone);
  CHECK(rig.May(1000) == SendDecision::kSend);
  CHECK(rig.May(1001) == SendDecision::kWaitForPayment);
}

TEST_CASE("a payer that lets a window lapse is refused for ten minutes, or until it pays") {
  Rig rig;
  CHECK(rig.May(1) == SendDecision::kWaitForPayment);
  rig.now += absl::Seconds(10);
  CHECK(rig.May(1) == SendDecision::kRefused);
  rig.now += absl::Minutes(9);
  CHECK(rig.May(1) == SendDecision::kRefused);
  REQUIRE(rig.Send(rig.Voucher(rig.facts, kTickBytes)) == Reject::kNone);
  CHECK(rig.May(1) == SendDecision::kSend);
}

TEST_CASE("one payer's channels share a window of 32 MiB [CD-10]") {
  Ends ends;
  const auto kv = base::NewMemoryKv();
  const auto store = *OpenClaimStore(*kv);
  PayeeBook book(*store, ends.Terms());
  std::vector<ChannelFacts> channels;
  for (int i = 0; i < 6; ++i) {
    channels.push_back(ends.Facts(1'000'000));
    REQUIRE(book.Open(channels.back(), ends.now).ok());
  }
  for (const ChannelFacts& facts : channels) {
    // Long-standing: the window of each is open to the full.
    for (uint64_t paid = 8 << 20; paid <= 72 << 20; paid += 8 << 20) {
      REQUIRE(book.OnVoucher(ends.Voucher(facts, paid), ends.wallet.public_key(), ends.now) ==
              Reject::kNone);
      REQUIRE(book.Commit().ok());
      book.OnSent(facts.id, 8 << 20);
    }
  }
  SendDecision last = SendDecision::kSend;
  for (const ChannelFacts& facts : channels) {
    while ((last = book.MaySend(facts.id, kTickBytes, ends.now)) == SendDecision::kSend) {
      book.OnSent(facts.id, kTickBytes);
    }
  }
  CHECK(last == SendDecision::kWaitForOtherChannels);
  CHECK(book.UnpaidOf(ends.wallet.account()) == kMaxPayerWindowBytes);
}

TEST_CASE("nothing is sent beyond the deposit, or so near the expiry that the money could not be claimed") {
  Rig rig;
  rig.facts.deposit = Amount(15);
  rig.payee.OnFacts(rig.facts);
  REQUIRE(rig.Send(rig.Voucher(rig.facts, kTickBytes)) == Reject::kNone);
  CHECK(rig.May(kTickBytes) == SendDecision::kSend);
  rig.payee.OnSent(kTickBytes);
  CHECK(rig.May(kTickBytes) == SendDecision::kTopUp);
  rig.facts.deposit = Amount(1000);
  rig.payee.OnFacts(rig.facts);
  CHECK(rig.May(kTickBytes) == SendDecision::kSend);
  rig.now = rig.facts.expires - absl::Hours(1);
  CHECK(rig.May(kTickBytes) == SendDecision::kEnded);
}

TEST_CASE("dust, an ended channel and a rate above the open fee are not served") {
  Ends ends;
  PayeeTerms terms = ends.Terms();
  const auto reason = [&](const ChannelFacts& facts) {
    return base::ReasonOf(
        Payee::Open(facts, terms, std::nullopt, std::nullopt, ends.now).status());
  };
  terms.min_deposit = Amount(1000);
  CHECK(reason(ends.Facts(999)) == "DUST_CHANNEL");
  CHECK(reason(ends.Facts(1000)) == "OK");
  ChannelFacts ended = ends.Facts();
  ended.phase = ChannelPhase::kClosing;
  CHECK(reason(ended) == "CHANNEL_ENDED");
  terms.rate = PerMebibyte(1422);  // nine eighths of a chunk cost 100 units
  CHECK(reason(ends.Facts()) == "OK");
  terms.rate = PerMebibyte(1423);
  CHECK(reason(ends.Facts()) == "WINDOW_ABOVE_OPEN_FEE");
}

TEST_CASE("after the payee signed a close by both it takes no voucher until the close has expired [CD-17]") {
  Rig rig;
  REQUIRE(rig.Send(rig.Voucher(rig.facts, 2 * kTickBytes)) == Reject::kNone);
  const absl::Time expires = rig.now + absl::Minutes(5);
  CHECK(base::ReasonOf(rig.payee.AgreeToClose(Amount(19), expires, rig.now).status()) ==
        "CLOSE_BELOW_CLAIM");
  const auto close = rig.payee.AgreeToClose(Amount(20), expires, rig.now);
  REQUIRE(close.ok());
  CHECK(close->amount == Amount(20));
  CHECK(rig.Send(rig.Voucher(rig.facts, 3 * kTickBytes)) == Reject::kCooperativeCloseSigned);
  CHECK(rig.May(1) == SendDecision::kEnded);
  rig.now = expires;
  CHECK(rig.Send(rig.Voucher(rig.facts, 3 * kTickBytes)) == Reject::kNone);
}

TEST_CASE("a second close by both that ends sooner does not free the payee from the first [CD-17]") {
  Rig rig;
  REQUIRE(rig.Send(rig.Voucher(rig.facts, 2 * kTickBytes)) == Reject::kNone);
  const absl::Time first = rig.now + absl::Hours(1), second = rig.now + absl::Seconds(1);
  REQUIRE(rig.payee.AgreeToClose(Amount(20), first, rig.now).ok());
  const auto close = rig.payee.AgreeToClose(Amount(20), second, rig.now);
  REQUIRE(close.ok());
  CHECK(close->expires_ms == static_cast<uint64_t>(absl::ToUnixMillis(second)));
  rig.now = second;
  CHECK(rig.Send(rig.Voucher(rig.facts, 3 * kTickBytes)) == Reject::kCooperativeCloseSigned);
  CHECK(rig.May(1) == SendDecision::kEnded);
  CHECK(rig.payee.waiver()->expires == first);  // also after a restart
  rig.now = first;
  CHECK(rig.Send(rig.Voucher(rig.facts, 3 * kTickBytes)) == Reject::kNone);
}

TEST_CASE("a payer that has closed by itself gets no close by both, which would take back its penalty [CD-17]") {
  Rig rig;
  REQUIRE(rig.Send(rig.Voucher(rig.facts, 2 * kTickBytes)) == Reject::kNone);
  ChannelFacts closing = rig.facts;
  closing.phase = ChannelPhase::kClosing;
  const auto reason = [&](ClosedBy by) {
    closing.closed_by = by;
    rig.payee.OnFacts(closing);
    return base::ReasonOf(rig.payee.AgreeToClose(Amount(20), rig.now + absl::Minutes(5), rig.now).status());
  };
  CHECK(reason(ClosedBy::kPayer) == "CHANNEL_CLOSING");
  CHECK_FALSE(rig.payee.waiver());
  CHECK(reason(ClosedBy::kExpiry) == "OK");
  CHECK(reason(ClosedBy::kPayee) == "OK");
}

TEST_CASE("a payee takes over a payer's newer claim of more bytes, also when they cost nothing more [CD-40]") {
  Ends ends;
  const ChannelFacts facts = ends.Facts();
  const PayeeTerms terms{.rate = PerMebibyte(1), .floor = PerMebibyte(1)};  // a unit for sixteen chunks
  Payee payee = *Payee::Open(facts, terms, std::nullopt, std::nullopt, ends.now);
  const auto claim = [&](uint64_t chunks) {
    base::Voucher voucher = ends.Voucher(facts, chunks * base::kTickBytes, 8);
    voucher.rate = PerMebibyte(1);
    return base::ClaimOf(ends.Signed(voucher));
  };
  const base::Claim one = claim(1), two = claim(2);
  REQUIRE(*base::WorthOf(one) == *base::WorthOf(two));
  REQUIRE(payee.OnVoucher(one.voucher, facts.signer, ends.now) == Reject::kNone);
  CHECK(payee.Adopt(claim(1), ends.now) == Reject::kStaleNonce);  // nothing new
  CHECK(payee.Adopt(two, ends.now) == Reject::kNone);
  CHECK(payee.paid_bytes() == 2 * base::kTickBytes);
  CHECK(payee.best() == two);
  CHECK(payee.Adopt(one, ends.now) == Reject::kStaleNonce);
}

TEST_CASE("a claim that a payee is asked to take over is refused with the code of what is wrong with it [CD-40]") {
  Rig rig;
  REQUIRE(rig.Send(rig.Voucher(rig.facts, 2 * kTickBytes)) == Reject::kNone);
  const auto adopt = [&](const base::Claim& claim) { return rig.payee.Adopt(claim, rig.now); };
  const base::Voucher good = rig.Voucher(rig.facts, 3 * kTickBytes, 8);
  const auto changed = [&](auto change) {
    base::Voucher voucher = good;
    change(voucher);
    return adopt(base::ClaimOf(rig.Signed(voucher)));
  };
  CHECK(changed([](auto& v) { v.channel.value[0] ^= 1; }) == Reject::kWrongChannel);
  CHECK(changed([](auto& v) { v.chain.value[0] ^= 1; }) == Reject::kWrongChannel);
  CHECK(changed([](auto& v) { v.asset = base::Asset::kCrn; }) == Reject::kBadSignature);
  CHECK(changed([](auto& v) { v.bytes = kTickBytes; }) == Reject::kStaleNonce);
  CHECK(changed([](auto& v) { v.rate = PerMebibyte(100); }) == Reject::kStaleNonce);  // more bytes for less
  CHECK(changed([](auto& v) { v.base_amount = Amount(100'001); }) == Reject::kInsufficientDeposit);
  base::Claim forged = base::ClaimOf(good);
  forged.voucher.signature.value[5] ^= 1;
  CHECK(adopt(forged) == Reject::kBadSignature);
  const base::TickChain chain = Ends::Chain(good);
  CHECK(adopt({good, 2, chain.At(3)}) == Reject::kBadSignature);
  CHECK(rig.payee.paid_bytes() == 2 * kTickBytes);

  ChannelFacts closing = rig.facts;
  closing.phase = ChannelPhase::kClosing;
  rig.payee.OnFacts(closing);
  CHECK(adopt({good, 2, chain.At(2)}) == Reject::kExpired);
  rig.payee.OnFacts(rig.facts);
  const absl::Time start = std::exchange(rig.now, rig.facts.expires);
  CHECK(adopt({good, 2, chain.At(2)}) == Reject::kExpired);
  rig.now = start;
  REQUIRE(rig.payee.AgreeToClose(Amount(20), rig.now + absl::Minutes(5), rig.now).ok());
  CHECK(adopt({good, 2, chain.At(2)}) == Reject::kCooperativeCloseSigned);
  rig.now += absl::Minutes(5);
  CHECK(adopt({good, 2, chain.At(2)}) == Reject::kNone);
  CHECK(rig.payee.paid_bytes() == 5 * kTickBytes);
  CHECK(rig.payee.OnTick(good.epoch, 3, chain.At(3), rig.now) == Reject::kNone);  // its ticks go on
}

TEST_CASE("what a claim that was taken over paid for counts as sent, but for the chunk ahead [CD-10] [CD-40]") {
  Rig rig;
  REQUIRE(rig.payee.Adopt(base::ClaimOf(rig.Voucher(rig.facts, 80 * kTickBytes)), rig.now) == Reject::kNone);
  CHECK(rig.May(1) == SendDecision::kWaitForPayment);  // not durable yet
  rig.payee.OnDurable(rig.payee.paid_bytes());
  CHECK(rig.payee.sent_bytes() == 79 * kTickBytes);
  uint64_t sent = 0;
  while (rig.May(kTickBytes) == SendDecision::kSend) {
    rig.payee.OnSent(kTickBytes);
    sent += kTickBytes;
  }
  CHECK(sent == 12 * kTickBytes);  // the chunk ahead, and a window of one and an eighth of eighty
}

TEST_CASE("nobody opens the window with a claim of many bytes that are worth nothing [CD-10] [CD-49]") {
  Rig rig;
  base::Voucher cheap = rig.Voucher(rig.facts, 1000 * kTickBytes);
  cheap.base_bytes = cheap.bytes;
  cheap.base_amount = Amount(999);  // the floor is one unit a chunk
  CHECK(rig.payee.Adopt(base::ClaimOf(rig.Signed(cheap)), rig.now) == Reject::kRateFloorRaised);
  CHECK(rig.payee.paid_bytes() == 0);
  // At the floor it is money that the payee may have been promised long ago; it opens what it would buy today.
  cheap.base_amount = Amount(1000);
  CHECK(rig.payee.Adopt(base::ClaimOf(rig.Signed(cheap)), rig.now) == Reject::kNone);
  rig.payee.OnDurable(rig.payee.paid_bytes());
  uint64_t sent = 0;
  while (rig.May(kTickBytes) == SendDecision::kSend) {
    rig.payee.OnSent(kTickBytes);
    sent += kTickBytes;
  }
  CHECK(sent == 13 * kTickBytes);  // one, and an eighth of a hundred; nothing ahead
}

TEST_CASE("a voucher under an epoch that was used for another is stale, whatever else it says [CD-10]") {
  Rig rig;
  const base::Voucher first = rig.Voucher(rig.facts, kTickBytes, 8);
  REQUIRE(rig.Send(first) == Reject::kNone);
  base::Voucher second = rig.Voucher(rig.facts, 2 * kTickBytes, 8);
  second.epoch = first.epoch;
  CHECK(rig.Send(rig.Signed(second)) == Reject::kStaleNonce);
  CHECK(rig.payee.best()->voucher == first);
}

TEST_CASE("a tick that does not count is refused with its own code, and changes nothing [CD-10]") {
  Rig rig;
  const base::Voucher voucher = rig.Voucher(rig.facts, 0, 200);
  const base::TickChain chain = Ends::Chain(voucher);
  const auto tick = [&](uint32_t i) { return rig.payee.OnTick(voucher.epoch, i, chain.At(i), rig.now); };
  REQUIRE(rig.Send(voucher) == Reject::kNone);
  REQUIRE(tick(1) == Reject::kNone);
  CHECK(rig.payee.OnTick(voucher.epoch, 1, chain.At(2), rig.now) == Reject::kStaleNonce);

  ChannelFacts facts = rig.facts;
  facts.phase = ChannelPhase::kClosing;
  rig.payee.OnFacts(facts);
  CHECK(tick(2) == Reject::kExpired);
  facts = rig.facts;
  facts.deposit = Amount(19);  // a unit short of the second
  rig.payee.OnFacts(facts);
  CHECK(tick(2) == Reject::kInsufficientDeposit);
  rig.payee.OnFacts(rig.facts);
  const absl::Time start = std::exchange(rig.now, rig.facts.expires);
  CHECK(tick(2) == Reject::kExpired);
  rig.now = start;
  REQUIRE(rig.payee.AgreeToClose(Amount(10), rig.now + absl::Minutes(5), rig.now).ok());
  CHECK(tick(2) == Reject::kCooperativeCloseSigned);
  rig.now += absl::Minutes(5);

  // One window and the chunk ahead: 128 chunks and one.
  CHECK(tick(130) == Reject::kOverpaid);
  CHECK(rig.payee.earned() == Amount(10));
  CHECK(tick(129) == Reject::kNone);
  CHECK(tick(130) == Reject::kOverpaid);
  rig.payee.OnSent(kTickBytes);
  CHECK(tick(130) == Reject::kNone);
  CHECK(rig.payee.earned() == Amount(1300));
}

TEST_CASE("a tick ends a refusal as a voucher does, and a wait ends with the reader that waited") {
  Rig rig;
  const base::Voucher voucher = rig.Voucher(rig.facts, 0, 8);
  const base::TickChain chain = Ends::Chain(voucher);
  REQUIRE(rig.Send(voucher) == Reject::kNone);
  CHECK(rig.May(1) == SendDecision::kWaitForPayment);
  rig.now += absl::Seconds(9);
  rig.payee.OnReaderGone();
  rig.now += absl::Seconds(1);
  CHECK(rig.May(1) == SendDecision::kWaitForPayment);  // of the next reader, from now on
  rig.now += absl::Seconds(10);
  CHECK(rig.May(1) == SendDecision::kRefused);
  REQUIRE(rig.payee.OnTick(voucher.epoch, 1, chain.At(1), rig.now) == Reject::kNone);
  rig.payee.OnDurable(kTickBytes);
  CHECK(rig.May(1) == SendDecision::kSend);
}

TEST_CASE("a close by both is for no more than the deposit, and for a time to come [CD-17]") {
  Rig rig;
  const auto reason = [&](uint64_t amount, absl::Duration from_now) {
    return base::ReasonOf(rig.payee.AgreeToClose(Amount(amount), rig.now + from_now, rig.now).status());
  };
  CHECK(reason(100'001, absl::Minutes(5)) == "CLOSE_BELOW_CLAIM");
  CHECK(reason(10, absl::ZeroDuration()) == "CHANNEL_ENDED");
  CHECK_FALSE(rig.payee.waiver());
  CHECK(reason(100'000, absl::Minutes(5)) == "OK");
  ChannelFacts settled = rig.facts;
  settled.phase = ChannelPhase::kSettled;
  rig.payee.OnFacts(settled);
  CHECK(reason(10, absl::Minutes(5)) == "CHANNEL_ENDED");
}

TEST_CASE("a book takes payments of open channels alone, and what it forgets owes nothing any more [CD-10]") {
  Ends ends;
  const auto kv = base::NewMemoryKv();
  const auto store = *OpenClaimStore(*kv);
  PayeeBook book(*store, ends.Terms());
  const ChannelFacts facts = ends.Facts(), other = ends.Facts();
  const base::Voucher voucher = ends.Voucher(facts, kTickBytes, 8);
  const base::Tick x = Ends::Chain(voucher).At(1);
  const auto all = [&](Reject expected) {
    CHECK(book.OnVoucher(voucher, facts.signer, ends.now) == expected);
    CHECK(book.OnTick(facts.id, voucher.epoch, 1, x, ends.now) == expected);
    CHECK(book.Adopt({voucher, 1, x}, ends.now) == expected);
  };
  REQUIRE(book.Open(other, ends.now).ok());
  all(Reject::kWrongChannel);
  CHECK(book.MaySend(facts.id, 1, ends.now) == SendDecision::kEnded);
  CHECK(base::ReasonOf(book.AgreeToClose(facts.id, Amount(20), ends.now + absl::Minutes(5), ends.now).status()) ==
        "CHANNEL_ENDED");
  REQUIRE(book.Open(facts, ends.now).ok());
  all(Reject::kNone);
  REQUIRE(book.Commit().ok());
  book.OnSent(facts.id, 3 * kTickBytes);
  CHECK(book.UnpaidOf(facts.payer) == kTickBytes);
  book.Forget(facts.id);
  CHECK(book.UnpaidOf(facts.payer) == 0);
  CHECK(book.Find(other.id) != nullptr);
  all(Reject::kWrongChannel);
  REQUIRE(book.Commit().ok());
  CHECK_FALSE(store->Find(facts.id)->has_value());
}

}  // namespace
}  // namespace cairn::payment
