// Payment accounts: whose they are, what they can do, who may use them and who gives to them.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

pb::ProviderPrices Whole() { return Prices(1'000'000'000'000'000'000, 2'000'000'000'000'000'000); }

void Plain(pb::Params& params) {
  params.set_min_charge_bytes(1);
  params.set_tax_ppm(100'000);
  params.set_reserve_seconds(1000);
  params.set_throttle_seconds(300);
  params.set_forced_settle_seconds(100);
  params.set_warning_seconds(20);
  params.set_min_term_seconds(0);
  *params.mutable_withdraw_threshold() = ToProto(Crn(100));
  params.set_withdraw_delay_ms(60'000);
}

// An account that "sponsor" owns, made non-refundable, and alice's bucket paid from it.
base::AccountId Gift(MoneyRig& rig, uint64_t bucket, base::Amount max_rate) {
  rig.Fund("sponsor", 10);
  const base::AccountId id = rig.PaymentAccount("sponsor");
  rig.Do("sponsor", rig.NonRefundable(id));
  rig.Do("sponsor", rig.Consent(id, bucket, max_rate));
  return id;
}

}  // namespace

TEST_CASE("a payment account's id is the hash of its owner and number, and 200 is the most of one owner",
          "[GF-78][GF-77]") {
  MoneyRig rig;
  rig.Fund("alice", 10);
  std::set<base::AccountId> ids;
  for (uint64_t number = 0; number < 200; ++number) {
    const base::AccountId id = rig.PaymentAccount("alice");
    CHECK(id == PaymentAccountId(rig.Id("alice"), number));
    CHECK(ids.insert(id).second);
  }
  pb::Operation one_more;
  one_more.mutable_create_payment_account();
  rig.Expect(Verdict::kTooManyPaymentAccounts, "alice", one_more);
  // Golden: owner 20 times 0x11, numbers 0 and 1.
  base::AccountId owner;
  owner.value.fill(0x11);
  const auto v = [&](uint64_t number) { return PaymentAccountId(owner, number).ToHexString(); };
  std::ifstream in(std::string(CAIRN_VECTORS) + "/chain/payment_account.hex");
  std::string zero, first;
  in >> zero >> first;
  CHECK(v(0) == zero);
  CHECK(v(1) == first);
}

TEST_CASE("nobody signs for a payment account: no operation can come from it", "[GF-79][GF-81]") {
  MoneyRig rig;
  rig.Fund("alice", 10);
  const base::AccountId id = rig.PaymentAccount("alice");
  rig.Do("alice", rig.Deposit(id, Crn(5)));
  // Whoever signs, the signer is the account of the key, which is another one.
  CHECK_FALSE(rig.Id("alice") == id);
  rig.Expect(Verdict::kNotOwner, "faucet", rig.Withdraw(id, Crn(1)));
  rig.Expect(Verdict::kWrongAsset, "faucet", [&] {
    pb::Operation transfer = rig.TransferUnits("alice", Units(1), pb::ASSET_USDC);
    transfer.mutable_transfer()->set_to(ToField(id));
    return transfer;
  }());
  CHECK(rig.FreeOf(id) == Crn(5));
}

TEST_CASE("anyone deposits, the owner withdraws, a large sum after its delay and never what is reserved", "[GF-80]") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const base::AccountId id = rig.PaymentAccount("alice");
  rig.Fund("bob", 500);
  rig.Do("bob", rig.Deposit(id, Crn(400)));
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.Expect(Verdict::kNoFunds, "alice", rig.Withdraw(id, Crn(400)));
  base::Amount free = rig.Free("alice");
  rig.Do("alice", rig.Withdraw(id, Minus(Crn(100), Units(1))));
  CHECK(Minus(rig.Free("alice"), free) == Minus(Crn(100), Units(1)));
  free = rig.Free("alice");
  rig.Do("alice", rig.Withdraw(id, Crn(100)));
  CHECK(rig.Free("alice") == free);
  rig.Expect(Verdict::kWithdrawalPending, "alice", rig.Withdraw(id, Crn(1)));
  rig.AdvanceSeconds(59);
  CHECK(rig.Free("alice") == free);
  rig.AdvanceSeconds(1);
  CHECK(Minus(rig.Free("alice"), free) == Crn(100));
  rig.Do("alice", rig.Withdraw(id, Crn(100)));
  pb::Operation cancel;
  cancel.mutable_cancel_withdrawal()->set_account(ToField(id));
  rig.Expect(Verdict::kNotOwner, "bob", cancel);
  rig.Expect(Verdict::kNotOwner, "bob", rig.NonRefundable(id));
  rig.Expect(Verdict::kWithdrawalPending, "alice", rig.NonRefundable(id));  // or it would leave all the same
  rig.Do("alice", cancel);
  rig.AdvanceSeconds(100);
  CHECK(Minus(rig.Free("alice"), free) == Crn(100));
  rig.Expect(Verdict::kNoWithdrawal, "alice", cancel);
}

TEST_CASE("what is beyond the reserve can be withdrawn to the unit, and what is reserved not at all", "[GF-80]") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const base::AccountId id = rig.PaymentAccount("alice");
  const base::Amount reserve = Units(770 * 1000), more = Units(5);
  rig.Do("alice", rig.Deposit(id, Plus(reserve, more)));
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.Expect(Verdict::kNoFunds, "alice", rig.Withdraw(id, Units(6)));
  rig.Do("alice", rig.Withdraw(id, more));
  CHECK(rig.FreeOf(id) == base::Amount());
  CHECK(FromProto(rig.Stream(id).buffer()) == reserve);
}

TEST_CASE("once non-refundable, an account gives nothing back, not even after its bucket is gone", "[GF-82]") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const base::AccountId id = rig.PaymentAccount("alice");
  rig.Do("alice", rig.Deposit(id, Crn(10)));
  rig.Do("alice", rig.NonRefundable(id));
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.Expect(Verdict::kNonRefundable, "alice", rig.Withdraw(id, Units(1)));
  rig.Do("alice", rig.DeleteNames(bucket, {"a"}));
  pb::Operation remove;
  remove.mutable_delete_bucket()->set_bucket(bucket);
  rig.Do("alice", remove);
  CHECK(rig.FreeOf(id) == Crn(10));
  rig.Expect(Verdict::kNonRefundable, "alice", rig.Withdraw(id, Units(1)));
  rig.Expect(Verdict::kNonRefundable, "alice", rig.NonRefundable(id));
}

TEST_CASE("the owner's account pays unless another is named, for the bucket or for single objects", "[GF-76][GF-77]") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const std::string a = rig.Store(bucket, {.name = "a", .size = 100});
  const std::string b = rig.Store(bucket, {.name = "b", .size = 100});
  CHECK(rig.OutRate("alice") == Units(2 * 770));
  const base::AccountId one = rig.PaymentAccount("alice"), two = rig.PaymentAccount("alice");
  rig.Expect(Verdict::kSamePayer, "alice", rig.Payer(bucket, ""));
  rig.Expect(Verdict::kUnknownPaymentAccount, "alice", rig.Payer(bucket, rig.Field("p1")));
  rig.Expect(Verdict::kNoFunds, "alice", rig.Payer(bucket, ToField(one)));
  rig.Do("alice", rig.Deposit(one, Units(2 * 770 * 1000)));
  rig.Do("alice", rig.Deposit(two, Units(770 * 1000)));
  rig.Do("alice", rig.Payer(bucket, ToField(one)));
  CHECK(rig.Stream("alice").account().empty());
  rig.Do("alice", rig.Payer(bucket, ToField(two), {b}));
  CHECK(FromProto(rig.Stream(one).out_rate()) == Units(770));
  CHECK(FromProto(rig.Stream(two).out_rate()) == Units(770));
  CHECK(rig.FreeOf(one) == Units(770 * 1000));  // its reserve for b came back
  rig.AdvanceSeconds(10);
  rig.Settle(two);
  CHECK(FromProto(rig.Stream(two).buffer()) == Units(770 * 990));
  // A create locks at the payer, not at the owner.
  const base::Amount free = rig.Free("alice");
  rig.Do("alice", rig.Create(bucket, {{.name = "c", .size = 100}}));
  CHECK(rig.Free("alice") == free);
  CHECK(FromProto(rig.AccountOfId(one).locked_crn()) == Units(770 * 1000));
  rig.Expect(Verdict::kNoFunds, "alice", rig.Create(bucket, {{.name = "d", .size = 100}}));
  rig.Do("alice", rig.Deposit(one, Units(770 * 1010)));  // and what flowed in ten seconds
  rig.Do("alice", rig.Payer(bucket, "", {b}));
  CHECK(FromProto(rig.Stream(one).out_rate()) == Units(2 * 770));
  CHECK(rig.Stream(two).account().empty());
}

TEST_CASE("a payment account pays for another's bucket only as far as its owner consents", "[GF-59]") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Fund("sponsor", 100);
  const base::AccountId id = rig.PaymentAccount("sponsor");
  rig.Do("sponsor", rig.Deposit(id, Crn(50)));
  rig.Expect(Verdict::kNoConsent, "alice", rig.Payer(bucket, ToField(id)));
  rig.Expect(Verdict::kNotOwner, "alice", rig.Consent(id, bucket, Units(1)));
  rig.Do("sponsor", rig.Consent(id, bucket, Units(2 * 770)));
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.Store(bucket, {.name = "b", .size = 100});
  rig.Expect(Verdict::kConsentExhausted, "alice", rig.Create(bucket, {{.name = "c", .size = 100}}));
  rig.Do("sponsor", rig.Consent(id, bucket, Units(3 * 770)));
  rig.Do("alice", rig.Create(bucket, {{.name = "c", .size = 100}}));
  // Taken back: the bucket's owner pays again, from this second on.
  rig.AdvanceSeconds(5);
  rig.Do("sponsor", rig.Consent(id, bucket, Units(0)));
  CHECK(rig.Stream(id).account().empty());
  CHECK(rig.OutRate("alice") == Units(2 * 770));
  rig.Expect(Verdict::kNoConsent, "alice", rig.Payer(bucket, ToField(id)));
}

TEST_CASE("a consent that is taken back gives single objects back to the bucket's owner as well", "[GF-59]") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const std::string a = rig.Store(bucket, {.name = "a", .size = 100});
  rig.Store(bucket, {.name = "b", .size = 100});
  rig.Fund("sponsor", 100);
  const base::AccountId id = rig.PaymentAccount("sponsor");
  rig.Do("sponsor", rig.Deposit(id, Crn(50)));
  rig.Do("sponsor", rig.Consent(id, bucket, Units(770)));
  rig.Do("alice", rig.Payer(bucket, ToField(id), {a}));
  CHECK(FromProto(rig.Stream(id).out_rate()) == Units(770));
  CHECK(rig.OutRate("alice") == Units(770));
  rig.Do("sponsor", rig.Consent(id, bucket, Units(0)));
  CHECK(rig.Stream(id).account().empty());
  CHECK(rig.OutRate("alice") == Units(2 * 770));
}

namespace {

base::Amount Ahead(MoneyRig& rig, const base::AccountId& id) {
  pb::QueryRequest request;
  request.set_consents_of(ToField(id));
  return FromProto(rig.Ask(request).consents(0).consent().ahead());
}

// All that the account has, wherever it is.
base::Amount Holds(MoneyRig& rig, const base::AccountId& id) {
  rig.Settle(id);
  const pb::Account account = rig.AccountOfId(id);
  return Plus(Plus(FromProto(account.crn()), FromProto(account.locked_crn())), FromProto(rig.Stream(id).buffer()));
}

Verdict TryStore(MoneyRig& rig, uint64_t bucket, const Upload& upload) {
  const auto receipt = rig.Submit(rig.Sign("alice", rig.Body("alice", {rig.Create(bucket, {upload})})));
  if (VerdictOf(receipt) == Verdict::kOk) rig.Do("p0", rig.Seal({receipt.created(0)}, {0, 1, 2}));
  return VerdictOf(receipt);
}

constexpr uint64_t kTerm = 500;
constexpr uint64_t kReserve = 1000;
constexpr uint64_t kRate = 770;

// Taking in 100 bytes costs a holder's share of `share`.
pb::ProviderPrices WithIngress(uint64_t share) {
  pb::ProviderPrices prices = Whole();
  *prices.mutable_ingress() = ToProto(base::Price{*base::Amount(share / 100 << 20).Times(base::kPriceScale)});
  return prices;
}

// What a sponsor loses in `seconds` to a bucket whose owner stores and deletes as often as it may.
base::Amount LostToChurn(base::Amount max_rate, uint64_t ingress, uint64_t seconds) {
  MoneyRig rig(WithIngress(ingress), [](pb::Params& params) {
    Plain(params);
    params.set_min_term_seconds(kTerm);
  });
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Fund("sponsor", 100);
  const base::AccountId id = rig.PaymentAccount("sponsor");
  rig.Do("sponsor", rig.Deposit(id, Crn(50)));
  rig.Do("sponsor", rig.Consent(id, bucket, max_rate));
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  const base::Amount before = Holds(rig, id);
  for (uint64_t second = 0; second < seconds; second += 50) {
    for (int tries = 0; tries < 10; ++tries) {
      const Verdict verdict = TryStore(rig, bucket, {.name = "a", .size = 100});
      CHECK((verdict == Verdict::kOk || verdict == Verdict::kConsentAhead));
      if (verdict != Verdict::kOk) break;
      rig.Do("alice", rig.DeleteNames(bucket, {"a"}));
    }
    rig.AdvanceSeconds(50);
  }
  return Minus(before, Holds(rig, id));
}

}  // namespace

TEST_CASE("however its owner stores and deletes, a bucket costs its sponsor no more than the agreed rate for the time, "
          "the reserve and a minimum term", "[GF-59]") {
  const uint64_t ingress = GENERATE(0, 50'000);
  const base::Amount agreed = Units(kRate * (2000 + kReserve + kTerm));
  const base::Amount lost = LostToChurn(Units(kRate), ingress, 2000);
  CHECK(lost <= agreed);
  CHECK(lost >= Units(kRate * 2000));  // nor does the rule hold back what was agreed
  // Who agrees to more, loses more: it is the consent that holds the owner back.
  CHECK(LostToChurn(Units(100 * kRate), ingress, 2000) > Times(agreed, 5));
}

TEST_CASE("what is paid at once counts against a consent, comes back with what was not accepted, and is worked off by "
          "the rate that is left", "[GF-59]") {
  constexpr uint64_t kShare = 100'000;  // of each of three holders
  MoneyRig rig(WithIngress(kShare), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Fund("sponsor", 100);
  const base::AccountId id = rig.PaymentAccount("sponsor");
  rig.Do("sponsor", rig.Deposit(id, Crn(50)));
  rig.Do("sponsor", rig.Consent(id, bucket, Units(5 * kRate)));  // 3,850,000 ahead at most
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  const auto store = [&] { return rig.Create(bucket, {{.name = "a", .size = 100}}); };
  for (int i = 0; i < 12; ++i) {
    CHECK(TryStore(rig, bucket, {.name = "a", .size = 100}) == Verdict::kOk);
    rig.Do("alice", rig.DeleteNames(bucket, {"a"}));
  }
  CHECK(Ahead(rig, id) == Units(3'600'000));
  rig.Expect(Verdict::kConsentAhead, "alice", store());
  // A bucket that is assigned anew brings its deletes with it.
  rig.Do("alice", rig.Payer(bucket, ""));
  rig.Do("sponsor", rig.Consent(id, bucket, Units(3 * kRate)));
  rig.Expect(Verdict::kConsentAhead, "alice", rig.Payer(bucket, ToField(id)));
  rig.Do("sponsor", rig.Consent(id, bucket, Units(5 * kRate)));
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  rig.AdvanceSeconds(12);
  rig.Expect(Verdict::kConsentAhead, "alice", store());  // 3,600,000 - 12 * 3,850 and 300,000
  rig.AdvanceSeconds(1);
  const std::string pending = rig.Do("alice", store()).created(0);
  CHECK(Ahead(rig, id) == Units(3'600'000 - 13 * 3'850 + 300'000));
  rig.Do("p0", rig.Reject({pending}));
  CHECK(Ahead(rig, id) == Units(3'600'000 - 13 * 3'850));
  // Half way: one holder's share stays paid, the others come back, and the primary's effort counts.
  const std::string begun = rig.Do("alice", store()).created(0);
  rig.Do("p1", rig.Post({begun}, {1}));
  rig.Do("alice", rig.Cancel({begun}));
  const base::Amount effort = std::min(FromProto(rig.Params().effort_fee()), Units(kRate * kReserve));
  CHECK(Ahead(rig, id) == Plus(Units(3'600'000 - 13 * 3'850 + kShare), effort));
  CHECK_FALSE(effort.zero());
}

TEST_CASE("sponsors stream into non-refundable accounts, pause and resume at will", "[GF-83][GF-84]") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Fund("sponsor", 10);
  const base::AccountId refundable = rig.PaymentAccount("sponsor");
  rig.Expect(Verdict::kNotSponsorable, "sponsor", rig.Sponsor(refundable, Units(1)));
  const base::AccountId id = Gift(rig, bucket, Units(770));
  rig.Do("sponsor", rig.Sponsor(id, Units(1000)));
  CHECK(rig.Buffer("sponsor") == Units(1000 * 1000));
  rig.AdvanceSeconds(770);
  rig.Settle(id);
  CHECK(rig.FreeOf(id) == Units(770 * 1000));
  // What flows in pays for what flows out: with a sponsor of more than the cost no reserve is needed.
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  rig.Store(bucket, {.name = "a", .size = 100});
  CHECK(FromProto(rig.Stream(id).buffer()) == base::Amount());
  rig.AdvanceSeconds(100);
  rig.Settle(id);
  CHECK(rig.FreeOf(id) == Units(770 * 1000 + 100 * 230));
  rig.Settle("sponsor");
  const base::Amount before = rig.Free("sponsor");
  rig.Do("sponsor", rig.Sponsor(id, Units(1000), true));
  CHECK(Minus(rig.Free("sponsor"), before) == Units(1000 * 1000));
  CHECK(FromProto(rig.Stream(id).buffer()) == Units(770 * 1000));
  rig.AdvanceSeconds(10);
  rig.Do("sponsor", rig.Sponsor(id, Units(1000), false));
  CHECK(FromProto(rig.Stream(id).in_rate()) == Units(1000));
  rig.Do("sponsor", rig.Sponsor(id, Units(0)));
  CHECK(rig.Stream("sponsor").account().empty());
  rig.Expect(Verdict::kNoStream, "sponsor", rig.Sponsor(id, Units(0)));
}

TEST_CASE("an account that lives on a sponsor runs dry with it, in the second it should") {
  MoneyRig rig(Whole(), Plain);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const base::AccountId id = Gift(rig, bucket, Units(770));
  rig.Fund("giver", 1);
  rig.LeaveFree("giver", Units(770 * 1000));
  rig.Expect(Verdict::kNoFunds, "giver", rig.Sponsor(id, Units(771)));
  rig.Do("giver", rig.Sponsor(id, Units(770)));
  rig.FundUnits("alice", Units(1));
  rig.Do("faucet", rig.Deposit(id, Units(770 * 1000)));
  rig.Do("alice", rig.Payer(bucket, ToField(id)));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.AdvanceSeconds(899);
  CHECK(rig.State("giver") == pb::PAYER_STATE_THROTTLED);
  rig.AdvanceSeconds(1);
  // The giver's last hundred seconds came at once; the account goes on with them and its own reserve.
  CHECK(rig.State("giver") == pb::PAYER_STATE_READ_ONLY);
  rig.Expect(Verdict::kPayerFrozen, "giver", rig.Sponsor(id, Units(771)));
  CHECK(rig.Stream(id).state() == pb::PAYER_STATE_PAYING);
  CHECK(Plus(rig.FreeOf(id), FromProto(rig.Stream(id).buffer())) == Units(770 * 1100));
  rig.AdvanceSeconds(999);
  CHECK(rig.Stream(id).state() == pb::PAYER_STATE_THROTTLED);
  rig.AdvanceSeconds(1);
  CHECK(rig.Stream(id).state() == pb::PAYER_STATE_READ_ONLY);
}

}  // namespace cairn::chain
