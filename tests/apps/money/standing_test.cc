// What a client says of an account's streams, against what the ledger then does.
#include "apps/client/standing.h"

#include "chain/money_rig.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;
using chain::MoneyRig;
using chain::Units;
using chain::Verdict;

// 770 units a second for an object of 100 bytes in three copies: 100 + 3 * 200, and a tax of a tenth.
constexpr uint64_t kRate = 770;

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

struct World {
  MoneyRig rig{chain::Prices(1'000'000'000'000'000'000, 2'000'000'000'000'000'000), Quick};
  uint64_t bucket = rig.Bucket("replicate:3");
  std::unique_ptr<chain::Client> ledger = chain::NewInProcessClient(rig.engine());

  // With so many units free beyond the reserve of what it stores.
  void StoreWith(uint64_t beyond) {
    rig.LeaveFree("alice", Units(kRate * 1000 + beyond));
    rig.Store(bucket, {.name = "a", .size = 100});
    REQUIRE(rig.OutRate("alice") == Units(kRate));
  }
  Standing Now(const std::string& who = "alice") {
    auto standing = ReadStanding(*ledger, rig.Id(who));
    REQUIRE(standing.ok());
    return *standing;
  }
  // Moves on to just before the time, then to it, and looks at the payer's state both times.
  void ExpectStep(const PayerStep& step) {
    rig.Advance(step.at - absl::Milliseconds(1) - rig.engine().Now());
    CHECK(rig.State("alice") < step.state);
    rig.Advance(absl::Milliseconds(1));
    CHECK(rig.State("alice") == step.state);
  }
};

}  // namespace

TEST_CASE("the steps that a client foretells come in the very second, with and without money beyond the reserve",
          "[GF-89]") {
  for (const uint64_t beyond : {uint64_t{0}, uint64_t{1}, kRate * 40 - 1, kRate * 40, kRate * 777 + 3}) {
    INFO("beyond the reserve: " << beyond);
    World world;
    world.StoreWith(beyond);
    const Standing told = world.Now();
    REQUIRE(told.steps.size() == 4);
    CHECK(told.state == pb::PAYER_STATE_PAYING);
    CHECK_FALSE(told.missing);
    CHECK(told.steps[0].state == pb::PAYER_STATE_THROTTLED);
    CHECK(told.steps[3].state == pb::PAYER_STATE_CLEARABLE);
    for (const PayerStep& step : told.steps) {
      const std::vector<PayerStep> still = world.Now().steps;
      // Time alone changes nothing of what is to come.
      REQUIRE_FALSE(still.empty());
      CHECK(still.front() == step);
      world.ExpectStep(step);
    }
    CHECK(world.Now().steps.empty());
  }
}

TEST_CASE("between two settlements the balance shown is what a settlement would make of it", "[GF-65]") {
  World world;
  world.StoreWith(kRate * 500);
  const uint64_t begun = world.rig.Stream("alice").settled_s();
  for (const int seconds : {1, 7, 300, 400}) {
    world.rig.AdvanceSeconds(seconds);
    const Standing shown = world.Now();
    CHECK(shown.free.Plus(shown.reserve).value() == Units(kRate * 1500 - kRate * (shown.second - begun)));
    world.rig.Settle("alice");
    CHECK(world.rig.Free("alice") == shown.free);
    CHECK(world.rig.Buffer("alice") == shown.reserve);
    CHECK(world.Now().settled_free == shown.free);
  }
}

TEST_CASE("what a client says is missing is enough, and a unit less is not", "[GF-88]") {
  for (const uint64_t seconds : {700, 900, 955}) {
    for (const uint64_t less : {1, 0}) {
      INFO("after " << seconds << " s, " << less << " less than is missing");
      World world;
      world.StoreWith(0);
      world.rig.AdvanceSeconds(seconds);
      const Standing low = world.Now();
      REQUIRE(low.state != pb::PAYER_STATE_PAYING);
      REQUIRE(low.missing);
      REQUIRE(*low.missing > Units(1));
      world.rig.FundUnits("alice", chain::Minus(*low.missing, Units(less)));
      CHECK((world.rig.State("alice") == pb::PAYER_STATE_PAYING) == (less == 0));
      CHECK(world.Now().missing.has_value() == (less != 0));
    }
  }
}

TEST_CASE("an account that receives as much as it pays is funded for ever; a frozen one is told when it resumes",
          "[GF-83]") {
  World world;
  const base::AccountId account = world.rig.PaymentAccount("alice");
  world.rig.Do("alice", world.rig.Deposit(account, Units(kRate * 1000)));
  world.StoreWith(0);
  world.rig.Do("alice", world.rig.Payer(world.bucket, chain::ToField(account)));
  world.rig.Do("alice", world.rig.NonRefundable(account));
  world.rig.Fund("bob", 1);
  const auto look = [&] { return ReadStanding(*world.ledger, account).value(); };
  CHECK(look().steps.size() == 4);
  world.rig.Do("bob", world.rig.Sponsor(account, Units(kRate)));
  CHECK(look().steps.empty());
  CHECK_FALSE(look().missing);
  world.rig.Do("bob", world.rig.Sponsor(account, Units(kRate), true));
  CHECK(look().steps.size() == 4);
  world.rig.AdvanceSeconds(900);
  CHECK(look().state == pb::PAYER_STATE_READ_ONLY);
  CHECK_FALSE(look().resumes);
  world.rig.Do("bob", world.rig.Sponsor(account, Units(kRate / 2)));
  REQUIRE(look().resumes);
  const absl::Time resumes = *look().resumes;
  world.rig.Advance(resumes - absl::Milliseconds(1) - world.rig.engine().Now());
  CHECK(look().frozen());
  world.rig.Advance(absl::Milliseconds(1));
  CHECK_FALSE(look().frozen());
}

TEST_CASE("an account that never was credited stands with nothing") {
  World world;
  const Standing nobody = world.Now("nobody");
  CHECK_FALSE(nobody.exists);
  CHECK(nobody.free.zero());
  CHECK(nobody.steps.empty());
  CHECK_FALSE(nobody.missing);
}

}  // namespace cairn::client
