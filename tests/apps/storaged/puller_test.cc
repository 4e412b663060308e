#include "apps/storaged/puller.h"

#include "apps/storaged/world.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

bool Never() { return false; }

bool Durable(World& world, const TestBucket& bucket, const TestObject& object) {
  return chain::IsDurable(*world.Look(object.id), world.Group(bucket.group));
}

void AssignSuccessor(World& world, TestBucket& bucket, uint32_t position, TestProvider& successor) {
  pb::Operation operation;
  pb::AssignSuccessor& assign = *operation.mutable_assign_successor();
  assign.set_group(bucket.group);
  assign.set_position(position);
  assign.set_provider(chain::ToField(successor.id()));
  assign.mutable_approval()->set_provider(chain::ToField(successor.id()));
  *assign.mutable_approval() =
      successor->approver.Decide(operation, world.owner().account()).value();
  world.Do(operation);
  bucket.holders[position] = &successor;
  world.CatchUp();
}

struct Stored {
  TestObject large;
  TestObject small;
  TestObject empty;
};

Stored StoreSome(World& world, const TestBucket& bucket) {
  Stored stored{world.Create(bucket, "large", Pattern(3'000'000, 1)),
                world.Create(bucket, "small", Pattern(3000, 2)), world.Create(bucket, "empty", {})};
  for (TestObject* object : {&stored.large, &stored.small, &stored.empty}) {
    if (object->record.state() == pb::OBJECT_STATE_CREATED) world.Store(bucket, *object);
  }
  return stored;
}

}  // namespace

TEST_CASE("a store that was lost is reported and filled again from the other holders",
          "[JS-24][GF-24]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  Stored stored = StoreSome(world, bucket);
  TestProvider& victim = *bucket.holders[1];
  victim.LoseStore();
  CHECK_FALSE(Durable(world, bucket, stored.large));
  REQUIRE(victim->puller.RunOnce(Never).ok());
  world.CatchUp();
  CHECK(Durable(world, bucket, stored.large));
  CHECK(Durable(world, bucket, stored.small));
  CHECK(victim.blobs->Read(stored.large.layout.shard_ids[1], 1 << 23).value() ==
        stored.large.shards[1]);
}

TEST_CASE("a holder that lies or is gone is passed over", "[JS-24]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  Stored stored = StoreSome(world, bucket);
  bucket.holders[0]->lies = true;
  TestProvider& victim = *bucket.holders[3];
  victim.LoseStore();
  REQUIRE(victim->puller.RunOnce(Never).ok());
  world.CatchUp();
  CHECK(Durable(world, bucket, stored.large));
  CHECK(victim.blobs->Read(stored.large.layout.shard_ids[3], 1 << 23).value() ==
        stored.large.shards[3]);
}

TEST_CASE("with fewer than k shards left nothing is invented, and it works once one is back",
          "[JS-24]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  Stored stored = StoreSome(world, bucket);
  for (int i : {0, 2}) bucket.holders[i]->off = true;
  TestProvider& victim = *bucket.holders[5];
  victim.LoseStore();
  REQUIRE(victim->puller.RunOnce(Never).ok());
  CHECK_FALSE(Durable(world, bucket, stored.large));
  CHECK_FALSE(victim.blobs->Stat(stored.large.layout.shard_ids[5]).ok());
  bucket.holders[0]->off = false;
  REQUIRE(victim->puller.RunOnce(Never).ok());
  CHECK(Durable(world, bucket, stored.large));
}

TEST_CASE("a successor takes the position over and completes, without help of the old holder",
          "[JS-24][GF-24]") {
  for (const char* policy : {"rs:4+2", "replicate:3"}) {
    World world(7);  // the last is of the operator of position 0
    TestBucket bucket = world.MakeBucket(policy, true);
    Stored stored = StoreSome(world, bucket);
    bucket.holders[0]->off = true;
    TestProvider& successor = world.provider(6);
    AssignSuccessor(world, bucket, 0, successor);
    CHECK(world.Group(bucket.group).positions(0).rebuilding());
    for (int round = 0; round < 2; ++round) REQUIRE(successor->puller.RunOnce(Never).ok());
    world.CatchUp();
    CHECK_FALSE(world.Group(bucket.group).positions(0).rebuilding());
    CHECK(Durable(world, bucket, stored.large));
    // The old holder keeps nothing that is not its own any more.
    TestProvider& old = world.provider(0);
    REQUIRE(old->follower.Reconcile(Never).ok());
    CHECK(old.blobs->Usage().blobs == 0);
  }
}

TEST_CASE("a manifest that is a blob of its own is brought home with the part", "[JS-24]") {
  World world(14);
  TestBucket bucket = world.MakeBucket("rs:10+4", true);
  TestObject object = world.Create(bucket, "a", Pattern(700'000));
  REQUIRE_FALSE(object.record.manifest_id().empty());
  world.Store(bucket, object);
  TestProvider& victim = *bucket.holders[7];
  victim.LoseStore();
  REQUIRE(victim->puller.RunOnce(Never).ok());
  CHECK(Durable(world, bucket, object));
  CHECK(victim.blobs->Read(base::ContentId::Of(object.manifest), 1 << 16).value() ==
        object.manifest);
}

TEST_CASE("what the client did not deliver is fetched by the holder itself after a grace",
          "[JS-24]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  TestObject object = world.Create(bucket, "a", Pattern(700'000));
  std::vector<pb::Receipt> receipts;
  for (uint32_t position : {0, 1, 2, 3, 4})
    receipts.push_back(world.Put(bucket, object, position).value());
  REQUIRE((*bucket.primary)
              ->sealer.Accept(world.Submission(bucket, object, receipts), absl::ZeroDuration())
              .ok());
  world.CatchUp();
  TestProvider& missing = *bucket.holders[5];
  REQUIRE(missing->puller.RunOnce(Never).ok());
  CHECK_FALSE(Durable(world, bucket, object));
  world.Advance(absl::Seconds(6));
  REQUIRE(missing->puller.RunOnce(Never).ok());
  CHECK(Durable(world, bucket, object));
}

TEST_CASE("a flipped byte is found by scrub, named, never served, and mended from the others",
          "[GF-94]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  Stored stored = StoreSome(world, bucket);
  TestProvider& holder = *bucket.holders[4];
  base::ContentId shard = stored.large.layout.shard_ids[4];
  holder.blobs->Corrupt(shard);
  CHECK(absl::IsDataLoss(holder.blobs->Read(shard, 1 << 23).status()));
  REQUIRE(holder->scrubber.RunAll(Never)->size() == 1);
  // Found before and not mended: named again, also by a daemon that was started since.
  holder.Restart();
  REQUIRE(holder->scrubber.RunAll(Never)->size() == 1);
  REQUIRE(holder->scrubber.Damaged().size() == 1);
  CHECK(holder->scrubber.Damaged()[0].find(shard.ToText()) == 0);
  CHECK(holder->scrubber.statement().damaged() == 1);

  REQUIRE(holder->puller.RunOnce(Never).ok());
  CHECK(holder.blobs->Read(shard, 1 << 23).value() == stored.large.shards[4]);
  CHECK(holder->scrubber.Damaged().empty());
  CHECK(holder->scrubber.RunAll(Never)->empty());
}

TEST_CASE("under +primary the primary keeps the stored bytes whole and fetches them again when it lost them",
          "[GF-40][JS-24]") {
  for (const std::string policy : {"rs:4+2+primary", "replicate:3+primary"}) {
    INFO(policy);
    World world(7);
    TestBucket bucket = world.MakeBucket(policy, true);
    Stored stored = StoreSome(world, bucket);
    TestProvider& primary = *bucket.primary;
    const auto whole = [&](const TestObject& object) {
      auto read = primary.blobs->Read(object.layout.content_id, 1 << 23);
      return read.ok() && base::ContentId::Of(*read) == object.layout.content_id &&
             primary->index.Find(object.id, object.layout.content_id)->has_value();
    };
    REQUIRE(primary->puller.RunOnce(Never).ok());
    CHECK(whole(stored.large));
    CHECK(whole(stored.small));

    // Damage: two of six shards are not there either.
    REQUIRE(primary.blobs->Delete(stored.large.layout.content_id).ok());
    primary->puller.AddDamaged(stored.large.layout.content_id);
    if (policy[1] == 's') {
      bucket.holders[1]->off = true;
      bucket.holders[2]->off = true;
    }
    REQUIRE(primary->puller.RunOnce(Never).ok());
    CHECK(whole(stored.large));

    for (TestProvider* holder : bucket.holders) holder->off = false;
    primary.LoseStore();
    CHECK_FALSE(whole(stored.large));
    REQUIRE(primary->puller.RunOnce(Never).ok());
    CHECK(whole(stored.large));
    CHECK(whole(stored.small));

    // What the ledger still has is never taken for foreign; what is deleted goes with its object.
    CHECK(*primary->follower.Reconcile(Never) == 0);
    CHECK(whole(stored.large));
    world.Delete(bucket, stored.large);
    world.CatchUp();
    CHECK_FALSE(primary.blobs->Stat(stored.large.layout.content_id).ok());
  }
}

TEST_CASE("a copy that three of six holders cannot give is put together once they are back", "[GF-40]") {
  World world(7);
  TestBucket bucket = world.MakeBucket("rs:4+2+primary", true);
  TestObject large = world.Create(bucket, "large", Pattern(3'000'000, 1));
  world.Store(bucket, large);
  for (int i : {1, 2, 3}) bucket.holders[i]->off = true;
  TestProvider& primary = *bucket.primary;
  if (primary.blobs->Stat(large.layout.content_id).ok()) REQUIRE(primary.blobs->Delete(large.layout.content_id).ok());
  primary.Restart();
  REQUIRE(primary->puller.RunOnce(Never).ok());
  CHECK_FALSE(primary.blobs->Stat(large.layout.content_id).ok());
  bucket.holders[1]->lies = true;  // one that is back serves wrong bytes
  for (int i : {1, 2, 3}) bucket.holders[i]->off = false;
  REQUIRE(primary->puller.RunOnce(Never).ok());
  CHECK(primary.blobs->Read(large.layout.content_id, 1 << 23).ok());
}

TEST_CASE("a copy that a holder could not take at once is taken in a later round", "[GF-24]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject source = world.Create(bucket, "source", Pattern(700'000));
  world.Store(bucket, source);
  TestProvider& holder = *bucket.holders[1];
  REQUIRE(holder.blobs->Delete(source.layout.content_id).ok());  // and cannot fetch it again now
  TestObject copy = world.Create(bucket, "copy", Pattern(700'000), nullptr, source.id);
  world.CatchUp();
  for (int i : {0, 2}) bucket.holders[i]->off = true;
  REQUIRE(holder->puller.RunOnce(Never).ok());
  world.CatchUp();
  const auto receipted = [&] {
    const std::vector<uint32_t> missing =
        chain::MissingPositions(*world.Look(copy.id), world.Group(bucket.group));
    return std::find(missing.begin(), missing.end(), 1u) == missing.end();
  };
  CHECK_FALSE(receipted());
  CHECK(world.Look(copy.id)->state() == pb::OBJECT_STATE_CREATED);
  for (int i : {0, 2}) bucket.holders[i]->off = false;
  REQUIRE(holder->puller.RunOnce(Never).ok());
  world.CatchUp();
  CHECK(receipted());
  // Once the ledger has the receipt nothing is left to do.
  const uint64_t height = world.engine->height();
  REQUIRE(holder->puller.RunOnce(Never).ok());
  CHECK(world.engine->height() == height);
}
