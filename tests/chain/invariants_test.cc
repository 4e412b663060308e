// Invariants: a rule with a bug cannot take effect, and the full recount finds what went past.
#include "cairn/chain/invariants.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

// Runs a transfer of 1 crn under a planted bug and returns its verdict.
Verdict TransferWith(const std::function<void(WriteView&, LedgerHarness&)>& bug,
                     const std::function<void(LedgerHarness&)>& before_it = [](LedgerHarness&) {}) {
  LedgerHarness* harness = nullptr;
  bool armed = false;
  LedgerHarness h({.params = {}, .hooks = {.after_apply = [&](const pb::Operation&, WriteView& view) {
                     if (armed) bug(view, *harness);
                   }}});
  harness = &h;
  h.Bucket("replicate:3");
  h.Store(1, {.name = "a"});
  before_it(h);
  const base::Amount before = h.Free("alice");
  armed = true;
  const auto receipt = h.Submit(h.Sign("alice", h.Body("alice", {h.Transfer("bob", 1)})));
  armed = false;
  if (VerdictOf(receipt) == Verdict::kInvariant) {
    CHECK(h.Events().count("ledger.invariant_broken") == 1);
    CHECK(h.Free("alice") == Minus(before, FromProto(receipt.fee())));  // undone, but the fee
  }
  h.Do("alice", h.Transfer("bob", 1));  // the ledger goes on
  return VerdictOf(receipt);
}

template <class R>
void Edit(WriteView& view, const Key<R>& key, const std::function<void(R&)>& change) {
  R record = *view.Find(key);
  change(record);
  view.Put(key, record);
}

}  // namespace

TEST_CASE("a rule that makes, loses or misplaces money is undone and raises an alarm") {
  const auto more = [](pb::Amount* amount) { *amount = ToProto(Plus(FromProto(*amount), base::Amount(1))); };
  CHECK(TransferWith([](WriteView&, LedgerHarness&) {}) == Verdict::kOk);
  CHECK(TransferWith([&](WriteView& view, LedgerHarness& h) {
          Edit<pb::Account>(view, keys::Account(h.Id("bob")), [&](pb::Account& a) { more(a.mutable_crn()); });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([&](WriteView& view, LedgerHarness& h) {
          Edit<pb::Account>(view, keys::Account(h.Id("bob")), [&](pb::Account& a) { more(a.mutable_usdc()); });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([&](WriteView& view, LedgerHarness& h) {
          // Free and total agree, but nobody holds what is locked.
          Edit<pb::Account>(view, keys::Account(h.Id("bob")), [&](pb::Account& a) { more(a.mutable_locked_crn()); });
          Edit<pb::Supply>(view, keys::Supply(pb::ASSET_CRN), [&](pb::Supply& s) {
            more(s.mutable_locked());
            *s.mutable_treasury() = ToProto(Minus(FromProto(s.treasury()), base::Amount(1)));
          });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([&](WriteView& view, LedgerHarness&) {
          Edit<pb::Supply>(view, keys::Supply(pb::ASSET_CRN), [&](pb::Supply& s) {
            more(s.mutable_minted());
            more(s.mutable_treasury());
          });
        }) == Verdict::kInvariant);
}

TEST_CASE("a rule that lets a deposit fall, a number fall back or a counter drift is undone") {
  CHECK(TransferWith([](WriteView& view, LedgerHarness& h) {
          const base::AccountId id = h.Id("p0");
          const base::Amount one(1);
          const auto less = [&](pb::Amount* amount) { *amount = ToProto(Minus(FromProto(*amount), one)); };
          const auto more = [&](pb::Amount* amount) { *amount = ToProto(Plus(FromProto(*amount), one)); };
          Edit<pb::Provider>(view, keys::Provider(id), [&](pb::Provider& p) { less(p.mutable_deposit()); });
          Edit<pb::Account>(view, keys::Account(id), [&](pb::Account& a) {
            less(a.mutable_locked_crn());
            more(a.mutable_crn());
          });
          Edit<pb::Supply>(view, keys::Supply(pb::ASSET_CRN), [&](pb::Supply& s) {
            less(s.mutable_locked());
            more(s.mutable_free());
          });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([](WriteView& view, LedgerHarness& h) {
          Edit<pb::Lane>(view, keys::Lane(h.Id("alice"), 0), [](pb::Lane& lane) { lane.set_last_number(1); });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([](WriteView& view, LedgerHarness&) {
          Edit<pb::Group>(view, keys::Group(1), [](pb::Group& g) { g.set_objects(g.objects() + 1); });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([](WriteView& view, LedgerHarness&) {
          Edit<pb::Group>(view, keys::Group(1), [](pb::Group& g) { g.mutable_positions(0)->set_held_bytes(1); });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([](WriteView& view, LedgerHarness&) {
          Edit<pb::Params>(view, keys::Params(), [](pb::Params& p) { p.set_tax_ppm(1'000'001); });
        }) == Verdict::kInvariant);
}

TEST_CASE("a rule that puts two parts with one provider is undone") {
  CHECK(TransferWith([](WriteView& view, LedgerHarness&) {
          Edit<pb::Group>(view, keys::Group(1), [](pb::Group& g) {
            g.mutable_positions(1)->set_provider(g.positions(0).provider());
          });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([](WriteView& view, LedgerHarness& h) {
          pb::QueryRequest request;
          request.mutable_group_objects()->set_group(1);
          request.mutable_group_objects()->set_missing_position(-1);
          const pb::QueryResponse answer = h.Ask(request);
          Edit<pb::Object>(view, keys::Object(answer.objects(0).id()), [](pb::Object& o) { o.set_positions(1, 0); });
        }) == Verdict::kInvariant);
}

TEST_CASE("no batch that the rules allow breaks an invariant: deposits that fall and grow in one transaction") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const pb::Object object = h.Object(h.CreateOne(bucket, {.name = "a"}));
  h.Advance(absl::Minutes(1));
  pb::Operation add;
  add.mutable_add_deposit()->set_provider(h.Field("p0"));
  *add.mutable_add_deposit()->mutable_amount() = ToProto(base::Amount(1));
  const base::Amount fine = FromProto(h.Params().seal_fine());
  h.Expect(Verdict::kOk, "alice", {add, h.ClaimFine("p0", {object})});
  CHECK(FromProto(h.Provider("p0").deposit()) == Minus(Plus(Crn(20), base::Amount(1)), fine));
  pb::Operation leave;
  leave.mutable_exit_provider();
  h.Expect(Verdict::kOk, "p5", {leave, h.Register("p5", "another", 10)});
  CHECK(FromProto(h.Provider("p5").deposit()) == Crn(10));
}

TEST_CASE("a rule that takes an amount below zero is undone, though all sums still agree") {
  // Sums wrap as amounts do: what one has too little of, another has too much of.
  const auto shift = [](pb::Amount* from, pb::Amount* to) {
    const absl::uint128 more = FromProto(*from).units() + 1;
    *from = ToProto(base::Amount(FromProto(*from).units() - more));
    *to = ToProto(base::Amount(FromProto(*to).units() + more));
  };
  const auto between_accounts = [&](pb::Amount* (pb::Account::*field)()) {
    return TransferWith([&](WriteView& view, LedgerHarness& h) {
      pb::Account alice = *view.Find(keys::Account(h.Id("alice"))), bob = *view.Find(keys::Account(h.Id("bob")));
      shift((alice.*field)(), (bob.*field)());
      view.Put(keys::Account(h.Id("alice")), alice);
      view.Put(keys::Account(h.Id("bob")), bob);
    });
  };
  CHECK(between_accounts(&pb::Account::mutable_crn) == Verdict::kInvariant);
  CHECK(between_accounts(&pb::Account::mutable_usdc) == Verdict::kInvariant);
  CHECK(TransferWith([&](WriteView& view, LedgerHarness&) {
          Edit<pb::Supply>(view, keys::Supply(pb::ASSET_USDC), [&](pb::Supply& supply) {
            shift(supply.mutable_treasury(), supply.mutable_burnt());
          });
        }) == Verdict::kInvariant);
  CHECK(TransferWith([&](WriteView& view, LedgerHarness& h) {
          pb::StreamAccount payer = *view.Find(keys::Stream(h.Id("alice"))), paid = *view.Find(keys::Stream(h.Id("p1")));
          shift(payer.mutable_buffer(), paid.mutable_buffer());
          view.Put(keys::Stream(h.Id("alice")), payer);
          view.Put(keys::Stream(h.Id("p1")), paid);
        }) == Verdict::kInvariant);
}

TEST_CASE("a rule that takes a promise back is undone: of prices, pools, providers and gifts") {
  CHECK(TransferWith([](WriteView& view, LedgerHarness&) {
          Edit<pb::PriceRecord>(view, keys::Price(1), [](pb::PriceRecord& price) { price.set_from_ms(price.from_ms() + 1); });
        }) == Verdict::kInvariant);

  pb::Operation leave, account, gift, pool;
  leave.mutable_exit_provider();
  const auto without_p5 = [&](LedgerHarness& h) { h.Do("p5", leave); };
  CHECK(TransferWith([](WriteView& view, LedgerHarness& h) { view.Delete(keys::Provider(h.Id("p5"))); }, without_p5) ==
        Verdict::kInvariant);

  account.mutable_create_payment_account();
  std::string id;
  const auto give = [&](LedgerHarness& h) {
    id = h.Do("alice", account).created(0);
    gift.mutable_disable_refund()->set_account(id);
    h.Do("alice", gift);
  };
  CHECK(TransferWith([&](WriteView& view, LedgerHarness&) {
          Edit<pb::PaymentAccount>(view, keys::PaymentAccount(AccountOf(id)),
                                   [](pb::PaymentAccount& gone) { gone.set_non_refundable(false); });
        }, give) == Verdict::kInvariant);
  CHECK(TransferWith([&](WriteView& view, LedgerHarness& h) {
          view.Delete(keys::PaymentAccount(AccountOf(id)));
          Edit<pb::Account>(view, keys::Account(h.Id("alice")), [](pb::Account& owner) { owner.set_payment_accounts(0); });
        }, give) == Verdict::kInvariant);

  const auto open = [&](LedgerHarness& h) {
    pool.mutable_open_pool()->set_asset(pb::ASSET_CRN);
    *pool.mutable_open_pool()->mutable_deposit() = ToProto(Crn(1));
    pool.mutable_open_pool()->set_owner_key(base::ToString(h.Key("alice").public_key().Encode()));
    id = h.Do("alice", pool).created(0);
  };
  CHECK(TransferWith([&](WriteView& view, LedgerHarness&) {
          Edit<pb::Pool>(view, keys::Pool(id), [](pb::Pool& it) { *it.mutable_returned() = ToProto(Plus(Crn(1), base::Amount(1))); });
        }, open) == Verdict::kInvariant);
}

TEST_CASE("a recount finds what no single step shows: receipts of positions, what bills bill, what consents are used for") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  h.Store(bucket, {.name = "a"});
  pb::Operation account, consent;
  account.mutable_create_payment_account();
  const std::string payer = h.Do("alice", account).created(0);
  consent.mutable_set_payment_consent()->set_account(payer);
  consent.mutable_set_payment_consent()->set_bucket(bucket);
  *consent.mutable_set_payment_consent()->mutable_max_rate() = ToProto(Crn(1));
  h.Do("alice", consent);
  const KvView records(h.kv(), "s");
  ChangeSet all;
  records.Scan("", "", [&](const std::string& key, const Record& record) {
    all[key] = MakeRecord(std::string(record.bytes()));
    return true;
  });
  const auto broken_with = [&](const std::string& key, const std::string& record) {
    MapView state;
    state.Merge(all);
    REQUIRE(Recount(state).ok());
    state.Merge({{key, MakeRecord(record)}});
    return base::ReasonOf(Recount(state)) == "INVARIANT_BROKEN";
  };
  pb::Group group = *records.Find(keys::Group(1));
  group.mutable_positions(1)->set_receipted(group.positions(1).receipted() + 1);
  CHECK(broken_with(keys::Group(1).bytes, group.SerializeAsString()));
  const auto bill_key = keys::Bill(1, bucket, "");
  const pb::Bill bill = *records.Find(bill_key);
  pb::Bill wrong = bill;  // what flows to whom is the same
  wrong.mutable_positions()->SwapElements(0, 1);
  CHECK(broken_with(bill_key.bytes, wrong.SerializeAsString()));
  wrong = bill;
  const base::Amount tax = FromProto(bill.positions(1).tax());
  *wrong.mutable_positions(1)->mutable_tax() = ToProto(Plus(tax, base::Amount(1)));
  *wrong.mutable_positions(2)->mutable_tax() = ToProto(Minus(tax, base::Amount(1)));
  CHECK(broken_with(bill_key.bytes, wrong.SerializeAsString()));
  const auto consent_key = keys::Consent(AccountOf(payer), bucket);
  pb::PaymentConsent used = *records.Find(consent_key);
  *used.mutable_used_rate() = ToProto(Plus(FromProto(used.used_rate()), base::Amount(1)));
  CHECK(broken_with(consent_key.bytes, used.SerializeAsString()));
}

TEST_CASE("an engine does not open a store whose records do not add up") {
  LedgerHarness h;
  h.Fund("alice", 100);
  h.Recount();
  base::KvBatch batch;
  pb::Account account = h.Account("alice");
  *account.mutable_crn() = ToProto(Crn(101));
  batch.Put(absl::StrCat("s", keys::Account(h.Id("alice")).bytes), account.SerializeAsString());
  REQUIRE(h.kv().Commit(batch).ok());
  CHECK(base::ReasonOf(Recount(KvView(h.kv(), "s"))) == "INVARIANT_BROKEN");
  auto again = EmbeddedEngine::Open(h.kv(), h.clock(), h.Key("engine").Clone(), h.genesis());
  CHECK(base::ReasonOf(again.status()) == "INVARIANT_BROKEN");
}

}  // namespace cairn::chain
