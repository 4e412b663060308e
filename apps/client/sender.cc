#include "apps/client/sender.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "apps/common/key_file.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;
using chain::Verdict;

constexpr uint32_t kLanesTried =
    32;  // lanes that processes of one account share out among themselves

struct Lane {
  uint32_t id = 0;
  int lock = -1;
  std::optional<uint64_t> next;  // unknown: ask the ledger
  bool busy = false;
};

bool LostAnswer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsUnknown(status);
}

}  // namespace

struct Sender::State {
  State(chain::Client& chain_in, const base::SigningKey& key_in, base::Clock& clock_in,
        base::Entropy& entropy_in, const SenderOptions& options_in)
      : chain(chain_in), key(key_in), clock(clock_in), entropy(entropy_in), options(options_in) {}
  ~State() {
    for (const auto& lane : lanes) {
      if (lane->lock >= 0) close(lane->lock);
    }
  }

  Lane* Take();
  void Return(Lane* lane);
  void Rename(Lane* lane);
  absl::StatusOr<uint64_t> NextNumber(Lane* lane);
  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction);
  pb::SignedTransaction Sign(const std::vector<pb::Operation>& operations, uint32_t lane,
                             uint64_t number) const;
  int Claim(uint32_t id) const;
  std::unique_ptr<Lane> NewLane();
  void Saw(uint64_t time_ms);
  absl::Status ReadClock();

  chain::Client& chain;
  const base::SigningKey& key;
  base::Clock& clock;
  base::Entropy& entropy;
  const SenderOptions options;
  mutable std::mutex mutex;
  std::condition_variable freed;
  std::vector<std::unique_ptr<Lane>> lanes;
  uint64_t ledger_ms = 0;
};

struct Sender::Prepared::Body {
  std::shared_ptr<State> state;
  Lane* lane = nullptr;
  std::vector<pb::Operation> operations;
  pb::SignedTransaction transaction;
};

Sender::Prepared::Prepared() = default;
Sender::Prepared::~Prepared() {
  if (body_ && body_->lane != nullptr) body_->state->Return(body_->lane);
}
const pb::SignedTransaction& Sender::Prepared::transaction() const { return body_->transaction; }

// The lock of a lane: a file descriptor, -1 without a folder, -2 when another process has it.
int Sender::State::Claim(uint32_t id) const {
  if (options.lane_folder.empty()) return -1;
  const std::string path =
      absl::StrCat(options.lane_folder, "/", base::ToText(key.account()), ".", id, ".lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  close(fd);
  return -2;
}

std::unique_ptr<Lane> Sender::State::NewLane() {
  auto lane = std::make_unique<Lane>();
  auto held = [&](uint32_t id) {
    return std::any_of(lanes.begin(), lanes.end(),
                       [&](const auto& other) { return other->id == id; });
  };
  if (options.lane_folder.empty()) {
    do {
      lane->id = static_cast<uint32_t>(entropy.DrawNumber() % kLanesTried);
    } while (held(lane->id));
    return lane;
  }
  for (uint32_t id = 0; id < kLanesTried; ++id) {
    if (held(id)) continue;
    lane->lock = Claim(id);
    if (lane->lock == -2) continue;
    lane->id = id;
    return lane;
  }
  lane->id = static_cast<uint32_t>(entropy.DrawNumber() % kLanesTried);  // all taken: share one
  lane->lock = -1;
  return lane;
}

Lane* Sender::State::Take() {
  std::unique_lock<std::mutex> lock(mutex);
  if (lanes.empty() && !options.lane_folder.empty()) (void)app::MakeFolders(options.lane_folder);
  while (true) {
    for (const auto& lane : lanes) {
      if (!lane->busy) {
        lane->busy = true;
        return lane.get();
      }
    }
    if (lanes.size() < options.max_lanes) {
      lanes.push_back(NewLane());
      lanes.back()->busy = true;
      return lanes.back().get();
    }
    freed.wait(lock);
  }
}

void Sender::State::Return(Lane* lane) {
  std::lock_guard<std::mutex> lock(mutex);
  lane->busy = false;
  freed.notify_one();
}

// Another machine works in this lane: go elsewhere.
void Sender::State::Rename(Lane* lane) {
  std::lock_guard<std::mutex> lock(mutex);
  if (lane->lock >= 0) close(lane->lock);
  lane->lock = -1;
  lane->next.reset();
  for (int i = 0; i < 64; ++i) {
    const uint32_t id = static_cast<uint32_t>(entropy.DrawNumber() % kLanesTried);
    const bool held =
        std::any_of(lanes.begin(), lanes.end(), [&](const auto& other) { return other->id == id; });
    if (held) continue;
    const int fd = Claim(id);
    if (fd == -2) continue;
    lane->id = id;
    lane->lock = fd;
    return;
  }
}

void Sender::State::Saw(uint64_t time_ms) {
  std::lock_guard<std::mutex> lock(mutex);
  ledger_ms = std::max(ledger_ms, time_ms);
}

absl::Status Sender::State::ReadClock() {
  pb::QueryRequest request;
  request.set_status(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, chain.Query(request));
  Saw(answer.status().time_ms());
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Sender::State::NextNumber(Lane* lane) {
  if (lane->next) return *lane->next;
  pb::QueryRequest request;
  request.mutable_lane()->set_account(base::ToString(key.account().view()));
  request.mutable_lane()->set_lane(lane->id);
  auto answer = chain.Query(request);
  if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer.status();
  if (answer.ok()) Saw(answer->status().time_ms());
  lane->next = answer.ok() ? answer->lane().last_number() + 1 : 1;
  return *lane->next;
}

pb::SignedTransaction Sender::State::Sign(const std::vector<pb::Operation>& operations,
                                          uint32_t lane, uint64_t number) const {
  pb::TransactionBody body;
  body.set_chain_id(base::ToString(options.chain_id.view()));
  body.set_lane(lane);
  body.set_number(number);
  const uint64_t ours = static_cast<uint64_t>(absl::ToUnixMillis(clock.Now()));
  uint64_t now;
  {
    std::lock_guard<std::mutex> lock(mutex);
    now = std::max(ours, ledger_ms);
  }
  body.set_valid_until_ms(now +
                          static_cast<uint64_t>(absl::ToInt64Milliseconds(options.valid_for)));
  for (const pb::Operation& operation : operations) *body.add_operations() = operation;
  return chain::SignTransaction(body, key);
}

absl::StatusOr<pb::TransactionReceipt> Sender::State::Submit(
    const pb::SignedTransaction& transaction) {
  absl::Status last;
  for (uint32_t attempt = 0; attempt < options.attempts; ++attempt) {
    auto receipt = chain.Submit(transaction, chain::WaitFor::kCommitted);
    if (receipt.ok()) return receipt;
    last = receipt.status();
    if (!LostAnswer(last)) break;
    clock.Sleep(absl::Milliseconds(100 << std::min<uint32_t>(attempt, 4)));
  }
  return last;
}

Sender::Sender(chain::Client& chain, const base::SigningKey& key, base::Clock& clock,
               base::Entropy& entropy, const SenderOptions& options)
    : state_(std::make_shared<State>(chain, key, clock, entropy, options)) {}
Sender::~Sender() = default;

absl::StatusOr<std::unique_ptr<Sender::Prepared>> Sender::Prepare(
    std::vector<pb::Operation> operations) {
  std::unique_ptr<Prepared> out(new Prepared());
  out->body_ = std::make_unique<Prepared::Body>();
  out->body_->state = state_;
  out->body_->lane = state_->Take();
  out->body_->operations = std::move(operations);
  ASSIGN_OR_RETURN(uint64_t number, state_->NextNumber(out->body_->lane));
  out->body_->transaction = state_->Sign(out->body_->operations, out->body_->lane->id, number);
  return out;
}

absl::StatusOr<pb::TransactionReceipt> Sender::Send(std::unique_ptr<Prepared> prepared) {
  Prepared::Body& body = *prepared->body_;
  for (uint32_t attempt = 0;; ++attempt) {
    auto receipt = state_->Submit(body.transaction);
    if (!receipt.ok()) {
      body.lane->next.reset();  // whether the number was used shows only later
      return base::Annotate(receipt.status(), "the ledger's answer is not known");
    }
    const Verdict verdict = chain::VerdictOf(*receipt);
    if (chain::Included(verdict)) {
      body.lane->next = *body.lane->next + 1;
      RETURN_IF_ERROR(chain::ToStatus(*receipt));
      return receipt;
    }
    body.lane->next.reset();
    if (attempt + 1 >= state_->options.attempts) return chain::ToStatus(*receipt);
    if (verdict == Verdict::kBadSequence) {
      if (attempt > 0) state_->Rename(body.lane);
    } else if (verdict == Verdict::kTooManyLanes) {
      state_->Rename(body.lane);
    } else if (verdict == Verdict::kExpired) {
      RETURN_IF_ERROR(state_->ReadClock());  // it runs ahead of ours (`storectl dev advance`)
    } else {
      return chain::ToStatus(*receipt);
    }
    ASSIGN_OR_RETURN(uint64_t number, state_->NextNumber(body.lane));
    body.transaction = state_->Sign(body.operations, body.lane->id, number);
  }
}

absl::StatusOr<pb::TransactionReceipt> Sender::Send(std::vector<pb::Operation> operations) {
  ASSIGN_OR_RETURN(std::unique_ptr<Prepared> prepared, Prepare(std::move(operations)));
  return Send(std::move(prepared));
}

absl::StatusOr<pb::TransactionReceipt> Sender::Resend(const pb::SignedTransaction& transaction) {
  ASSIGN_OR_RETURN(pb::TransactionReceipt receipt, state_->Submit(transaction));
  const Verdict verdict = chain::VerdictOf(receipt);
  if (!chain::Included(verdict)) {
    return base::Error(absl::StatusCode::kOutOfRange, "EXPIRED",
                       absl::StrCat("the transaction was never in a block and can no longer be (",
                                    chain::Name(verdict), ")"));
  }
  RETURN_IF_ERROR(chain::ToStatus(receipt));
  return receipt;
}

}  // namespace cairn::client
