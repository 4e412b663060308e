// What can go wrong between create and seal. What a primary owes for it: fines_test.cc.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

absl::Duration Window(LedgerHarness& h) { return absl::Milliseconds(h.Params().seal_window_ms()); }

}  // namespace

TEST_CASE("an upload that nobody finished goes at the deadline: the lock returns and nobody is fined",
          "[GF-29][GF-32]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const base::Amount locked = h.Locked("alice");
  const base::Amount deposit = FromProto(h.Provider("p0").deposit());
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  h.Advance(Window(h) - absl::Milliseconds(1));
  CHECK(h.ObjectExists(id));
  h.Advance(absl::Milliseconds(1));
  CHECK_FALSE(h.ObjectExists(id));
  CHECK(h.Events() == std::multiset<std::string>{"object.expired"});
  CHECK(h.Locked("alice") == locked);
  CHECK(FromProto(h.Provider("p0").deposit()) == deposit);
  h.Store(bucket, {.name = "a"});  // the name is free again
}

TEST_CASE("a reject returns the whole lock, and only the primary may reject while created", "[GF-26]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const base::Amount locked = h.Locked("alice");
  const base::Amount balance = h.Free("alice");
  const auto created = h.Do("alice", h.Create(bucket, {{.name = "a"}}));
  const std::string id = created.created(0);
  h.Expect(Verdict::kNotPrimary, "p1", h.Reject({id}));
  h.Do("p0", h.Reject({id}));
  CHECK_FALSE(h.ObjectExists(id));
  CHECK(h.Locked("alice") == locked);
  CHECK(h.Free("alice") == Minus(balance, FromProto(created.fee())));
  const std::string sealed = h.Store(bucket, {.name = "a"});
  h.Expect(Verdict::kNotCreated, "p0", h.Reject({sealed}));
}

TEST_CASE("a cancel returns everything before a holder had work, and all but the effort fee after", "[GF-28]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const base::Amount effort = FromProto(h.Params().effort_fee());
  const base::Amount locked = h.Locked("alice");

  base::Amount balance = h.Free("alice");
  auto created = h.Do("alice", h.Create(bucket, {{.name = "a", .size = 16 << 20}}));
  h.Expect(Verdict::kNotOwner, "p0", h.Cancel({created.created(0)}));
  auto cancelled = h.Do("alice", h.Cancel({created.created(0)}));
  CHECK(h.Free("alice") == Minus(Minus(balance, FromProto(created.fee())), FromProto(cancelled.fee())));

  balance = h.Free("alice");
  created = h.Do("alice", h.Create(bucket, {{.name = "a", .size = 16 << 20}}));
  h.Do("p1", h.Post({created.created(0)}, {1}));
  const base::Amount primary = h.Free("p0");
  cancelled = h.Do("alice", h.Cancel({created.created(0)}));
  CHECK(h.Free("alice") ==
        Minus(Minus(Minus(balance, effort), FromProto(created.fee())), FromProto(cancelled.fee())));
  CHECK(h.Free("p0") == Plus(primary, effort));
  CHECK(h.Locked("alice") == locked);
}

TEST_CASE("a seal at the deadline is late, even before the due work ran", "[GF-29]") {
  // One entry a block: the second object is still there when its seal comes.
  LedgerHarness h({.params = [](pb::Params& params) { params.set_max_due_per_block(1); }, .hooks = {}});
  const uint64_t bucket = h.Bucket("replicate:3");
  const auto created = h.Do("alice", h.Create(bucket, {{.name = "a"}, {.name = "b"}}));
  const std::string late = std::max(created.created(0), created.created(1));
  const auto transaction = h.Sign("p0", h.Body("p0", {h.Seal({late}, {0, 1, 2})}));
  const auto reject = h.Sign("p0", h.Body("p0", {h.Reject({late})}, 1));
  const auto cancel = h.Sign("alice", h.Body("alice", {h.Cancel({late})}));
  h.clock().Advance(Window(h));
  std::vector<Verdict> verdicts;
  for (const auto& tried : {transaction, reject, cancel}) {
    h.engine().Submit(tried, [&](const auto& receipt) { verdicts.push_back(VerdictOf(*receipt)); });
  }
  h.Run();
  CHECK(verdicts == std::vector<Verdict>(3, Verdict::kDeadlinePassed));
  CHECK_FALSE(h.ObjectExists(late));
}

TEST_CASE("approvals bind every byte of the operation, are used once and expire", "[GF-15][GF-16]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const auto approved = h.Create(bucket, {{.name = "a"}});

  auto tampered = approved;
  tampered.mutable_create_objects()->mutable_objects(0)->set_stored_size((1 << 20) + 1);
  h.Expect(Verdict::kBadApproval, "alice", tampered);
  tampered = approved;
  tampered.mutable_create_objects()->mutable_objects(0)->set_name("b");
  h.Expect(Verdict::kBadApproval, "alice", tampered);
  tampered = approved;
  tampered.mutable_create_objects()->mutable_approval()->set_expires_ms(
      approved.create_objects().approval().expires_ms() + 1);
  h.Expect(Verdict::kBadApproval, "alice", tampered);
  auto other = approved;
  h.Approve("p1", &other);
  h.Expect(Verdict::kWrongApprover, "alice", other);

  const std::string id = h.Do("alice", approved).created(0);
  h.Do("alice", h.Cancel({id}));
  h.Expect(Verdict::kApprovalUsed, "alice", approved);
  auto stale = h.Create(bucket, {{.name = "a"}});
  h.Advance(absl::Minutes(10));
  h.Expect(Verdict::kApprovalExpired, "alice", stale);

  auto eager = h.Create(bucket, {{.name = "a"}});
  pb::Approval& approval = *eager.mutable_create_objects()->mutable_approval();
  approval.set_expires_ms(h.NowMs() + h.Params().max_approval_ms() + 1);
  SignApproval(h.engine().chain_id(), h.NodeKey("p0"), h.Id("alice"), &eager);
  h.Expect(Verdict::kApprovalTooLong, "alice", eager);
}

TEST_CASE("receipts count only from the holder's present store, over exactly these objects", "[GF-23][GF-25][JS-23]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string a = h.CreateOne(bucket, {.name = "a"});
  const std::string b = h.CreateOne(bucket, {.name = "b"});

  auto seal = h.Seal({a}, {0, 1, 2});
  (*seal.mutable_seal_objects()->mutable_receipts(1)->mutable_signature())[0] ^= 1;
  h.Expect(Verdict::kBadReceipt, "p0", seal);
  seal = h.Seal({a}, {0, 1, 2});
  seal.mutable_seal_objects()->set_objects(0, b);
  h.Expect(Verdict::kBadReceipt, "p0", seal);
  seal = h.Seal({a}, {0, 1, 2});
  seal.mutable_seal_objects()->mutable_receipts(0)->set_store_id(std::string(16, 's'));
  h.Expect(Verdict::kWrongStore, "p0", seal);
  h.Expect(Verdict::kNotPrimary, "p1", h.Seal({a}, {0, 1, 2}));
  h.Expect(Verdict::kNotHolder, "p2", h.Post({a}, {1}));
  h.Do("p0", h.Seal({a, b}, {0, 1, 2}));
}

TEST_CASE("receipts are for objects of one group and for positions that it has") {
  LedgerHarness h;
  const std::string a = h.CreateOne(h.Bucket("replicate:3"), {.name = "a"});
  h.Do("alice", h.NewBucket("other", "replicate:3", "p0", h.Holders(3)));
  const std::string b = h.CreateOne(2, {.name = "b"});
  const auto both = [&](pb::Operation operation) {
    auto& ids = operation.has_seal_objects() ? *operation.mutable_seal_objects()->mutable_objects()
                                             : *operation.mutable_post_receipts()->mutable_objects();
    *ids.Add() = b;
    std::sort(ids.begin(), ids.end());
    return operation;
  };
  h.Expect(Verdict::kWrongGroup, "p0", both(h.Seal({a}, {0, 1, 2})));
  h.Expect(Verdict::kWrongGroup, "p0", both(h.Post({a}, {0})));
  auto seal = h.Seal({a}, {0, 1, 2});
  seal.mutable_seal_objects()->mutable_receipts(2)->set_position(3);
  h.Expect(Verdict::kNoSuchPosition, "p0", seal);
  auto post = h.Post({a}, {0});
  post.mutable_post_receipts()->mutable_receipts(0)->set_position(3);
  h.Expect(Verdict::kNoSuchPosition, "p0", post);
  seal = h.Seal({a}, {0, 1, 2});
  seal.mutable_seal_objects()->mutable_receipts(2)->set_position(1);
  h.Expect(Verdict::kRepeated, "p0", seal);
}

TEST_CASE("a primary that was replaced goes on sealing what it took in, and nothing else") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string old = h.CreateOne(bucket, {.name = "old"});
  pb::Operation replace;
  replace.mutable_replace_primary()->set_group(1);
  replace.mutable_replace_primary()->set_primary(h.Field("p4"));
  h.Approve("p4", &replace);
  h.Do("alice", replace);
  const std::string fresh = h.CreateOne(bucket, {.name = "fresh"});
  h.Expect(Verdict::kNotPrimary, "p0", h.Seal({fresh}, {0, 1, 2}));
  h.Expect(Verdict::kNotPrimary, "p0", h.Seal({old, fresh}, {0, 1, 2}));
  h.Expect(Verdict::kNotHolder, "p0", h.Post({old, fresh}, {1}));
  h.Do("p0", h.Seal({old}, {0, 1, 2}));
  h.Do("p4", h.Seal({fresh}, {0, 1, 2}));
}

TEST_CASE("the quorum spans two operators", "[GF-25]") {
  LedgerHarness h;
  h.Providers(4, 4);
  h.Fund("alice", 1000);
  // p0 and p4 belong to one operator: with rs:2+2 it may hold two shards.
  h.Fund("p4", 100);
  h.Do("p4", h.Register("p4", "operator0"));
  h.Do("alice", h.NewBucket("photos", "rs:2+2", "p0", {"p0", "p4", "p1", "p2"}));
  // A small object has m + 1 = 3 copies, two of three are the quorum.
  std::string id;
  for (int i = 0; i < 32 && id.empty(); ++i) {
    const std::string candidate = h.CreateOne(1, {.name = absl::StrCat("n", i), .size = 1000});
    const pb::Object object = h.Object(candidate);
    if (object.positions(0) == 0 && object.positions(1) == 1) id = candidate;
  }
  REQUIRE(!id.empty());
  h.Expect(Verdict::kQuorumMissing, "p0", h.Seal({id}, {0, 1}));
  h.Do("p0", h.Seal({id}, {0, h.Object(id).positions(2)}));
}

TEST_CASE("a batch of small objects is sealed by one receipt per holder", "[JS-23]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  std::vector<Upload> uploads;
  for (int i = 0; i < 256; ++i) uploads.push_back({.name = absl::StrCat("n", i), .size = 4096});
  const auto created = h.Do("alice", h.Create(bucket, uploads));
  REQUIRE(created.created_size() == 256);
  const std::vector<std::string> ids(created.created().begin(), created.created().end());
  h.Do("p0", h.Seal(ids, {0, 1, 2, 3, 4, 5}));
  CHECK(h.Events().count("object.sealed") == 256);
  CHECK(h.Events().count("object.durable") == 256);
  for (const std::string& id : {ids.front(), ids.back()}) CHECK(h.Object(id).positions_size() == 3);
  // The same again changes nothing.
  const auto again = h.Seal(ids, {0, 1, 2, 3, 4, 5});
  h.Do("p0", again);
  CHECK(h.Events().empty());
}

TEST_CASE("an empty object is sealed as it is created: nobody has anything to keep", "[GF-14]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string id = h.CreateOne(bucket, {.name = "empty", .size = 0});
  CHECK(h.Object(id).state() == pb::OBJECT_STATE_SEALED);
  CHECK(h.Object(id).positions_size() == 0);
  CHECK(IsDurable(h.Object(id), h.Group(1)));
  auto lie = h.Create(bucket, {{.name = "lie", .size = 0}});
  lie.mutable_create_objects()->mutable_objects(0)->set_content_id(std::string(32, 'x'));
  h.Expect(Verdict::kBadDigest, "alice", lie);
}

TEST_CASE("an object is laid out as the policy says for its size") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  auto create = h.Create(bucket, {{.name = "a", .size = 1 << 20}});
  create.mutable_create_objects()->mutable_objects(0)->set_layout(pb::LAYOUT_KIND_COPIES);
  h.Approve("p0", &create);
  h.Expect(Verdict::kLayoutDiffers, "alice", create);
}

}  // namespace cairn::chain
