// Roots of download journals on the ledger.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

constexpr uint64_t kEpochMs = 60'000;

struct Journals {
  MoneyRig rig{Prices(0, 0), [](pb::Params& params) { params.set_journal_epoch_ms(kEpochMs); }};
  uint64_t bucket = rig.Bucket("replicate:3");

  uint64_t Epoch() { return rig.NowMs() / kEpochMs; }
  pb::Operation Anchor(uint64_t epoch, uint64_t records, char root = 'r') {
    pb::Operation operation;
    pb::AnchorJournal& op = *operation.mutable_anchor_journal();
    op.set_epoch(epoch);
    op.set_root(std::string(32, root));
    op.set_journals(2);
    op.set_records(records);
    return operation;
  }
  pb::JournalAnchors Known(const std::string& provider) {
    pb::QueryRequest request;
    request.set_journal_anchors(rig.Field(provider));
    return rig.Ask(request).journal_anchors();
  }
};

}  // namespace

TEST_CASE("a provider anchors one root of its download journals in each epoch", "[GF-73]") {
  Journals j;
  j.rig.AdvanceSeconds(600);
  j.rig.Do("p1", j.Anchor(j.Epoch(), 10));
  j.rig.Expect(Verdict::kEpochAnchored, "p1", j.Anchor(j.Epoch(), 11, 's'));
  j.rig.Do("p2", j.Anchor(j.Epoch(), 3));
  j.rig.AdvanceSeconds(60);
  j.rig.Expect(Verdict::kWrongEpoch, "p1", j.Anchor(j.Epoch() - 1, 11));
  j.rig.Expect(Verdict::kWrongEpoch, "p1", j.Anchor(j.Epoch() + 1, 11));
  j.rig.Expect(Verdict::kFewerRecords, "p1", j.Anchor(j.Epoch(), 9));
  j.rig.Do("p1", j.Anchor(j.Epoch(), 10, 's'));
  j.rig.Expect(Verdict::kUnknownProvider, "alice", j.Anchor(j.Epoch(), 10));

  const pb::JournalAnchors known = j.Known("p1");
  REQUIRE(known.anchors_size() == 2);
  CHECK(known.anchors(0).epoch() + 1 == known.anchors(1).epoch());
  CHECK(known.anchors(0).root() == std::string(32, 'r'));
  CHECK(known.anchors(1).root() == std::string(32, 's'));
  CHECK(known.anchors(1).records() == 10);
  CHECK(known.anchors(1).height() == j.rig.engine().height());
  CHECK(j.Known("p3").anchors_size() == 0);
}

TEST_CASE("an anchor must be a root over at least one record of each journal") {
  Journals j;
  pb::Operation anchor = j.Anchor(j.Epoch(), 10);
  anchor.mutable_anchor_journal()->set_root("short");
  j.rig.Expect(Verdict::kBadDigest, "p1", anchor);
  anchor = j.Anchor(j.Epoch(), 1);
  j.rig.Expect(Verdict::kBadSize, "p1", anchor);
  anchor = j.Anchor(j.Epoch(), 1);
  anchor.mutable_anchor_journal()->set_journals(0);
  j.rig.Expect(Verdict::kBadSize, "p1", anchor);
}

TEST_CASE("the ledger keeps a provider's newest 64 roots, however many there were") {
  Journals j;
  for (uint64_t i = 0; i < 70; ++i) {
    j.rig.AdvanceSeconds(60);
    j.rig.Do("p1", j.Anchor(j.Epoch(), 10 + i));
  }
  const pb::JournalAnchors known = j.Known("p1");
  REQUIRE(known.anchors_size() == 64);
  CHECK(known.anchors(0).records() == 16);
  CHECK(known.anchors(63).records() == 79);
}

}  // namespace cairn::chain
