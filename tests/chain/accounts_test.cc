// Accounts: first credit, transfers, sequence lanes, fees, sponsors.
#include "absl/strings/str_cat.h"
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

TEST_CASE("a lane stays as long as any transaction of it could still come, also when a later one ended sooner", "[GF-17]") {
  LedgerHarness h;
  h.Fund("alice", 100);
  const auto pay = [&](absl::Duration valid) {
    auto body = h.Body("alice", {h.Transfer("bob", 1)}, 7);
    body.set_valid_until_ms(h.NowMs() + static_cast<uint64_t>(absl::ToInt64Milliseconds(valid)));
    CHECK(VerdictOf(h.Submit(h.Sign("alice", body))) == Verdict::kOk);
  };
  pay(absl::Hours(2));
  pay(absl::Minutes(1));
  pb::Operation drop;
  drop.mutable_drop_lane()->set_lane(7);
  h.Advance(absl::Hours(2) - absl::Milliseconds(1));
  h.Expect(Verdict::kLaneInUse, "alice", drop);
  h.Advance(absl::Milliseconds(1));
  h.Do("alice", drop);
}

TEST_CASE("an account has so many lanes and no more, until one is dropped") {
  LedgerHarness h({.params = [](pb::Params& params) { params.set_max_lanes_per_account(2); }, .hooks = {}});
  h.Fund("alice", 100);
  const auto pay_in = [&](uint32_t lane) {
    return VerdictOf(h.Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)}, lane))));
  };
  CHECK(pay_in(0) == Verdict::kOk);
  CHECK(pay_in(7) == Verdict::kOk);
  CHECK(pay_in(8) == Verdict::kTooManyLanes);
  CHECK(pay_in(7) == Verdict::kOk);
  CHECK(h.Account("alice").lanes() == 2);
  h.Advance(absl::Hours(1));
  pb::Operation drop;
  drop.mutable_drop_lane()->set_lane(7);
  h.Do("alice", drop);
  CHECK(pay_in(8) == Verdict::kOk);
  CHECK(pay_in(65'536) == Verdict::kBadLane);
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

TEST_CASE("an allowance counts only as its sponsor signed it, on its own chain and for a year at most") {
  LedgerHarness h;
  h.Fund("alice", 1);
  h.Fund("sponsor", 100);
  const pb::FeeAllowance good = Allowance(h, "sponsor", "alice", Crn(1));
  const auto sponsored = [&](const std::function<void(pb::FeeAllowance&)>& change) {
    auto body = h.Body("alice", {h.TransferUnits("bob", base::Amount(1))});
    *body.mutable_sponsor() = good;
    change(*body.mutable_sponsor());
    return VerdictOf(h.Submit(h.Sign("alice", body)));
  };
  const auto sign = [&](pb::FeeAllowance& allowance, const base::ChainId& chain) {
    allowance.set_signature(ToField(h.Key("sponsor").Sign(AllowanceDigest(chain, allowance))));
  };
  CHECK(sponsored([](auto& it) { *it.mutable_limit() = ToProto(Crn(2)); }) == Verdict::kBadSponsor);
  CHECK(sponsored([](auto& it) { it.set_expires_ms(it.expires_ms() + 1); }) == Verdict::kBadSponsor);
  CHECK(sponsored([](auto& it) { it.set_nonce(std::string(16, 'm')); }) == Verdict::kBadSponsor);
  CHECK(sponsored([&](auto& it) {
          it.set_sponsor_key(base::ToString(h.Key("faucet").public_key().Encode()));
        }) == Verdict::kBadSponsor);
  base::ChainId other_chain = h.engine().chain_id();
  other_chain.value[0] ^= 1;
  CHECK(sponsored([&](auto& it) { sign(it, other_chain); }) == Verdict::kBadSponsor);
  const uint64_t year_ms = uint64_t{366} * 24 * 3600 * 1000;
  for (const uint64_t beyond : {1, 0}) {
    CHECK(sponsored([&](auto& it) {
            it.set_expires_ms(h.NowMs() + year_ms + beyond);
            sign(it, h.engine().chain_id());
          }) == (beyond == 0 ? Verdict::kOk : Verdict::kBadSponsor));
  }
  CHECK(sponsored([](auto&) {}) == Verdict::kOk);
}

TEST_CASE("a fee and a lane's bond need the money for them to the unit, whoever pays the fee") {
  LedgerHarness h;
  pb::Operation pointer;
  pointer.mutable_set_root_pointer()->set_pointer("root");
  const base::Amount one(1), fee = h.FeeFor({pointer}), bond = FromProto(h.Params().lane_bond());
  int people = 0;
  const auto somebody_with = [&](base::Amount units) {
    const std::string who = absl::StrCat("person", people++);
    h.Do("faucet", h.TransferUnits(who, units));
    return who;
  };
  const auto submit = [&](const std::string& who, uint32_t lane, const std::string& sponsor = "") {
    auto body = h.Body(who, {pointer}, lane);
    if (!sponsor.empty()) *body.mutable_sponsor() = Allowance(h, sponsor, who, Crn(1));
    const Verdict verdict = VerdictOf(h.Submit(h.Sign(who, body)));
    h.Recount();
    return verdict;
  };
  CHECK(submit(somebody_with(Minus(fee, one)), 0) == Verdict::kNoFeeFunds);
  const std::string exact = somebody_with(fee);
  CHECK(submit(exact, 0) == Verdict::kOk);
  CHECK(h.Free(exact) == base::Amount());
  CHECK(submit(somebody_with(Minus(Plus(fee, bond), one)), 7) == Verdict::kNoFeeFunds);
  CHECK(submit(somebody_with(Plus(fee, bond)), 7) == Verdict::kOk);

  CHECK(submit(somebody_with(one), 0, somebody_with(Minus(fee, one))) == Verdict::kNoFeeFunds);
  CHECK(submit(somebody_with(one), 0, somebody_with(fee)) == Verdict::kOk);
  CHECK(submit(somebody_with(Minus(bond, one)), 7, somebody_with(fee)) == Verdict::kNoFeeFunds);
  CHECK(submit(somebody_with(bond), 7, somebody_with(fee)) == Verdict::kOk);
  // A sponsor that is the signer pays both from one balance.
  const std::string short_of_one = somebody_with(Minus(Plus(fee, bond), one)), both = somebody_with(Plus(fee, bond));
  CHECK(submit(short_of_one, 7, short_of_one) == Verdict::kNoFeeFunds);
  CHECK(submit(both, 7, both) == Verdict::kOk);
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
