// Accounts: first credit, transfers, sequence lanes, fees, sponsors.
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {

TEST_CASE("an account that was never credited can do nothing, and pays nothing", "[GF-02]") {
  LedgerHarness h;
  h.Expect(Verdict::kUnknownAccount, "nobody", h.Transfer("alice", 1));
  h.Fund("nobody", 5);
  h.Do("nobody", h.Transfer("alice", 1));
}

TEST_CASE("the first transfer to an unknown address makes its account with that balance", "[GF-03]") {
  LedgerHarness h;
  h.Fund("alice", 100);
  CHECK(h.Free("alice") == Crn(100));
  CHECK(h.Account("alice").created_ms() == h.NowMs());
  pb::QueryRequest lane;
  lane.mutable_lane()->set_account(h.Field("alice"));
  CHECK(h.Ask(lane).lane().last_number() == 0);
}

TEST_CASE("a transfer moves exactly its amount, and the sender pays the fee") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto receipt = h.Do("alice", h.Transfer("bob", 30));
  CHECK(h.Free("bob") == Crn(30));
  CHECK(FromProto(receipt.fee()) == h.FeeFor({h.Transfer("bob", 30)}));
  CHECK(h.Free("alice") == Minus(Crn(70), FromProto(receipt.fee())));
  h.Do("faucet", h.TransferUnits("alice", base::Amount(5), pb::ASSET_USDC));
  CHECK(FromProto(h.Account("alice").usdc()) == base::Amount(5));
}

TEST_CASE("a refused transaction pays its fee, uses its number and changes nothing else") {
  LedgerHarness h;
  h.Fund("alice", 100);
  h.Expect(Verdict::kNoFunds, "alice", {h.Transfer("bob", 1), h.Transfer("bob", 100)});
  CHECK_FALSE(h.engine().Query([&] { pb::QueryRequest q; q.set_account(h.Field("bob")); return q; }()).ok());
  const auto fee = h.FeeFor({h.Transfer("bob", 1), h.Transfer("bob", 1)});
  CHECK(h.Free("alice") == Minus(Crn(100), fee));
  CHECK(h.Body("alice", {}).number() == 2);
}

TEST_CASE("numbers count up in each lane on its own; a repeated or skipped one is refused without a fee", "[GF-17]") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto body = h.Body("alice", {h.Transfer("bob", 1)});
  auto skipped = body;
  skipped.set_number(2);
  CHECK(VerdictOf(h.Submit(h.Sign("alice", skipped))) == Verdict::kBadSequence);
  CHECK(h.Free("alice") == Crn(100));
  CHECK(VerdictOf(h.Submit(h.Sign("alice", body))) == Verdict::kOk);
  auto again = h.Body("alice", {h.Transfer("carol", 1)});
  again.set_number(1);
  CHECK(VerdictOf(h.Submit(h.Sign("alice", again))) == Verdict::kBadSequence);
  CHECK(VerdictOf(h.Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)}, 7)))) == Verdict::kOk);
}

TEST_CASE("a new lane locks a bond, which comes back when the lane is dropped after its last validity") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const base::Amount bond = FromProto(h.Params().lane_bond());
  CHECK(VerdictOf(h.Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)}, 7)))) == Verdict::kOk);
  CHECK(h.Locked("alice") == bond);
  pb::Operation drop;
  drop.mutable_drop_lane()->set_lane(7);
  h.Expect(Verdict::kLaneInUse, "alice", drop);
  h.Advance(absl::Hours(1));
  h.Do("alice", drop);
  CHECK(h.Locked("alice") == base::Amount());
  h.Expect(Verdict::kUnknownLane, "alice", drop);
}

TEST_CASE("the same bytes again are answered with the first outcome and take effect once", "[GF-18]") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto transaction = h.Sign("alice", h.Body("alice", {h.Transfer("bob", 30)}));
  const auto first = h.Submit(transaction);
  const auto second = h.Submit(transaction);
  CHECK(first.SerializeAsString() == second.SerializeAsString());
  CHECK(h.Free("bob") == Crn(30));
  pb::QueryRequest ask;
  ask.set_transaction(first.transaction());
  CHECK(h.Ask(ask).transaction().SerializeAsString() == first.SerializeAsString());
}

TEST_CASE("a transaction of another chain, with another's signature or out of its time is refused without a fee",
          "[GF-17]") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto body = h.Body("alice", {h.Transfer("bob", 1)});
  auto other_chain = body;
  other_chain.set_chain_id(std::string(32, 'x'));
  CHECK(VerdictOf(h.Submit(h.Sign("alice", other_chain))) == Verdict::kWrongChain);
  auto forged = h.Sign("alice", body);
  (*forged.mutable_signature())[10] ^= 1;
  CHECK(VerdictOf(h.Submit(forged)) == Verdict::kBadSignature);
  CHECK(VerdictOf(*h.engine().Simulate(forged)) == Verdict::kBadSignature);  // the rules look for themselves
  auto late = body;
  late.set_valid_until_ms(h.NowMs());
  CHECK(VerdictOf(h.Submit(h.Sign("alice", late))) == Verdict::kExpired);
  auto longest = body;
  longest.set_valid_until_ms(h.NowMs() + h.Params().max_valid_ms() + 1);
  CHECK(VerdictOf(h.Submit(h.Sign("alice", longest))) == Verdict::kValidTooLong);
  CHECK(h.Free("alice") == Crn(100));
  longest.set_valid_until_ms(h.NowMs() + h.Params().max_valid_ms());
  CHECK(VerdictOf(h.Submit(h.Sign("alice", longest))) == Verdict::kOk);
}

namespace {

pb::FeeAllowance Allowance(LedgerHarness& h, const std::string& sponsor, const std::string& beneficiary,
                           base::Amount limit) {
  pb::FeeAllowance allowance;
  allowance.set_sponsor_key(base::ToString(h.Key(sponsor).public_key().Encode()));
  allowance.set_beneficiary(h.Field(beneficiary));
  *allowance.mutable_limit() = ToProto(limit);
  allowance.set_expires_ms(h.NowMs() + 60'000);
  allowance.set_nonce(std::string(16, 'n'));
  allowance.set_signature(ToField(h.Key(sponsor).Sign(AllowanceDigest(h.engine().chain_id(), allowance))));
  return allowance;
}

}  // namespace

TEST_CASE("a sponsor pays fees within the allowance it signed, for the account it names, until it expires") {
  LedgerHarness h;
  h.Fund("alice", 1);
  h.Fund("sponsor", 100);
  const base::Amount fee = h.FeeFor({h.Transfer("bob", 1)});
  const auto allowance = Allowance(h, "sponsor", "alice", Plus(fee, fee));
  const auto sponsored = [&](const std::string& who) {
    auto body = h.Body(who, {h.TransferUnits("bob", base::Amount(1))});
    *body.mutable_sponsor() = allowance;
    return VerdictOf(h.Submit(h.Sign(who, body)));
  };
  CHECK(sponsored("alice") == Verdict::kOk);
  CHECK(sponsored("alice") == Verdict::kOk);
  CHECK(sponsored("alice") == Verdict::kSponsorExhausted);
  CHECK(h.Free("alice") == Minus(Crn(1), base::Amount(2)));
  CHECK(h.Free("sponsor") == Minus(Crn(100), Plus(fee, fee)));
  h.Fund("mallory", 1);
  CHECK(sponsored("mallory") == Verdict::kBadSponsor);
  h.Advance(absl::Seconds(60));
  CHECK(sponsored("alice") == Verdict::kSponsorExpired);
}

TEST_CASE("keys and root pointers are the owner's own records") {
  LedgerHarness h;
  h.Fund("alice", 1);
  pb::Operation wrap, pointer;
  wrap.mutable_set_wrap_key()->set_wrap_key(std::string(32, 'w'));
  pointer.mutable_set_root_pointer()->set_pointer("root");
  h.Expect(Verdict::kOk, "alice", {wrap, pointer});
  CHECK(h.Account("alice").wrap_key() == std::string(32, 'w'));
  CHECK(h.Account("alice").root_pointer() == "root");
  wrap.mutable_set_wrap_key()->set_wrap_key("short");
  h.Expect(Verdict::kBadKey, "alice", wrap);
}

}  // namespace cairn::chain
