// Buckets and holder groups: placement, primaries, room.
#include "absl/strings/str_cat.h"
#include "cairn/base/charge.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {

TEST_CASE("no bucket until the policy can be placed on distinct active providers", "[GF-01][JS-06]") {
  LedgerHarness h;
  h.Fund("alice", 1000);
  h.Providers(5, 5);
  h.Expect(Verdict::kNotEnoughProviders, "alice", h.NewBucket("photos", "rs:4+2", "p0", h.Holders(5)));
  h.Expect(Verdict::kNotEnoughProviders, "alice",
           h.NewBucket("photos", "rs:4+2", "p0", {"p0", "p1", "p2", "p3", "p4", "p4"}));
  h.Expect(Verdict::kNotEnoughProviders, "alice",
           h.NewBucket("photos", "rs:4+2", "p0", {"p0", "p1", "p2", "p3", "p4", "alice"}));
  h.Fund("p5", 100);
  h.Do("p5", h.Register("p5", "operator5"));
  pb::Operation pause;
  pause.mutable_set_maintenance()->set_on(true);
  pause.mutable_set_maintenance()->set_until_ms(h.NowMs() + 60'000);
  h.Do("p5", pause);
  h.Expect(Verdict::kNotEnoughProviders, "alice", h.NewBucket("photos", "rs:4+2", "p0", h.Holders(6)));
  h.Advance(absl::Minutes(1));  // the maintenance ends by itself
  h.Do("alice", h.NewBucket("photos", "rs:4+2", "p0", h.Holders(6)));
  CHECK(h.Group(1).positions_size() == 6);
}

TEST_CASE("no operator holds more than the policy can lose", "[GF-01]") {
  LedgerHarness h;
  h.Fund("alice", 1000);
  h.Providers(6, 2);  // three each
  h.Expect(Verdict::kOperatorSpread, "alice", h.NewBucket("photos", "rs:4+2", "p0", h.Holders(6)));
  h.Expect(Verdict::kOperatorSpread, "alice", h.NewBucket("photos", "replicate:3", "p0", h.Holders(3)));
  h.Do("alice", h.NewBucket("photos", "replicate:2", "p0", h.Holders(2)));
  h.Do("alice", h.NewBucket("music", "rs:3+3", "p0", h.Holders(6)));
}

TEST_CASE("every bucket has a primary, which cannot leave while the bucket is there", "[GF-09][GF-11]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  CHECK(h.Group(h.GetBucket(bucket).group()).primary() == h.Field("p0"));
  pb::Operation leave;
  leave.mutable_exit_provider();
  h.Expect(Verdict::kProviderInUse, "p0", leave);
  pb::Operation remove;
  remove.mutable_delete_bucket()->set_bucket(bucket);
  h.Do("alice", remove);
  // A group goes with its last bucket.
  pb::QueryRequest request;
  request.set_group(1);
  CHECK_FALSE(h.engine().Query(request).ok());
  h.Do("p0", leave);
  h.Do("p1", leave);
}

TEST_CASE("names of buckets are their owner's; the limit of buckets holds at the one above it", "[GF-10]") {
  LedgerHarness h({.params = [](pb::Params& params) { params.set_max_buckets_per_account(100); }, .hooks = {},
                   .recount = false});
  h.Bucket("replicate:3", "bucket-0");
  pb::Operation in_group = h.NewBucket("bucket-0", "replicate:3", "p0", {});
  const auto next = [&](int i) {
    in_group.mutable_create_bucket()->set_name(absl::StrCat("bucket-", i));
    in_group.mutable_create_bucket()->set_group(1);
    h.Approve("p0", &in_group);
    return in_group;
  };
  h.Expect(Verdict::kBucketExists, "alice", next(0));
  for (int i = 1; i < 100; ++i) h.Do("alice", next(i));
  h.Expect(Verdict::kTooManyBuckets, "alice", next(100));
  pb::Operation remove;
  remove.mutable_delete_bucket()->set_bucket(1);
  h.Do("alice", remove);
  h.Do("alice", next(100));
  h.Fund("bob", 100);
  h.Expect(Verdict::kNotOwner, "bob", [&] {
    auto theft = h.NewBucket("bucket-0", "replicate:3", "p0", {}, "bob");
    theft.mutable_create_bucket()->set_group(1);
    h.Approve("p0", &theft);
    return theft;
  }());
  h.Do("bob", h.NewBucket("bucket-1", "replicate:3", "p0", h.Holders(3), "bob"));
}

TEST_CASE("nobody but its owner changes or deletes a bucket, or says who pays for it", "[GF-17]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  h.Fund("mallory", 100);
  pb::Operation edit, remove, cap, package, payer;
  edit.mutable_edit_bucket()->set_bucket(bucket);
  edit.mutable_edit_bucket()->set_public_read(true);
  remove.mutable_delete_bucket()->set_bucket(bucket);
  cap.mutable_set_free_cap()->set_bucket(bucket);
  package.mutable_set_package()->set_bucket(bucket);
  package.mutable_set_package()->set_bytes_per_month(1);
  payer.mutable_set_payer()->set_bucket(bucket);
  for (const pb::Operation& operation : {edit, remove, cap, package, payer}) {
    INFO(operation.ShortDebugString());
    for (const char* who : {"mallory", "p0"}) h.Expect(Verdict::kNotOwner, who, operation);
  }
  h.Do("alice", edit);
  CHECK(h.GetBucket(bucket).public_read());
  h.Do("alice", remove);
}

TEST_CASE("a bucket joins a group of its own policy only") {
  LedgerHarness h;
  h.Bucket("rs:2+2");
  const auto join = [&](const std::string& policy) {
    pb::Operation create = h.NewBucket("more", policy, "p0", {});
    create.mutable_create_bucket()->set_group(1);
    h.Approve("p0", &create);
    return create;
  };
  h.Expect(Verdict::kPolicyDiffers, "alice", join("replicate:4"));
  h.Expect(Verdict::kPolicyDiffers, "alice", join("rs:3+1"));
  h.Do("alice", join("rs:2+2"));
}

TEST_CASE("a bucket with objects or open uploads cannot be deleted") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  pb::Operation remove;
  remove.mutable_delete_bucket()->set_bucket(bucket);
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  h.Expect(Verdict::kBucketNotEmpty, "alice", remove);
  h.Do("alice", h.Cancel({id}));
  h.Do("alice", remove);
  CHECK(h.Locked("alice") == base::Amount());
}

TEST_CASE("a private bucket's key is wrapped at least to its owner") {
  LedgerHarness h;
  h.Fund("alice", 100);
  h.Providers(3);
  auto create = h.NewBucket("photos", "replicate:3", "p0", h.Holders(3), "bob");
  h.Expect(Verdict::kOwnerWrapMissing, "alice", create);
  create.mutable_create_bucket()->clear_wraps();
  h.Expect(Verdict::kBadKeyWrap, "alice", create);
  create.mutable_create_bucket()->set_public_read(true);
  h.Approve("p0", &create);
  h.Do("alice", create);
}

TEST_CASE("the owner replaces the primary without anyone's leave but the new one's", "[GF-12]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  pb::Operation replace;
  replace.mutable_replace_primary()->set_group(1);
  replace.mutable_replace_primary()->set_primary(h.Field("p4"));
  h.Approve("p4", &replace);
  h.Expect(Verdict::kNotOwner, "p0", replace);
  h.Do("alice", replace);
  CHECK(h.Group(1).primary() == h.Field("p4"));
  CHECK(h.Group(1).epoch() == 2);
  CHECK(h.Events() == std::multiset<std::string>{"group.primary_replaced"});
  h.Do("p4", h.Seal({id}, {0, 1, 2}));  // the upload goes on under the new one
  pb::Operation pause, other = replace;
  pause.mutable_set_maintenance()->set_on(true);
  pause.mutable_set_maintenance()->set_until_ms(h.NowMs() + 60'000);
  h.Do("p5", pause);
  other.mutable_replace_primary()->set_primary(h.Field("p5"));
  h.Approve("p5", &other);
  h.Expect(Verdict::kProviderNotActive, "alice", other);
  h.Approve("p4", &replace);
  h.Expect(Verdict::kSamePrimary, "alice", replace);
}

TEST_CASE("a provider in maintenance takes no new groups, and as primary no new objects") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  pb::Operation pause;
  pause.mutable_set_maintenance()->set_on(true);
  pause.mutable_set_maintenance()->set_until_ms(h.NowMs() + h.Params().max_maintenance_ms() + 1);
  h.Expect(Verdict::kMaintenanceTooLong, "p0", pause);
  pause.mutable_set_maintenance()->set_until_ms(h.NowMs() + h.Params().max_maintenance_ms());
  h.Do("p0", pause);
  h.Expect(Verdict::kProviderNotActive, "alice", h.Create(bucket, {{.name = "a"}}));
  h.Expect(Verdict::kNotEnoughProviders, "alice", h.NewBucket("more", "replicate:3", "p1", h.Holders(3)));
  pb::Operation back;
  back.mutable_set_maintenance()->set_on(false);
  h.Do("p0", back);
  h.Do("p1", pause);
  const std::string id = h.CreateOne(bucket, {.name = "a"});  // two of three holders make the quorum
  h.Do("p2", pause);
  h.Expect(Verdict::kProviderNotActive, "alice", h.Create(bucket, {{.name = "b"}}));
  h.Do("p0", h.Seal({id}, {0, 1, 2}));
}

TEST_CASE("a group takes no more than its cap, a provider no more than its capacity") {
  LedgerHarness h;
  h.Fund("alice", 1000);
  h.Providers(3);
  auto create = h.NewBucket("photos", "replicate:3", "p0", h.Holders(3));
  create.mutable_create_bucket()->mutable_new_group()->set_byte_cap(3'000'000);
  h.Approve("p0", &create);
  h.Do("alice", create);
  h.CreateOne(1, {.name = "a", .size = 2'000'000});
  h.Expect(Verdict::kGroupFull, "alice", h.Create(1, {{.name = "b", .size = 1'000'001}}));
  pb::Operation shrink;
  shrink.mutable_edit_provider()->set_capacity_bytes(1'999'999);
  h.Expect(Verdict::kCapacityTooLow, "p2", shrink);
  shrink.mutable_edit_provider()->set_capacity_bytes(2'000'000);
  h.Do("p2", shrink);
  h.Expect(Verdict::kCapacityTooLow, "alice", h.Create(1, {{.name = "b", .size = 1}}));
  shrink.mutable_edit_provider()->set_capacity_bytes(3'000'000);
  h.Do("p2", shrink);
  h.CreateOne(1, {.name = "b", .size = 1'000'000});
  h.Expect(Verdict::kGroupFull, "alice", h.Create(1, {{.name = "c", .size = 1}}));
}

TEST_CASE("an approval serves only the account it was given to", "[GF-15]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  h.Store(bucket, {.name = "a"});
  const auto hers = h.Successor(1, 5, "p8", "alice");
  h.Expect(Verdict::kBadApproval, "p0", hers);  // the primary may assign one, but not with this
  h.Do("alice", hers);
}

TEST_CASE("a primary that keeps everything whole needs the room for it") {
  LedgerHarness h;
  h.Fund("alice", 1000);
  h.Providers(4, 4);
  h.Do("alice", h.NewBucket("photos", "replicate:3+primary", "p3", h.Holders(3)));
  pb::Operation shrink;
  shrink.mutable_edit_provider()->set_capacity_bytes(1'000'000);
  h.Do("p3", shrink);
  h.Expect(Verdict::kCapacityTooLow, "alice", h.Create(1, {{.name = "a", .size = 1'000'001}}));
  h.Do("alice", h.Create(1, {{.name = "a", .size = 1'000'000}}));
  CHECK(h.Provider("p3").committed_bytes() == 1'000'000);
  pb::Operation replace;
  replace.mutable_replace_primary()->set_group(1);
  replace.mutable_replace_primary()->set_primary(h.Field("p0"));
  h.Approve("p0", &replace);
  for (const uint64_t room : {1'999'999, 2'000'000}) {
    shrink.mutable_edit_provider()->set_capacity_bytes(room);
    h.Do("p0", shrink);
    h.Expect(room < 2'000'000 ? Verdict::kCapacityTooLow : Verdict::kOk, "alice", replace);
  }
  CHECK(h.Provider("p3").committed_bytes() == 0);
  CHECK(h.Provider("p0").committed_bytes() == 2'000'000);
}

TEST_CASE("a primary that keeps everything whole is paid as primary and as a holder of the whole", "[GF-26]") {
  LedgerHarness h;
  h.Fund("alice", 1000);
  h.Providers(4, 4);
  h.Do("alice", h.NewBucket("plain", "replicate:3", "p3", h.Holders(3)));
  h.Do("alice", h.NewBucket("whole", "replicate:3+primary", "p3", h.Holders(3)));
  const auto lock = [&](uint64_t bucket) {
    return FromProto(h.Object(h.CreateOne(bucket, {.name = "a", .size = 5'000'000})).lock());
  };
  const base::Amount plain = lock(1), whole = lock(2);
  const pb::Params params = h.Params();
  const pb::Provider primary = h.Provider("p3");
  base::ChargeTerms terms;
  terms.primary = *base::PrimaryPrice(FromProto(primary.prices().primary_storage()),
                                      FromProto(primary.prices().holder_storage()), true);
  for (int i = 0; i < 3; ++i) terms.holders.push_back(FromProto(primary.prices().holder_storage()));
  terms.tax_ppm = params.tax_ppm();
  terms.reserve_seconds = params.reserve_seconds();
  terms.min_charge_bytes = params.min_charge_bytes();
  CHECK(whole == base::ChargeFor(terms, 5'000'000, base::LayoutKind::kCopies, 0)->lock);
  terms.primary = FromProto(primary.prices().primary_storage());
  CHECK(plain == base::ChargeFor(terms, 5'000'000, base::LayoutKind::kCopies, 0)->lock);
  CHECK(plain < whole);
  CHECK_FALSE(base::PrimaryPrice({base::Amount::Max()}, {base::Amount(1)}, true));
}

TEST_CASE("registering needs the node key's own signature, a free node key and the least deposit") {
  LedgerHarness h;
  h.Fund("p0", 100);
  h.Fund("p1", 100);
  auto forged = h.Register("p0", "operator0");
  *forged.mutable_register_provider()->mutable_operator_() = h.Field("operator1");
  h.Expect(Verdict::kBadNodeSignature, "p0", forged);
  h.Expect(Verdict::kDepositTooLow, "p0", h.Register("p0", "operator0", 9));
  h.Expect(Verdict::kNoFunds, "p0", h.Register("p0", "operator0", 101));
  h.Do("p0", h.Register("p0", "operator0", 10));
  h.Expect(Verdict::kProviderExists, "p0", h.Register("p0", "operator0"));
  auto taken = h.Register("p1", "operator0");
  taken.mutable_register_provider()->set_node_key(base::ToString(h.NodeKey("p0").public_key().Encode()));
  taken.mutable_register_provider()->set_node_signature(ToField(
      h.NodeKey("p0").Sign(RegistrationDigest(h.engine().chain_id(), h.Id("p1"), h.Id("operator0")))));
  h.Expect(Verdict::kNodeKeyTaken, "p1", taken);
  pb::Operation more;
  more.mutable_add_deposit()->set_provider(h.Field("p0"));
  *more.mutable_add_deposit()->mutable_amount() = ToProto(Crn(7));
  h.Do("p1", more);
  CHECK(FromProto(h.Provider("p0").deposit()) == Crn(17));
  // Who left may come again: under the same key, with a new store.
  pb::Operation leave;
  leave.mutable_exit_provider();
  h.Do("p0", leave);
  h.Do("p0", h.Register("p0", "operator0", 10));
  CHECK(h.Provider("p0").store_generation() == 2);
  CHECK(h.Provider("p0").state() == pb::PROVIDER_STATE_ACTIVE);
}

}  // namespace cairn::chain
