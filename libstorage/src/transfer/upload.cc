#include "cairn/storage/upload.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

using Kind = UploadAction::Kind;

constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
// Times the stall of a holder: the source may be a slow disk or a pipe, and it has no successor.
constexpr int kSourcePatience = 4;
// How often a pass that stands still is looked at again.
constexpr absl::Duration kRecheck = absl::Milliseconds(500);

enum class Phase {
  kOpening,  // asked what it has
  kReady,    // waits for a pass
  kInPass,
  kSent,     // has all bytes, owes the receipt
  kWaiting,  // tried again at retry_at
  kDone,
  kLost,
};

struct Target {
  UploadTarget who;
  Phase phase = Phase::kOpening;
  uint64_t offset = 0;
  uint32_t failures = 0;
  absl::Duration since;  // of the last sign of life, or retry time when waiting
  absl::Status last;
};

bool Final(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Upload::Impl {
  void Open(uint32_t i, absl::Duration now) {
    targets[i].phase = Phase::kOpening;
    targets[i].since = now;
    Act(Kind::kOpen, i);
  }

  void Act(Kind kind, uint32_t i, absl::Status why = {}) {
    UploadAction action;
    action.kind = kind;
    action.target = i;
    action.why = std::move(why);
    actions.push_back(std::move(action));
  }

  void Failed(uint32_t i, const absl::Status& why, absl::Duration now);
  bool Stalled(const Target& t, absl::Duration now) const;
  void MaybePass(absl::Duration now);
  void Judge();
  std::vector<UploadAction> Finish(absl::Duration now) {
    MaybePass(now);
    Judge();
    return std::exchange(actions, {});
  }

  // Enough receipts, over two operators where there are two, among the targets that `counts` picks.
  template <class F>
  bool Quorum(F counts) const {
    std::set<base::AccountId> all, here;
    uint32_t receipts = 0;
    for (const Target& t : targets) {
      all.insert(t.who.operator_id);
      if (!counts(t)) continue;
      ++receipts;
      here.insert(t.who.operator_id);
    }
    return receipts >= quorum && here.size() >= std::min<size_t>(2, all.size());
  }

  base::Evidence Losses() const {
    base::Evidence evidence;
    for (const Target& t : targets) {
      if (t.phase == Phase::kLost) {
        evidence.emplace_back(t.who.name, t.last.ToString(absl::StatusToStringMode::kWithNoExtraData));
      }
    }
    return evidence;
  }

  bool Any(Phase phase) const {
    return std::any_of(targets.begin(), targets.end(),
                       [&](const Target& t) { return t.phase == phase; });
  }

  std::vector<Target> targets;
  UploadOptions options;
  uint32_t quorum = 0;
  State state = State::kUploading;
  bool in_pass = false;
  std::optional<absl::Duration> gather_until;
  absl::Duration checked = -absl::InfiniteDuration();  // the last OnTimer
  std::vector<UploadAction> actions;
};

void Upload::Impl::Failed(uint32_t i, const absl::Status& why, absl::Duration now) {
  Target& t = targets[i];
  if (t.phase == Phase::kDone || t.phase == Phase::kLost || t.phase == Phase::kWaiting) return;
  if (t.phase != Phase::kOpening) Act(Kind::kClose, i);
  t.last = why;
  ++t.failures;
  if (Final(why.code()) || t.failures >= options.attempts) {
    t.phase = Phase::kLost;
    Act(Kind::kAbandoned, i, why);
    return;
  }
  t.phase = Phase::kWaiting;
  t.since =
      now + std::min(options.backoff * (uint64_t{1} << std::min(t.failures - 1, 16u)), kMaxBackoff);
}

// One pass feeds all: who blocks it holds up the others. So only who is behind is to blame, and
// when nobody is ahead of anybody, the source itself may be what is slow.
bool Upload::Impl::Stalled(const Target& t, absl::Duration now) const {
  const absl::Duration silent = now - t.since;
  if (t.phase == Phase::kOpening || t.phase == Phase::kSent) return silent >= options.stall;
  if (t.phase != Phase::kInPass || silent < options.stall) return false;
  bool behind = false;
  for (const Target& other : targets) {
    const bool sending = other.phase == Phase::kInPass || other.phase == Phase::kSent;
    if (!sending || other.offset == t.offset) continue;
    if (other.offset < t.offset) return false;
    behind = true;
  }
  return behind || silent >= options.stall * kSourcePatience;
}

// Begins a pass once everybody who was asked has answered, or has been waited for long enough.
void Upload::Impl::MaybePass(absl::Duration now) {
  if (in_pass || !Any(Phase::kReady)) {
    gather_until.reset();
    return;
  }
  if (!gather_until) gather_until = now + options.gather;
  if (Any(Phase::kOpening) && now < *gather_until) return;
  gather_until.reset();
  UploadAction pass;
  pass.kind = Kind::kPass;
  pass.offset = options.blob_bytes;
  for (uint32_t i = 0; i < targets.size(); ++i) {
    if (targets[i].phase != Phase::kReady) continue;
    targets[i].phase = Phase::kInPass;
    targets[i].since = now;
    pass.targets.push_back(i);
    pass.offset = std::min(pass.offset, targets[i].offset);
  }
  in_pass = true;
  actions.push_back(std::move(pass));
}

void Upload::Impl::Judge() {
  const auto done = [](const Target& t) { return t.phase == Phase::kDone; };
  if (state == State::kUploading && Quorum(done)) {
    state = State::kAvailable;
    Act(Kind::kAvailable, 0);
  }
  if (state == State::kAvailable && std::all_of(targets.begin(), targets.end(), done)) {
    state = State::kDurable;
    Act(Kind::kDurable, 0);
  }
  if (state == State::kUploading &&
      !Quorum([](const Target& t) { return t.phase != Phase::kLost; })) {
    state = State::kFailed;
    Act(Kind::kGiveUp, 0);
  }
}

Upload::Upload(std::vector<UploadTarget> targets, const UploadOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->quorum =
      base::SealQuorum(options.policy, options.layout, static_cast<uint32_t>(targets.size()));
  for (UploadTarget& target : targets) {
    Target t;
    t.who = std::move(target);
    impl_->targets.push_back(std::move(t));
  }
}
Upload::~Upload() = default;
Upload::Upload(Upload&&) noexcept = default;

std::vector<UploadAction> Upload::Start(absl::Duration now) {
  for (uint32_t i = 0; i < impl_->targets.size(); ++i) impl_->Open(i, now);
  return impl_->Finish(now);
}

std::vector<UploadAction> Upload::OnOpened(uint32_t target, uint64_t offset, absl::Duration now) {
  Target& t = impl_->targets[target];
  if (t.phase != Phase::kOpening) return {};
  if (offset > impl_->options.blob_bytes) {
    return OnFailed(target,
                    absl::DataLossError(absl::StrCat("the holder claims ", offset, " bytes of ",
                                                     impl_->options.blob_bytes)),
                    now);
  }
  t.offset = offset;
  t.since = now;
  // One that has everything owes the receipt alone and waits for no pass.
  t.phase = offset == impl_->options.blob_bytes ? Phase::kSent : Phase::kReady;
  return impl_->Finish(now);
}

std::vector<UploadAction> Upload::OnProgress(uint32_t target, uint64_t offset, absl::Duration now) {
  Target& t = impl_->targets[target];
  const bool sending = t.phase == Phase::kInPass || t.phase == Phase::kSent;
  if (!sending || offset <= t.offset) return {};
  t.offset = std::min(offset, impl_->options.blob_bytes);
  t.since = now;
  if (t.offset == impl_->options.blob_bytes) t.phase = Phase::kSent;
  return impl_->Finish(now);
}

std::vector<UploadAction> Upload::OnReceipt(uint32_t target, absl::Duration now) {
  Target& t = impl_->targets[target];
  // Its position may be a successor's by now.
  if (t.phase == Phase::kLost) return {};
  t.phase = Phase::kDone;
  return impl_->Finish(now);
}

std::vector<UploadAction> Upload::OnFailed(uint32_t target, const absl::Status& why,
                                           absl::Duration now) {
  impl_->Failed(target, why, now);
  return impl_->Finish(now);
}

std::vector<UploadAction> Upload::OnPassEnd(absl::Duration now) {
  impl_->in_pass = false;
  for (Target& t : impl_->targets) {
    if (t.phase != Phase::kInPass) continue;
    t.phase = Phase::kSent;
    t.since = now;
  }
  return impl_->Finish(now);
}

std::vector<UploadAction> Upload::OnReplaced(uint32_t target, const UploadTarget& successor,
                                             absl::Duration now) {
  Target& t = impl_->targets[target];
  if (t.phase == Phase::kDone) return {};
  const bool sending =
      t.phase == Phase::kReady || t.phase == Phase::kInPass || t.phase == Phase::kSent;
  if (sending) impl_->Act(Kind::kClose, target);
  t = Target();
  t.who = successor;
  if (impl_->state == State::kFailed) impl_->state = State::kUploading;
  impl_->Open(target, now);
  return impl_->Finish(now);
}

std::vector<UploadAction> Upload::OnTimer(absl::Duration now) {
  impl_->checked = now;
  for (uint32_t i = 0; i < impl_->targets.size(); ++i) {
    const Target& t = impl_->targets[i];
    if (t.phase == Phase::kWaiting && now >= t.since) impl_->Open(i, now);
    if (impl_->Stalled(t, now)) {
      impl_->Failed(i,
                    absl::DeadlineExceededError(absl::StrCat(
                        "no progress for ", absl::FormatDuration(impl_->options.stall))),
                    now);
    }
  }
  return impl_->Finish(now);
}

std::optional<absl::Duration> Upload::next_timer() const {
  std::optional<absl::Duration> next = impl_->gather_until;
  auto at = [&](absl::Duration time) { next = next ? std::min(*next, time) : time; };
  for (const Target& t : impl_->targets) {
    switch (t.phase) {
      case Phase::kWaiting:
        at(t.since);
        break;
      case Phase::kOpening:
      case Phase::kSent:
        at(t.since + impl_->options.stall);
        break;
      case Phase::kInPass:
        at(std::max(t.since + impl_->options.stall, impl_->checked + kRecheck));
        break;
      default:
        break;
    }
  }
  return next;
}

Upload::State Upload::state() const { return impl_->state; }

std::vector<uint32_t> Upload::receipts() const {
  std::vector<uint32_t> done;
  for (uint32_t i = 0; i < impl_->targets.size(); ++i) {
    if (impl_->targets[i].phase == Phase::kDone) done.push_back(i);
  }
  return done;
}

bool Upload::in_pass() const { return impl_->in_pass; }

bool Upload::idle() const {
  return std::all_of(impl_->targets.begin(), impl_->targets.end(), [](const Target& t) {
    return t.phase == Phase::kDone || t.phase == Phase::kLost;
  });
}

absl::Status Upload::status() const {
  if (impl_->state == State::kFailed) {
    return base::Error(absl::StatusCode::kUnavailable, "NOT_ENOUGH_RECEIPTS",
                       absl::StrCat(receipts().size(), " receipts, ", impl_->quorum,
                                    " of two operators are needed"),
                       "Have the failed holders replaced, or put again to another group.",
                       impl_->Losses());
  }
  if (impl_->state == State::kAvailable && idle()) {
    return base::Error(absl::StatusCode::kUnavailable, "NOT_DURABLE",
                       absl::StrCat(receipts().size(), " of ", impl_->targets.size(), " receipts"),
                       "The object can be read; successors of the failed holders make it durable.",
                       impl_->Losses());
  }
  return absl::OkStatus();
}

}  // namespace cairn::storage
