// A ledger with a payer, a payee's node and towers that run the real state machines against it, step by step.
//
// Money is in units of usdc. A loss is what a party is worse off by than an honest trade would have left it; `Losses`
// keeps the largest one over its bound, with and without the defence.
#pragma once

#include <cstdio>

#include "cairn/payment/payee.h"
#include "cairn/payment/settlement.h"
#include "cairn/payment/watchtower.h"
#include "catch.h"
#include "support/channel_rig.h"

namespace cairn::chain {

inline base::Price PerMebibyte(uint64_t units) { return {*base::Amount(units).Times(base::kPriceScale)}; }
constexpr uint64_t kRate = 1280;  // units for 2^20 bytes: a chunk costs 80
constexpr uint64_t kChunk = base::kTickBytes;

inline uint64_t CostOf(uint64_t bytes) { return (bytes * kRate + (1 << 20) - 1) >> 20; }

class Market : public ChannelRig {
 public:
  explicit Market(std::function<void(pb::Params&)> params = {}) : ChannelRig(std::move(params), false) {}

  absl::Time Now() { return absl::FromUnixMillis(static_cast<int64_t>(h.NowMs())); }
  base::SigningKey& Wallet() {
    if (!wallet_) wallet_ = h.Key("wallet").Clone();
    return *wallet_;
  }
  payment::PayeeTerms Terms() { return {.rate = PerMebibyte(kRate), .expiry_margin = absl::ZeroDuration()}; }
  payment::PayerLimits Limits() {
    return {.max_rate = PerMebibyte(kRate), .max_total = base::Amount(uint64_t{1} << 60), .ticks = 64};
  }

  payment::ChannelFacts Facts(const std::string& id) { return FactsOf(Channel(id)); }
  payment::ChannelFacts FactsOf(const pb::Channel& from) {
    payment::ChannelFacts facts;
    facts.chain = h.engine().chain_id();
    facts.id = Trusted<base::ChannelId>(from.id());
    facts.payer = AccountOf(from.payer());
    facts.payee = AccountOf(from.payee());
    facts.signer = *base::PublicKey::Decode(base::AsBytes(from.signer()));
    facts.asset = FromProto(from.asset());
    facts.deposit = FromProto(from.deposit());
    facts.withdrawn = FromProto(from.withdrawn());
    facts.claimed = FromProto(from.claimed());
    facts.reserve = FromProto(from.reserve());
    facts.open_fee = FromProto(from.open_fee());
    facts.phase = static_cast<payment::ChannelPhase>(from.state());
    facts.closed_by = static_cast<payment::ClosedBy>(from.close());
    facts.expires = absl::FromUnixMillis(static_cast<int64_t>(from.expires_ms()));
    if (from.due_ms() != 0) facts.due = absl::FromUnixMillis(static_cast<int64_t>(from.due_ms()));
    return facts;
  }

  // The payee appoints a tower for a channel until long after its end.
  payment::SignedAppointment Appoint(const std::string& id, const std::string& tower, const std::string& payee = "node") {
    payment::SignedAppointment out;
    out.terms = {h.engine().chain_id(), Trusted<base::ChannelId>(id), h.Id(tower), h.NowMs() + 360'000'000};
    out.payee_key = h.Key(payee).public_key();
    out.signature = h.Key(payee).Sign(base::SigningDigest(out.terms));
    return out;
  }
  // Submits what a tower ordered, as the tower.
  Verdict Submit(const std::string& who, const payment::DisputeOrder& order) {
    pb::Operation operation = Dispute(ToField(order.channel), order.claim);
    if (order.appointment) {
      pb::TowerAppointment& appointment = *operation.mutable_dispute_channel()->mutable_appointment();
      appointment.set_expires_ms(order.appointment->terms.expires_ms);
      appointment.set_payee_key(base::ToString(order.appointment->payee_key.Encode()));
      appointment.set_signature(ToField(order.appointment->signature));
    }
    return VerdictOf(h.Submit(h.Sign(who, h.Body(who, {operation}))));
  }
  // What the payee's side got for a channel: claim and penalty before the router, bounty left out.
  uint64_t PaidFor(const std::string& id) { return FromProto(Channel(id).paid()).low(); }

  void Settle() { h.Advance(Window()); }

 private:
  std::optional<base::SigningKey> wallet_;
};

// A payee's node with a store in memory.
struct Node {
  explicit Node(const payment::PayeeTerms& terms)
      : kv(base::NewMemoryKv()), store(*payment::OpenClaimStore(*kv)), book(*store, terms) {}
  // A node that starts again on what it had committed.
  Node(const payment::PayeeTerms& terms, std::unique_ptr<base::Kv> from)
      : kv(std::move(from)), store(*payment::OpenClaimStore(*kv)), book(*store, terms) {}
  std::unique_ptr<base::Kv> kv;
  std::unique_ptr<payment::ClaimStore> store;
  payment::PayeeBook book;
};

// Pays and delivers `bytes` over a channel, chunk by chunk, as honest ends do.
inline void Trade(Market& market, payment::Payer& payer, Node& node, uint64_t bytes) {
  const base::ChannelId id = payer.facts().id;
  payer.Want(bytes);
  for (uint64_t left = bytes;;) {
    const auto payment = payer.Due(market.Now());
    REQUIRE(payment.ok());
    if (payment->voucher) {
      REQUIRE(node.book.OnVoucher(*payment->voucher, market.Wallet().public_key(), market.Now()) ==
              payment::Reject::kNone);
    }
    if (payment->tick) {
      REQUIRE(node.book.OnTick(id, payment->tick->epoch, payment->tick->tick, payment->tick->x, market.Now()) ==
              payment::Reject::kNone);
    }
    REQUIRE(node.book.Commit().ok());
    if (left == 0) break;
    const uint64_t piece = std::min(left, kChunk);
    REQUIRE(node.book.MaySend(id, piece, market.Now()) == payment::SendDecision::kSend);
    node.book.OnSent(id, piece);
    payer.OnVerified(piece);
    left -= piece;
  }
}

// Prints an attack's loss over its bound with the defence and without, and holds it to the bound: with the defence at
// most 1, without it above.
inline void Report(const char* attack, uint64_t loss, uint64_t control_loss, uint64_t bound) {
  REQUIRE(bound != 0);
  std::printf("attack %-44s loss/bound=%.3f control=%.3f (bound %llu units)\n", attack,
              static_cast<double>(loss) / static_cast<double>(bound),
              static_cast<double>(control_loss) / static_cast<double>(bound), static_cast<unsigned long long>(bound));
  CHECK(loss <= bound);
  CHECK(control_loss > bound);
}

}  // namespace cairn::chain
