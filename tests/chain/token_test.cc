// crn, the one token of the network: what is paid in it, that nothing else will do, and that there is never more of it.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

base::Amount Minted(MoneyRig& rig, int asset) {
  pb::QueryRequest request;
  request.set_supply(true);
  const pb::Supply supply = rig.Ask(request).supply(asset);
  base::Amount sum = FromProto(supply.free());
  for (const pb::Amount& part :
       {supply.locked(), supply.treasury(), supply.streams(), supply.channels(), supply.burnt()}) {
    sum = Plus(sum, FromProto(part));
  }
  CHECK(sum == FromProto(supply.minted()));  // what there is, wherever it is, is what genesis made
  return FromProto(supply.minted());
}

// Everything of the network that costs something does; a delivery's channel may be in crn as well.
void Dear(pb::Params& params) {
  *params.mutable_fee_per_weight() = ToProto(Units(1'000));
  *params.mutable_object_bond() = ToProto(Units(70));
  *params.mutable_bucket_bond() = ToProto(Units(300));
  *params.mutable_lane_bond() = ToProto(Units(50));
  params.set_tax_ppm(100'000);
}

pb::ProviderPrices Whole() { return Prices(1'000'000'000'000'000'000, 2'000'000'000'000'000'000, 0, 7); }

pb::Operation OpenChannel(MoneyRig& rig, pb::Asset asset, base::Amount deposit) {
  pb::Operation operation;
  pb::OpenChannel& op = *operation.mutable_open_channel();
  op.set_payee(rig.Field("p1"));
  op.set_asset(asset);
  *op.mutable_deposit() = ToProto(deposit);
  op.set_signer(base::ToString(rig.Key("wallet").public_key().Encode()));
  op.set_expires_ms(rig.NowMs() + 3'600'000);
  return operation;
}

}  // namespace

TEST_CASE("crn pays transfers, fees, bonds, deposits, storage, uploads and channels, and there is never more or less of "
          "it [CS-13]") {
  MoneyRig rig(Whole(), Dear);
  const base::Amount minted = Minted(rig, 0), other = Minted(rig, 1);
  const auto same = [&](const char* after) {
    INFO(after);
    CHECK(Minted(rig, 0) == minted);
    CHECK(Minted(rig, 1) == other);
  };
  const uint64_t bucket = rig.Bucket("replicate:3");
  CHECK(FromProto(rig.Provider("p0").deposit()) == Crn(20));
  same("deposits of providers");

  const base::Amount alice = rig.Free("alice"), bob = Crn(3);
  const base::Amount treasury = rig.Treasury();
  const auto fee = rig.Do("alice", rig.Transfer("bob", 3)).fee();
  CHECK_FALSE(FromProto(fee).zero());
  CHECK(rig.Free("bob") == bob);
  CHECK(rig.Free("alice") == Minus(alice, Plus(Crn(3), FromProto(fee))));
  CHECK(Minus(rig.Treasury(), treasury) >= FromProto(fee));
  same("a transfer and its fee");

  const base::Amount locked = rig.Locked("alice"), holder = rig.Free("p1");
  const std::string id = rig.CreateOne(bucket, {.name = "a", .size = 1 << 20});
  CHECK(rig.Locked("alice") > Plus(locked, Units(70 + 3 * 7)));  // bond, three uploads, and the reserve
  same("the locks of an upload");
  rig.Do("p0", rig.Seal({id}, {0, 1, 2}));
  rig.AdvanceSeconds(100);
  rig.Settle("p1");
  CHECK(Minus(rig.Free("p1"), holder) == Units(7 + 2 * (1 << 20) * 100));
  same("an upload and a hundred seconds of storage");

  const base::AccountId account = rig.PaymentAccount("alice");
  rig.Do("alice", rig.Deposit(account, Crn(5)));
  CHECK(rig.FreeOf(account) == Crn(5));
  const auto opened = rig.Do("alice", OpenChannel(rig, pb::ASSET_CRN, Crn(2)));
  CHECK(opened.created_size() == 1);
  CHECK(FromProto(rig.Supply().channels()) >= Crn(2));
  same("a payment account and a channel");
  rig.Do("alice", rig.DeleteNames(bucket, {"a"}));
  rig.AdvanceSeconds(30 * kDaySeconds);
  same("a delete and a month");
}

TEST_CASE("no other asset buys what crn buys: fees, deposits, bonds, storage and payment accounts stay unpaid however "
          "much usdc there is [CS-13]") {
  MoneyRig rig(Whole(), Dear);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const auto usdc = [&](const std::string& who) { return FromProto(rig.Account(who).usdc()); };
  const auto rich_in_usdc = [&](const std::string& who) {
    rig.Do("faucet", rig.TransferUnits(who, Units(1'000'000'000), pb::ASSET_USDC));
  };
  // Not even the fee of sending the usdc away.
  rich_in_usdc("carol");
  rig.Expect(Verdict::kNoFeeFunds, "carol", rig.TransferUnits("bob", Units(1), pb::ASSET_USDC));
  CHECK(usdc("carol") == Units(1'000'000'000));

  // With crn for fees, and no more.
  rich_in_usdc("p9");
  rig.FundUnits("p9", Units(1'000'000));
  rig.Expect(Verdict::kNoFunds, "p9", rig.Register("p9", "operator9"));
  rich_in_usdc("alice");
  const base::AccountId account = rig.PaymentAccount("alice");
  const auto create = rig.Create(bucket, {{.name = "a", .size = 1 << 20}});
  rig.LeaveFree("alice", Units(1'000'000));
  rig.Expect(Verdict::kNoFunds, "alice", create);
  rig.Expect(Verdict::kNoFunds, "alice", rig.Deposit(account, Units(2'000'000)));
  rig.Expect(Verdict::kNoFunds, "alice", OpenChannel(rig, pb::ASSET_CRN, Units(2'000'000)));
  CHECK(usdc("p9") == Units(1'000'000'000));
  CHECK(usdc("alice") == Units(1'000'000'000));
  CHECK(rig.FreeOf(account).zero());

  // A payment account pays for storage: usdc does not even get into it.
  rig.FundUnits("alice", Units(1'000'000));
  pb::Operation usdc_in;
  usdc_in.mutable_transfer()->set_to(ToField(account));
  usdc_in.mutable_transfer()->set_asset(pb::ASSET_USDC);
  *usdc_in.mutable_transfer()->mutable_amount() = ToProto(Units(5));
  rig.Expect(Verdict::kWrongAsset, "alice", usdc_in);
  // There is no third one.
  pb::Operation unknown = usdc_in;
  unknown.mutable_transfer()->set_to(rig.Field("bob"));
  unknown.mutable_transfer()->set_asset(static_cast<pb::Asset>(3));
  CHECK(VerdictOf(rig.Submit(rig.Sign("alice", rig.Body("alice", {unknown})))) != Verdict::kOk);
  CHECK(usdc("alice") == Units(1'000'000'000));
}

TEST_CASE("a payer whose crn ends is out of funds with all its usdc untouched [CS-13]") {
  MoneyRig rig(Whole(), [](pb::Params& params) {
    params.set_min_charge_bytes(1);
    params.set_tax_ppm(100'000);
    params.set_reserve_seconds(1000);
    params.set_throttle_seconds(300);
    params.set_forced_settle_seconds(100);
    params.set_warning_seconds(20);
  });
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Do("faucet", rig.TransferUnits("alice", Units(1'000'000'000), pb::ASSET_USDC));
  rig.LeaveFree("alice", Units(770 * 1000 + 3 * 700));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.AdvanceSeconds(1000);
  CHECK(rig.State("alice") != pb::PAYER_STATE_PAYING);
  CHECK(FromProto(rig.Account("alice").usdc()) == Units(1'000'000'000));
}

}  // namespace cairn::chain
