#include "apps/storaged/ingest.h"

#include "apps/storaged/world.h"
#include "cairn/base/claim.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

std::string Reason(const absl::Status& status) { return base::ReasonOf(status); }

absl::Cord Text(base::ByteView bytes) { return absl::Cord(base::ToString(bytes)); }

rpc::v1::PutCommit CommitOf(const TestObject& object) {
  rpc::v1::PutCommit commit;
  commit.add_objects(chain::ToField(object.id));
  return commit;
}

}  // namespace

TEST_CASE("bytes for an object that the ledger does not have are refused", "[GF-20]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(1000));
  rpc::v1::PutOpen open = world.OpenOf(object, 0);
  open.set_object(std::string(16, 'x'));
  Ingest::Session session((*bucket.holders[0])->ingest);
  CHECK(Reason(session.Open(open)) == "NO_SUCH_OBJECT");
}

TEST_CASE("a part must stand where the ledger's layout root says, with the size that follows",
          "[GF-20]") {
  World world(6);
  TestBucket bucket = world.MakeBucket("rs:4+2", true);
  TestObject object = world.Create(bucket, "a", Pattern(600'000));
  Ingest& ingest = (*bucket.holders[2])->ingest;
  auto refusal = [&](auto change) {
    rpc::v1::PutOpen open = world.OpenOf(object, 2);
    change(open);
    return Reason(Ingest::Session(ingest).Open(open));
  };
  CHECK(refusal([](auto& open) { open.set_size(open.size() + 64); }) == "SIZE_MISMATCH");
  CHECK(refusal([](auto& open) { open.set_part(std::string(32, 'p')); }) == "BAD_LAYOUT_PATH");
  CHECK(refusal([](auto& open) { open.set_leaf(3); }) == "BAD_LAYOUT_PATH");
  CHECK(refusal([](auto& open) { open.mutable_path(0)->at(0) ^= 1; }) == "BAD_LAYOUT_PATH");
  CHECK(refusal([](auto& open) { open.set_position(1); }) == "NOT_MY_POSITION");
  CHECK(refusal([](auto& open) { open.set_position(99); }) == "NOT_MY_POSITION");
  CHECK(refusal([](auto& open) { open.set_part("short"); }) == "BAD_REQUEST");
  CHECK(refusal([](auto&) {}) == "OK");
}

TEST_CASE("one flipped byte is refused and nothing is kept; the right bytes are receipted",
          "[GF-22][GF-23][GF-94]") {
  for (size_t size : {size_t{5000}, size_t{900'000}}) {  // gathered in memory; written as it comes
    World world(3);
    TestBucket bucket = world.MakeBucket("replicate:3", true);
    TestObject object = world.Create(bucket, "a", Pattern(size));
    TestProvider& holder = *bucket.holders[1];
    TestObject wrong = object;
    wrong.shards[0][size / 2] ^= 1;
    CHECK(Reason(world.Put(bucket, wrong, 1).status()) == "HASH_MISMATCH");
    CHECK(holder.blobs->Usage().blobs == 0);

    auto receipt = world.Put(bucket, object, 1);
    REQUIRE(receipt.ok());
    base::HolderReceipt claim = chain::BuildReceipt(world.engine->chain_id(),
                                                    world.Group(bucket.group), 1, {object.record});
    claim.store = holder.blobs->store_id();
    CHECK(holder.identity.node.public_key().Verify(
        base::SigningDigest(claim), chain::Trusted<base::Signature>(receipt->signature())));
  }
}

TEST_CASE("an acknowledged part is there after a crash; nothing is signed before it is durable",
          "[GF-23]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  TestProvider& holder = *bucket.holders[0];
  holder.blobs->FailNext(storage::FaultyBlobStore::Call::kPut, 1,
                         absl::InternalError("sync failed"));
  CHECK_FALSE(world.Put(bucket, object, 0).ok());
  CHECK(holder->index.PartsOf(object.id)->empty());
  REQUIRE(world.Put(bucket, object, 0).ok());
  holder.Restart();
  CHECK(holder->index.PartsOf(object.id)->size() == 1);
  CHECK(holder.blobs->Read(object.layout.content_id, 1 << 20).value() == object.shards[0]);
}

TEST_CASE("an upload goes on where it stopped, also after a restart", "[JS-22]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(3 << 20));
  TestProvider& holder = *bucket.holders[0];
  base::ByteView bytes = object.shards[0];
  {
    Ingest::Session session(holder->ingest);
    REQUIRE(session.Open(world.OpenOf(object, 0)).ok());
    REQUIRE(session.Data(Text(bytes.first(2 << 20))).ok());
  }
  holder.Restart();
  rpc::v1::QueryUploadRequest query;
  query.set_object(chain::ToField(object.id));
  query.set_part(chain::ToField(object.layout.content_id.digest));
  auto held = holder->ingest.Query(query);
  REQUIRE(held.ok());
  CHECK(held->held_bytes() > 0);
  CHECK_FALSE(held->complete());

  Ingest::Session session(holder->ingest);
  rpc::v1::PutOpen open = world.OpenOf(object, 0);
  open.set_from_offset(bytes.size());
  CHECK(Reason(Ingest::Session(holder->ingest).Open(open)) == "GAP");
  open.set_from_offset(held->held_bytes());
  REQUIRE(session.Open(open).ok());
  REQUIRE(session.Data(Text(bytes.subspan(held->held_bytes()))).ok());
  REQUIRE(session.Commit(CommitOf(object)).ok());
  CHECK(holder->ingest.Query(query)->complete());
}

TEST_CASE("what a sender was told is kept is there when it comes again, to the byte", "[JS-22]") {
  for (size_t size : {size_t{300'000}, size_t{3 << 20}}) {
    World world(3);
    TestBucket bucket = world.MakeBucket("replicate:3", true);
    TestObject object = world.Create(bucket, "a", Pattern(size));
    TestProvider& holder = *bucket.holders[0];
    const base::ByteView bytes = object.shards[0];
    rpc::v1::PutOpen open = world.OpenOf(object, 0);
    rpc::v1::QueryUploadRequest query;
    query.set_object(chain::ToField(object.id));
    query.set_part(open.part());
    uint64_t told = 0, sent = 0;
    {
      Ingest::Session session(holder->ingest);
      open.set_report(true);
      REQUIRE(session.Open(open).ok());
      for (; sent + 70'000 < size * 2 / 3; sent += 70'000) {
        REQUIRE(session.Data(Text(bytes.subspan(sent, 70'000))).ok());
        const auto report = session.Report();
        if (report) told = *report;
        CHECK(sent + 70'000 - told < kReportBytes);
      }
      // Nobody can say yet how much will stay.
      CHECK(Reason(holder->ingest.Query(query).status()) == "BLOB_BUSY");
    }
    CHECK(told > 0);
    const auto held = holder->ingest.Query(query);
    REQUIRE(held.ok());
    CHECK(held->held_bytes() == sent);
    Ingest::Session session(holder->ingest);
    open.set_from_offset(held->held_bytes());
    REQUIRE(session.Open(open).ok());
    REQUIRE(session.Data(Text(bytes.subspan(held->held_bytes()))).ok());
    CHECK(session.Report() == size);
    REQUIRE(session.Commit(CommitOf(object)).ok());
    CHECK(holder.blobs->Read(object.layout.content_id, 4 << 20).value() == object.shards[0]);
  }
}

TEST_CASE("a sender that did not ask is not told what is kept") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(3 << 20));
  Ingest::Session session((*bucket.holders[0])->ingest);
  REQUIRE(session.Open(world.OpenOf(object, 0)).ok());
  REQUIRE(session.Data(Text(base::ByteView(object.shards[0]).first(2 << 20))).ok());
  CHECK_FALSE(session.Report().has_value());
}

TEST_CASE("what is sealed and receipted is not taken again, but its receipt can be had again",
          "[GF-21][JS-22][JS-23]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  REQUIRE(world.Put(bucket, object, 0).ok());
  REQUIRE(world.Put(bucket, object, 0).ok());
  CHECK(bucket.holders[0]->blobs->Usage().blobs == 1);
  world.Store(bucket, object);
  REQUIRE(object.record.state() == pb::OBJECT_STATE_SEALED);
  CHECK(Reason(world.Put(bucket, object, 0).status()) == "ALREADY_HELD");
  Ingest::Session session((*bucket.holders[0])->ingest);
  rpc::v1::PutOpen open = world.OpenOf(object, 0);
  open.set_from_offset(open.size());
  REQUIRE(session.Open(open).ok());
  CHECK(session.Commit(CommitOf(object)).ok());
}

TEST_CASE("a private object without its seal header is refused by whoever gets its first bytes",
          "[CS-25]") {
  for (size_t size : {size_t{5000}, size_t{3'000'000}}) {
    World world(6);
    TestBucket bucket = world.MakeBucket("rs:4+2", /*is_public=*/false);
    // Plaintext of a size that sealing could have given.
    TestObject naked = world.Create(bucket, "a", Pattern(storage::SealedSize(size)));
    uint32_t first = naked.record.positions(0);
    CHECK(Reason(world.Put(bucket, naked, first).status()) == "NOT_SEALED");
    TestObject odd = world.Create(bucket, "b", Pattern(10));
    CHECK(Reason(world.Put(bucket, odd, odd.record.positions(0)).status()) == "NOT_SEALED");

    storage::VersionKey key = world.entropy.DrawSecret<32>();
    TestObject sealed = world.Create(bucket, "c", Pattern(size), &key);
    CHECK(world.Put(bucket, sealed, sealed.record.positions(0)).ok());
  }
}

TEST_CASE("a full store refuses with NO_SPACE and keeps what it had", "[GF-20]") {
  World world(3, /*quota=*/4 << 20);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject small = world.Create(bucket, "small", Pattern(1 << 20));
  TestObject one = world.Create(bucket, "one", Pattern(2'500'000, 2));
  TestObject two = world.Create(bucket, "two", Pattern(2'500'000, 3));
  REQUIRE(world.Put(bucket, small, 0).ok());
  REQUIRE(world.Put(bucket, one, 0).ok());
  CHECK(Reason(world.Put(bucket, two, 0).status()) == "NO_SPACE");
  for (const TestObject* kept : {&small, &one}) {
    CHECK(bucket.holders[0]->blobs->Read(kept->layout.content_id, 1 << 23).value() ==
          kept->shards[0]);
  }
}

TEST_CASE("a commit names exactly the objects that were opened, complete with their manifests",
          "[GF-23]") {
  World world(4);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject a = world.Create(bucket, "a", Pattern(100, 1));
  TestObject b = world.Create(bucket, "b", Pattern(100, 2));
  Ingest& ingest = (*bucket.holders[0])->ingest;
  {
    Ingest::Session session(ingest);
    REQUIRE(session.Open(world.OpenOf(a, 0)).ok());
    REQUIRE(session.Data(Text(a.shards[0])).ok());
    CHECK(Reason(session.Commit(CommitOf(b)).status()) == "BAD_REQUEST");
  }
  Ingest::Session session(ingest);
  REQUIRE(session.Open(world.OpenOf(a, 0)).ok());
  CHECK(Reason(session.Data(Text(Pattern(101)))) == "SIZE_MISMATCH");
  Ingest::Session cut(ingest);
  REQUIRE(cut.Open(world.OpenOf(a, 0)).ok());
  REQUIRE(cut.Data(Text(base::ByteView(a.shards[0]).first(99))).ok());
  CHECK(Reason(cut.Commit(CommitOf(a)).status()) == "SIZE_MISMATCH");
}

TEST_CASE("an object is not receipted before its manifest is here as well", "[GF-23]") {
  World world(14);
  TestBucket bucket = world.MakeBucket("rs:10+4", true);
  TestObject object = world.Create(bucket, "a", Pattern(700'000));
  REQUIRE_FALSE(object.record.manifest_id().empty());
  Ingest::Session session((*bucket.holders[0])->ingest);
  rpc::v1::PutOpen open = world.OpenOf(object, 0);
  REQUIRE(session.Open(open).ok());
  REQUIRE(session.Data(Text(object.shards[open.leaf()])).ok());
  CHECK(Reason(session.Commit(CommitOf(object)).status()) == "PART_MISSING");
}
