// Streams: who is paid what from which second on, and what the ledger keeps of it.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

// Whole numbers a second: 1 unit for the primary and 2 for each holder of one charged byte.
pb::ProviderPrices Whole() { return Prices(1'000'000'000'000'000'000, 2'000'000'000'000'000'000); }

void NoTerm(pb::Params& params) {
  params.set_min_charge_bytes(1);
  params.set_tax_ppm(100'000);
  params.set_min_term_seconds(0);
  params.set_reserve_seconds(1000);
}

}  // namespace

TEST_CASE("a flow begins in the second of the seal and never for a rejected or cancelled object", "[GF-27][GF-34]") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const base::Amount free = rig.Free("alice");
  const std::string a = rig.CreateOne(bucket, {.name = "a", .size = 100});
  const std::string b = rig.CreateOne(bucket, {.name = "b", .size = 100});
  const std::string c = rig.CreateOne(bucket, {.name = "c", .size = 100});
  rig.AdvanceSeconds(7);
  rig.Do("p0", rig.Reject({b}));
  rig.Do("alice", rig.Cancel({c}));
  CHECK(rig.Stream("alice").account().empty());
  rig.Do("p0", rig.Seal({a}, {0, 1, 2}));
  // 100 primary, 3 x 200 holders, 70 tax.
  CHECK(rig.OutRate("alice") == Units(770));
  rig.AdvanceSeconds(9);
  rig.Settle("alice");
  CHECK(rig.Free("alice") == Minus(free, Units(770 * 1000 + 770 * 9)));
}

TEST_CASE("payer and receivers agree to the unit in every second, whoever is settled first", "[GF-64][GF-65]") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const base::Amount free = rig.Free("alice"), p0 = rig.Free("p0"), p2 = rig.Free("p2"), tax = rig.Treasury();
  rig.Store(bucket, {.name = "a", .size = 100});
  for (int i = 1; i <= 20; ++i) {
    rig.AdvanceSeconds(1);
    if (i % 3 == 0) rig.Settle("p2");
    if (i % 5 == 0) rig.Settle("alice");
    if (i % 7 == 0) rig.Settle("p0");
  }
  for (const char* who : {"p2", "alice", "p0"}) rig.Settle(who);
  CHECK(Minus(rig.Free("p0"), p0) == Units(20 * 300));
  CHECK(Minus(rig.Free("p2"), p2) == Units(20 * 200));
  CHECK(Minus(rig.Treasury(), tax) == Units(20 * 70));
  CHECK(rig.Free("alice") == Minus(free, Units(770 * 1020)));
}

TEST_CASE("a thousand objects are one flow to each receiver", "[GF-64]") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("replicate:3");
  std::vector<Upload> uploads;
  for (int i = 0; i < 250; ++i) uploads.push_back({.name = absl::StrCat("n", i), .size = 10});
  for (int round = 0; round < 4; ++round) {
    for (Upload& upload : uploads) upload.name += "x";
    const auto receipt = rig.Do("alice", rig.Create(bucket, uploads));
    rig.Do("p0", rig.Seal({receipt.created().begin(), receipt.created().end()}, {0, 1, 2}));
  }
  CHECK(rig.FlowsFrom(rig.Id("alice")).flows_size() == 4);  // three providers and the treasury
  CHECK(rig.OutRate("alice") == Units(77 * 1000));
}

TEST_CASE("only receipted positions are billed, and each from its receipt on", "[GF-67]") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("rs:4+2");
  const uint64_t size = 4 << 20;  // four shards of 1 MiB
  const std::string id = rig.CreateOne(bucket, {.name = "a", .size = size});
  const base::Amount lock = FromProto(rig.Object(id).lock());
  rig.Do("p0", rig.Seal({id}, {0, 1, 2, 3, 4}));
  const uint64_t shard = 1 << 20, whole = size + 12 * shard + (size + 12 * shard) / 10;
  const uint64_t part = 2 * shard + 2 * shard / 10;
  CHECK(rig.OutRate("alice") == Units(whole - part));
  // The reserve of the missing part stays locked for it.
  CHECK(rig.Locked("alice") == Units(part * 1000));
  CHECK(lock == Units(whole * 1000));
  rig.Do("p0", rig.Seal({id}, {5}));
  CHECK(rig.OutRate("alice") == Units(whole));
  CHECK(rig.Locked("alice") == base::Amount());
  CHECK(rig.Buffer("alice") == lock);
}

TEST_CASE("a holder that is succeeded or loses its store earns nothing until parts are receipted again") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("replicate:3");
  const std::string id = rig.Store(bucket, {.name = "a", .size = 100});
  pb::Operation lost;
  lost.mutable_report_new_store()->set_store_id(ToField(rig.entropy().Draw<base::StoreId>()));
  rig.Do("p1", lost);
  CHECK(rig.OutRate("alice") == Units(770 - 220));
  rig.Do("p0", rig.Post({id}, {1}));
  CHECK(rig.OutRate("alice") == Units(770));
  rig.Do("alice", rig.Successor(1, 2, "p5"));
  const base::Amount p2 = rig.Free("p2"), p5 = rig.Free("p5");
  rig.AdvanceSeconds(10);
  rig.Do("p5", rig.Post({id}, {2}));
  rig.AdvanceSeconds(10);
  rig.Settle("p2");
  rig.Settle("p5");
  CHECK(rig.Free("p2") == p2);
  CHECK(Minus(rig.Free("p5"), p5) == Units(10 * 200));
}

TEST_CASE("a new primary earns from its second on, and the one before no longer") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Store(bucket, {.name = "a", .size = 100});
  pb::Operation replace;
  replace.mutable_replace_primary()->set_group(1);
  replace.mutable_replace_primary()->set_primary(rig.Field("p4"));
  rig.Approve("p4", &replace);
  rig.AdvanceSeconds(5);
  const base::Amount p0 = rig.Free("p0"), p4 = rig.Free("p4");
  rig.Do("alice", replace);
  rig.AdvanceSeconds(10);
  rig.Settle("p0");
  rig.Settle("p4");
  CHECK(Minus(rig.Free("p0"), p0) == Units(5 * 300 + 10 * 200));
  CHECK(Minus(rig.Free("p4"), p4) == Units(10 * 100));
}

TEST_CASE("an idle bucket costs rate times time, and new prices are for new objects", "[GF-68]") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Store(bucket, {.name = "a", .size = 100});
  const base::Amount free = rig.Free("alice");
  for (int i = 0; i < 9; ++i) {
    pb::Operation edit;
    *edit.mutable_edit_provider()->mutable_prices() = Prices(2'000'000'000'000'000'000, 3'000'000'000'000'000'000);
    rig.Do(absl::StrCat("p", i % 6), edit);
    rig.AdvanceSeconds(100);
  }
  rig.Settle("alice");
  CHECK(rig.OutRate("alice") == Units(770));
  CHECK(rig.Free("alice") == Minus(free, Units(770 * 900)));
  const std::string id = rig.CreateOne(bucket, {.name = "b", .size = 100});
  CHECK(FromProto(rig.Object(id).primary_rate()) > Units(100));
}

TEST_CASE("a stop of the ledger costs nobody anything and moves every step by its length") {
  MoneyRig rig(Whole(), NoTerm);
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.LeaveFree("alice", Units(770 * 1000));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.AdvanceSeconds(10);
  const uint64_t due = rig.Stream("alice").step_ms();
  rig.Restart(absl::Hours(100));
  rig.Run();
  CHECK(rig.State("alice") == pb::PAYER_STATE_PAYING);
  rig.Settle("alice");
  CHECK(rig.Buffer("alice") == Units(770 * 990));
  CHECK(rig.Stream("alice").step_ms() == due + 100 * 3600 * 1000);
}

TEST_CASE("a ledger behind with its due work charges nobody beyond the step that is due") {
  MoneyRig rig(Whole(), [](pb::Params& params) {
    NoTerm(params);
    params.set_max_due_per_block(1);
  });
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.LeaveFree("alice", Units(770 * 1000));
  rig.Store(bucket, {.name = "a", .size = 100});
  rig.AdvanceSeconds(40 * kDaySeconds);
  CHECK(rig.State("alice") == pb::PAYER_STATE_CLEARABLE);
}

}  // namespace cairn::chain
