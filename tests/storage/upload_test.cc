#include "cairn/storage/upload.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using Kind = UploadAction::Kind;

constexpr uint64_t kBlob = 1'000'000;

base::AccountId Operator(uint8_t n) {
  base::AccountId id;
  id.value[0] = n;
  return id;
}

std::vector<UploadTarget> Targets(uint32_t n, uint32_t operators) {
  std::vector<UploadTarget> out;
  for (uint32_t i = 0; i < n; ++i) {
    out.push_back(
        {i, Operator(static_cast<uint8_t>(1 + i % operators)), "holder" + std::to_string(i)});
  }
  return out;
}

UploadOptions Options() { return {.policy = Policy("rs:4+2"), .blob_bytes = kBlob}; }

// The actions of a kind, by target.
std::vector<uint32_t> Of(const std::vector<UploadAction>& actions, Kind kind) {
  std::vector<uint32_t> out;
  for (const UploadAction& a : actions) {
    if (a.kind == kind) out.push_back(a.target);
  }
  return out;
}

absl::Duration At(double seconds) { return absl::Seconds(seconds); }

TEST_CASE("an upload asks, passes, and is available before it is durable") {
  Upload upload(Targets(6, 3), Options());
  CHECK(Of(upload.Start(At(0)), Kind::kOpen).size() == 6);
  for (uint32_t i = 0; i < 5; ++i) CHECK(upload.OnOpened(i, 0, At(0.1)).empty());
  auto pass = upload.OnOpened(5, 0, At(0.2));
  REQUIRE(pass.size() == 1);
  CHECK(pass[0].kind == Kind::kPass);
  CHECK(pass[0].targets.size() == 6);
  CHECK(pass[0].offset == 0);
  for (uint32_t i = 0; i < 6; ++i) upload.OnProgress(i, kBlob, At(1));
  upload.OnPassEnd(At(1));
  for (uint32_t i = 0; i < 4; ++i) CHECK(upload.OnReceipt(i, At(1.1)).empty());
  CHECK(upload.state() == Upload::State::kUploading);
  CHECK(Of(upload.OnReceipt(4, At(1.2)), Kind::kAvailable).size() == 1);  // 4 + ceil(2/2) = 5
  CHECK(upload.state() == Upload::State::kAvailable);
  CHECK(Of(upload.OnReceipt(5, At(1.3)), Kind::kDurable).size() == 1);
  CHECK(upload.state() == Upload::State::kDurable);
  CHECK(upload.idle());
  CHECK(upload.next_timer() == std::nullopt);
}

TEST_CASE("receipts of one operator alone do not make a quorum") {
  std::vector<UploadTarget> targets = Targets(6, 1);
  targets[5].operator_id = Operator(9);
  Upload upload(targets, Options());
  upload.Start(At(0));
  for (uint32_t i = 0; i < 5; ++i) CHECK(Of(upload.OnReceipt(i, At(1)), Kind::kAvailable).empty());
  CHECK(Of(upload.OnReceipt(5, At(1)), Kind::kAvailable).size() == 1);
}

TEST_CASE("where all holders are one operator's, its receipts make the quorum") {
  Upload upload(Targets(6, 1), Options());
  upload.Start(At(0));
  for (uint32_t i = 0; i < 4; ++i) CHECK(Of(upload.OnReceipt(i, At(1)), Kind::kAvailable).empty());
  CHECK(Of(upload.OnReceipt(4, At(1)), Kind::kAvailable).size() == 1);
}

TEST_CASE("what a holder will not change its mind about is final, whatever else went wrong is tried again") {
  using Code = absl::StatusCode;
  const auto given_up = [](Code code) {
    Upload upload(Targets(6, 3), Options());
    upload.Start(At(0));
    return !Of(upload.OnFailed(0, absl::Status(code, "no"), At(0)), Kind::kAbandoned).empty();
  };
  for (const Code code : {Code::kPermissionDenied, Code::kUnauthenticated, Code::kInvalidArgument,
                          Code::kFailedPrecondition, Code::kResourceExhausted, Code::kDataLoss, Code::kUnimplemented}) {
    INFO(code);
    CHECK(given_up(code));
  }
  for (const Code code : {Code::kUnavailable, Code::kDeadlineExceeded, Code::kInternal, Code::kAborted,
                          Code::kCancelled, Code::kNotFound}) {
    INFO(code);
    CHECK_FALSE(given_up(code));
  }
}

TEST_CASE("each try waits twice as long as the one before, five seconds at most, and the last failure is the end") {
  UploadOptions options = Options();
  options.attempts = 8;
  Upload upload(Targets(6, 3), options);
  upload.Start(At(0));
  for (uint32_t i = 1; i < 6; ++i) upload.OnReceipt(i, At(0));
  absl::Duration now;
  for (const int wait_ms : {200, 400, 800, 1600, 3200, 5000, 5000}) {
    INFO(wait_ms);
    CHECK(Of(upload.OnFailed(0, absl::UnavailableError("reset"), now), Kind::kAbandoned).empty());
    CHECK(upload.next_timer() == now + absl::Milliseconds(wait_ms));
    CHECK(Of(upload.OnTimer(now + absl::Milliseconds(wait_ms - 1)), Kind::kOpen).empty());
    now += absl::Milliseconds(wait_ms);
    CHECK(Of(upload.OnTimer(now), Kind::kOpen) == std::vector<uint32_t>{0});
  }
  CHECK(Of(upload.OnFailed(0, absl::UnavailableError("reset"), now), Kind::kAbandoned) == std::vector<uint32_t>{0});
}

TEST_CASE("who was given up signs nothing any more, and who has signed is not replaced") {
  Upload upload(Targets(6, 3), Options());
  upload.Start(At(0));
  upload.OnFailed(0, absl::PermissionDeniedError("no"), At(0));
  CHECK(upload.OnReceipt(0, At(1)).empty());
  CHECK(upload.receipts().empty());
  upload.OnReceipt(1, At(1));
  CHECK(upload.OnReplaced(1, {1, Operator(7), "successor"}, At(1)).empty());
  CHECK(upload.receipts() == std::vector<uint32_t>{1});
}

TEST_CASE("a holder that broke off is served again from where it stopped", "[JS-22]") {
  Upload upload(Targets(6, 3), Options());
  upload.Start(At(0));
  for (uint32_t i = 0; i < 6; ++i) upload.OnOpened(i, i == 3 ? 500'000 : 200'000, At(0));
  upload.OnProgress(2, 300'000, At(1));
  auto actions = upload.OnFailed(2, absl::UnavailableError("reset"), At(1));
  CHECK(Of(actions, Kind::kClose) == std::vector<uint32_t>{2});
  CHECK(Of(upload.OnTimer(At(1.1)), Kind::kOpen).empty());
  CHECK(Of(upload.OnTimer(At(1.25)), Kind::kOpen) == std::vector<uint32_t>{2});
  CHECK(upload.OnOpened(2, 250'000, At(1.3)).empty());  // the pass still runs
  for (uint32_t i : {0, 1, 3, 4, 5}) upload.OnProgress(i, kBlob, At(2));
  auto again = upload.OnPassEnd(At(2));
  REQUIRE(again.size() == 1);
  CHECK(again[0].kind == Kind::kPass);
  CHECK(again[0].offset == 250'000);
  CHECK(again[0].targets == std::vector<uint32_t>{2});
}

TEST_CASE("a pass begins without those that do not answer, and takes them in later") {
  Upload upload(Targets(6, 3), Options());
  upload.Start(At(0));
  for (uint32_t i = 0; i < 5; ++i) upload.OnOpened(i, 0, At(0));
  CHECK(upload.next_timer() == At(2));
  auto pass = upload.OnTimer(At(2));
  REQUIRE(Of(pass, Kind::kPass).size() == 1);
  CHECK(pass[0].targets.size() == 5);
  CHECK(upload.OnOpened(5, 0, At(3)).empty());
  for (uint32_t i = 0; i < 5; ++i) upload.OnProgress(i, kBlob, At(4));
  CHECK(upload.OnPassEnd(At(4))[0].targets == std::vector<uint32_t>{5});
}

TEST_CASE("who holds the others up is the one that is given up") {
  Upload upload(Targets(6, 3), Options());
  upload.Start(At(0));
  for (uint32_t i = 0; i < 6; ++i) upload.OnOpened(i, 0, At(0));
  for (uint32_t i = 0; i < 6; ++i) upload.OnProgress(i, i == 4 ? 100'000 : 200'000, At(1));
  auto actions = upload.OnTimer(At(16.5));
  CHECK(Of(actions, Kind::kClose) == std::vector<uint32_t>{4});
  // A source that stands still is nobody's fault for a while.
  Upload even(Targets(6, 3), Options());
  even.Start(At(0));
  for (uint32_t i = 0; i < 6; ++i) even.OnOpened(i, 0, At(0));
  CHECK(even.OnTimer(At(30)).empty());
  CHECK(even.next_timer().value() > At(30));
  CHECK(even.OnTimer(At(59.9)).empty());
  CHECK(Of(even.OnTimer(At(60)), Kind::kClose).size() == 6);  // but not for ever
}

TEST_CASE("a final refusal is not tried again; enough of them end the upload") {
  Upload upload(Targets(6, 3), Options());
  upload.Start(At(0));
  auto first = upload.OnFailed(0, absl::ResourceExhaustedError("disk full"), At(0));
  CHECK(Of(first, Kind::kAbandoned) == std::vector<uint32_t>{0});
  CHECK(Of(first, Kind::kGiveUp).empty());
  auto second = upload.OnFailed(1, absl::PermissionDeniedError("no"), At(0));
  CHECK(Of(second, Kind::kGiveUp).size() == 1);
  CHECK(upload.state() == Upload::State::kFailed);
  CHECK(base::ReasonOf(upload.status()) == "NOT_ENOUGH_RECEIPTS");
  CHECK(base::DetailOf(upload.status()).evidence.size() == 2);
}

TEST_CASE("a successor revives an upload and starts from nothing", "[GF-24]") {
  Upload upload(Targets(6, 3), Options());
  upload.Start(At(0));
  upload.OnFailed(0, absl::PermissionDeniedError("no"), At(0));
  upload.OnFailed(1, absl::PermissionDeniedError("no"), At(0));
  REQUIRE(upload.state() == Upload::State::kFailed);
  auto actions = upload.OnReplaced(0, {0, Operator(7), "successor"}, At(1));
  CHECK(Of(actions, Kind::kOpen) == std::vector<uint32_t>{0});
  CHECK(upload.state() == Upload::State::kUploading);
  upload.OnOpened(0, 0, At(1));
  for (uint32_t i : {0, 2, 3, 4, 5}) upload.OnReceipt(i, At(2));
  CHECK(upload.state() == Upload::State::kAvailable);
  CHECK(upload.idle());
  CHECK(base::ReasonOf(upload.status()) == "NOT_DURABLE");
}

TEST_CASE("a holder that claims more than there is, is not believed") {
  Upload upload(Targets(6, 3), Options());
  upload.Start(At(0));
  CHECK(Of(upload.OnOpened(0, kBlob + 1, At(0)), Kind::kAbandoned) == std::vector<uint32_t>{0});
}

// Holders that refuse, break off, forget, fall silent or keep their receipt to themselves, each
// with its own luck. Whatever they do: the upload ends, durable exactly when all signed, failed
// exactly when a quorum became impossible.
TEST_CASE("random worlds end durable, available or given up, and say why") {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    std::vector<uint32_t> luck(6);  // percent of events that go well
    for (uint32_t& l : luck) l = random() % 3 ? 100 : random() % 100;
    std::vector<uint64_t> has(6, 0);
    Upload upload(Targets(6, 3), Options());
    std::set<uint32_t> opening, sending;
    uint64_t pass_at = 0;
    bool gave_up = false;
    auto take = [&](const std::vector<UploadAction>& actions) {
      for (const UploadAction& a : actions) {
        if (a.kind == Kind::kOpen) opening.insert(a.target);
        if (a.kind == Kind::kClose) sending.erase(a.target);
        if (a.kind == Kind::kGiveUp) gave_up = true;
        if (a.kind == Kind::kPass) {
          sending.insert(a.targets.begin(), a.targets.end());
          pass_at = a.offset;
          for (uint32_t t : a.targets) CHECK(has[t] >= a.offset);
        }
      }
    };
    absl::Duration now = At(0);
    take(upload.Start(now));
    for (int step = 0; !upload.idle() && step < 5000; ++step) {
      now += absl::Milliseconds(100);
      for (uint32_t t : std::set<uint32_t>(std::exchange(opening, {}))) {
        if (random() % 100 < luck[t]) {
          take(upload.OnOpened(t, has[t], now));
        } else if (random() % 2) {
          take(upload.OnFailed(t, absl::UnavailableError("no answer"), now));
        }
      }
      if (upload.in_pass()) {
        pass_at = std::min(kBlob, pass_at + 200'000);
        for (uint32_t t : std::set<uint32_t>(sending)) {
          if (random() % 100 >= luck[t] && random() % 4 == 0) {
            take(upload.OnFailed(t, absl::UnavailableError("reset"), now));
          } else if (pass_at > has[t]) {
            has[t] = pass_at;
            take(upload.OnProgress(t, pass_at, now));
          }
        }
        if (pass_at == kBlob) {
          sending.clear();
          take(upload.OnPassEnd(now));
        }
      }
      for (uint32_t t = 0; t < 6; ++t) {
        if (has[t] == kBlob && random() % 100 < luck[t]) take(upload.OnReceipt(t, now));
      }
      take(upload.OnTimer(now));
    }
    CHECK(upload.idle());
    const size_t receipts = upload.receipts().size();
    INFO(receipts << " receipts, " << upload.status());
    CHECK((upload.state() == Upload::State::kDurable) == (receipts == 6));
    CHECK((upload.state() == Upload::State::kFailed) == (receipts < 5));
    CHECK(gave_up == (receipts < 5));
    CHECK(upload.status().ok() == (receipts == 6));
  }
}

}  // namespace
}  // namespace cairn::storage
