#include "apps/storaged/follower.h"

#include "apps/storaged/world.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

uint64_t BlobsHeld(World& world) {
  uint64_t blobs = 0;
  for (size_t i = 0; i < world.size(); ++i) blobs += world.provider(i).blobs->Usage().blobs;
  return blobs;
}

}  // namespace

TEST_CASE("when an object is deleted every holder drops its part", "[GF-109]") {
  World world(14);
  TestBucket bucket = world.MakeBucket("rs:10+4", true);
  TestObject large = world.Create(bucket, "large", Pattern(700'000));
  TestObject small = world.Create(bucket, "small", Pattern(700));
  world.Store(bucket, large);
  world.Store(bucket, small);
  CHECK(BlobsHeld(world) == 14 + 14 + 5);  // shards, their manifest as a blob, m + 1 copies
  world.Delete(bucket, large);
  CHECK(BlobsHeld(world) == 5);
  world.Delete(bucket, small);
  CHECK(BlobsHeld(world) == 0);
}

TEST_CASE("a blob that two objects share stays until the last of them goes", "[GF-109]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject first = world.Create(bucket, "first", Pattern(5000));
  TestObject second = world.Create(bucket, "second", Pattern(5000));
  world.Store(bucket, first);
  world.Store(bucket, second);
  CHECK(BlobsHeld(world) == 3);
  world.Delete(bucket, first);
  CHECK(BlobsHeld(world) == 3);
  CHECK(bucket.holders[0]->blobs->Read(second.layout.content_id, 1 << 20).ok());
  world.Delete(bucket, second);
  CHECK(BlobsHeld(world) == 0);
}

TEST_CASE("cancelled and expired uploads leave nothing behind, half uploads included", "[GF-109]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject cancelled = world.Create(bucket, "cancelled", Pattern(5000, 1));
  TestObject expired = world.Create(bucket, "expired", Pattern(2 << 20, 2));
  REQUIRE(world.Put(bucket, cancelled, 0).ok());
  {
    Ingest::Session session((*bucket.holders[0])->ingest);
    REQUIRE(session.Open(world.OpenOf(expired, 0)).ok());
    REQUIRE(
        session.Data(absl::Cord(base::ToString(base::ByteView(expired.shards[0]).first(1 << 20))))
            .ok());
  }
  pb::Operation cancel;
  cancel.mutable_cancel_objects()->add_objects(chain::ToField(cancelled.id));
  world.Do(cancel);
  world.CatchUp();
  CHECK(BlobsHeld(world) == 0);
  CHECK(bucket.holders[0]->blobs->Partials()->size() == 1);
  world.Advance(absl::Hours(2));
  CHECK(world.Look(expired.id) == nullptr);
  CHECK(bucket.holders[0]->blobs->Partials()->empty());
}

TEST_CASE("a provider that was off while objects were deleted finds out from the ledger",
          "[GF-109]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject kept = world.Create(bucket, "kept", Pattern(5000, 1));
  TestObject gone = world.Create(bucket, "gone", Pattern(5000, 2));
  world.Store(bucket, kept);
  world.Store(bucket, gone);
  pb::Operation remove;
  remove.mutable_delete_objects()->set_bucket(bucket.id);
  remove.mutable_delete_objects()->add_names("gone");
  world.Do(remove);
  TestProvider& late = *bucket.holders[2];
  late.Restart();
  late->follower.Skip(world.engine->height());  // the blocks were pruned meanwhile
  CHECK(late.blobs->Usage().blobs == 2);
  CHECK(late->follower.Reconcile([] { return false; }).value() == 1);
  CHECK(late.blobs->Usage().blobs == 1);
  CHECK(late.blobs->Read(kept.layout.content_id, 1 << 20).ok());
}

TEST_CASE("a part that was signed for and is gone from the store is fetched again", "[GF-24]") {
  World world(6);
  for (const char* policy : {"replicate:3", "rs:4+2"}) {
    TestBucket bucket = world.MakeBucket(policy, true);
    TestObject object = world.Create(bucket, "a", Pattern(700'000));
    world.Store(bucket, object);
    TestProvider& holder = *bucket.holders[1];
    const base::ContentId part =
        object.layout.blob(bucket.policy.kind == base::LayoutKind::kShards ? 1 : 0);
    REQUIRE(holder.blobs->Delete(part).ok());  // as recovery leaves it when the record rotted
    REQUIRE(holder->follower.Reconcile([] { return false; }).ok());
    REQUIRE(holder->puller.RunOnce([] { return false; }).ok());
    CHECK(holder.blobs->Read(part, 1 << 20).ok());
  }
}

TEST_CASE("a blob without any record is swept, one in use is not", "[GF-109]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  world.Store(bucket, object);
  TestProvider& holder = *bucket.holders[0];
  base::Bytes stray = Pattern(100, 9);
  REQUIRE(holder.blobs->Put(base::ContentId::Of(stray), stray).ok());
  base::ContentId cursor;
  CHECK(holder->index.Sweep(cursor, 100).value() == 0);  // it might be on its way
  CHECK(holder->index.Sweep(cursor, 100).value() == 1);
  CHECK(holder.blobs->Usage().blobs == 1);
}

TEST_CASE(
    "a copy on the ledger needs no upload: holders receipt what they have and the primary seals",
    "[GF-24]") {
  for (const char* policy : {"replicate:3", "rs:4+2"}) {
    World world(6);
    TestBucket bucket = world.MakeBucket(policy, true);
    for (size_t size : {size_t{700}, size_t{700'000}}) {
      TestObject source = world.Create(bucket, "source" + std::to_string(size), Pattern(size));
      world.Store(bucket, source);
      TestObject copy =
          world.Create(bucket, "copy" + std::to_string(size), Pattern(size), nullptr, source.id);
      world.CatchUp();
      for (TestProvider* holder : bucket.holders)
        REQUIRE((*holder)->puller.RunOnce([] { return false; }).ok());
      world.CatchUp();
      Record<pb::Object> record = world.Look(copy.id);
      REQUIRE(record != nullptr);
      CHECK(record->state() == pb::OBJECT_STATE_SEALED);
      CHECK(chain::IsDurable(*record, world.Group(bucket.group)));
      world.Delete(bucket, source);
      CHECK(BlobsHeld(world) > 0);
    }
  }
}

TEST_CASE("a block that was met while the ledger could not be asked is met again: a paid request is answered",
          "[GF-29]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  world.CatchUp();
  pb::Operation request;
  request.mutable_request_upload()->set_object(chain::ToField(object.id));
  world.Do(request);
  Follower& follower = (*bucket.primary)->follower;
  const uint64_t height = follower.height();
  world.client->cut = true;
  CHECK(absl::IsUnavailable(follower.Run([] { return false; })));
  CHECK(follower.height() == height);
  world.client->cut = false;
  world.CatchUp();
  CHECK(world.Look(object.id)->upload_answered());
}

TEST_CASE("receipts that one block posts for more objects than one seal may have are all sealed", "[GF-24]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  std::set<std::string> ids;
  pb::Receipt last;
  for (int i = 0; i < 260; ++i) {
    TestObject object = world.Create(bucket, "o" + std::to_string(i), Pattern(64));
    ids.insert(chain::ToField(object.id));
    for (uint32_t position : {0, 1}) {
      pb::Operation post;
      post.mutable_post_receipts()->set_group(bucket.group);
      post.mutable_post_receipts()->add_objects(chain::ToField(object.id));
      *post.mutable_post_receipts()->add_receipts() = last = world.Put(bucket, object, position).value();
      REQUIRE(chain::ToStatus(world.Submit(bucket.holders[position]->identity.account, post)).ok());
    }
  }
  // As if all of it had stood in one block.
  const base::SigningKey& holder = bucket.holders[1]->identity.account;
  pb::TransactionBody body;
  body.set_chain_id(chain::ToField(world.engine->chain_id()));
  body.set_number(1);
  for (const std::string& id : ids) {
    if (body.operations_size() == 0 || body.operations().rbegin()->post_receipts().objects_size() == 200)
      *body.add_operations()->mutable_post_receipts()->add_receipts() = last;
    body.mutable_operations()->rbegin()->mutable_post_receipts()->add_objects(id);
  }
  pb::Block block;
  *block.add_transactions() = chain::SignTransaction(body, holder);
  block.add_receipts();
  TestProvider& primary = *bucket.primary;
  REQUIRE(primary->follower.OnBlock(block, world.engine->height()).ok());
  while (primary->seal_lane.RunOnce()) {
  }
  for (const std::string& id : ids)
    CHECK(world.Look(chain::Trusted<base::ObjectId>(id))->state() == pb::OBJECT_STATE_SEALED);
}

TEST_CASE("an answer that a block overtook is not kept: the payer's step in that block would be missed") {
  World world(1);
  CutClient client(static_cast<chain::Client&>(*world.client));
  Ledger ledger(client, world.clock);
  const base::AccountId payer = world.owner().account();
  REQUIRE(ledger.Stream(payer).ok());
  CHECK(ledger.KnownStream(payer) != nullptr);
  client.on_the_way = [&] { ledger.ForgetStream(payer); };
  REQUIRE(ledger.Stream(payer, Freshness::kFresh).ok());
  CHECK(ledger.KnownStream(payer) == nullptr);
}
