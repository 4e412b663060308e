#include "apps/storaged/read_journal.h"

#include <atomic>
#include <thread>

#include "apps/storaged/read_rig.h"
#include "support/forwarding_kv.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

// Without a ledger: the journal alone.
struct JournalRig {
  JournalRig() { Restart(); }
  void Restart() {
    journal = std::make_unique<ReadJournal>(identity, kv, clock, options);
    REQUIRE(journal->Load().ok());
  }
  absl::Status Write(uint64_t bucket, uint64_t sent = 10) {
    payment::ReadRecord record;
    record.bucket = {bucket};
    record.time_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock.Now()));
    record.object.value[0] = 1;
    record.length = record.sent = record.free_bytes = sent;
    return journal->Append(record);
  }
  // Head, records and anchors of all pages of so many.
  struct All {
    BucketReads reads;
    payment::JournalHead start;
    std::vector<std::string> records;
    std::vector<AnchoredHead> anchors;
  };
  All ListAll(uint64_t bucket, size_t page_size) {
    All all;
    uint64_t after = 0;
    bool first = true;
    while (true) {
      auto page = journal->List({bucket}, after, page_size);
      REQUIRE(page.ok());
      all.reads = page->reads;
      if (std::exchange(first, false)) all.start = page->before;
      for (const std::string& record : page->records) all.records.push_back(record);
      for (const AnchoredHead& head : page->anchors) {
        if (all.anchors.empty() || !(all.anchors.back() == head)) all.anchors.push_back(head);
      }
      if (page->records.empty()) return all;
      after = page->before.sequence + page->records.size();
    }
  }
  void CheckChain(uint64_t bucket) {
    const All all = ListAll(bucket, 3);
    payment::JournalHead head = all.start;
    for (const std::string& record : all.records) {
      ++head.sequence;
      head.hash = payment::NextHead(head.hash, base::AsBytes(record));
    }
    CHECK(head == all.reads.head);
    CHECK(all.start == all.reads.start);
    for (const AnchoredHead& anchored : all.anchors) CHECK(anchored.head.sequence >= all.start.sequence);
  }
  // As JournalAnchor does, with a ledger that always agrees.
  void Anchor(uint64_t epoch) {
    const auto heads = *journal->Grown();
    const payment::JournalTree tree(heads);
    std::vector<AnchoredHead> anchored;
    const auto count = static_cast<uint32_t>(heads.size());
    for (uint32_t i = 0; i < count; ++i) anchored.push_back({epoch, heads[i], i, count, tree.Path(i)});
    REQUIRE(journal->KeepPending({epoch, tree.root(), count, journal->records()}, anchored).ok());
    REQUIRE(journal->ResolvePending(true).ok());
  }

  base::SeededEntropy entropy{3};
  Identity identity{entropy.Draw<base::ChainId>(), base::SigningKey::Generate(entropy),
                    base::SigningKey::Generate(entropy)};
  base::SimClock clock;
  base::FailingKv kv{absl::ResourceExhaustedError("full")};
  ReadJournalOptions options{.max_records = 20, .keep = absl::Hours(10)};
  std::unique_ptr<ReadJournal> journal;
};

}  // namespace

TEST_CASE("records are chained for each bucket on its own, and a restart goes on where the last run stopped",
          "[GF-73]") {
  JournalRig rig;
  for (int i = 0; i < 7; ++i) REQUIRE(rig.Write(1 + i % 2, 100).ok());
  rig.CheckChain(1);
  rig.CheckChain(2);
  const BucketReads before = *rig.journal->Reads({1}, rig.clock.Now());
  CHECK(before.head.sequence == 4);
  CHECK(before.free_used == 400);
  rig.Restart();
  const BucketReads after = *rig.journal->Reads({1}, rig.clock.Now());
  CHECK(after.head == before.head);
  CHECK(after.free_used == 400);
  CHECK(rig.journal->records() == 7);
  REQUIRE(rig.Write(1).ok());
  rig.CheckChain(1);
  CHECK(rig.journal->Reads({1}, rig.clock.Now())->head.sequence == 5);
}

TEST_CASE("the counters begin anew with the month; a read of last month moves none of them", "[GF-69]") {
  JournalRig rig;
  REQUIRE(rig.Write(1, 100).ok());
  const absl::Time last_month = rig.clock.Now();
  rig.clock.Set(payment::EndOfMonth(payment::MonthOf(last_month)) + absl::Seconds(1));
  CHECK(rig.journal->Reads({1}, rig.clock.Now())->free_used == 0);
  REQUIRE(rig.Write(1, 30).ok());
  payment::ReadRecord late;
  late.bucket = {1};
  late.time_ms = static_cast<uint64_t>(absl::ToUnixMillis(last_month));
  late.length = late.sent = late.free_bytes = 7;
  REQUIRE(rig.journal->Append(late).ok());
  CHECK(rig.journal->Reads({1}, rig.clock.Now())->free_used == 30);
  rig.CheckChain(1);
}

TEST_CASE("a record that could not be written waits, in its place, and nothing is shown before it", "[GF-73]") {
  JournalRig rig;
  REQUIRE(rig.Write(1).ok());
  rig.kv.fail = true;
  CHECK_FALSE(rig.Write(1).ok());
  CHECK_FALSE(rig.Write(2).ok());
  CHECK_FALSE(rig.journal->List({1}, 0, 10).ok());
  CHECK_FALSE(rig.journal->Grown().ok());
  rig.kv.fail = false;
  REQUIRE(rig.Write(1).ok());
  rig.CheckChain(1);
  rig.CheckChain(2);
  CHECK(rig.ListAll(1, 10).records.size() == 3);
}

TEST_CASE("only anchored records are dropped, up to a proven head: by age, and above the most that are kept",
          "[GF-73]") {
  JournalRig rig;
  for (int i = 0; i < 12; ++i) REQUIRE(rig.Write(1).ok());
  rig.Anchor(1);
  for (int i = 0; i < 12; ++i) REQUIRE(rig.Write(1).ok());
  REQUIRE(rig.Write(2).ok());
  CHECK(rig.journal->kept() == 25);
  CHECK(*rig.journal->Prune() == 12);  // above 20: the oldest anchored ones go
  CHECK(rig.journal->kept() == 13);
  rig.CheckChain(1);
  auto all = rig.ListAll(1, 5);
  CHECK(all.start.sequence == 12);
  REQUIRE(all.anchors.size() == 1);  // what is left begins at a head that the ledger knows
  CHECK(all.anchors[0].head == all.start);

  rig.clock.Advance(absl::Hours(11));
  CHECK(*rig.journal->Prune() == 0);  // old, but not anchored
  rig.Anchor(2);
  CHECK(*rig.journal->Prune() == 13);
  rig.CheckChain(1);
  CHECK(rig.ListAll(1, 5).records.empty());
  rig.Restart();
  REQUIRE(rig.Write(1).ok());
  CHECK(rig.journal->Reads({1}, rig.clock.Now())->head.sequence == 25);
  CHECK(rig.journal->records() == 26);
  CHECK(rig.journal->kept() == 1);
  rig.CheckChain(1);
}

TEST_CASE("a journal full of records that cannot be dropped refuses reads") {
  JournalRig rig;
  for (int i = 0; i < 40; ++i) REQUIRE(rig.Write(1).ok());
  CHECK(base::ReasonOf(rig.journal->Admit(std::nullopt)) == "JOURNAL_FULL");
  rig.Anchor(1);
  REQUIRE(rig.journal->Prune().ok());
  CHECK(rig.journal->Admit(std::nullopt).ok());
}

TEST_CASE("a root that the ledger never took leaves no anchored head", "[GF-73]") {
  JournalRig rig;
  REQUIRE(rig.Write(1).ok());
  const auto heads = *rig.journal->Grown();
  const payment::JournalTree tree(heads);
  const PendingAnchor pending{4, tree.root(), 1, 1};
  REQUIRE(rig.journal->KeepPending(pending, {{4, heads[0], 0, 1, {}}}).ok());
  CHECK(rig.ListAll(1, 5).anchors.empty());  // not before the ledger has it
  rig.Restart();
  REQUIRE(rig.journal->Pending()->has_value());
  CHECK(**rig.journal->Pending() == pending);
  REQUIRE(rig.journal->ResolvePending(false).ok());
  CHECK_FALSE(rig.journal->Pending()->has_value());
  CHECK(rig.journal->Grown()->size() == 1);
  rig.Anchor(5);
  CHECK(rig.journal->Grown()->empty());
  auto all = rig.ListAll(1, 5);
  REQUIRE(all.anchors.size() == 1);
  CHECK(all.anchors[0].epoch == 5);
}

TEST_CASE("readers in many threads leave one chain, and the counters are its sums", "[GF-73]") {
  JournalRig rig;
  std::vector<std::thread> threads;
  std::atomic<int> written{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) written += rig.Write(1 + static_cast<uint64_t>(i) % 3, 5).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(written == 400);
  for (uint64_t bucket : {1, 2, 3}) {
    rig.CheckChain(bucket);
    auto all = rig.ListAll(bucket, 100);
    CHECK(all.reads.free_used == all.records.size() * 5);
  }
  CHECK(rig.journal->records() == 400);
}

TEST_CASE("every epoch in which somebody read gets one root on the ledger, and every head is proven under it",
          "[GF-73]") {
  ReadRig rig;
  TestBucket a = rig.world.MakeBucket("replicate:3", true);
  TestBucket b = rig.world.MakeBucket("replicate:3", true);
  Part in_a = rig.PartOf(rig.Object(a, "a", 1000));
  Part in_b = rig.PartOf(rig.Object(b, "b", 1000));
  CHECK_FALSE(*rig.anchor->RunOnce());  // nobody read
  REQUIRE(rig.Read(in_a, 100) == "OK");
  REQUIRE(rig.Read(in_b, 100) == "OK");
  CHECK(*rig.anchor->RunOnce());
  REQUIRE(rig.Read(in_a, 100) == "OK");
  CHECK_FALSE(*rig.anchor->RunOnce());  // one in an epoch
  rig.world.Advance(absl::Minutes(2));
  CHECK(*rig.anchor->RunOnce());
  const pb::JournalAnchors anchors = rig.Anchors();
  REQUIRE(anchors.anchors_size() == 2);
  CHECK(anchors.anchors(0).journals() == 2);
  CHECK(anchors.anchors(1).journals() == 1);
  CHECK(anchors.anchors(1).records() == 3);
  const auto page = rig.journal->List({a.id}, 0, 100);
  REQUIRE(page.ok());
  REQUIRE(page->anchors.size() == 2);
  for (int i = 0; i < 2; ++i) {
    const AnchoredHead& head = page->anchors[static_cast<size_t>(i)];
    CHECK(head.epoch == anchors.anchors(i).epoch());
    const auto root = chain::Trusted<base::Digest>(anchors.anchors(i).root());
    CHECK(payment::CheckJournalPath(root, head.head, head.index, head.count, head.path));
  }
  CHECK(rig.Audit(a).faults() == 0);
}

TEST_CASE("a crash between keeping a root and hearing of it neither loses nor repeats it", "[GF-73]") {
  ReadRig rig;
  TestBucket a = rig.world.MakeBucket("replicate:3", true);
  Part part = rig.PartOf(rig.Object(a, "a", 1000));
  REQUIRE(rig.Read(part, 100) == "OK");
  const auto heads = *rig.journal->Grown();
  const payment::JournalTree tree(heads);
  const uint64_t epoch = rig.p->ledger.Status()->time_ms() / (*rig.p->ledger.Params())->journal_epoch_ms();
  REQUIRE(rig.journal->KeepPending({epoch, tree.root(), 1, 1}, {{epoch, heads[0], 0, 1, {}}}).ok());
  SECTION("the ledger never heard of it") {
    rig.Restart();
    CHECK(*rig.anchor->RunOnce());
    CHECK(rig.Anchors().anchors_size() == 1);
  }
  SECTION("the ledger has it") {
    pb::Operation operation;
    operation.mutable_anchor_journal()->set_epoch(epoch);
    operation.mutable_anchor_journal()->set_root(chain::ToField(tree.root()));
    operation.mutable_anchor_journal()->set_journals(1);
    operation.mutable_anchor_journal()->set_records(1);
    REQUIRE(chain::VerdictOf(rig.world.Submit(rig.p.identity.account, operation)) == chain::Verdict::kOk);
    rig.Restart();
    CHECK(*rig.anchor->RunOnce());
    CHECK(rig.Anchors().anchors_size() == 1);
  }
  SECTION("its epoch is over") {
    rig.world.Advance(absl::Minutes(3));
    rig.Restart();
    CHECK_FALSE(*rig.anchor->RunOnce());
    CHECK(rig.Anchors().anchors_size() == 0);
    CHECK(*rig.anchor->RunOnce());
  }
  CHECK(rig.journal->List({a.id}, 0, 10)->anchors.size() == 1);
  CHECK_FALSE(rig.journal->Pending()->has_value());
}
