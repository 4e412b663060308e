#include "apps/storaged/sealer.h"

#include "apps/storaged/world.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

std::vector<pb::Receipt> ReceiptsOf(World& world, const TestBucket& bucket,
                                    const TestObject& object,
                                    const std::vector<uint32_t>& positions) {
  std::vector<pb::Receipt> receipts;
  for (uint32_t position : positions)
    receipts.push_back(world.Put(bucket, object, position).value());
  return receipts;
}

}  // namespace

TEST_CASE("the primary says uploaded with its signature once the quorum is there, and seals",
          "[GF-23][GF-24][GF-25]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  TestObject object = world.Create(bucket, "a", Pattern(700'000));
  Sealer& sealer = (*bucket.primary)->sealer;

  auto four = ReceiptsOf(world, bucket, object, {0, 1, 2, 3});
  auto refused = sealer.Accept(world.Submission(bucket, object, four), absl::ZeroDuration());
  CHECK(base::ReasonOf(refused.status()) == "NOT_ENOUGH_RECEIPTS");
  CHECK(sealer.pending() == 0);

  auto five = ReceiptsOf(world, bucket, object, {0, 1, 2, 3, 4});
  auto accepted = sealer.Accept(world.Submission(bucket, object, five), absl::ZeroDuration());
  REQUIRE(accepted.ok());
  base::UploadReceipt claim =
      chain::BuildUploadReceipt(world.engine->chain_id(), bucket.primary->id(), {object.record});
  CHECK(bucket.primary->identity.node.public_key().Verify(
      base::SigningDigest(claim), chain::Trusted<base::Signature>(accepted->upload_signature())));
  world.CatchUp();
  Record<pb::Object> sealed = world.Look(object.id);
  CHECK(sealed->state() == pb::OBJECT_STATE_SEALED);
  CHECK(chain::MissingPositions(*sealed, world.Group(bucket.group)) == std::vector<uint32_t>{5});
  CHECK(sealer.pending() == 0);

  auto last = ReceiptsOf(world, bucket, object, {5});
  REQUIRE(sealer.Accept(world.Submission(bucket, object, last), absl::ZeroDuration()).ok());
  world.CatchUp();
  CHECK(chain::IsDurable(*world.Look(object.id), world.Group(bucket.group)));
}

TEST_CASE("a receipt that the ledger would refuse is refused by the primary", "[GF-25]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  TestObject object = world.Create(bucket, "a", Pattern(700'000));
  auto receipts = ReceiptsOf(world, bucket, object, {0, 1, 2, 3, 4});
  auto reason = [&](auto change, size_t whose = 0) {
    auto changed = receipts;
    change(changed[2]);
    rpc::v1::SubmitReceiptsRequest request = world.Submission(bucket, object, changed);
    return base::ReasonOf(
        (*bucket.holders[whose])->sealer.Accept(request, absl::ZeroDuration()).status());
  };
  CHECK(reason([](auto& receipt) { receipt.mutable_signature()->at(3) ^= 1; }) == "BAD_RECEIPT");
  CHECK(reason([](auto& receipt) { receipt.set_position(5); }) == "BAD_RECEIPT");
  CHECK(reason([](auto& receipt) { receipt.set_position(50); }) == "BAD_RECEIPT");
  CHECK(reason([](auto&) {}, 1) == "NOT_PRIMARY");
  TestProvider& liar = *bucket.holders[2];
  liar->faults.Set(Fault::kWrongReceipt, 0);
  pb::Receipt wrong = ReceiptsOf(world, bucket, object, {2})[0];
  CHECK(reason([&](auto& receipt) { receipt = wrong; }) == "BAD_RECEIPT");
  CHECK(world.Look(object.id)->state() == pb::OBJECT_STATE_CREATED);
}

TEST_CASE("a primary that was killed after it said uploaded still seals when it is back",
          "[GF-25]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  auto receipts = ReceiptsOf(world, bucket, object, {0, 1, 2});
  REQUIRE((*bucket.primary)
              ->sealer.Accept(world.Submission(bucket, object, receipts), absl::ZeroDuration())
              .ok());
  bucket.primary->Restart();  // before anything was sent to the ledger
  CHECK(world.Look(object.id)->state() == pb::OBJECT_STATE_CREATED);
  world.CatchUp();
  CHECK(world.Look(object.id)->state() == pb::OBJECT_STATE_SEALED);
}

TEST_CASE(
    "submissions that wait together go into one transaction; a refused one does not stop the "
    "others") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  std::vector<TestObject> objects;
  for (int i = 0; i < 5; ++i)
    objects.push_back(world.Create(bucket, "o" + std::to_string(i), Pattern(500 + i)));
  for (TestObject& object : objects) {
    auto receipts = ReceiptsOf(world, bucket, object, {0, 1, 2});
    REQUIRE((*bucket.primary)
                ->sealer.Accept(world.Submission(bucket, object, receipts), absl::ZeroDuration())
                .ok());
  }
  pb::Operation cancel;
  cancel.mutable_cancel_objects()->add_objects(chain::ToField(objects[2].id));
  world.Do(cancel);
  uint64_t before = world.engine->height();
  world.CatchUp();
  CHECK(world.engine->height() - before ==
        2);  // refused as a whole, then without the cancelled one
  for (int i : {0, 1, 3, 4}) CHECK(world.Look(objects[i].id)->state() == pb::OBJECT_STATE_SEALED);
  CHECK(world.Look(objects[2].id) == nullptr);
  CHECK((*bucket.primary)->sealer.pending() == 0);
}

TEST_CASE("a primary may reject what it does not want while it is not sealed; the parts go",
          "[GF-26]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  REQUIRE(world.Put(bucket, object, 1).ok());
  (*bucket.primary)->sealer.Reject({object.id}, "NOT_WANTED");
  world.CatchUp();
  CHECK(world.Look(object.id) == nullptr);
  CHECK(bucket.holders[1]->blobs->Usage().blobs == 0);
}

TEST_CASE("a paid upload request is answered by the primary", "[GF-29]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  pb::Operation request;
  request.mutable_request_upload()->set_object(chain::ToField(object.id));
  world.Do(request);
  world.CatchUp();
  CHECK(world.Look(object.id)->upload_answered());
}

TEST_CASE("a primary that does not want an upload any more rejects it when it is requested, but not what it owes the seal of",
          "[GF-29][GF-31]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject promised = world.Create(bucket, "a", Pattern(5000)), other = world.Create(bucket, "b", Pattern(5000));
  Sealer& sealer = (*bucket.primary)->sealer;
  auto receipts = ReceiptsOf(world, bucket, promised, {0, 1, 2});
  // It has given its word, and the seal is not on its way yet.
  (*bucket.primary)->faults.Set(Fault::kRefuseSeal, 0);
  REQUIRE(sealer.Accept(world.Submission(bucket, promised, receipts), absl::ZeroDuration()).ok());
  const absl::Status unwilling = base::Error(absl::StatusCode::kUnavailable, "NO_ROOM", "the disk is full");
  sealer.Answer(promised.id, unwilling);
  sealer.Answer(other.id, unwilling);
  world.CatchUp();
  REQUIRE(world.Look(promised.id) != nullptr);
  CHECK(world.Look(promised.id)->state() == pb::OBJECT_STATE_CREATED);
  CHECK(world.Look(other.id) == nullptr);
  (*bucket.primary)->faults.Set(Fault::kNone, 0);
  REQUIRE(sealer.Resume().ok());
  world.CatchUp();
  CHECK(world.Look(promised.id)->state() == pb::OBJECT_STATE_SEALED);
}

TEST_CASE("receipts that the ledger has already are answered, and cost the primary no transaction", "[GF-25]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  TestObject object = world.Create(bucket, "a", Pattern(700'000));
  Sealer& sealer = (*bucket.primary)->sealer;
  auto all = ReceiptsOf(world, bucket, object, {0, 1, 2, 3, 4});
  REQUIRE(sealer.Accept(world.Submission(bucket, object, all), absl::ZeroDuration()).ok());
  world.CatchUp();
  const uint64_t height = world.engine->height();
  rpc::v1::SubmitReceiptsRequest again = world.Submission(bucket, object, all);
  for (const bool wait : {false, true}) {
    again.set_wait_sealed(wait);
    auto answer = sealer.Accept(again, absl::ZeroDuration());
    REQUIRE(answer.ok());
    CHECK_FALSE(answer->upload_signature().empty());
    CHECK((answer->sealed_height() != 0) == wait);
  }
  all.pop_back();
  REQUIRE(sealer.Accept(world.Submission(bucket, object, all), absl::ZeroDuration()).ok());
  CHECK(sealer.pending() == 0);
  world.CatchUp();
  CHECK(world.engine->height() == height);
  // One that it does not have is passed on.
  REQUIRE(sealer.Accept(world.Submission(bucket, object, ReceiptsOf(world, bucket, object, {5})),
                        absl::ZeroDuration())
              .ok());
  CHECK(sealer.pending() == 1);
}

TEST_CASE("one upload makes the primary pay for a few seals at most, in whatever order its receipts come") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  auto receipts = ReceiptsOf(world, bucket, object, {0, 1, 2});
  const auto submit = [&](std::vector<size_t> order) {
    std::vector<pb::Receipt> some;
    for (size_t i : order) some.push_back(receipts[i]);
    return base::ReasonOf(
        (*bucket.primary)->sealer.Accept(world.Submission(bucket, object, some), absl::ZeroDuration()).status());
  };
  for (const auto& order : std::vector<std::vector<size_t>>{{0, 1}, {0, 2}, {1, 2}, {0, 1, 2}})
    CHECK(submit(order) == "OK");
  CHECK(submit({2, 1, 0}) == "SEAL_PENDING");
  world.CatchUp();
  CHECK(world.Look(object.id)->state() == pb::OBJECT_STATE_SEALED);
  CHECK(submit({2, 1, 0}) == "OK");
  CHECK((*bucket.primary)->sealer.pending() == 0);
}

TEST_CASE("a primary says uploaded only while the seal is sure to be in time, for its word without a seal is fined",
          "[GF-29]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  auto receipts = ReceiptsOf(world, bucket, object, {0, 1});
  const auto submit = [&] {
    return base::ReasonOf((*bucket.primary)
                              ->sealer.Accept(world.Submission(bucket, object, receipts), absl::ZeroDuration())
                              .status());
  };
  const absl::Time deadline =
      absl::FromUnixMillis(static_cast<int64_t>(world.Look(object.id)->seal_deadline_ms()));
  world.clock.Advance(deadline - world.clock.Now() - absl::Seconds(1));  // a twentieth of the window
  CHECK(submit() == "DEADLINE_PASSED");
  CHECK((*bucket.primary)->sealer.pending() == 0);
  TestObject other = world.Create(bucket, "b", Pattern(5000, 2));
  receipts = ReceiptsOf(world, bucket, other, {0, 1});
  object = other;
  const absl::Time later = absl::FromUnixMillis(static_cast<int64_t>(other.record.seal_deadline_ms()));
  world.clock.Advance(later - world.clock.Now() - absl::Seconds(1) - absl::Milliseconds(1));
  CHECK(submit() == "OK");
}
