// Two ends of a channel without a ledger: facts, keys, and vouchers as a payer would sign them.
#pragma once

#include "cairn/base/entropy.h"
#include "cairn/payment/payee.h"
#include "cairn/payment/payer.h"

namespace cairn::payment {

inline base::Price PerMebibyte(uint64_t units) {
  return {*base::Amount(units).Times(base::kPriceScale)};
}

struct Ends {
  base::SeededEntropy entropy{5};
  base::SigningKey wallet = base::SigningKey::Generate(entropy);
  base::SigningKey payee_key = base::SigningKey::Generate(entropy);
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  uint64_t channels = 0;

  ChannelFacts Facts(uint64_t deposit = 100'000) {
    ChannelFacts facts;
    facts.chain.value.fill(1);
    facts.id = base::ChannelIdFor(facts.chain, ++channels);
    facts.payer = wallet.account();
    facts.payee = payee_key.account();
    facts.signer = wallet.public_key();
    facts.deposit = base::Amount(deposit);
    facts.reserve = base::Amount(1'000'000);
    facts.open_fee = base::Amount(100);
    facts.expires = now + absl::Hours(24 * 30);
    return facts;
  }
  PayeeTerms Terms() { return {.rate = PerMebibyte(160), .floor = PerMebibyte(16)}; }
  PayerLimits Limits() {
    return {.max_rate = PerMebibyte(1000), .max_total = base::Amount(1'000'000), .ticks = 8};
  }

  // Worth bytes x 160 per MiB, signed by the wallet.
  base::Voucher Voucher(const ChannelFacts& facts, uint64_t bytes, uint32_t ticks = 0) {
    base::Voucher voucher;
    voucher.chain = facts.chain;
    voucher.channel = facts.id;
    voucher.epoch = entropy.Draw<base::Nonce16>();
    voucher.asset = facts.asset;
    voucher.rate = PerMebibyte(160);
    voucher.bytes = bytes;
    voucher.ticks = ticks;
    if (ticks != 0) voucher.tip = Chain(voucher).tip();
    return Signed(voucher);
  }
  static base::TickChain Chain(const base::Voucher& voucher) {
    return base::TickChain(voucher.channel, voucher.epoch, voucher.ticks, base::Secret<32>());
  }
  base::Voucher Signed(base::Voucher voucher) {
    voucher.signature = wallet.Sign(base::SigningDigest(voucher));
    return voucher;
  }
};

}  // namespace cairn::payment
