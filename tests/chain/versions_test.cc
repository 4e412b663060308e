// Names: versions, updates, copies, listing.
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

pb::QueryResponse ByName(LedgerHarness& h, uint64_t bucket, const std::string& name) {
  pb::QueryRequest request;
  request.mutable_object_by_name()->set_bucket(bucket);
  request.mutable_object_by_name()->set_name(name);
  return h.Ask(request);
}

std::vector<std::string> List(LedgerHarness& h, pb::QueryRequest request, uint32_t limit = 0) {
  std::vector<std::string> names;
  request.mutable_page()->set_limit(limit);
  while (true) {
    const pb::QueryResponse page = h.Ask(request);
    for (const pb::Object& object : page.objects()) names.push_back(object.name());
    if (page.next_cursor().empty()) return names;
    request.mutable_page()->set_cursor(page.next_cursor());
  }
}

}  // namespace

TEST_CASE("an update follows the version it names, and becomes current only when sealed") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string first = h.Store(bucket, {.name = "a"});
  h.Expect(Verdict::kNameExists, "alice", h.Create(bucket, {{.name = "a"}}));
  h.Expect(Verdict::kVersionMismatch, "alice", h.Create(bucket, {{.name = "a", .after_version = 2}}));
  const std::string second = h.CreateOne(bucket, {.name = "a", .after_version = 1});
  CHECK(ByName(h, bucket, "a").objects(0).id() == first);
  CHECK(ByName(h, bucket, "a").objects(1).id() == second);
  h.Expect(Verdict::kUploadPending, "alice", h.Create(bucket, {{.name = "a", .after_version = 1}}));
  h.Expect(Verdict::kUploadPending, "alice", h.DeleteNames(bucket, {"a"}));
  h.Expect(Verdict::kUploadPending, "alice", h.DeleteVersions(bucket, {second}));
  h.Do("p0", h.Seal({second}, {0, 1, 2}));
  CHECK(ByName(h, bucket, "a").objects(0).id() == second);
  CHECK(h.Object(second).version() == 2);
}

TEST_CASE("versions beyond the bucket's limit go, and their reserve returns") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string first = h.Store(bucket, {.name = "a"});
  const base::Amount locked = h.Locked("alice");
  const std::string second = h.Store(bucket, {.name = "a", .after_version = 1});
  CHECK_FALSE(h.ObjectExists(first));
  CHECK(h.Locked("alice") == locked);
  CHECK(h.Object(second).replaces().empty());
}

TEST_CASE("kept versions form a history from which any one can be taken out") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  pb::Operation keep;
  keep.mutable_edit_bucket()->set_bucket(bucket);
  keep.mutable_edit_bucket()->set_keep_versions(3);
  h.Do("alice", keep);
  std::vector<std::string> ids;
  for (uint64_t i = 0; i < 4; ++i) ids.push_back(h.Store(bucket, {.name = "a", .after_version = i}));
  CHECK_FALSE(h.ObjectExists(ids[0]));
  CHECK(h.Object(ids[3]).replaces() == ids[2]);
  h.Do("alice", h.DeleteVersions(bucket, {ids[2]}));
  CHECK(h.Object(ids[3]).replaces() == ids[1]);
  h.Do("alice", h.DeleteVersions(bucket, {ids[3]}));
  CHECK(ByName(h, bucket, "a").objects(0).id() == ids[1]);
  h.Do("alice", h.DeleteVersions(bucket, {ids[1]}));
  CHECK(h.GetBucket(bucket).objects() == 0);
  h.Store(bucket, {.name = "a"});
}

TEST_CASE("a copy keeps to the holders of its source and needs their receipts, not an upload") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string source = h.Store(bucket, {.name = "a", .size = 1000});
  const std::string copy = h.CreateOne(bucket, {.name = "b", .size = 1000, .copy_of = source, .seed = "a"});
  CHECK(h.Object(copy).positions(0) == h.Object(source).positions(0));
  CHECK(h.Object(copy).positions(2) == h.Object(source).positions(2));
  h.Expect(Verdict::kBadCopySource, "alice",
           h.Create(bucket, {{.name = "c", .size = 1000, .copy_of = source, .seed = "other"}}));
  h.Expect(Verdict::kBadCopySource, "alice",
           h.Create(bucket, {{.name = "c", .size = 1000, .copy_of = copy, .seed = "a"}}));
  // The holders of a group have the bytes of its own objects only.
  h.Do("alice", h.NewBucket("other", "rs:4+2", "p0", h.Holders(6)));
  h.Expect(Verdict::kBadCopySource, "alice",
           h.Create(bucket + 1, {{.name = "b", .size = 1000, .copy_of = source, .seed = "a"}}));
}

TEST_CASE("one batch is all or nothing") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  h.Store(bucket, {.name = "b"});
  const base::Amount locked = h.Locked("alice");
  h.Expect(Verdict::kNameExists, "alice", h.Create(bucket, {{.name = "a"}, {.name = "b"}}));
  CHECK(h.Locked("alice") == locked);
  h.Expect(Verdict::kRepeated, "alice", h.Create(bucket, {{.name = "a"}, {.name = "a"}}));
}

TEST_CASE("a bucket lists its objects by name, by prefix, in pages, with pending ones and versions on demand",
          "[GF-08]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string long_a(1000, 'l'), long_b = std::string(999, 'l') + "m";
  for (const std::string& name : {std::string("a/1"), std::string("a/2"), std::string("b"), long_a, long_b}) {
    h.Store(bucket, {.name = name});
    CHECK(h.Object(ByName(h, bucket, name).objects(0).id()).owner() == h.GetBucket(bucket).owner());
  }
  h.CreateOne(bucket, {.name = "pending"});
  pb::QueryRequest request;
  request.mutable_objects()->set_bucket(bucket);
  CHECK(List(h, request, 2).size() == 5);
  CHECK(List(h, request, 1) == List(h, request));
  request.mutable_objects()->set_prefix("a/");
  CHECK(List(h, request) == std::vector<std::string>{"a/1", "a/2"});
  request.mutable_objects()->set_start_after("a/1");
  CHECK(List(h, request) == std::vector<std::string>{"a/2"});
  request.mutable_objects()->clear_start_after();
  request.mutable_objects()->set_prefix(std::string(999, 'l') + "m");
  CHECK(List(h, request) == std::vector<std::string>{long_b});
  request.mutable_objects()->clear_prefix();
  request.mutable_objects()->set_pending(true);
  CHECK(List(h, request).size() == 6);
}

}  // namespace cairn::chain
