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

}  // namespace cairn::chain
