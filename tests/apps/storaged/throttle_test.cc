#include "apps/storaged/throttle.h"

#include "apps/storaged/read_rig.h"
#include "apps/storaged/unpaid.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

// A bucket paid from an account that runs dry; one unit of crn a second for each byte and holder.
struct PoorBucket {
  PoorBucket()
      : rig([](pb::Params& params) {
          params.set_throttled_bytes_per_second(64 * 1024);
          params.set_throttled_connections(2);
          params.set_min_term_seconds(0);
        }, base::Amount(base::kPriceScale)) {
    bucket = rig.world.MakeBucket("replicate:3", true);
    pb::Operation make;
    make.mutable_create_payment_account();
    rig.world.Do(make);
    pb::QueryRequest ask;
    ask.set_payment_accounts_of(chain::ToField(rig.world.owner().account()));
    payer = rig.world.client->Query(ask)->payment_accounts(0).id();
    Deposit(20'000'000'000);
    pb::Operation pay;
    pay.mutable_set_payer()->set_bucket(bucket.id);
    pay.mutable_set_payer()->set_payer(payer);
    rig.world.Do(pay);
    object = rig.Object(bucket, "a", 400'000);
    part = rig.PartOf(object);
  }
  void Deposit(uint64_t units) {
    pb::Operation deposit;
    deposit.mutable_deposit_payment()->set_account(payer);
    *deposit.mutable_deposit_payment()->mutable_amount() = chain::ToProto(base::Amount(units));
    rig.world.Do(deposit);
  }
  pb::PayerState State() {
    return (*rig.p->ledger.Stream(chain::Trusted<base::AccountId>(payer), Freshness::kFresh))->state();
  }
  void RunDownTo(pb::PayerState state) {
    for (int i = 0; i < 100'000 && State() < state; ++i) rig.world.Advance(absl::Seconds(200));
    REQUIRE(State() == state);
    rig.p.CatchUp();
  }
  std::unique_ptr<ReadMeter::Read> Begin(uint64_t length, std::string* refused = nullptr) {
    const auto request = rig.Request(part, 0, length);
    auto read = rig.meter->Begin(rig.Sign(rig.world.owner(), request), request, part);
    if (read.ok()) return *std::move(read);
    if (refused != nullptr) *refused = base::ReasonOf(read.status());
    return nullptr;
  }
  absl::Duration TimeToSend(ReadMeter::Read& read, uint64_t bytes) {
    const absl::Duration start = rig.world.clock.Monotonic();
    ReadRig::Send(read, bytes);
    return rig.world.clock.Monotonic() - start;
  }

  ReadRig rig;
  TestBucket bucket;
  TestObject object;
  Part part;
  std::string payer;
};

}  // namespace

TEST_CASE("without funds reads slow down to exactly the published rate, and are back in the block of the deposit",
          "[GF-87][GF-88]") {
  PoorBucket poor;
  auto before = poor.Begin(160'000);
  REQUIRE(before != nullptr);
  CHECK(poor.TimeToSend(*before, 160 * 1024 - 3840) == absl::ZeroDuration());  // full speed while it pays
  before = nullptr;
  poor.RunDownTo(pb::PAYER_STATE_THROTTLED);
  auto slow = poor.Begin(320 * 1024);
  REQUIRE(slow != nullptr);
  // Ten groups of 16 KiB: the first leaves at once, each other a quarter of a second later.
  CHECK(poor.TimeToSend(*slow, 160 * 1024) == absl::Milliseconds(2250));
  poor.Deposit(400'000'000'000'000);
  poor.rig.p.CatchUp();
  CHECK(poor.State() == pb::PAYER_STATE_PAYING);
  CHECK(poor.TimeToSend(*slow, 160 * 1024) == absl::ZeroDuration());
}

TEST_CASE("the readers of a bucket without funds share its rate, and its connections are as many as published",
          "[GF-87]") {
  PoorBucket poor;
  poor.RunDownTo(pb::PAYER_STATE_THROTTLED);
  auto one = poor.Begin(64 * 1024), two = poor.Begin(64 * 1024);
  REQUIRE(one != nullptr);
  REQUIRE(two != nullptr);
  std::string refused;
  CHECK(poor.Begin(1000, &refused) == nullptr);
  CHECK(refused == "THROTTLED");
  const absl::Duration start = poor.rig.world.clock.Monotonic();
  for (int i = 0; i < 4; ++i) {
    ReadRig::Send(*one, 16 * 1024);
    ReadRig::Send(*two, 16 * 1024);
  }
  CHECK(poor.rig.world.clock.Monotonic() - start == absl::Milliseconds(1750));
  two = nullptr;
  CHECK(poor.Begin(1000) != nullptr);
  // Reads one after the other are no way around the rate.
  one = nullptr;
  const absl::Duration again = poor.rig.world.clock.Monotonic();
  for (int i = 0; i < 5; ++i) {
    auto read = poor.Begin(16 * 1024);
    REQUIRE(read != nullptr);
    ReadRig::Send(*read, 16 * 1024);
  }
  CHECK(poor.rig.world.clock.Monotonic() - again == absl::Milliseconds(1250));
  // Another bucket pays, and is not slowed.
  TestBucket rich = poor.rig.world.MakeBucket("replicate:3", true);
  poor.part = poor.rig.PartOf(poor.rig.Object(rich, "b", 200'000));
  auto fast = poor.Begin(200'000);
  REQUIRE(fast != nullptr);
  CHECK(poor.TimeToSend(*fast, 200'000) == absl::ZeroDuration());
}

TEST_CASE("a slow read ends when its reader goes, and while the provider stops") {
  PoorBucket poor;
  poor.RunDownTo(pb::PAYER_STATE_THROTTLED);
  auto read = poor.Begin(64 * 1024);
  REQUIRE(read != nullptr);
  REQUIRE(read->Admit(16 * 1024, [] { return false; }).ok());
  read->Sent(16 * 1024);
  CHECK(absl::IsCancelled(read->Admit(16 * 1024, [] { return true; })));
  CHECK(read->End(false).ok());
  CHECK(poor.rig.Now(poor.bucket).free_used == 16 * 1024);
}

TEST_CASE("a package whose fee stands still covers nothing, the free quota still does", "[GF-87]") {
  PoorBucket poor;
  pb::Operation package;
  package.mutable_set_package()->set_bucket(poor.bucket.id);
  package.mutable_set_package()->set_bytes_per_month(1'000'000);
  *package.mutable_set_package()->mutable_max_rate() = chain::ToProto(base::Amount(absl::Uint128Max()));
  poor.rig.world.Do(package);
  poor.rig.p.CatchUp();
  REQUIRE(poor.rig.Read(poor.part, 400'000) == "OK");
  REQUIRE(poor.rig.Read(poor.part, 400'000) == "OK");
  REQUIRE(poor.rig.Read(poor.part, 400'000) == "OK");
  CHECK(poor.rig.Now(poor.bucket).package_used == 200'000);
  poor.RunDownTo(pb::PAYER_STATE_READ_ONLY);
  REQUIRE(poor.rig.Now(poor.bucket).package_used == 200'000);  // the month is the same
  CHECK(poor.Begin(100'000) == nullptr);
}

TEST_CASE("the primary clears what nobody pays for once the notice is over, and not before", "[GF-89]") {
  PoorBucket poor;
  UnpaidClearer clearer(poor.rig.p.identity, poor.rig.p->ledger, *poor.rig.lane);
  const auto never = [] { return false; };
  for (const pb::PayerState state : {pb::PAYER_STATE_THROTTLED, pb::PAYER_STATE_READ_ONLY, pb::PAYER_STATE_NOTICE}) {
    poor.RunDownTo(state);
    CHECK(*clearer.RunOnce(never) == 0);
    CHECK(poor.rig.world.Look(poor.object.id) != nullptr);
  }
  poor.RunDownTo(pb::PAYER_STATE_CLEARABLE);
  CHECK(*clearer.RunOnce(never) == 1);
  CHECK(poor.rig.world.Look(poor.object.id) == nullptr);
  poor.rig.p.CatchUp();
  CHECK(poor.rig.p->index.PartsOf(poor.object.id)->empty());
}

TEST_CASE("the owner of a bucket without funds can always delete", "[GF-87]") {
  PoorBucket poor;
  for (const pb::PayerState state : {pb::PAYER_STATE_THROTTLED, pb::PAYER_STATE_NOTICE}) {
    TestObject object = state == pb::PAYER_STATE_THROTTLED ? poor.rig.Object(poor.bucket, "more", 1000) : poor.object;
    poor.RunDownTo(state);
    poor.rig.world.Delete(poor.bucket, object);
    CHECK(poor.rig.world.Look(object.id) == nullptr);
  }
}
