// What cheats can take from a channel's honest ends. Every attack runs twice: against the real machines, where the loss
// stays within its bound, and against one without the defence, where it does not.
#include "market.h"

namespace cairn::chain {
namespace {

using base::Amount;
using payment::Reject;
using payment::SendDecision;

constexpr uint64_t kDeposit = 50'000'000;
// What a payee may lose to a payer that has paid for `paid` bytes.
uint64_t WindowCost(uint64_t paid) { return CostOf(payment::CreditWindow(paid, payment::kMaxWindowBytes)); }

// Sends chunks as long as the node lets it. Returns the bytes.
uint64_t TakeAll(Market& market, Node& node, const base::ChannelId& id, uint64_t at_most = UINT64_MAX) {
  REQUIRE(node.book.Commit().ok());
  uint64_t taken = 0;
  while (taken < at_most && node.book.MaySend(id, 4096, market.Now()) == SendDecision::kSend) {
    node.book.OnSent(id, 4096);
    taken += 4096;
  }
  return taken;
}

// A voucher of the wallet for `bytes` at the rate, with or without ticks.
base::Voucher Promise(Market& market, const std::string& id, uint64_t bytes) {
  base::Voucher voucher;
  voucher.chain = market.h.engine().chain_id();
  voucher.channel = Trusted<base::ChannelId>(id);
  voucher.epoch = market.h.entropy().Draw<base::Nonce16>();
  voucher.rate = PerMebibyte(kRate);
  voucher.bytes = bytes;
  return market.Signed(voucher, "wallet");
}

}  // namespace

TEST_CASE("a tip signed twice earns no chunk twice, and cheats only a payee that adds up what it sees [CD-10]") {
  const auto run = [](bool defended) {
    Market market;
    const std::string id = market.Open(kDeposit);
    Node node(market.Terms());
    REQUIRE(node.book.Open(market.Facts(id), market.Now()).ok());
    base::Voucher first = Promise(market, id, 0);
    const base::TickChain chain(first.channel, first.epoch, 64, base::Secret<32>());
    first.tip = chain.tip();
    first.ticks = 64;
    first = market.Signed(first, "wallet");
    const base::PublicKey wallet = market.Wallet().public_key();
    REQUIRE(node.book.OnVoucher(first, wallet, market.Now()) == Reject::kNone);
    uint64_t served = 0;
    for (uint32_t tick = 1; tick <= 64; ++tick) {
      REQUIRE(node.book.OnTick(first.channel, first.epoch, tick, chain.At(tick), market.Now()) == Reject::kNone);
      if (tick > 1) node.book.OnSent(first.channel, kChunk), served += kChunk;
    }
    // The same tip again: another signature, the same preimages.
    base::Voucher again = first;
    again.bytes = 1;
    again = market.Signed(again, "wallet");
    if (defended) {
      CHECK(node.book.OnVoucher(again, wallet, market.Now()) == Reject::kStaleNonce);
      CHECK(node.book.OnTick(first.channel, first.epoch, 1, chain.At(1), market.Now()) == Reject::kStaleNonce);
      served += TakeAll(market, node, first.channel);
    } else {
      served += 64 * kChunk;  // it takes the 64 preimages for 64 new chunks
    }
    market.h.Do("node", market.Close(id, node.book.Find(first.channel)->best()));
    market.Settle();
    return CostOf(served) - market.PaidFor(id);
  };
  Report("double voucher", run(true), run(false), WindowCost(64 * kChunk));
}

TEST_CASE("a voucher above the deposit buys nothing") {
  const auto run = [](bool defended) {
    Market market;
    const std::string id = market.Open(CostOf(16 * kChunk));
    Node node(market.Terms());
    REQUIRE(node.book.Open(market.Facts(id), market.Now()).ok());
    const base::PublicKey wallet = market.Wallet().public_key();
    uint64_t served = 0;
    for (uint64_t chunks = 1; chunks <= 128; ++chunks) {
      const Reject reject = node.book.OnVoucher(Promise(market, id, chunks * kChunk), wallet, market.Now());
      CHECK((reject == Reject::kNone) == (chunks <= 16));
      REQUIRE(node.book.Commit().ok());
      if (defended && node.book.MaySend(Trusted<base::ChannelId>(id), kChunk, market.Now()) != SendDecision::kSend) break;
      node.book.OnSent(Trusted<base::ChannelId>(id), kChunk);
      served += kChunk;
    }
    // Without the defence the claim of 128 chunks is all the payee has, and the ledger does not take it.
    market.h.Expect(Verdict::kClaimAboveDeposit, "node",
                    market.Withdraw(id, base::ClaimOf(Promise(market, id, 128 * kChunk))));
    market.h.Do("node", market.Close(id, node.book.Find(Trusted<base::ChannelId>(id))->best()));
    market.Settle();
    const uint64_t paid = market.PaidFor(id);
    return CostOf(served) - std::min(CostOf(served), paid);
  };
  Report("voucher above the deposit", run(true), run(false), WindowCost(16 * kChunk));
}

TEST_CASE("a stale close, or one without a voucher, fails while the payee stays dead: another's tower acts [CD-16] [CD-39]") {
  for (const bool with_voucher : {true, false}) {
    const auto run = [&](bool tower_watches) {
      Market market;
      const std::string id = market.Open(kDeposit);
      Node node(market.Terms());
      REQUIRE(node.book.Open(market.Facts(id), market.Now()).ok());
      payment::Payer payer = *payment::Payer::Open(market.Facts(id), market.Limits(), market.Wallet(), market.h.entropy());
      REQUIRE(payer.Agree(PerMebibyte(kRate)).ok());
      Trade(market, payer, node, 3 * kChunk);
      const auto old = payer.last();
      Trade(market, payer, node, 200 * kChunk);
      payment::Watchtower tower(market.h.Id("tower"));
      if (tower_watches) {
        REQUIRE(tower.WatchPeer(market.Facts(id), *node.book.Find(Trusted<base::ChannelId>(id))->best(),
                                market.Appoint(id, "tower"), market.Window()).ok());
      }
      const Amount before = market.Usdc("tower");
      // From here on the payee is dead until long after the settlement.
      market.h.Do("alice", market.Close(id, with_voucher ? old : std::nullopt));
      market.h.Advance(market.Window() / 2);
      const auto order = tower.OnFacts(market.Facts(id), market.Now());
      REQUIRE(order.has_value() == tower_watches);
      if (order) REQUIRE(market.Submit("tower", *order) == Verdict::kOk);
      market.h.Advance(market.Window() / 2);
      const pb::Channel settled = market.Channel(id);
      REQUIRE(settled.state() == pb::CHANNEL_STATE_SETTLED);
      if (tower_watches) {
        CHECK(market.Usdc("tower") == Plus(before, Amount(FromProto(settled.penalty()).units() / 2)));
        CHECK_FALSE(FromProto(settled.penalty()).zero());  // the cheat is worse off than an honest payer
      }
      return CostOf(203 * kChunk) - market.PaidFor(id);
    };
    Report(with_voucher ? "stale close, payee dead" : "close without voucher, payee dead", run(true), run(false),
           WindowCost(203 * kChunk));
  }
}

TEST_CASE("a voucher replayed from another channel, chain or asset buys nothing [CD-36]") {
  for (const std::string other : {"channel", "chain", "asset"}) {
    const auto run = [&](bool defended) {
      Market market;
      const std::string id = market.Open(1'000'000);
      const std::string elsewhere = market.Open(1'000'000);
      Node node(market.Terms());
      REQUIRE(node.book.Open(market.Facts(id), market.Now()).ok());
      const base::ChannelId channel = Trusted<base::ChannelId>(id);
      uint64_t served = 0;
      base::Claim held;
      for (uint64_t chunks = 1; chunks <= 16; ++chunks) {
        base::Voucher voucher = Promise(market, other == "channel" ? elsewhere : id, chunks * kChunk);
        if (other == "chain") voucher.chain.value[0] ^= 1;
        if (other == "asset") voucher.asset = base::Asset::kCrn;
        voucher = market.Signed(voucher, "wallet");
        held = base::ClaimOf(voucher);
        const base::PublicKey wallet = market.Wallet().public_key();
        const Reject reject = node.book.OnVoucher(voucher, wallet, market.Now());
        // A channel's own voucher sent here belongs to no channel that is open at this node.
        CHECK(reject == (other == "asset" ? Reject::kWrongToken : Reject::kWrongChannel));
        // Without the defence: whatever the wallet signed counts.
        const bool taken = defended ? reject == Reject::kNone && node.book.Find(channel)->best().has_value()
                                    : wallet.Verify(base::SigningDigest(voucher), voucher.signature);
        if (taken) served += kChunk;
      }
      served += defended ? TakeAll(market, node, channel) : 0;
      market.h.Expect(Verdict::kBadVoucher, "node", market.Withdraw(id, held));
      return CostOf(served);
    };
    Report(("replay across a " + other).c_str(), run(true), run(false), WindowCost(0));
  }
}

TEST_CASE("a thief of last chunks with fresh identities pays more for its channels than it takes [CD-10]") {
  constexpr int kIdentities = 20;
  uint64_t fees = 0;
  const auto run = [&](bool defended) {
    Market market;
    payment::PayeeTerms terms = market.Terms();
    Node node(terms);
    uint64_t taken = 0;
    fees = 0;
    for (int i = 0; i < kIdentities; ++i) {
      const std::string id = market.Open(CostOf(uint64_t{1} << 30));
      REQUIRE(node.book.Open(market.Facts(id), market.Now()).ok());
      fees += FromProto(market.Channel(id).open_fee()).low();
      const base::ChannelId channel = Trusted<base::ChannelId>(id);
      REQUIRE(node.book.OnVoucher(Promise(market, id, kChunk), market.Wallet().public_key(), market.Now()) ==
              Reject::kNone);
      // Without the ramp the whole window is open at once.
      const uint64_t bytes = defended ? TakeAll(market, node, channel) : kChunk + payment::kMaxWindowBytes;
      taken += CostOf(bytes) - CostOf(kChunk);
    }
    return taken;
  };
  const uint64_t loss = run(true), control = run(false);
  Report("last-chunk thief, fresh identities", loss, control, kIdentities * WindowCost(kChunk));
  CHECK(loss <= fees);
  CHECK(control > fees);
}

TEST_CASE("a payer whose store is an old backup closes with the payee, and is not penalised [CD-17]") {
  const auto run = [](bool defended) {
    Market market;
    const std::string id = market.Open(kDeposit);
    Node node(market.Terms());
    REQUIRE(node.book.Open(market.Facts(id), market.Now()).ok());
    payment::Payer payer = *payment::Payer::Open(market.Facts(id), market.Limits(), market.Wallet(), market.h.entropy());
    REQUIRE(payer.Agree(PerMebibyte(kRate)).ok());
    Trade(market, payer, node, 3 * kChunk);
    const auto backup = payer.last();
    Trade(market, payer, node, 50 * kChunk);
    payment::Payer restored =
        *payment::Payer::Reopen(market.Facts(id), market.Limits(), market.Wallet(), market.h.entropy(), backup);
    payment::Payee& payee = *node.book.Find(restored.facts().id);
    const Amount before = market.Usdc("alice");
    if (defended) {
      REQUIRE(payment::DecidePayer(restored, {.close = true}, market.Now()) == payment::Settlement::kCloseTogether);
      REQUIRE(restored.Adopt(*payee.best()).ok());
      REQUIRE(payee.AgreeToClose(restored.promised(), market.Now() + absl::Minutes(1), market.Now()).ok());
      market.h.Do("alice", market.Together(id, restored.promised().low()));
    } else {
      market.h.Do("alice", market.Close(id, restored.last()));
      REQUIRE(payment::DecidePayee(market.Facts(id), payee.best(), {}, market.Now()) == payment::Settlement::kDispute);
      market.h.Do("node", market.Dispute(id, *payee.best()));
      market.Settle();
    }
    const uint64_t returned = market.Usdc("alice").Minus(before)->low();
    const uint64_t reserve = FromProto(market.Channel(id).reserve()).low();
    return kDeposit + reserve - CostOf(53 * kChunk) - returned;
  };
  Report("payer restores an old backup", run(true), run(false), CostOf(kChunk));
}

TEST_CASE("a payer whose payee is gone waits for the expiry, and the reclaim of an old backup is not penalised") {
  Market market;
  const std::string id = market.Open(kDeposit);
  payment::Payer restored =
      *payment::Payer::Reopen(market.Facts(id), market.Limits(), market.Wallet(), market.h.entropy(), std::nullopt);
  const payment::PayerWish wish{.close = true, .payee_answers = false};
  REQUIRE(payment::DecidePayer(restored, wish, market.Now()) == payment::Settlement::kNothing);
  market.h.Advance(absl::Hours(1));
  REQUIRE(payment::DecidePayer(restored, wish, market.Now()) == payment::Settlement::kReclaim);
  market.h.Do("alice", market.Reclaim(id));
  market.h.Do("tower", market.TowerDispute(id, market.Worth(id, 40'000'000)));
  market.Settle();
  CHECK(FromProto(market.Channel(id).penalty()).zero());
  CHECK(market.PaidFor(id) == 40'000'000);
}

TEST_CASE("dust channels are not served, so settling them costs nobody more than they bring") {
  // In crn, so that what is earned and what transactions cost compare.
  const auto run = [](bool defended) {
    Market market;
    const Amount fee = market.h.FeeFor({market.Withdraw(std::string(16, 'x'), market.Worth(std::string(16, 'x'), 1))});
    payment::PayeeTerms terms = market.Terms();
    terms.rate = {};
    if (defended) terms.min_deposit = *fee.Times(2);
    Node node(terms);
    uint64_t loss = 0;
    for (int i = 0; i < 10; ++i) {
      const uint64_t dust = fee.low() / 4;
      const std::string id = market.h.Do("alice", market.OpenOp(dust, "node", pb::ASSET_CRN)).created(0);
      if (!node.book.Open(market.Facts(id), market.Now()).ok()) continue;
      base::Voucher voucher = market.Worth(id, dust).voucher;
      voucher.asset = base::Asset::kCrn;
      const Amount before = market.h.Free("node");
      market.h.Do("node", market.Withdraw(id, base::ClaimOf(market.Signed(voucher, "wallet"))));
      loss += before.MinusOrZero(market.h.Free("node")).low() + dust;  // out of pocket, and what was delivered for it
    }
    return loss / 1'000'000'000;
  };
  Report("dust channels", run(true), run(false), 1);
}

TEST_CASE("a watchtower that lies takes nothing: a second one, or the payee itself, corrects it [CD-39]") {
  const auto run = [](bool second_tower) {
    Market market;
    const std::string id = market.Open(kDeposit);
    Node node(market.Terms());
    REQUIRE(node.book.Open(market.Facts(id), market.Now()).ok());
    payment::Payer payer = *payment::Payer::Open(market.Facts(id), market.Limits(), market.Wallet(), market.h.entropy());
    REQUIRE(payer.Agree(PerMebibyte(kRate)).ok());
    Trade(market, payer, node, 3 * kChunk);
    const base::Claim old = *payer.last();
    Trade(market, payer, node, 200 * kChunk);
    const base::Claim newest = *payer.last();
    payment::Watchtower honest(market.h.Id("tower"));
    REQUIRE(honest.WatchPeer(market.Facts(id), newest, market.Appoint(id, "tower"), market.Window()).ok());
    market.h.Do("alice", market.Close(id));
    // The liar has sold its silence and shows an old claim for the bounty; it also tries what the ledger refuses.
    base::Claim forged = newest;
    forged.voucher.bytes += kChunk;
    REQUIRE(market.Submit("mallory", {old.voucher.channel, forged, market.Appoint(id, "mallory")}) == Verdict::kBadVoucher);
    REQUIRE(market.Submit("mallory", {old.voucher.channel, old, market.Appoint(id, "tower")}) == Verdict::kBadAppointment);
    REQUIRE(market.Submit("mallory", {old.voucher.channel, old, market.Appoint(id, "mallory")}) == Verdict::kOk);
    const Amount liar = market.Usdc("mallory");
    if (second_tower) {
      const auto order = honest.OnFacts(market.Facts(id), market.Now());
      REQUIRE(order.has_value());
      REQUIRE(market.Submit("tower", *order) == Verdict::kOk);
    }
    market.Settle();
    if (second_tower) CHECK(market.Usdc("mallory") == liar);
    return CostOf(203 * kChunk) - market.PaidFor(id);
  };
  Report("lying watchtower", run(true), run(false), WindowCost(203 * kChunk));
}

TEST_CASE("a payee that never delivers takes one chunk, and a payer that pays ahead loses the rest") {
  const auto run = [](bool defended) {
    Market market;
    const std::string id = market.Open(kDeposit);
    payment::Payer payer = *payment::Payer::Open(market.Facts(id), market.Limits(), market.Wallet(), market.h.entropy());
    REQUIRE(payer.Agree(PerMebibyte(kRate)).ok());
    payer.Want(100 * kChunk);
    if (!defended) payer.OnVerified(64 * kChunk);  // it believes the payee without looking
    std::optional<base::Claim> taken;
    for (int i = 0; i < 10; ++i) {
      REQUIRE(payer.Due(market.Now()).ok());
      taken = payer.last();
    }
    market.h.Do("node", market.Withdraw(id, *taken));
    return FromProto(market.Channel(id).withdrawn()).low();
  };
  Report("payee that does not deliver", run(true), run(false), CostOf(kChunk));
}

}  // namespace cairn::chain
