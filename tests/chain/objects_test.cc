// Objects: the two phases, their money, and their ends.
#include "cairn/base/charge.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {

TEST_CASE("an object is created, then sealed by a quorum of holders, then durable with all of them", "[GF-14][GF-25]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  CHECK(h.Object(id).state() == pb::OBJECT_STATE_CREATED);
  CHECK(h.Object(id).positions_size() == 6);

  h.Expect(Verdict::kQuorumMissing, "p0", h.Seal({id}, {0, 1, 2, 3}));
  CHECK(h.Object(id).state() == pb::OBJECT_STATE_CREATED);
  h.Do("p0", h.Seal({id}, {0, 1, 2, 3, 4}));
  CHECK(h.Object(id).state() == pb::OBJECT_STATE_SEALED);
  CHECK(h.Events().count("object.sealed") == 1);
  CHECK(h.Events().count("object.durable") == 0);
  CHECK_FALSE(IsDurable(h.Object(id), h.Group(1)));

  h.Do("p0", h.Seal({id}, {5}));
  CHECK(h.Events().count("object.durable") == 1);
  CHECK(IsDurable(h.Object(id), h.Group(1)));
}

TEST_CASE("creating locks exactly what a client's quote computes, and deleting returns it", "[GF-19]") {
  LedgerHarness h({.params = [](pb::Params& p) { p.set_min_term_seconds(0); }, .hooks = {}});
  const uint64_t bucket = h.Bucket("rs:4+2");
  const base::Amount before = h.Free("alice");
  const base::Amount locked_before = h.Locked("alice");
  const auto create = h.Create(bucket, {{.name = "a", .size = 3'000'000}});
  const auto receipt = h.Do("alice", create);
  const std::string id = receipt.created(0);

  const pb::Params params = h.Params();
  base::ChargeTerms terms;
  terms.primary = FromProto(h.Provider("p0").prices().primary_storage());
  terms.holders.assign(6, FromProto(h.Provider("p1").prices().holder_storage()));
  terms.tax_ppm = params.tax_ppm();
  terms.reserve_seconds = params.reserve_seconds();
  terms.min_charge_bytes = params.min_charge_bytes();
  const base::Amount lock = base::ChargeFor(terms, 3'000'000, base::LayoutKind::kShards, 4)->lock;
  const base::Amount all = Plus(lock, FromProto(params.object_bond()));
  CHECK_FALSE(lock.zero());
  CHECK(Minus(h.Locked("alice"), locked_before) == all);
  CHECK(h.Free("alice") == Minus(Minus(before, all), FromProto(receipt.fee())));

  h.Do("p0", h.Seal({id}, {0, 1, 2, 3, 4, 5}));
  CHECK(h.Locked("alice") == Plus(locked_before, FromProto(params.object_bond())));
  const auto removal = h.Do("alice", h.DeleteNames(bucket, {"a"}));
  CHECK(h.Locked("alice") == locked_before);
  CHECK(h.Free("alice") == Minus(Minus(before, FromProto(receipt.fee())), FromProto(removal.fee())));
}

TEST_CASE("an object needs a bucket, and nothing is locked without one", "[GF-07]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  auto create = h.Create(bucket, {{.name = "a"}});
  create.mutable_create_objects()->set_bucket(bucket + 1);
  h.Approve("p0", &create);
  const base::Amount locked = h.Locked("alice");
  h.Expect(Verdict::kUnknownBucket, "alice", create);
  CHECK(h.Locked("alice") == locked);
}

TEST_CASE("nobody but the owner creates in a bucket", "[GF-17]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  h.Fund("mallory", 100);
  h.Expect(Verdict::kNotOwner, "mallory", h.Create(bucket, {{.name = "a"}}));
  CHECK(h.Locked("mallory") == base::Amount());
}

TEST_CASE("a lock above max_lock is refused and nothing moves", "[JS-30]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  const base::Amount lock = FromProto(h.Object(id).lock());
  const base::Amount locked = h.Locked("alice");
  auto create = h.Create(bucket, {{.name = "b"}});
  *create.mutable_create_objects()->mutable_max_lock() = ToProto(Minus(lock, base::Amount(1)));
  h.Approve("p0", &create);
  h.Expect(Verdict::kPriceChanged, "alice", create);
  CHECK(h.Locked("alice") == locked);
  *create.mutable_create_objects()->mutable_max_lock() = ToProto(lock);
  h.Approve("p0", &create);
  h.Do("alice", create);
}

TEST_CASE("deleted objects are gone in the same block and their names can be used again", "[GF-107][GF-108]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string id = h.Store(bucket, {.name = "a"});
  h.Fund("mallory", 10);
  h.Expect(Verdict::kNotOwner, "mallory", h.DeleteNames(bucket, {"a"}));
  h.Do("alice", h.DeleteNames(bucket, {"a"}));
  CHECK_FALSE(h.ObjectExists(id));
  h.Expect(Verdict::kUnknownName, "alice", h.DeleteNames(bucket, {"a"}));
  h.Store(bucket, {.name = "a"});
}

}  // namespace cairn::chain
