// Positions that change hands or lose what they held: successors, lost stores, generations.
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

TEST_CASE("a successor takes over a position object by object and completes when all are receipted") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string a = h.Store(bucket, {.name = "a"});
  const std::string b = h.Store(bucket, {.name = "b"});
  h.Expect(Verdict::kNotOwner, "p8", h.Successor(1, 5, "p8", "p8"));
  h.Expect(Verdict::kHolderTwice, "p0", h.Successor(1, 5, "p1", "p0"));
  h.Do("p0", h.Successor(1, 5, "p8", "p0"));
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

TEST_CASE("a successor is an active provider of no crowded operator, with room for all that it takes over", "[GF-01]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");  // two positions for each of three operators
  h.Store(bucket, {.name = "a"});
  h.Expect(Verdict::kOperatorSpread, "alice", h.Successor(1, 5, "p6"));  // a third one for operator 0
  h.Expect(Verdict::kUnknownProvider, "alice", h.Successor(1, 5, "alice"));
  h.Expect(Verdict::kNoSuchPosition, "alice", h.Successor(1, 6, "p8"));
  pb::Operation pause, back, shrink;
  pause.mutable_set_maintenance()->set_on(true);
  pause.mutable_set_maintenance()->set_until_ms(h.NowMs() + 60'000);
  back.mutable_set_maintenance()->set_on(false);
  h.Do("p8", pause);
  h.Expect(Verdict::kProviderNotActive, "alice", h.Successor(1, 5, "p8"));
  h.Do("p8", back);
  const uint64_t held = h.Group(1).positions(5).held_bytes();
  for (const uint64_t room : {held - 1, held}) {
    shrink.mutable_edit_provider()->set_capacity_bytes(room);
    h.Do("p8", shrink);
    h.Expect(room < held ? Verdict::kCapacityTooLow : Verdict::kOk, "alice", h.Successor(1, 5, "p8"));
  }
}

TEST_CASE("who still has the parts stays named while its successor is succeeded in turn, until it comes back itself") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  h.Store(bucket, {.name = "a"});
  h.Fund("p9", 100);
  h.Do("p9", h.Register("p9", "operator2"));
  h.Do("alice", h.Successor(1, 5, "p8"));
  h.Do("alice", h.Successor(1, 5, "p9"));
  CHECK(h.Group(1).positions(5).previous_provider() == h.Field("p5"));
  CHECK(h.Provider("p5").groups() == 1);
  CHECK(h.Provider("p8").groups() == 0);
  h.Do("alice", h.Successor(1, 5, "p5"));
  CHECK(h.Group(1).positions(5).previous_provider().empty());
  CHECK(h.Group(1).positions(5).generation() == 4);
  CHECK(h.Provider("p9").groups() == 0);
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

}  // namespace cairn::chain
