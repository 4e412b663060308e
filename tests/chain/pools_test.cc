// Pools: one deposit, many payees, capabilities and their limits.
#include "catch.h"
#include "support/channel_rig.h"

namespace cairn::chain {

using base::Amount;

TEST_CASE("payees of a pool redeem their own lanes, each time only what is new [JS-15]") {
  ChannelRig rig;
  const Amount alice = rig.Usdc("alice");
  const std::string pool = rig.OpenPool(1000);
  CHECK(rig.Usdc("alice") == Minus(alice, Amount(1000 + 100)));  // deposit and open fee
  const pb::PoolCapability capability = rig.Capability(pool, 1000);
  const Amount node = rig.Usdc("node"), tower = rig.Usdc("tower");
  rig.h.Do("node", rig.Redeem(pool, capability, "node", 300));
  rig.h.Expect(Verdict::kClaimNotHigher, "node", rig.Redeem(pool, capability, "node", 300));
  rig.h.Do("node", rig.Redeem(pool, capability, "node", 400));
  rig.h.Do("tower", rig.Redeem(pool, capability, "tower", 100));
  CHECK(rig.Usdc("node") == Plus(node, Amount(270 + 90)));
  CHECK(rig.Usdc("tower") == Plus(tower, Amount(90)));
  CHECK(FromProto(rig.Pool(pool).paid()) == Amount(500));
  // A voucher of one payee's lane is worth nothing to another payee.
  rig.h.Expect(Verdict::kBadVoucher, "mallory", rig.Redeem(pool, capability, "node", 900));
  pb::QueryRequest request;
  request.mutable_pool_lane()->set_pool(pool);
  request.mutable_pool_lane()->set_signer(capability.signer());
  request.mutable_pool_lane()->set_payee(rig.h.Field("node"));
  CHECK(FromProto(rig.h.Ask(request).pool_lane().redeemed()) == Amount(400));
  CHECK(FromProto(rig.h.Ask(request).pool_signer().spent()) == Amount(500));
}

TEST_CASE("a pool that promised more than it holds pays first come, first served, and never above its deposit [JS-15]") {
  ChannelRig rig;
  const std::string pool = rig.OpenPool(1000);
  const pb::PoolCapability capability = rig.Capability(pool, 5000);
  rig.h.Do("node", rig.Redeem(pool, capability, "node", 900));
  rig.h.Do("tower", rig.Redeem(pool, capability, "tower", 900));  // 100 are left
  CHECK(FromProto(rig.Pool(pool).paid()) == Amount(1000));
  rig.h.Expect(Verdict::kPoolEmpty, "mallory", rig.Redeem(pool, capability, "mallory", 1));
  pb::Operation more;
  more.mutable_top_up_pool()->set_pool(pool);
  *more.mutable_top_up_pool()->mutable_amount() = ToProto(Amount(2000));
  rig.h.Do("alice", more);
  rig.h.Do("tower", rig.Redeem(pool, capability, "tower", 900));  // the rest of its claim
  CHECK(FromProto(rig.Pool(pool).paid()) == Amount(1800));
}

TEST_CASE("a capability is the owner's, capped over all lanes, short-lived and revocable [JS-15]") {
  ChannelRig rig;
  const std::string pool = rig.OpenPool(10'000);
  pb::PoolCapability capability = rig.Capability(pool, 500);
  rig.h.Do("node", rig.Redeem(pool, capability, "node", 400));
  rig.h.Do("tower", rig.Redeem(pool, capability, "tower", 400));  // 100 until the cap
  CHECK(FromProto(rig.Pool(pool).paid()) == Amount(500));
  rig.h.Expect(Verdict::kCapabilitySpent, "tower", rig.Redeem(pool, capability, "tower", 401));
  pb::PoolCapability forged = capability;
  *forged.mutable_spending_cap() = ToProto(Amount(9000));
  rig.h.Expect(Verdict::kBadCapability, "tower", rig.Redeem(pool, forged, "tower", 401));
  rig.h.Expect(Verdict::kBadCapability, "tower", rig.Redeem(rig.OpenPool(1), capability, "tower", 401));
  const uint64_t now = rig.h.NowMs();
  rig.h.Expect(Verdict::kCapabilityExpired, "tower",
               rig.Redeem(pool, rig.Capability(pool, 900, "edge", now), "tower", 500));
  rig.h.Expect(Verdict::kBadCapability, "tower",
               rig.Redeem(pool, rig.Capability(pool, 900, "edge", now + rig.h.Params().capability_max_ms() + 10'000),
                          "tower", 500));

  pb::Operation revoke;
  revoke.mutable_revoke_pool_signer()->set_pool(pool);
  revoke.mutable_revoke_pool_signer()->set_signer(capability.signer());
  rig.h.Expect(Verdict::kNotOwner, "mallory", revoke);
  rig.h.Do("alice", revoke);
  capability = rig.Capability(pool, 9000);
  rig.h.Do("tower", rig.Redeem(pool, capability, "tower", 500));  // earned before: the window lets it in
  rig.h.Advance(rig.Window());
  rig.h.Expect(Verdict::kSignerRevoked, "tower", rig.Redeem(pool, capability, "tower", 600));
  rig.h.Expect(Verdict::kSignerRevoked, "alice", revoke);
}

TEST_CASE("a closing pool pays until its window ends, then returns the rest and leaves nothing behind [JS-15]") {
  ChannelRig rig([](pb::Params& params) { params.set_max_due_per_block(2); });
  const std::string pool = rig.OpenPool(100'000);
  const pb::PoolCapability capability = rig.Capability(pool, 100'000);
  // More lanes than one turn of due work drops.
  for (int i = 0; i < 120; ++i) {
    const std::string payee = "payee" + std::to_string(i);
    rig.h.Fund(payee, 1);
    rig.h.Do(payee, rig.Redeem(pool, capability, payee, 100));
  }
  CHECK(rig.Pool(pool).entries() == 121);
  const Amount alice = rig.Usdc("alice");
  rig.h.Expect(Verdict::kNotOwner, "mallory", rig.ClosePool(pool));
  rig.h.Do("alice", rig.ClosePool(pool));
  rig.h.Expect(Verdict::kPoolClosed, "alice", rig.ClosePool(pool));
  rig.h.Do("node", rig.Redeem(pool, capability, "node", 1000));
  rig.h.Advance(rig.Window());
  CHECK(rig.Usdc("alice") == Plus(alice, Amount(100'000 - 120 * 100 - 1000)));
  CHECK(FromProto(rig.Supply().channels()).zero());
  pb::QueryRequest request;
  request.set_pools_of(rig.h.Field("alice"));
  CHECK(rig.h.Ask(request).pools_size() == 0);
  rig.h.Expect(Verdict::kUnknownPool, "node", rig.Redeem(pool, capability, "node", 2000));
}

TEST_CASE("a pool pays nothing when its window has ended, even before the due work ran [JS-15]") {
  ChannelRig rig([](pb::Params& params) { params.set_max_due_per_block(1); });
  const std::string a = rig.OpenPool(1000), b = rig.OpenPool(1000), last = std::max(a, b);
  const pb::PoolCapability capability = rig.Capability(last, 1000);
  rig.h.Expect(Verdict::kOk, "alice", {rig.ClosePool(a), rig.ClosePool(b)});
  rig.h.clock().Advance(rig.Window());
  rig.h.Expect(Verdict::kPoolClosed, "node", rig.Redeem(last, capability, "node", 100));
}

TEST_CASE("a pool is opened with its owner's key, and by money that is there to the unit [JS-15]") {
  ChannelRig rig;
  const auto open = [&](const std::string& key, uint64_t deposit) {
    pb::Operation operation;
    *operation.mutable_open_pool()->mutable_deposit() = ToProto(Amount(deposit));
    operation.mutable_open_pool()->set_owner_key(base::ToString(rig.h.Key(key).public_key().Encode()));
    return operation;
  };
  rig.h.Fund("dave", 10);
  rig.FundUsdc("dave", 1100);  // a deposit of 1,000 and the fee
  rig.h.Expect(Verdict::kNotOwner, "dave", open("alice", 1000));
  rig.h.Expect(Verdict::kNoFunds, "dave", open("dave", 1001));
  const std::string pool = rig.h.Do("dave", open("dave", 1000)).created(0);
  CHECK(rig.Usdc("dave").zero());
  pb::Operation more;
  more.mutable_top_up_pool()->set_pool(pool);
  *more.mutable_top_up_pool()->mutable_amount() = ToProto(Amount(1));
  rig.h.Expect(Verdict::kNotOwner, "alice", more);
  rig.h.Expect(Verdict::kNoFunds, "dave", more);
  rig.FundUsdc("dave", 1);
  rig.h.Do("dave", more);
  CHECK(FromProto(rig.Pool(pool).deposit()) == Amount(1001));
  rig.h.Do("dave", rig.ClosePool(pool));
  rig.FundUsdc("dave", 1);
  rig.h.Expect(Verdict::kPoolClosed, "dave", more);
}

}  // namespace cairn::chain
