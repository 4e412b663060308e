#include "cairn/storage/download.h"

#include <functional>
#include <queue>
#include <random>
#include <set>

#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::ByteRange;
using base::Bytes;
using base::ByteView;

constexpr uint64_t kMiB = 1 << 20;

enum class Manner { kGood, kSlow, kTrickles, kHangs, kDead, kBreaksOff, kFlips, kLacks };

// Holders on a virtual clock: every request is answered with the slice of what the holder has, in
// the holder's manner.
class World {
 public:
  World(const Encoded& encoded, std::vector<std::pair<uint32_t, Manner>> holders, uint64_t seed)
      : encoded_(encoded), holders_(std::move(holders)), random_(seed) {
    for (const Bytes& blob : encoded_.blobs) {
      base::TreeBuilder tree;
      tree.Update(blob);
      trees_.push_back(std::move(tree).Finish());
    }
  }

  std::vector<ShardHolder> holders() const {
    std::vector<ShardHolder> out;
    for (size_t i = 0; i < holders_.size(); ++i) {
      out.push_back({holders_[i].first, "holder" + std::to_string(i)});
    }
    return out;
  }

  // Runs until the download ends. Checks that memory stays bounded.
  void Run(ObjectDownload& download, uint64_t max_buffered) {
    Take(download, download.Start(now_));
    while (download.state() == TransferState::kRunning) {
      const auto timer = download.next_timer();
      const bool event_first = !events_.empty() && (!timer || events_.top().at <= *timer);
      if (!event_first && !timer) FAIL("nothing will ever happen");
      if (event_first) {
        Event event = events_.top();
        events_.pop();
        now_ = std::max(now_, event.at);
        if (running_.count(event.fetch) != 0) Take(download, event.happen(download));
      } else {
        now_ = std::max(now_, *timer);
        Take(download, download.OnTimer(now_));
      }
      if (download.buffered_bytes() > max_buffered) FAIL("buffers " << download.buffered_bytes());
      if (++steps_ > 200'000) FAIL("does not end");
    }
  }

  absl::Duration now() const { return now_; }
  uint64_t started() const { return started_; }
  const std::set<uint32_t>& asked() const { return asked_; }

 private:
  using Actions = std::vector<FetchAction>;
  struct Event {
    absl::Duration at;
    uint64_t order;
    uint64_t fetch;
    std::function<Actions(ObjectDownload&)> happen;
    bool operator<(const Event& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };

  void Take(ObjectDownload&, const Actions& actions) {
    for (const FetchAction& a : actions) {
      if (a.kind == FetchAction::Kind::kCancel) {
        running_.erase(a.fetch);
      } else {
        running_.insert(a.fetch);
        ++started_;
        asked_.insert(a.holder);
        Answer(a);
      }
    }
  }

  void At(absl::Duration at, uint64_t fetch, std::function<Actions(ObjectDownload&)> happen) {
    events_.push({at, order_++, fetch, std::move(happen)});
  }

  void Answer(const FetchAction& a) {
    const Manner manner = holders_[a.holder].second;
    const absl::Duration begin = now_ + absl::Milliseconds(1 + random_() % 5);
    if (manner == Manner::kHangs) return;
    if (manner == Manner::kDead || manner == Manner::kLacks) {
      absl::Status why = manner == Manner::kDead ? absl::UnavailableError("refused")
                                                 : absl::NotFoundError("no such blob");
      At(begin, a.fetch,
         [this, a, why](ObjectDownload& d) { return d.OnFailed(a.fetch, why, now_); });
      return;
    }
    Bytes slice = SliceOf(a);
    if (manner == Manner::kFlips) slice[random_() % slice.size()] ^= 1 << random_() % 8;
    if (manner == Manner::kBreaksOff) slice.resize(random_() % slice.size());
    Deliver(a.fetch, std::move(slice), begin, manner);
  }

  Bytes SliceOf(const FetchAction& a) const {
    Bytes slice;
    const Bytes& blob = encoded_.blobs[a.shard];
    auto read = [&](uint64_t offset, base::MutableByteView out) {
      std::copy_n(blob.begin() + offset, out.size(), out.begin());
      return absl::OkStatus();
    };
    REQUIRE(base::EncodeSlice(trees_[a.shard].root, blob.size(), trees_[a.shard].outboard, a.range,
                              read,
                              [&](ByteView bytes) {
                                slice.insert(slice.end(), bytes.begin(), bytes.end());
                                return absl::OkStatus();
                              })
                .ok());
    return slice;
  }

  void Deliver(uint64_t fetch, Bytes slice, absl::Duration at, Manner manner) {
    const absl::Duration step = manner == Manner::kSlow       ? absl::Milliseconds(400)
                                : manner == Manner::kTrickles ? absl::Milliseconds(120)
                                                              : absl::Milliseconds(2);
    const size_t piece = manner == Manner::kTrickles ? 20'000 : 90'000 + random_() % 90'000;
    for (size_t begin = 0; begin < slice.size(); begin += piece) {
      Bytes part(slice.begin() + begin, slice.begin() + std::min(begin + piece, slice.size()));
      at += step;
      At(at, fetch,
         [this, fetch, part](ObjectDownload& d) { return d.OnPiece(fetch, part, now_); });
    }
    At(at + absl::Milliseconds(1), fetch,
       [this, fetch](ObjectDownload& d) { return d.OnEnd(fetch, now_); });
  }

  const Encoded& encoded_;
  std::vector<std::pair<uint32_t, Manner>> holders_;
  std::vector<base::TreeBuilder::Result> trees_;
  std::mt19937_64 random_;
  std::priority_queue<Event> events_;
  std::set<uint64_t> running_;
  std::set<uint32_t> asked_;
  absl::Duration now_ = absl::Seconds(100);
  uint64_t order_ = 0;
  uint64_t started_ = 0;
  uint64_t steps_ = 0;
};

struct Outcome {
  absl::Status status;
  Bytes plaintext;
  absl::Duration took;
  uint64_t started = 0;
  uint32_t hedges = 0;
  std::set<uint32_t> asked;
};

DownloadOptions SmallWindow() { return {.batch_bytes = 2 * kMiB, .window_batches = 2}; }

Outcome Fetch(const Encoded& encoded, const VersionKey* key, ByteRange range,
              const std::vector<std::pair<uint32_t, Manner>>& holders, uint64_t seed = 1) {
  Outcome outcome;
  World world(encoded, holders, seed);
  std::optional<SealedWith> seal;
  if (key != nullptr) seal = SealedWith{key, KeyIdOf(*key)};
  auto download =
      ObjectDownload::Create(
          encoded.object.stored, seal ? &*seal : nullptr, range, world.holders(), SmallWindow(),
          [&](ByteView bytes) {
            outcome.plaintext.insert(outcome.plaintext.end(), bytes.begin(), bytes.end());
            return absl::OkStatus();
          })
          .value();
  const absl::Duration start = world.now();
  // Two batches of two stripes, of which at most all six units are held.
  world.Run(*download, 2 * 2 * kMiB * 6 / 4 + kMiB);
  outcome.status = download->status();
  outcome.took = world.now() - start;
  outcome.started = world.started();
  outcome.hedges = download->hedges();
  outcome.asked = world.asked();
  return outcome;
}

std::vector<std::pair<uint32_t, Manner>> Six(std::vector<Manner> manners) {
  std::vector<std::pair<uint32_t, Manner>> out;
  for (uint32_t i = 0; i < manners.size(); ++i) out.emplace_back(i, manners[i]);
  return out;
}

struct Fixture {
  VersionKey key = TestKey();
  Bytes plaintext = RandomBytes(9 * kMiB + 321, 1);
  Encoded shards = EncodeAll({.policy = Policy("rs:4+2"), .key = &key}, plaintext).value();
  Encoded copies = EncodeAll({.policy = Policy("replicate:3"), .key = &key}, plaintext).value();
  ByteRange all{0, 9 * kMiB + 321};
};

constexpr Manner G = Manner::kGood;

TEST_CASE_METHOD(Fixture, "with good holders only the data shards are asked", "[MP-08]") {
  Outcome o = Fetch(shards, &key, all, Six({G, G, G, G, G, G}));
  REQUIRE(o.status.ok());
  CHECK(o.plaintext == plaintext);
  CHECK(o.asked == std::set<uint32_t>{0, 1, 2, 3});
  CHECK(o.hedges == 0);
}

TEST_CASE_METHOD(Fixture, "any two of six may be dead, lying, silent or without the shard",
                 "[GF-40][MP-08][MP-20]") {
  for (Manner bad : {Manner::kDead, Manner::kFlips, Manner::kHangs, Manner::kLacks,
                     Manner::kBreaksOff, Manner::kSlow, Manner::kTrickles}) {
    for (uint32_t a = 0; a < 6; ++a) {
      std::vector<Manner> manners(6, G);
      manners[a] = bad;
      manners[(a + 2) % 6] = bad;
      Outcome o = Fetch(shards, &key, all, Six(manners), a);
      INFO("manner " << static_cast<int>(bad) << " at " << a << ": " << o.status);
      REQUIRE(o.status.ok());
      CHECK(o.plaintext == plaintext);
    }
  }
}

TEST_CASE_METHOD(Fixture, "with a third holder lost it fails at once and names every cause",
                 "[MP-08]") {
  Outcome o =
      Fetch(shards, &key, all, Six({Manner::kDead, G, Manner::kFlips, G, Manner::kLacks, G}));
  CHECK(o.status.code() == absl::StatusCode::kUnavailable);
  CHECK(base::ReasonOf(o.status) == "NOT_ENOUGH_SHARDS");
  const base::Evidence evidence = base::DetailOf(o.status).evidence;
  REQUIRE(evidence.size() == 6);
  CHECK(evidence[0].second.find("refused") != std::string::npos);
  CHECK(evidence[4].second.find("no such blob") != std::string::npos);
  CHECK(o.took < absl::Seconds(1));
  CHECK(base::ReasonOf(Fetch(shards, &key, all, {{0, G}, {1, G}, {2, G}}).status) ==
        "NOT_ENOUGH_SHARDS");
}

TEST_CASE_METHOD(Fixture, "a silent third holder is given up within the stall limit", "[MP-08]") {
  Outcome o =
      Fetch(shards, &key, all, Six({Manner::kHangs, Manner::kHangs, Manner::kHangs, G, G, G}));
  CHECK(base::ReasonOf(o.status) == "NOT_ENOUGH_SHARDS");
  CHECK(o.took <= absl::Seconds(9));  // two attempts of 4 s each
}

TEST_CASE_METHOD(Fixture, "a slow holder is hedged and then avoided", "[MP-08]") {
  Outcome o = Fetch(shards, &key, all, Six({G, Manner::kHangs, G, G, G, G}));
  REQUIRE(o.status.ok());
  CHECK(o.hedges >= 1);
  CHECK(o.took < absl::Seconds(2));
  Outcome slow = Fetch(shards, &key, all, Six({G, Manner::kTrickles, G, G, G, G}));
  REQUIRE(slow.status.ok());
  CHECK(slow.took < absl::Seconds(4));  // alone it would take 14 s
}

TEST_CASE_METHOD(Fixture, "about one request in eight may be a hedge, however many holders are slow", "[MP-08]") {
  constexpr Manner kT = Manner::kTrickles;
  uint32_t most = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Outcome o = Fetch(shards, &key, all, Six({kT, kT, kT, G, G, G}), seed);
    REQUIRE(o.status.ok());
    CHECK(o.plaintext == plaintext);
    CHECK(o.hedges <= SmallWindow().window_batches + o.started / 8);
    most = std::max(most, o.hedges);
  }
  CHECK(most > SmallWindow().window_batches);  // more were wanted than are free
}

TEST_CASE_METHOD(Fixture, "a holder that lied once is never asked again", "[MP-08]") {
  Outcome o = Fetch(shards, &key, all, Six({Manner::kFlips, G, G, G, G, G}));
  REQUIRE(o.status.ok());
  // Five batches of four shards; the liar costs at most its requests of the two batches in flight.
  CHECK(o.started <= 5 * 4 + 2);
  // Not even when there is nobody else: one request for each batch in flight, and no more.
  Outcome alone = Fetch(copies, &key, all, {{0, Manner::kFlips}});
  CHECK(base::ReasonOf(alone.status) == "NOT_ENOUGH_SHARDS");
  CHECK(alone.started == 2);
}

TEST_CASE_METHOD(Fixture, "what breaks all requests to a holder at once counts as one failure", "[MP-08]") {
  const ReadPlan plan = PlanRead(copies.object.stored, true, all).value();
  Download download(plan, 1, {{0, "alone"}}, {.batch_bytes = kMiB, .window_batches = 4});
  absl::Duration now = absl::Seconds(1);
  std::vector<FetchAction> running = download.Start(now);
  for (int breaks = 1; breaks <= 2; ++breaks) {
    REQUIRE(running.size() == 4);
    now += absl::Seconds(1);
    std::vector<FetchAction> started;
    for (const FetchAction& fetch : running) {
      for (const FetchAction& action : download.OnFailed(fetch.fetch, absl::UnavailableError("reset"), now)) {
        if (action.kind == FetchAction::Kind::kStart) started.push_back(action);
      }
    }
    running = std::move(started);
    CHECK(download.state() == (breaks == 1 ? TransferState::kRunning : TransferState::kFailed));
  }
}

TEST_CASE_METHOD(Fixture, "a copy is continued on another holder", "[GF-40]") {
  using M = Manner;
  for (auto manners : {std::vector<M>{M::kBreaksOff, M::kBreaksOff, G},
                       {M::kDead, G, M::kDead},
                       {M::kHangs, M::kFlips, G},
                       {M::kTrickles, M::kSlow, M::kTrickles}}) {
    std::vector<std::pair<uint32_t, Manner>> holders;
    for (M m : manners) holders.emplace_back(0, m);
    Outcome o = Fetch(copies, &key, all, holders);
    INFO(o.status);
    REQUIRE(o.status.ok());
    CHECK(o.plaintext == plaintext);
  }
  Outcome none = Fetch(copies, &key, all, {{0, M::kDead}, {0, M::kFlips}, {0, M::kLacks}});
  CHECK(base::ReasonOf(none.status) == "NOT_ENOUGH_SHARDS");
}

TEST_CASE_METHOD(Fixture, "what breaks off is asked for from where it broke off, not from its beginning", "[GF-40]") {
  Download download(PlanRead(copies.object.stored, true, all).value(), 1, {{0, "a"}, {0, "b"}}, SmallWindow());
  const FetchAction first = download.Start(absl::Seconds(1)).at(0);
  CHECK(download.OnProgress(first.fetch, 100'000, absl::Seconds(1)).empty());
  const auto again = download.OnFailed(first.fetch, absl::UnavailableError("reset"), absl::Seconds(1));
  REQUIRE(again.size() == 1);
  CHECK(again[0].kind == FetchAction::Kind::kStart);
  CHECK(again[0].holder != first.holder);
  CHECK(again[0].range == ByteRange{first.range.offset + 100'000, first.range.length - 100'000});
}

TEST_CASE_METHOD(Fixture, "who refuses for good is not asked again; who failed for a moment is, once", "[MP-08]") {
  using Code = absl::StatusCode;
  DownloadOptions options = SmallWindow();
  options.window_batches = 1;
  const auto requests = [&](Code code) {
    Download download(PlanRead(copies.object.stored, true, all).value(), 1, {{0, "a"}}, options);
    auto actions = download.Start(absl::Seconds(1));
    int asked = 0;
    while (!actions.empty()) {
      ++asked;
      actions = download.OnFailed(actions.at(0).fetch, absl::Status(code, "no"), absl::Seconds(1));
    }
    CHECK(download.state() == TransferState::kFailed);
    return asked;
  };
  for (const Code code : {Code::kDataLoss, Code::kNotFound, Code::kPermissionDenied, Code::kUnauthenticated,
                          Code::kInvalidArgument, Code::kUnimplemented}) {
    INFO(code);
    CHECK(requests(code) == 1);
  }
  for (const Code code : {Code::kUnavailable, Code::kDeadlineExceeded, Code::kResourceExhausted, Code::kInternal,
                          Code::kAborted, Code::kCancelled}) {
    INFO(code);
    CHECK(requests(code) == 2);
  }
}

TEST_CASE_METHOD(Fixture, "who was slow once is asked after those who were not", "[MP-08]") {
  DownloadOptions options = SmallWindow();
  options.window_batches = 1;
  Download download(PlanRead(copies.object.stored, true, all).value(), 1, {{0, "a"}, {0, "b"}}, options);
  const FetchAction slow = download.Start(absl::Seconds(1)).at(0);
  CHECK(slow.holder == 0);
  const auto hedge = download.OnTimer(absl::Seconds(3));
  REQUIRE(hedge.size() == 1);
  CHECK(hedge[0].holder == 1);
  CHECK(download.hedges() == 1);
  const auto next = download.OnProgress(hedge[0].fetch, hedge[0].range.length, absl::Seconds(3.1));
  REQUIRE(next.size() == 2);
  CHECK(next[0].kind == FetchAction::Kind::kCancel);
  CHECK(next[0].fetch == slow.fetch);
  CHECK(next[1].kind == FetchAction::Kind::kStart);
  CHECK(next[1].holder == 1);
}

TEST_CASE_METHOD(Fixture, "while a position is rebuilding, old and new holder are both tried") {
  for (auto [old_one, new_one] :
       {std::pair{Manner::kLacks, G}, {G, Manner::kLacks}, {Manner::kDead, G}}) {
    Outcome o = Fetch(shards, &key, all,
                      {{0, old_one},
                       {0, new_one},
                       {1, G},
                       {2, G},
                       {3, G},
                       {4, Manner::kDead},
                       {5, Manner::kDead}});
    REQUIRE(o.status.ok());
    CHECK(o.plaintext == plaintext);
  }
}

TEST_CASE_METHOD(Fixture, "a small range asks one holder, or others for the same bytes",
                 "[GF-42]") {
  const ByteRange range{3 * kMiB + 5 * 65'536, 4096};
  const ByteView expected = ByteView(plaintext).subspan(range.offset, range.length);
  Outcome direct = Fetch(shards, &key, range, Six({G, G, G, G, G, G}));
  REQUIRE(direct.status.ok());
  CHECK(ByteView(direct.plaintext) == expected);
  CHECK(direct.started == 1);
  const uint32_t holder = *direct.asked.begin();
  for (Manner bad : {Manner::kDead, Manner::kHangs, Manner::kFlips}) {
    std::vector<Manner> manners(6, G);
    manners[holder] = bad;
    Outcome o = Fetch(shards, &key, range, Six(manners));
    REQUIRE(o.status.ok());
    CHECK(ByteView(o.plaintext) == expected);
  }
}

TEST_CASE_METHOD(Fixture, "an empty object and an empty range ask nobody") {
  const Encoded empty = EncodeAll({.policy = Policy("rs:4+2"), .key = &key}, {}).value();
  CHECK(Fetch(empty, &key, {0, 10}, {}).status.ok());
  CHECK(Fetch(shards, &key, {5, 0}, {}).status.ok());
}

TEST_CASE_METHOD(Fixture, "an error of the sink ends the download with that error") {
  World world(shards, Six({G, G, G, G, G, G}), 1);
  SealedWith seal{&key, KeyIdOf(key)};
  auto download =
      ObjectDownload::Create(shards.object.stored, &seal, all, world.holders(), SmallWindow(),
                             [](ByteView) { return absl::ResourceExhaustedError("disk full"); })
          .value();
  world.Run(*download, 100 * kMiB);
  CHECK(download->status().code() == absl::StatusCode::kResourceExhausted);
}

// Whatever holders do: equal bytes when enough of them are able to deliver, a refusal otherwise,
// wrong bytes never.
TEST_CASE_METHOD(Fixture, "random worlds end in the right bytes or in a refusal",
                 "[GF-40][MP-08]") {
  const uint64_t first_seed = 1, seeds = 150;
  for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const bool whole = random() % 2 == 0;
    const Encoded& object = whole ? copies : shards;
    std::vector<std::pair<uint32_t, Manner>> holders;
    std::set<uint32_t> able;
    for (uint32_t i = 0; i < 6 + random() % 3; ++i) {
      const uint32_t shard = whole ? 0 : i % 6;
      const Manner manner = random() % 2 ? G : static_cast<Manner>(random() % 8);
      holders.emplace_back(shard, manner);
      if (manner == G || manner == Manner::kSlow || manner == Manner::kTrickles) able.insert(shard);
    }
    const uint64_t from = random() % plaintext.size();
    const ByteRange range = random() % 3 ? all : ByteRange{from, random() % 3'000'000};
    Outcome o = Fetch(object, &key, range, holders, seed);
    const bool enough = able.size() >= object.object.stored.data();
    if (o.status.ok()) {
      const uint64_t length = std::min<uint64_t>(range.length, plaintext.size() - range.offset);
      CHECK(ByteView(o.plaintext) == ByteView(plaintext).subspan(range.offset, length));
    } else {
      INFO(o.status);
      CHECK(base::ReasonOf(o.status) == "NOT_ENOUGH_SHARDS");
      CHECK_FALSE(enough);
    }
  }
}

}  // namespace
}  // namespace cairn::storage
