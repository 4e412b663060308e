#include "apps/storaged/submitter.h"

#include <future>

#include "apps/common/log.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/verdict.h"

namespace cairn::storaged {
namespace {

constexpr size_t kMaxBytes = 768 * 1024;  // of operations in one transaction
constexpr absl::Duration kLife = absl::Minutes(5);
constexpr absl::Duration kPause = absl::Milliseconds(500);

}  // namespace

void Submitter::Post(pb::Operation operation, Done done) {
  Item item{.operation = std::move(operation), .done = std::move(done)};
  item.bytes = item.operation.ByteSizeLong() + 8;
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      queue_.push_back(std::move(item));
      changed_.notify_all();
      return;
    }
  }
  item.done(absl::CancelledError("the provider stops"), 0);
}

absl::StatusOr<uint64_t> Submitter::Run(pb::Operation operation) {
  std::promise<absl::StatusOr<uint64_t>> promise;
  Post(std::move(operation), [&](const absl::Status& status, uint64_t height) {
    promise.set_value(status.ok() ? absl::StatusOr<uint64_t>(height)
                                  : absl::StatusOr<uint64_t>(status));
  });
  return promise.get_future().get();
}

std::vector<Submitter::Item> Submitter::Take() {
  std::lock_guard lock(mutex_);
  std::vector<Item> items;
  size_t bytes = 0;
  while (!queue_.empty() && items.size() < chain::kMaxOperations) {
    bytes += queue_.front().bytes;
    // Alone it goes in any case: the ledger says what is wrong with it, and nobody waits behind it.
    if (bytes > kMaxBytes && !items.empty()) break;
    items.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return items;
}

void Submitter::PutBack(std::vector<Item> items) {
  std::lock_guard lock(mutex_);
  for (auto it = items.rbegin(); it != items.rend(); ++it) queue_.push_front(std::move(*it));
}

absl::Status Submitter::LoadLane() {
  if (last_number_.has_value()) return absl::OkStatus();
  pb::QueryRequest request;
  request.mutable_lane()->set_account(chain::ToField(identity_.id()));
  request.mutable_lane()->set_lane(lane_);
  auto answer = client_.Query(request);
  if (absl::IsNotFound(answer.status())) {
    last_number_ = 0;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(answer.status());
  last_number_ = answer->lane().last_number();
  return absl::OkStatus();
}

absl::StatusOr<Submitter::Flight> Submitter::Build(std::vector<Item> items) {
  pb::TransactionBody body;
  body.set_chain_id(chain::ToField(identity_.chain));
  body.set_lane(lane_);
  body.set_number(*last_number_ + 1);
  body.set_valid_until_ms(absl::ToUnixMillis(clock_.Now() + kLife));
  for (const Item& item : items) *body.add_operations() = item.operation;
  return Flight{.transaction = chain::SignTransaction(body, identity_.account),
                .valid_until_ms = body.valid_until_ms(),
                .items = std::move(items)};
}

bool Submitter::RunOnce() {
  if (!flight_.has_value()) {
    std::vector<Item> items = Take();
    if (items.empty()) return false;
    absl::Status lane = LoadLane();
    auto flight = lane.ok() ? Build(std::move(items)) : absl::StatusOr<Flight>(lane);
    if (!flight.ok()) {
      PutBack(std::move(items));
      return false;
    }
    flight_ = *std::move(flight);
  }
  auto receipt = client_.Submit(flight_->transaction, chain::WaitFor::kCommitted);
  if (!receipt.ok()) {
    // Unknown outcome: the same bytes again, as long as they may still be included.
    // By then the ledger would refuse it too, unless its clock is further behind ours than a transaction lives.
    bool over =
        absl::ToUnixMillis(clock_.Now() - kLife) > static_cast<int64_t>(flight_->valid_until_ms);
    if (over || absl::IsInvalidArgument(receipt.status())) {
      Flight flight = *std::exchange(flight_, std::nullopt);
      last_number_ = std::nullopt;
      for (Item& item : flight.items) item.done(receipt.status(), 0);
    }
    return false;
  }
  Flight flight = *std::exchange(flight_, std::nullopt);
  return Settle(std::move(flight), *receipt);
}

bool Submitter::Settle(Flight flight, const pb::TransactionReceipt& receipt) {
  chain::Verdict verdict = chain::VerdictOf(receipt);
  if (chain::Included(verdict)) {
    ++*last_number_;
  } else {
    last_number_ = std::nullopt;
  }
  if (verdict == chain::Verdict::kOk) {
    for (Item& item : flight.items) item.done(absl::OkStatus(), receipt.height());
    return true;
  }
  if (verdict == chain::Verdict::kBadSequence || verdict == chain::Verdict::kExpired) {
    // Numbers are read anew; a clock that is wrong is not right at once.
    PutBack(std::move(flight.items));
    if (verdict == chain::Verdict::kExpired) {
      app::LogWarning("ledger.expired", "the ledger's time is past what our clock gives a transaction; check the clock",
                      {{"lane", std::to_string(lane_)}, {"clock", absl::FormatTime(clock_.Now(), absl::UTCTimeZone())}});
    }
    return false;
  }
  absl::Status refusal = chain::ToStatus(receipt);
  app::LogWarning("ledger.refused", refusal.message(), {{"lane", std::to_string(lane_)}});
  bool one = chain::Included(verdict) && receipt.operation() < flight.items.size();
  if (!one) {
    for (Item& item : flight.items) item.done(refusal, 0);
    return true;
  }
  Item refused = std::move(flight.items[receipt.operation()]);
  flight.items.erase(flight.items.begin() + receipt.operation());
  PutBack(std::move(flight.items));
  refused.done(refusal, 0);
  return true;
}

void Submitter::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Submitter::Loop() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || flight_.has_value() || !queue_.empty(); });
      if (stopping_) return;
    }
    if (RunOnce()) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoMilliseconds(kPause), [&] { return stopping_; });
  }
}

void Submitter::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  std::vector<Item> left;
  if (flight_.has_value()) left = std::exchange(flight_, std::nullopt)->items;
  {
    std::lock_guard lock(mutex_);
    for (Item& item : queue_) left.push_back(std::move(item));
    queue_.clear();
  }
  for (Item& item : left) item.done(absl::CancelledError("the provider stops"), 0);
}

size_t Submitter::waiting() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace cairn::storaged
