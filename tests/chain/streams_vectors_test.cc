// The worked examples, run through the ledger itself: tests/vectors/chain/streams.txt has each number's derivation.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

using Values = std::map<std::string, base::Amount>;

uint64_t Seconds(const Values& v, const std::string& name) { return v.at(name).low(); }

// 1 GiB in six copies, sealed in this second by alice, who has nothing beyond its reserve.
std::string StorePoor(MoneyRig& rig, const Values& v) {
  const uint64_t bucket = rig.Bucket("replicate:6");
  rig.LeaveFree("alice", v.at("lock"));
  const std::string id = rig.Store(bucket, {.name = "a", .size = kGiB});
  CHECK(rig.Free("alice") == base::Amount());
  CHECK(rig.Buffer("alice") == v.at("lock"));
  return id;
}

struct Earned {
  explicit Earned(MoneyRig& rig) : p0(rig.Free("p0")), p5(rig.Free("p5")), treasury(rig.Treasury()) {}
  base::Amount p0, p5, treasury;
};

}  // namespace

TEST_CASE("the ledger charges the worked examples to the unit", "[GF-19][GF-34][GF-67]") {
  struct Example {
    uint64_t primary, holder, size;
    uint64_t rate, lock;
  };
  for (const Example& e : {Example{27'000'000'000'000'000, 3'240'000'000'000'000, kGiB, 50'363'212, 783'248'673'024'000},
                           Example{21'839'457'250'000'000, 2'620'734'870'000'000, kGiB, 40'737'228, 633'545'369'856'000},
                           Example{21'839'457'250'000'000, 2'620'734'870'000'000, 1, 4'969, 77'277'888'000}}) {
    MoneyRig rig(Prices(e.primary, e.holder));
    const uint64_t bucket = rig.Bucket("replicate:6");
    const base::Amount free = rig.Free("alice");
    const std::string id = rig.CreateOne(bucket, {.name = "a", .size = e.size});
    CHECK(rig.Locked("alice") == Units(e.lock));
    CHECK(rig.OutRate("alice") == base::Amount());  // nothing flows before the seal
    rig.AdvanceSeconds(10);
    rig.Do("p0", rig.Seal({id}, {0, 1, 2, 3, 4, 5}));
    CHECK(rig.OutRate("alice") == Units(e.rate));
    CHECK(rig.Buffer("alice") == Units(e.lock));
    CHECK(rig.Locked("alice") == base::Amount());
    CHECK(rig.Free("alice") == Minus(free, Units(e.lock)));
    rig.AdvanceSeconds(1000);
    rig.Settle("alice");
    CHECK(rig.Free("alice") == Minus(free, Units(e.lock + 1000 * e.rate)));
  }
}

TEST_CASE("a read package costs what the worked example says", "[GF-66][GF-71]") {
  MoneyRig rig(Prices(0, 0, 146'989'042'700'000'000));
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Do("alice", rig.Package(bucket, 10 * kGiB));
  CHECK(rig.OutRate("alice") == Units(1'594'065'656));
  const auto flows = rig.FlowsFrom(rig.Id("alice"));
  REQUIRE(flows.flows_size() == 2);
  std::map<std::string, base::Amount> rates;
  for (const auto& entry : flows.flows()) rates[entry.receiver()] = FromProto(entry.flow().rate());
  CHECK(rates[rig.Field("p0")] == Units(1'578'282'828));
  CHECK(rates[ToField(TreasuryId())] == Units(15'782'828));
}

TEST_CASE("a payer without money is warned, throttled, warned again and read only at the computed seconds",
          "[GF-65]") {
  const Values v = Vectors("streams.txt");
  MoneyRig rig;
  StorePoor(rig, v);
  const Earned before(rig);
  rig.ExpectAfter(Seconds(v, "warned_throttle_at"), "payer.warned");
  rig.ExpectAfter(Seconds(v, "throttled_at") - Seconds(v, "warned_throttle_at"), "payer.throttled");
  CHECK(rig.State("alice") == pb::PAYER_STATE_THROTTLED);
  rig.ExpectAfter(Seconds(v, "warned_read_only_at") - Seconds(v, "throttled_at"), "payer.warned");
  CHECK(rig.OutRate("alice") == v.at("rate"));
  rig.ExpectAfter(Seconds(v, "read_only_at") - Seconds(v, "warned_read_only_at"), "payer.read_only");
  const pb::StreamAccount stream = rig.Stream("alice");
  CHECK(stream.state() == pb::PAYER_STATE_READ_ONLY);
  CHECK(FromProto(stream.out_rate()) == base::Amount());
  CHECK(FromProto(stream.frozen_rate()) == v.at("rate"));
  CHECK(FromProto(stream.buffer()) == base::Amount());
  const pb::Block block = rig.NewestBlock();
  std::string forfeited;
  for (const pb::Event& event : block.events()) {
    for (const auto& attribute : event.attributes()) {
      if (attribute.key() == "forfeited") forfeited = attribute.value();
    }
  }
  CHECK(forfeited == v.at("forfeited").ToString());
  // p0 is primary and holder, p5 a holder.
  rig.Settle("p0");
  rig.Settle("p5");
  CHECK(Minus(rig.Free("p0"), before.p0) == Plus(v.at("primary_total"), v.at("holder_total")));
  CHECK(Minus(rig.Free("p5"), before.p5) == v.at("holder_total"));
  CHECK(Minus(rig.Treasury(), before.treasury) == v.at("treasury_total"));
  rig.AdvanceSeconds(1000);
  rig.Settle("p5");
  CHECK(Minus(rig.Free("p5"), before.p5) == v.at("holder_total"));  // nothing flows any more
}

TEST_CASE("a frozen payer pays again in the block of the deposit that fills its reserve", "[GF-88]") {
  const Values v = Vectors("streams.txt");
  MoneyRig rig;
  StorePoor(rig, v);
  rig.AdvanceSeconds(Seconds(v, "read_only_at"));
  CHECK(rig.State("alice") == pb::PAYER_STATE_READ_ONLY);
  rig.FundUnits("alice", v.at("deposit_1"));
  CHECK(rig.State("alice") == pb::PAYER_STATE_READ_ONLY);
  CHECK(rig.Free("alice") == v.at("deposit_1"));
  rig.FundUnits("alice", v.at("deposit_2"));
  CHECK(rig.Events().count("payer.resumed") == 1);
  CHECK(rig.State("alice") == pb::PAYER_STATE_PAYING);
  CHECK(rig.OutRate("alice") == v.at("rate"));
  CHECK(rig.Buffer("alice") == v.at("lock"));
  CHECK(rig.Free("alice") == v.at("free_after_resume"));
  rig.ExpectAfter(Seconds(v, "read_only_after_resume"), "payer.read_only");
}

TEST_CASE("a version deleted after its minimum term costs its seconds, less the rebate", "[GF-110]") {
  const Values v = Vectors("streams.txt");
  MoneyRig rig;
  StorePoor(rig, v);
  rig.AdvanceSeconds(30 * kDaySeconds);
  rig.Do("alice", rig.DeleteNames(1, {"a"}));
  CHECK(rig.Free("alice") == Plus(Minus(v.at("lock"), v.at("paid_in_30_days")), v.at("rebate")));
  CHECK(rig.Stream("alice").account().empty());
  CHECK(rig.FlowsFrom(rig.Id("alice")).flows_size() == 0);
}

TEST_CASE("a version deleted early pays the rest of its minimum term and no more", "[GF-110]") {
  const Values v = Vectors("streams.txt");
  MoneyRig rig;
  StorePoor(rig, v);
  const base::Amount p5 = rig.Free("p5");
  rig.AdvanceSeconds(kDaySeconds);
  rig.Do("alice", rig.DeleteNames(1, {"a"}));
  const base::Amount paid = Plus(v.at("paid_in_1_day"), v.at("term_rest"));
  CHECK(rig.Free("alice") == Plus(Minus(v.at("lock"), paid), v.at("rebate")));
  rig.Settle("p5");
  CHECK(Minus(rig.Free("p5"), p5) == Times(v.at("holder_rate"), 7 * kDaySeconds));
}

}  // namespace cairn::chain
