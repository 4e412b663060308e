// Channels on the ledger: open, top up, withdraw, close, dispute, settle.
#include "cairn/chain/domain/channels.h"

#include "catch.h"
#include "support/channel_rig.h"

namespace cairn::chain {
namespace {

using base::Amount;

constexpr uint64_t kDeposit = 10'000'000;
constexpr uint64_t kReserve = 1'000'000;  // the least penalty: 5 % of the deposit is less
constexpr uint64_t kOpenFee = 100;
// Router: 10 % to the treasury, the rest to the operator.
Amount Net(uint64_t amount) { return Amount(amount - amount / 10); }

// What everybody has of usdc, outside of channels.
struct Balances {
  explicit Balances(ChannelRig& rig) : payer(rig.Usdc("alice")), payee(rig.Usdc("node")), tower(rig.Usdc("tower")) {}
  Amount payer, payee, tower;
};

}  // namespace

TEST_CASE("a channel opens with an id, a pinned signer and a deposit, and a top-up leaves its expiry [CD-09]") {
  ChannelRig rig;
  const Balances before(rig);
  const std::string id = rig.Open(kDeposit);
  pb::Channel channel = rig.Channel(id);
  CHECK(channel.id() == ToField(base::ChannelIdFor(rig.h.engine().chain_id(), 1)));
  CHECK(channel.signer() == base::ToString(rig.h.Key("wallet").public_key().Encode()));
  CHECK(channel.asset() == pb::ASSET_USDC);
  CHECK(channel.state() == pb::CHANNEL_STATE_OPEN);
  CHECK(FromProto(channel.deposit()) == Amount(kDeposit));
  CHECK(FromProto(channel.reserve()) == Amount(kReserve));
  CHECK(rig.Usdc("alice") == Minus(before.payer, Amount(kDeposit + kReserve + kOpenFee)));
  CHECK(FromProto(rig.Supply().channels()) == Amount(kDeposit + kReserve));

  const uint64_t expires = channel.expires_ms();
  rig.h.Advance(absl::Minutes(1));
  rig.h.Do("alice", rig.TopUp(id, 30'000'000));
  channel = rig.Channel(id);
  CHECK(channel.expires_ms() == expires);
  CHECK(FromProto(channel.deposit()) == Amount(40'000'000));
  CHECK(FromProto(channel.reserve()) == Amount(2'000'000));  // 5 %
  CHECK(rig.Open(1) != id);
}

TEST_CASE("a channel that cannot be is refused [CD-09]") {
  ChannelRig rig;
  rig.h.Expect(Verdict::kSelfPayment, "node", rig.OpenOp(1));
  rig.h.Expect(Verdict::kBadAmount, "alice", rig.OpenOp(0));
  rig.h.Expect(Verdict::kNoFunds, "alice", rig.OpenOp(100'000'000));  // the reserve is not covered
  pb::Operation op = rig.OpenOp(1);
  op.mutable_open_channel()->set_signer("short");
  rig.h.Expect(Verdict::kBadKey, "alice", op);
  const uint64_t now = rig.h.NowMs();
  const pb::Params params = rig.h.Params();
  for (const auto& [expires, verdict] :
       {std::pair(now + params.channel_window_ms() - 1, Verdict::kBadExpiry),
        std::pair(now + params.channel_max_ms() + 1000, Verdict::kBadExpiry)}) {
    op = rig.OpenOp(1);
    op.mutable_open_channel()->set_expires_ms(expires);
    rig.h.Expect(verdict, "alice", op);
  }
  const std::string id = rig.Open(kDeposit);
  rig.h.Expect(Verdict::kNotParty, "node", rig.TopUp(id, 1));
  rig.h.Expect(Verdict::kUnknownChannel, "alice", rig.TopUp(std::string(16, 'x'), 1));
  // A payment account holds crn only, so a channel cannot pay it usdc.
  pb::Operation account;
  account.mutable_create_payment_account();
  op = rig.OpenOp(1);
  op.mutable_open_channel()->set_payee(rig.h.Do("node", account).created(0));
  rig.h.Expect(Verdict::kWrongAsset, "alice", op);
  rig.h.Expect(Verdict::kBadChannelId, "alice", rig.TopUp("short", 1));
}

TEST_CASE("a channel is opened and topped up by money that is there to the unit, and lasts a window at least [CD-09]") {
  ChannelRig rig;
  rig.h.Fund("dave", 10);
  rig.FundUsdc("dave", kDeposit + kReserve + kOpenFee - 1);
  rig.h.Expect(Verdict::kNoFunds, "dave", rig.OpenOp(kDeposit));
  rig.FundUsdc("dave", 1);
  const std::string id = rig.h.Do("dave", rig.OpenOp(kDeposit)).created(0);
  CHECK(rig.Usdc("dave").zero());
  // Four times the deposit need twice the reserve.
  rig.FundUsdc("dave", 3 * kDeposit + kReserve - 1);
  rig.h.Expect(Verdict::kNoFunds, "dave", rig.TopUp(id, 3 * kDeposit));
  rig.FundUsdc("dave", 1);
  rig.h.Do("dave", rig.TopUp(id, 3 * kDeposit));
  CHECK(rig.Usdc("dave").zero());
  const pb::Params params = rig.h.Params();
  for (const uint64_t lasts : {params.channel_window_ms(), params.channel_max_ms()}) {
    pb::Operation open = rig.OpenOp(1);
    open.mutable_open_channel()->set_expires_ms(rig.h.NowMs() + lasts);
    rig.h.Do("alice", open);
  }
  pb::Operation longer = rig.OpenOp(1);
  longer.mutable_open_channel()->set_expires_ms(rig.h.NowMs() + params.channel_max_ms() + 1);
  rig.h.Expect(Verdict::kBadExpiry, "alice", longer);
}

TEST_CASE("the payee withdraws while the channel is open, each time only what is new [CD-18]") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  const Balances before(rig);
  rig.h.Do("node", rig.Withdraw(id, rig.Worth(id, 3'000'000)));
  CHECK(rig.Usdc("node") == Plus(before.payee, Net(3'000'000)));
  rig.h.Expect(Verdict::kClaimNotHigher, "node", rig.Withdraw(id, rig.Worth(id, 3'000'000)));
  rig.h.Do("node", rig.Withdraw(id, rig.Worth(id, 3'000'010)));
  CHECK(rig.Usdc("node") == Plus(before.payee, Plus(Net(3'000'000), Net(10))));
  rig.h.Expect(Verdict::kClaimAboveDeposit, "node", rig.Withdraw(id, rig.Worth(id, kDeposit + 1)));
  rig.h.Expect(Verdict::kNotParty, "alice", rig.Withdraw(id, rig.Worth(id, 4'000'000)));
  // Closing at the same claim pays nothing again; the payer gets the rest and the whole reserve.
  rig.h.Do("node", rig.Close(id, rig.Worth(id, 3'000'010)));
  rig.h.Expect(Verdict::kChannelNotOpen, "node", rig.Withdraw(id, rig.Worth(id, 4'000'000)));
  rig.h.Advance(rig.Window());
  CHECK(rig.Usdc("node") == Plus(before.payee, Plus(Net(3'000'000), Net(10))));
  CHECK(rig.Usdc("alice") == Plus(before.payer, Amount(kDeposit + kReserve - 3'000'010)));
  CHECK(FromProto(rig.Supply().channels()).zero());
}

TEST_CASE("either party closes, with or without a voucher, and the ledger settles by itself [CD-15]") {
  for (const bool by_payer : {true, false}) {
    for (const bool with_voucher : {true, false}) {
      ChannelRig rig;
      const std::string id = rig.Open(kDeposit);
      const Balances before(rig);
      const std::optional<base::Claim> claim =
          with_voucher ? std::optional(rig.Worth(id, 2'000'000)) : std::nullopt;
      rig.h.Do(by_payer ? "alice" : "node", rig.Close(id, claim));
      rig.h.Expect(Verdict::kChannelNotOpen, "alice", rig.Close(id));
      rig.h.Advance(rig.Window() - absl::Milliseconds(1));
      CHECK(rig.Channel(id).state() == pb::CHANNEL_STATE_CLOSING);
      rig.h.Advance(absl::Milliseconds(1));
      const pb::Channel settled = rig.Channel(id);
      CHECK(settled.state() == pb::CHANNEL_STATE_SETTLED);
      CHECK(FromProto(settled.penalty()).zero());
      const uint64_t paid = with_voucher ? 2'000'000 : 0;
      CHECK(rig.Usdc("node") == Plus(before.payee, Net(paid)));
      CHECK(rig.Usdc("alice") == Plus(before.payer, Amount(kDeposit + kReserve - paid)));
    }
  }
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  rig.h.Expect(Verdict::kNotParty, "mallory", rig.Close(id));
}

TEST_CASE("a stale close by the payer is disputed by anyone until the window ends, and costs a penalty [CD-16]") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  const Balances before(rig);
  const base::Claim newest = rig.Worth(id, 9'000'000);
  rig.h.Do("alice", rig.Close(id, rig.Worth(id, 1'000'000)));
  const uint64_t until = rig.Channel(id).due_ms();
  rig.h.Expect(Verdict::kClaimNotHigher, "mallory", rig.Dispute(id, rig.Worth(id, 1'000'000)));
  rig.h.Expect(Verdict::kClaimAboveDeposit, "mallory", rig.Dispute(id, rig.Worth(id, kDeposit + 1)));
  rig.h.Advance(rig.Window() - absl::Milliseconds(1));
  rig.h.Do("mallory", rig.Dispute(id, newest));
  CHECK(rig.Channel(id).due_ms() == until);
  rig.h.Advance(absl::Milliseconds(1));
  const pb::Channel settled = rig.Channel(id);
  CHECK(FromProto(settled.paid()) == Amount(9'000'000));
  CHECK(FromProto(settled.penalty()) == Amount(kReserve));  // 5 % of the 8 hidden are less
  CHECK(FromProto(settled.bounty()).zero());                // nobody appointed mallory
  CHECK(rig.Usdc("node") == Plus(before.payee, Plus(Net(9'000'000), Amount(kReserve))));
  CHECK(rig.Usdc("alice") == Plus(before.payer, Amount(1'000'000)));
}

TEST_CASE("a dispute when the window ends is too late, settled or not [CD-16]") {
  ChannelRig rig([](pb::Params& params) { params.set_max_due_per_block(1); });
  const std::string id = rig.Open(kDeposit);
  rig.h.Do("alice", rig.Close(id));
  rig.h.Advance(rig.Window() + absl::Milliseconds(1));
  rig.h.Expect(Verdict::kChannelNotClosing, "mallory", rig.Dispute(id, rig.Worth(id, 5'000'000)));
  CHECK(FromProto(rig.Channel(id).paid()).zero());

  // Two windows end at once, and the block of the dispute settles one of them.
  const std::string a = rig.Open(kDeposit), b = rig.Open(kDeposit), last = std::max(a, b);
  rig.h.Expect(Verdict::kOk, "alice", {rig.Close(a), rig.Close(b)});
  rig.h.clock().Advance(rig.Window());
  rig.h.Expect(Verdict::kDisputeTooLate, "mallory", rig.Dispute(last, rig.Worth(last, 5'000'000)));
  CHECK(rig.Channel(last).state() == pb::CHANNEL_STATE_SETTLED);
  CHECK(FromProto(rig.Channel(last).paid()).zero());
}

TEST_CASE("a payer that never acts again loses nothing but what it signed, whatever payee and strangers do [CD-15][CD-16]") {
  const auto end = [](const std::function<void(ChannelRig&, const std::string&)>& others, uint64_t owed) {
    ChannelRig rig;
    const Balances before(rig);
    const std::string id = rig.Open(kDeposit);
    others(rig, id);
    rig.h.Advance(rig.Window());
    CHECK(rig.Channel(id).state() == pb::CHANNEL_STATE_SETTLED);
    CHECK(rig.Usdc("alice") == Minus(before.payer, Amount(owed + kOpenFee)));  // the rest and the reserve are back
    CHECK(rig.Usdc("node") == Plus(before.payee, Net(owed)));
  };
  constexpr uint64_t kOld = 1'000'000, kNew = 4'000'000;
  // The payee closes below what it could have: its own loss, and no penalty for anybody.
  end([](ChannelRig& rig, const std::string& id) { rig.h.Do("node", rig.Close(id, rig.Worth(id, kOld))); }, kOld);
  end([](ChannelRig& rig, const std::string& id) { rig.h.Do("node", rig.Close(id)); }, 0);
  // A stranger can only raise it, to what the payer signed.
  end(
      [](ChannelRig& rig, const std::string& id) {
        rig.h.Do("node", rig.Close(id, rig.Worth(id, kOld)));
        rig.h.Do("mallory", rig.Dispute(id, rig.Worth(id, kNew)));
        rig.h.Expect(Verdict::kClaimNotHigher, "mallory", rig.Dispute(id, rig.Worth(id, kOld)));
      },
      kNew);
  // Nobody closes it for the payer, in its name or by a key that is not the pinned one.
  end(
      [](ChannelRig& rig, const std::string& id) {
        CHECK(VerdictOf(rig.h.Submit(rig.h.Sign("mallory", rig.h.Body("mallory", {rig.Close(id)})))) != Verdict::kOk);
        CHECK(VerdictOf(rig.h.Submit(rig.h.Sign("mallory", rig.h.Body("mallory", {rig.Together(id, kNew, "mallory")})))) !=
              Verdict::kOk);
        base::Voucher forged = rig.Worth(id, kDeposit).voucher;
        rig.h.Expect(Verdict::kBadVoucher, "node", rig.Close(id, base::ClaimOf(rig.Signed(forged, "mallory"))));
        rig.h.Do("node", rig.Close(id, rig.Worth(id, kNew)));
      },
      kNew);
}

TEST_CASE("of equal claims the first stands, and a payer that hid nothing pays no penalty") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  rig.h.Do("alice", rig.Close(id, rig.Worth(id, 5'000'000)));
  rig.h.Expect(Verdict::kClaimNotHigher, "tower", rig.TowerDispute(id, rig.Worth(id, 5'000'000)));
  rig.h.Advance(rig.Window());
  CHECK(FromProto(rig.Channel(id).penalty()).zero());
  // A payee that closed low and was corrected costs the payer nothing either.
  const std::string other = rig.Open(kDeposit);
  rig.h.Do("node", rig.Close(other));
  rig.h.Do("node", rig.Dispute(other, rig.Worth(other, 5'000'000)));
  rig.h.Advance(rig.Window());
  CHECK(FromProto(rig.Channel(other).penalty()).zero());
  CHECK(FromProto(rig.Channel(other).paid()) == Amount(5'000'000));
}

TEST_CASE("a payer cannot hide what the payee withdrew, and is not penalised for what the ledger knew") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  rig.h.Do("node", rig.Withdraw(id, rig.Worth(id, 4'000'000)));
  rig.h.Do("alice", rig.Close(id, rig.Worth(id, 1'000'000)));
  CHECK(FromProto(rig.Channel(id).closed_at()) == Amount(4'000'000));
  rig.h.Advance(rig.Window());
  CHECK(FromProto(rig.Channel(id).paid()) == Amount(4'000'000));
  CHECK(FromProto(rig.Channel(id).penalty()).zero());
}

TEST_CASE("an appointed tower earns at most half of the penalty and cannot redirect funds [CD-39]") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  const Balances before(rig);
  const base::Claim newest = rig.Worth(id, 9'000'000);
  rig.h.Do("alice", rig.Close(id));
  rig.h.Advance(rig.Window() - absl::Seconds(1));  // the payee has been away all the time
  rig.h.Expect(Verdict::kBadAppointment, "mallory", rig.TowerDispute(id, newest, "tower"));
  rig.h.Expect(Verdict::kBadAppointment, "tower", rig.TowerDispute(id, newest, "tower", "tower"));
  rig.h.Expect(Verdict::kBadAppointment, "tower", rig.TowerDispute(id, newest, "tower", "node", rig.h.NowMs()));
  rig.h.Do("tower", rig.TowerDispute(id, newest));
  rig.h.Advance(absl::Seconds(1));
  CHECK(rig.Usdc("tower") == Plus(before.tower, Amount(kReserve / 2)));
  CHECK(rig.Usdc("node") == Plus(before.payee, Plus(Net(9'000'000), Amount(kReserve / 2))));
  // A later, higher claim takes the bounty with it: the tower had not shown the newest.
  const std::string other = rig.Open(kDeposit);
  rig.h.Do("alice", rig.Close(other));
  rig.h.Do("tower", rig.TowerDispute(other, rig.Worth(other, 100)));
  rig.h.Do("node", rig.Dispute(other, rig.Worth(other, 101)));
  rig.h.Advance(rig.Window());
  CHECK(FromProto(rig.Channel(other).bounty()).zero());
  CHECK(FromProto(rig.Channel(other).penalty()) == Amount(kReserve));
}

TEST_CASE("a close by both is settled at once, whatever was claimed before [CD-17]") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  const Balances before(rig);
  rig.h.Do("node", rig.Withdraw(id, rig.Worth(id, 1'000'000)));
  rig.h.Do("alice", rig.Close(id));
  rig.h.Expect(Verdict::kBadClosing, "alice", rig.Together(id, 2'000'000, "mallory"));
  rig.h.Expect(Verdict::kBadClosing, "alice", rig.Together(id, 2'000'000, "wallet", "mallory"));
  pb::Operation changed = rig.Together(id, 2'000'000);
  *changed.mutable_close_together()->mutable_amount() = ToProto(Amount(2'000'001));
  rig.h.Expect(Verdict::kBadClosing, "alice", changed);
  rig.h.Expect(Verdict::kBelowWithdrawn, "alice", rig.Together(id, 999'999));
  rig.h.Expect(Verdict::kClaimAboveDeposit, "alice", rig.Together(id, kDeposit + 1));
  pb::Operation late = rig.Together(id, 2'000'000);
  rig.h.Advance(absl::Seconds(59));
  rig.h.Do("mallory", late);
  CHECK(rig.Channel(id).state() == pb::CHANNEL_STATE_SETTLED);
  CHECK(rig.Usdc("node") == Plus(before.payee, Plus(Net(1'000'000), Net(1'000'000))));
  CHECK(rig.Usdc("alice") == Plus(before.payer, Amount(kDeposit + kReserve - 2'000'000)));
  rig.h.Expect(Verdict::kChannelNotOpen, "mallory", rig.Together(id, 2'000'000));
  // Terms expire.
  const std::string other = rig.Open(kDeposit);
  late = rig.Together(other, 1);
  rig.h.Advance(absl::Seconds(60));
  rig.h.Expect(Verdict::kBadClosing, "alice", late);
}

TEST_CASE("an expired channel is reclaimed without penalty, after a window in which the payee still claims") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  const Balances before(rig);
  rig.h.Expect(Verdict::kChannelNotExpired, "alice", rig.Reclaim(id));
  rig.h.Advance(absl::Hours(1));
  rig.h.Expect(Verdict::kNotParty, "node", rig.Reclaim(id));
  rig.h.Do("alice", rig.Reclaim(id));
  rig.h.Do("tower", rig.TowerDispute(id, rig.Worth(id, 6'000'000)));
  rig.h.Advance(rig.Window());
  CHECK(rig.Usdc("node") == Plus(before.payee, Net(6'000'000)));
  CHECK(rig.Usdc("alice") == Plus(before.payer, Amount(kDeposit + kReserve - 6'000'000)));
  CHECK(rig.Usdc("tower") == before.tower);
}

TEST_CASE("a voucher counts in its channel only: not in another, on another chain, in another asset [CD-36]") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  const std::string other = rig.Open(kDeposit);
  const base::Claim claim = rig.Worth(id, 1000);
  rig.h.Expect(Verdict::kBadVoucher, "node", rig.Withdraw(other, claim));
  base::Voucher voucher = claim.voucher;
  voucher.chain.value[0] ^= 1;
  rig.h.Expect(Verdict::kBadVoucher, "node", rig.Withdraw(id, base::ClaimOf(rig.Signed(voucher, "wallet"))));
  voucher = claim.voucher;
  voucher.asset = base::Asset::kCrn;
  rig.h.Expect(Verdict::kBadVoucher, "node", rig.Withdraw(id, base::ClaimOf(rig.Signed(voucher, "wallet"))));
  // The payer's own key is not the pinned one.
  rig.h.Expect(Verdict::kBadVoucher, "node", rig.Withdraw(id, base::ClaimOf(rig.Signed(claim.voucher, "alice"))));
  rig.h.Do("node", rig.Withdraw(id, claim));
}

TEST_CASE("ticks count on the ledger as they count between the parties, and cost weight [CD-10]") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  const auto seed = base::Secret<32>();
  base::Voucher voucher = rig.Worth(id, 0).voucher;
  const base::TickChain chain(voucher.channel, voucher.epoch, 1000, seed);
  voucher.rate = {*Amount(1600).Times(base::kPriceScale)};
  voucher.tip = chain.tip();
  voucher.ticks = 1000;
  voucher = rig.Signed(voucher, "wallet");
  rig.h.Do("node", rig.Withdraw(id, {voucher, 16, chain.At(16)}));
  CHECK(FromProto(rig.Channel(id).withdrawn()) == Amount(1600));
  rig.h.Expect(Verdict::kBadVoucher, "node", rig.Withdraw(id, {voucher, 18, chain.At(17)}));
  rig.h.Do("node", rig.Close(id, base::Claim{voucher, 1000, chain.At(1000)}));
  rig.h.Advance(rig.Window());
  CHECK(FromProto(rig.Channel(id).paid()) == Amount(100'000));
  pb::Operation beyond = rig.Withdraw(id, {voucher, 1000, chain.At(1000)});
  beyond.mutable_withdraw_channel()->mutable_claim()->set_tick(1001);
  rig.h.Expect(Verdict::kBadClaim, "node", beyond);
  pb::TransactionBody small, large;
  *small.add_operations() = rig.Withdraw(id, {voucher, 1, chain.At(1)});
  *large.add_operations() = rig.Withdraw(id, {voucher, 1000, chain.At(1000)});
  CHECK(Weight(large) == Weight(small) + 3);
}

TEST_CASE("what a channel pays is split exactly, and only crn is burnt [CD-46]") {
  ChannelRig rig([](pb::Params& params) {
    params.set_channel_treasury_ppm(123'457);
    params.set_channel_burn_ppm(300'001);
  });
  const Amount treasury_before = FromProto(rig.Supply().treasury());
  const std::string id = rig.Open(kDeposit);
  const Balances before(rig);
  rig.h.Do("node", rig.Withdraw(id, rig.Worth(id, 1'000'003)));
  CHECK(rig.Usdc("node") == Plus(before.payee, Amount(1'000'003 - 123'457)));
  CHECK(FromProto(rig.Supply().treasury()) == Plus(treasury_before, Amount(kOpenFee + 123'457)));
  CHECK(FromProto(rig.Supply().burnt()).zero());

  const std::string crn = rig.h.Do("alice", rig.OpenOp(kDeposit, "node", pb::ASSET_CRN)).created(0);
  base::Voucher voucher = rig.Worth(crn, 1'000'003).voucher;
  voucher.asset = base::Asset::kCrn;
  const Amount node = rig.h.Free("node");
  const auto receipt = rig.h.Do("node", rig.Withdraw(crn, base::ClaimOf(rig.Signed(voucher, "wallet"))));
  CHECK(FromProto(rig.Supply(pb::ASSET_CRN).burnt()) == Amount(300'001));
  CHECK(rig.h.Free("node") == Minus(Plus(node, Amount(1'000'003 - 123'457 - 300'001)), FromProto(receipt.fee())));
}

TEST_CASE("paying oneself through a second account loses the router's share [CS-12]") {
  ChannelRig rig;
  const Balances before(rig);
  const std::string id = rig.Open(kDeposit);
  rig.h.Do("node", rig.Close(id, rig.Worth(id, kDeposit)));
  rig.h.Advance(rig.Window());
  const Amount both = Plus(rig.Usdc("alice"), rig.Usdc("node"));
  CHECK(Plus(both, Amount(kDeposit / 10 + kOpenFee)) == Plus(before.payer, before.payee));
}

TEST_CASE("a settled channel's record stays for a while, then nothing of it is left but history") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  rig.h.Do("node", rig.Close(id, rig.Worth(id, 1)));
  rig.h.Advance(rig.Window());
  pb::QueryRequest request;
  request.set_channels_of_payer(rig.h.Field("alice"));
  CHECK(rig.h.Ask(request).channels_size() == 1);
  request.set_channels_of_payee(rig.h.Field("node"));
  CHECK(rig.h.Ask(request).channels(0).id() == id);
  rig.h.Advance(absl::Milliseconds(rig.h.Params().channel_keep_ms()));
  CHECK_FALSE(rig.Exists(id));
  CHECK(rig.h.Ask(request).channels_size() == 0);
  rig.h.Expect(Verdict::kUnknownChannel, "node", rig.Withdraw(id, rig.Worth(id, 2)));
}

TEST_CASE("a ledger that stood still gives the dispute window its time back") {
  ChannelRig rig;
  const std::string id = rig.Open(kDeposit);
  rig.h.Do("alice", rig.Close(id));
  rig.h.Restart(rig.Window() + absl::Hours(1));
  rig.h.Do("node", rig.Dispute(id, rig.Worth(id, 5'000'000)));
  rig.h.Advance(rig.Window());
  CHECK(FromProto(rig.Channel(id).paid()) == Amount(5'000'000));
}

}  // namespace cairn::chain
