// A payer that sends whatever it likes: vouchers and ticks in any order, signed where the input asks for it. Whatever
// it does, what the payee holds never falls, never exceeds the deposit, and no more is sent than the window allows.
#include <algorithm>

#include "cairn/payment/payee.h"
#include "fuzz.h"

namespace cairn {
namespace {

constexpr uint64_t kDeposit = 1'000'000;
constexpr size_t kMaxSteps = 64;

class Script {
 public:
  explicit Script(base::ByteView input) : rest_(input) {}
  bool done() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_[0];
    rest_.remove_prefix(1);
    return byte;
  }
  base::ByteView Take(size_t size) {
    const base::ByteView taken = rest_.subspan(0, std::min(size, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  base::ByteView rest_;
};

struct Ends {
  base::SigningKey wallet = base::SigningKey::FromSeed(base::Secret<32>());
  payment::ChannelFacts facts;
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);

  Ends() {
    facts.chain.value.fill(1);
    facts.id.value.fill(2);
    facts.signer = wallet.public_key();
    facts.payer = wallet.account();
    facts.deposit = base::Amount(kDeposit);
    facts.expires = now + absl::Hours(24);
  }

  // The claim in the input; with `sign`, of this channel and signed by its key.
  absl::StatusOr<base::Claim> Claim(base::ByteView bytes, bool sign) const {
    auto claim = base::DecodeClaim(bytes);
    if (!claim.ok() || !sign) return claim;
    base::Voucher& voucher = claim->voucher;
    voucher.chain = facts.chain;
    voucher.channel = facts.id;
    if (voucher.ticks != 0) voucher.tip = Chain(voucher).tip();
    claim->preimage = claim->tick <= voucher.ticks ? Chain(voucher).At(claim->tick) : claim->preimage;
    if (voucher.ticks == 0) claim->preimage = {};
    voucher.signature = wallet.Sign(base::SigningDigest(voucher));
    return claim;
  }
  static base::TickChain Chain(const base::Voucher& voucher) {
    return base::TickChain(voucher.channel, voucher.epoch, std::min(voucher.ticks, 64u), base::Secret<32>());
  }
};

void Step(Script& script, Ends& ends, payment::Payee& payee) {
  const uint8_t what = script.Byte();
  const bool sign = (what & 0x80) != 0;
  switch (what & 7) {
    case 0: {
      const auto claim = ends.Claim(script.Take(base::kClaimBytes), sign);
      if (claim.ok()) (void)payee.OnVoucher(claim->voucher, ends.facts.signer, ends.now);
      return;
    }
    case 1: {
      if (!payee.best()) return;
      const base::Voucher voucher = payee.best()->voucher;
      const uint32_t tick = script.Byte();
      const base::TickChain chain = Ends::Chain(voucher);
      base::Tick x;
      const base::ByteView raw = script.Take(sign ? 0 : base::Tick::kSize);
      std::copy(raw.begin(), raw.end(), x.value.begin());
      if (sign && tick <= chain.ticks()) x = chain.At(tick);
      (void)payee.OnTick(voucher.epoch, tick, x, ends.now);
      return;
    }
    case 2: {
      const auto claim = ends.Claim(script.Take(base::kClaimBytes), sign);
      if (claim.ok()) (void)payee.Adopt(*claim, ends.now);
      return;
    }
    case 3:
      return payee.OnDurable(payee.paid_bytes());
    case 4: {
      const uint64_t bytes = uint64_t{script.Byte()} * 257;
      if (payee.MaySend(bytes, 0, ends.now) != payment::SendDecision::kSend) return;
      payee.OnSent(bytes);
      FUZZ_CHECK(payee.unpaid_bytes() <=
                 payment::CreditWindow(payee.durable_bytes(), payment::kMaxWindowBytes));
      return;
    }
    case 5:
      ends.now += absl::Minutes(script.Byte());
      return;
    case 6:
      return payee.OnNotSent(script.Byte());
    default:
      (void)payee.AgreeToClose(base::Amount(uint64_t{script.Byte()} << 8), ends.now + absl::Minutes(1), ends.now);
  }
}

}  // namespace

void FuzzOne(base::ByteView input) {
  Ends ends;
  auto payee = payment::Payee::Open(ends.facts, {}, std::nullopt, std::nullopt, ends.now);
  FUZZ_CHECK(payee.ok());
  Script script(input);
  for (size_t step = 0; step < kMaxSteps && !script.done(); ++step) {
    const base::Amount earned = payee->earned();
    const uint64_t paid = payee->paid_bytes();
    Step(script, ends, *payee);
    FUZZ_CHECK(payee->earned() >= earned && payee->paid_bytes() >= paid);
    FUZZ_CHECK(payee->earned() <= base::Amount(kDeposit));
    if (payee->best()) FUZZ_CHECK(payment::ClaimHolds(ends.facts, *payee->best()));
  }
}

}  // namespace cairn
