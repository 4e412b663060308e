// What a client says that buckets cost, against what the ledger charges.
#include "apps/client/bucket_costs.h"

#include "apps/client/payment_accounts.h"
#include "chain/money_rig.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;
using chain::MoneyRig;
using chain::Prices;
using chain::Units;

constexpr uint64_t kOne = 10'000'000'000'000'000;

void Quick(pb::Params& params) {
  params.set_min_charge_bytes(1000);
  params.set_tax_ppm(100'000);
  params.set_price_change_ppm(500'000);
  params.set_price_notice_ms(10'000);
  params.set_min_term_seconds(0);
}

struct World {
  MoneyRig rig{Prices(100 * kOne, 200 * kOne, 50 * kOne), Quick};
  uint64_t bucket = rig.Bucket("rs:4+2");
  std::unique_ptr<chain::Client> ledger = chain::NewInProcessClient(rig.engine());

  std::vector<pb::Object> Records() {
    auto records = RecordsOf(*ledger, bucket);
    REQUIRE(records.ok());
    return *std::move(records);
  }
  BucketCosts Pays() { return CostsOf(*ledger, bucket).value(); }
  BucketCosts At(const pb::PriceRecord& price) {
    const pb::Bucket record = rig.GetBucket(bucket);
    return CostsAt(price.prices(), rig.Params(), record.policy(), Records(),
                   record.package_bytes());
  }
  // All providers ask so much more, of a hundred.
  void Ask(uint64_t percent) {
    for (int i = 0; i < 6; ++i) {
      pb::Operation edit;
      *edit.mutable_edit_provider()->mutable_prices() = Prices(percent * kOne, 2 * percent * kOne, percent / 2 * kOne);
      rig.Do("p" + std::to_string(i), edit);
    }
  }
};

}  // namespace

TEST_CASE("a coming price is known before it holds; what was made before goes on at its own, to the unit",
          "[GF-68][GF-71][GF-86]") {
  World world;
  for (const uint64_t size : {0, 1, 999, 1000, 1001, 262'143, 262'144, 3'000'001}) {
    world.rig.Store(world.bucket, {.name = "n" + std::to_string(size), .size = size});
  }
  world.rig.Do("alice", world.rig.Package(world.bucket, 10'000'000));
  const BucketCosts before = world.Pays();
  const KnownPrices first = ReadPrices(*world.ledger).value();
  CHECK_FALSE(first.coming);
  CHECK(world.At(first.current).objects == before.objects);
  CHECK(world.At(first.current).package == before.package);
  CHECK(before.objects.Plus(before.package).value() == world.rig.OutRate("alice"));

  world.Ask(140);
  const KnownPrices told = ReadPrices(*world.ledger).value();
  REQUIRE(told.coming);
  CHECK(told.next.from_ms() > world.rig.NowMs());
  const BucketCosts next = world.At(told.next);
  CHECK(next.objects > before.objects);
  CHECK(next.package > before.package);
  world.rig.AdvanceSeconds(3600);
  const KnownPrices now = ReadPrices(*world.ledger).value();
  CHECK_FALSE(now.coming);
  CHECK(now.current.number() == told.next.number());
  CHECK(world.Pays().objects == before.objects);
  CHECK(world.Pays().package == before.package);
  CHECK(world.rig.OutRate("alice") == before.objects.Plus(before.package).value());

  // What was foretold is what it costs once it is made anew.
  for (const pb::Object& object : world.Records()) {
    world.rig.Do("alice", world.rig.DeleteNames(world.bucket, {object.name()}));
    world.rig.Store(world.bucket, {.name = object.name(), .size = object.stored_size(), .seed = "again"});
  }
  CHECK(world.Pays().objects == next.objects);
  world.rig.Do("alice", world.rig.Package(world.bucket, 10'000'001));
  world.rig.AdvanceSeconds(31 * chain::kDaySeconds);
  world.rig.Do("alice", world.rig.Package(world.bucket, 10'000'000));
  CHECK(world.Pays().package == next.package);
}

TEST_CASE("payment accounts are named by their number or their id", "[GF-78]") {
  World world;
  const base::AccountId first = world.rig.PaymentAccount("alice");
  const base::AccountId second = world.rig.PaymentAccount("alice");
  const base::AccountId alice = world.rig.Id("alice");
  CHECK(ParsePaymentAccount("0", alice).value() == first);
  CHECK(ParsePaymentAccount("1", alice).value() == second);
  CHECK(ParsePaymentAccount(base::ToText(second), alice).value() == second);
  CHECK_FALSE(ParsePaymentAccount("cairn1nonsense", alice).ok());
  CHECK(FindPaymentAccount(*world.ledger, first).value().number() == 0);
  CHECK(FindPaymentAccount(*world.ledger, alice).status().code() == absl::StatusCode::kNotFound);
  CHECK(ListPaymentAccounts(*world.ledger, alice).value().size() == 2);
  CHECK(ListPaymentAccounts(*world.ledger, first).value().empty());
}

TEST_CASE("taking over more than 256 objects is several operations, each sorted and none twice") {
  std::vector<base::ObjectId> objects(600);
  for (size_t i = 0; i < objects.size(); ++i) {
    objects[i].value[0] = static_cast<uint8_t>(599 - i);
    objects[i].value[1] = static_cast<uint8_t>((599 - i) >> 8);
  }
  objects.push_back(objects.front());
  const std::vector<pb::Operation> operations = PayerOperations(7, "", objects);
  REQUIRE(operations.size() == 3);
  std::string last;
  int count = 0;
  for (const pb::Operation& operation : operations) {
    CHECK(operation.set_payer().bucket() == 7);
    for (const std::string& id : operation.set_payer().objects()) {
      CHECK(last < id);
      last = id;
      ++count;
    }
  }
  CHECK(count == 600);
  CHECK(PayerOperations(7, "x", {}).size() == 1);
}

}  // namespace cairn::client
