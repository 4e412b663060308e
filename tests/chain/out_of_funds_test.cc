// What happens to those who run out of money, and that they can always come back or go.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

pb::ProviderPrices Whole() { return Prices(1'000'000'000'000'000'000, 2'000'000'000'000'000'000); }

// Reserve 1000 s, throttled at 300, read only at 100, notice after 50 more, clearable after 60 more; warned 20 before.
void Quick(pb::Params& params) {
  params.set_min_charge_bytes(1);
  params.set_tax_ppm(100'000);
  params.set_reserve_seconds(1000);
  params.set_throttle_seconds(300);
  params.set_forced_settle_seconds(100);
  params.set_warning_seconds(20);
  params.set_read_only_seconds(50);
  params.set_notice_seconds(60);
  params.set_min_term_seconds(0);
}

void Patient(pb::Params& params) {
  Quick(params);
  params.set_seal_window_ms(945'000);
}

struct Poor {
  MoneyRig rig{Whole(), Quick};
  uint64_t bucket = rig.Bucket("replicate:3");
  std::string id;
  Poor() {
    rig.LeaveFree("alice", Units(770 * 1000));
    id = rig.Store(bucket, {.name = "a", .size = 100});
  }
};

}  // namespace

TEST_CASE("notice follows read only, and clearing is the primary's choice only after the notice", "[GF-89]") {
  Poor poor;
  MoneyRig& rig = poor.rig;
  rig.AdvanceSeconds(900);
  CHECK(rig.State("alice") == pb::PAYER_STATE_READ_ONLY);
  rig.Expect(Verdict::kNotClearable, "p0", rig.Clear({poor.id}));
  rig.ExpectAfter(30, "payer.warned");
  rig.ExpectAfter(20, "payer.notice");
  rig.ExpectAfter(40, "payer.warned");
  rig.Expect(Verdict::kNotClearable, "p0", rig.Clear({poor.id}));
  rig.ExpectAfter(20, "payer.clearable");
  CHECK(rig.ObjectExists(poor.id));
  rig.Expect(Verdict::kNotPrimary, "p1", rig.Clear({poor.id}));
  rig.Do("p0", rig.Clear({poor.id}));
  CHECK(rig.Events().count("object.cleared") == 1);
  CHECK_FALSE(rig.ObjectExists(poor.id));
  CHECK(rig.Stream("alice").account().empty());
}

TEST_CASE("a throttled payer still stores what it can pay for; a read-only one stores nothing") {
  Poor poor;
  MoneyRig& rig = poor.rig;
  rig.AdvanceSeconds(700);
  CHECK(rig.State("alice") == pb::PAYER_STATE_THROTTLED);
  rig.Expect(Verdict::kNoFunds, "alice", rig.Create(poor.bucket, {{.name = "b", .size = 100}}));
  rig.AdvanceSeconds(200);
  CHECK(rig.State("alice") == pb::PAYER_STATE_READ_ONLY);
  rig.Expect(Verdict::kPayerFrozen, "alice", rig.Create(poor.bucket, {{.name = "b", .size = 100}}));
}

TEST_CASE("a deposit to a throttled payer restores it in its block", "[GF-88]") {
  Poor poor;
  MoneyRig& rig = poor.rig;
  rig.AdvanceSeconds(700);
  CHECK(rig.State("alice") == pb::PAYER_STATE_THROTTLED);
  rig.FundUnits("alice", Units(770));  // one second more than the limit
  CHECK(rig.Events().count("payer.restored") == 1);
  CHECK(rig.State("alice") == pb::PAYER_STATE_PAYING);
  CHECK(rig.Free("alice") == base::Amount());
  rig.ExpectAfter(1, "payer.throttled");
}

TEST_CASE("the owner deletes in every state, and a payer without flows owes nothing") {
  for (const uint64_t seconds : {0, 699, 701, 901, 951, 1100}) {
    INFO(seconds);
    Poor poor;
    poor.rig.AdvanceSeconds(seconds);
    poor.rig.Do("alice", poor.rig.DeleteNames(poor.bucket, {"a"}));
    CHECK(poor.rig.Stream("alice").account().empty());
    CHECK_FALSE(poor.rig.Account("alice").owes());
    CHECK(poor.rig.Free("alice") == (seconds < 900 ? Units(770 * (1000 - seconds)) : base::Amount()));
  }
}

TEST_CASE("what is sealed for a frozen payer waits for its money and is paid from the resume on") {
  Poor poor;
  MoneyRig& rig = poor.rig;
  rig.AdvanceSeconds(895);
  rig.FundUnits("bob", Units(770 * 1000));
  rig.LeaveFree("alice", base::Amount());
  CHECK(rig.State("alice") == pb::PAYER_STATE_THROTTLED);
  rig.AdvanceSeconds(5);
  CHECK(rig.State("alice") == pb::PAYER_STATE_READ_ONLY);
  const base::Amount p1 = (rig.Settle("p1"), rig.Free("p1"));
  rig.AdvanceSeconds(10);
  rig.Do("bob", rig.TransferUnits("alice", Units(770 * 1000)));
  CHECK(rig.State("alice") == pb::PAYER_STATE_PAYING);
  rig.AdvanceSeconds(3);
  rig.Settle("p1");
  CHECK(Minus(rig.Free("p1"), p1) == Units(3 * 200));
}

TEST_CASE("a lock that returns brings a frozen payer back in its block, whichever way the upload ended", "[GF-88]") {
  for (const std::string end : {"cancelled", "rejected", "expired"}) {
    INFO(end);
    MoneyRig rig(Whole(), Patient);
    const uint64_t bucket = rig.Bucket("replicate:3");
    rig.LeaveFree("alice", Units(2 * 770 * 1000));
    rig.Store(bucket, {.name = "a", .size = 100});
    const std::string pending = rig.CreateOne(bucket, {.name = "b", .size = 100});
    CHECK(rig.Free("alice") == base::Amount());
    rig.AdvanceSeconds(940);
    CHECK(rig.State("alice") == pb::PAYER_STATE_READ_ONLY);
    if (end == "cancelled") rig.Do("alice", rig.Cancel({pending}));
    if (end == "rejected") rig.Do("p0", rig.Reject({pending}));
    if (end == "expired") rig.AdvanceSeconds(10);
    CHECK(rig.Events().count("payer.resumed") == 1);
    CHECK(rig.State("alice") == pb::PAYER_STATE_PAYING);
    CHECK(rig.Buffer("alice") == Units(770 * 1000));
  }
}

TEST_CASE("a lock that a seal sets free brings back who gave it, though another pays for the object by now") {
  MoneyRig rig(Whole(), Patient);
  const uint64_t first = rig.Bucket("replicate:3"), second = rig.Bucket("replicate:3", "second");
  const base::AccountId account = rig.PaymentAccount("alice");
  rig.Do("alice", rig.Deposit(account, Units(2 * 770 * 1000)));
  rig.Do("alice", rig.Payer(first, ToField(account)));
  rig.Do("alice", rig.Payer(second, ToField(account)));
  rig.Store(first, {.name = "a", .size = 100});
  const std::string pending = rig.CreateOne(second, {.name = "b", .size = 100});
  rig.Do("alice", rig.Payer(second, ""));
  rig.AdvanceSeconds(940);
  CHECK(rig.Stream(account).state() == pb::PAYER_STATE_READ_ONLY);
  rig.Do("p0", rig.Seal({pending}, {0, 1, 2}));
  CHECK(rig.Stream(account).state() == pb::PAYER_STATE_PAYING);
  CHECK(rig.FreeOf(account) == base::Amount());
  CHECK(rig.OutRate("alice") == Units(770));
}

}  // namespace cairn::chain
