// Buckets and holder groups: placement, replacement, lost stores, generations.
#include "absl/strings/str_cat.h"
#include "cairn/base/charge.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

pb::Operation Complete(uint64_t group, uint32_t position) {
  pb::Operation operation;
  operation.mutable_complete_succession()->set_group(group);
  operation.mutable_complete_succession()->set_position(position);
  return operation;
}

std::vector<std::string> MissingAt(LedgerHarness& h, uint64_t group, int position) {
  pb::QueryRequest request;
  request.mutable_group_objects()->set_group(group);
  request.mutable_group_objects()->set_missing_position(position);
  std::vector<std::string> ids;
  const pb::QueryResponse answer = h.Ask(request);
  for (const pb::Object& object : answer.objects()) ids.push_back(object.id());
  return ids;
}

}  // namespace

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
  h.Approve("p4", &replace);
  h.Expect(Verdict::kSamePrimary, "alice", replace);
}

TEST_CASE("a successor takes over a position object by object and completes when all are receipted") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string a = h.Store(bucket, {.name = "a"});
  const std::string b = h.Store(bucket, {.name = "b"});
  h.Expect(Verdict::kNotOwner, "p8", h.Successor(1, 5, "p8"));
  h.Expect(Verdict::kHolderTwice, "p0", h.Successor(1, 5, "p1"));
  h.Do("p0", h.Successor(1, 5, "p8"));
  const pb::GroupPosition position = h.Group(1).positions(5);
  CHECK(position.provider() == h.Field("p8"));
  CHECK(position.previous_provider() == h.Field("p5"));
  CHECK(position.generation() == 2);
  CHECK(position.receipted() == 0);
  CHECK(position.should_hold() == 2);
  CHECK(MissingAt(h, 1, 5).size() == 2);
  CHECK(h.Provider("p5").committed_bytes() == 0);
  CHECK(h.Provider("p8").committed_bytes() == h.Provider("p1").committed_bytes());

  h.Expect(Verdict::kSuccessionIncomplete, "p8", Complete(1, 5));
  h.Do("p8", h.Post({a}, {5}));
  CHECK(h.Events().count("object.durable") == 1);
  CHECK(MissingAt(h, 1, 5) == std::vector<std::string>{b});
  h.Expect(Verdict::kSuccessionIncomplete, "p8", Complete(1, 5));
  h.Do("p8", h.Post({b}, {5}));
  h.Expect(Verdict::kNotHolder, "p5", Complete(1, 5));
  h.Do("p8", Complete(1, 5));
  CHECK_FALSE(h.Group(1).positions(5).rebuilding());
  CHECK(h.Provider("p5").groups() == 0);
  h.Expect(Verdict::kNotRebuilding, "p8", Complete(1, 5));
}

TEST_CASE("a receipt counts for one generation and one epoch only") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  const auto old = h.Seal({id}, {0, 1, 2, 3, 4});
  h.Do("p0", h.Post({id}, {5}));
  h.Do("alice", h.Successor(1, 5, "p8"));
  h.Expect(Verdict::kBadReceipt, "p0", old);  // the epoch grew
  h.Expect(Verdict::kQuorumMissing, "p0", h.Seal({id}, {0, 1, 2, 3}));  // what p5 posted counts no more
  h.Do("p0", h.Seal({id}, {0, 1, 2, 3, 5}));
}

TEST_CASE("a lost store makes everything at its positions missing until receipted again") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string a = h.Store(bucket, {.name = "a"});
  const auto stale = h.Post({a}, {3});
  pb::Operation lost;
  lost.mutable_report_new_store()->set_store_id(h.Provider("p3").store_id());
  h.Expect(Verdict::kStoreNotNew, "p3", lost);
  lost.mutable_report_new_store()->set_store_id(std::string(16, 'n'));
  h.Do("p3", lost);
  CHECK(h.Events() == std::multiset<std::string>{"group.store_lost", "provider.store_lost"});
  CHECK(h.Provider("p3").store_generation() == 2);
  CHECK_FALSE(IsDurable(h.Object(a), h.Group(1)));
  CHECK(MissingPositions(h.Object(a), h.Group(1)) == std::vector<uint32_t>{3});
  h.Expect(Verdict::kWrongStore, "p3", stale);
  h.Do("p3", h.Post({a}, {3}));
  CHECK(IsDurable(h.Object(a), h.Group(1)));
  h.Do("p3", Complete(1, 3));
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
  h.Do("alice", replace);
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
}

}  // namespace cairn::chain
