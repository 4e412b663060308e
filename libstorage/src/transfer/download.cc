#include "cairn/storage/download.h"

#include <algorithm>
#include <deque>
#include <limits>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "transfer/pace.h"

namespace cairn::storage {
namespace {

using base::ByteRange;

// Before anything is known about the usual pace.
constexpr int kFirstHedges = 4;

bool Permanent(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

struct Holder {
  ShardHolder who;
  bool dropped = false;
  uint32_t failures = 0;
  absl::Duration broke_at = -absl::InfiniteDuration();  // of the last failure counted by OnFailed
  uint32_t penalty = 0;  // for being slow; goes down again with every request that was not
  uint32_t in_flight = 0;
  absl::Status last;
};

struct Fetch {
  uint64_t batch = 0;
  uint32_t holder = 0;
  uint32_t shard = 0;
  ByteRange range;
  uint64_t verified = 0;
  absl::Duration started;
  absl::Duration last_progress;
  bool slow = false;
};

// Consecutive stripes that are asked for together: the same range of every shard.
struct Batch {
  ByteRange range;
  std::optional<uint32_t> direct;         // the one data shard that would do alone
  std::map<uint32_t, uint64_t> verified;  // by shard
  uint32_t complete = 0;                  // shards verified to the end of the range
  bool done = false;
};

}  // namespace

struct Download::State {
  State(const ReadPlan& p, uint32_t n, std::vector<ShardHolder> who, const DownloadOptions& o)
      : plan(p), shards(n), options(o) {
    for (ShardHolder& holder : who) holders.emplace_back().who = std::move(holder);
  }

  std::vector<FetchAction> Schedule(absl::Duration now);
  void OpenBatches();
  Batch NextBatch();
  void ServeBatch(uint64_t id, Batch& batch, absl::Duration now);
  bool StartOne(uint64_t id, const Batch& batch, std::optional<uint32_t> only, bool beside_slow,
                absl::Duration now);
  void StartFetch(uint64_t id, const Batch& batch, uint32_t holder, absl::Duration now);
  void CompleteShard(uint64_t id, Batch& batch, uint32_t shard);
  void FinishBatch(uint64_t id, Batch& batch);
  void EndFetch(uint64_t fetch, bool cancel);
  void FailFetch(uint64_t fetch, const absl::Status& why);
  void Fail();

  bool Complete(const Batch& batch, uint32_t shard) const {
    auto at = batch.verified.find(shard);
    return at != batch.verified.end() && at->second == batch.range.length;
  }
  bool Active(uint64_t batch, uint32_t shard, bool count_slow) const;
  uint32_t Live(uint64_t id, const Batch& batch, bool count_slow) const;
  bool Usable(uint32_t shard) const;
  Batch* Find(uint64_t id) {
    return id < first_batch ? nullptr : &batches[static_cast<size_t>(id - first_batch)];
  }
  // Hedges cost bandwidth just when there is little of it: about one in eight requests may be one.
  bool MayHedge() const { return hedges < options.window_batches + next_fetch / 8; }
  absl::Duration SilenceLimit() const;
  absl::Duration DurationLimit(const Fetch& fetch) const;
  uint32_t k() const { return plan.map.data(); }

  ReadPlan plan;
  uint32_t shards;
  DownloadOptions options;
  std::vector<Holder> holders;
  std::map<uint64_t, Fetch> fetches;
  std::deque<Batch> batches;  // from the first that is not done
  uint64_t first_batch = 0;
  uint64_t next_stripe = 0;  // of the plan, not yet in a batch
  uint64_t next_fetch = 1;
  uint32_t hedges = 0;
  Pace silence;   // between two signs of progress of one request
  Pace duration;  // of a whole request, per MiB
  std::vector<FetchAction> actions;
  TransferState state = TransferState::kRunning;
  absl::Status status;
};

bool Download::State::Active(uint64_t batch, uint32_t shard, bool count_slow) const {
  return std::any_of(fetches.begin(), fetches.end(), [&](const auto& entry) {
    const Fetch& f = entry.second;
    return f.batch == batch && f.shard == shard && (count_slow || !f.slow);
  });
}

// Shards of the batch that are complete or on their way.
uint32_t Download::State::Live(uint64_t id, const Batch& batch, bool count_slow) const {
  uint32_t live = 0;
  for (uint32_t shard = 0; shard < shards; ++shard) {
    live += Complete(batch, shard) || Active(id, shard, count_slow);
  }
  return live;
}

bool Download::State::Usable(uint32_t shard) const {
  return std::any_of(holders.begin(), holders.end(),
                     [&](const Holder& h) { return h.who.shard == shard && !h.dropped; });
}

absl::Duration Download::State::SilenceLimit() const {
  if (!silence.known()) return options.min_hedge * kFirstHedges;
  return std::max(options.min_hedge, silence.Median() * options.hedge_factor);
}

absl::Duration Download::State::DurationLimit(const Fetch& fetch) const {
  if (!duration.known()) return absl::InfiniteDuration();
  const double mib = static_cast<double>(fetch.range.length) / (1 << 20);
  return std::max(options.min_hedge, duration.Median() * mib * options.hedge_factor);
}

std::vector<FetchAction> Download::State::Schedule(absl::Duration now) {
  // Every batch in turn, the first ones first: nothing behind an open one can be handed out.
  if (state == TransferState::kRunning) {
    OpenBatches();
    for (size_t i = 0; i < batches.size() && state == TransferState::kRunning; ++i) {
      if (!batches[i].done) ServeBatch(first_batch + i, batches[i], now);
    }
    if (batches.empty()) state = TransferState::kDone;
  }
  return std::exchange(actions, {});
}

void Download::State::OpenBatches() {
  while (!batches.empty() && batches.front().done) {
    batches.pop_front();
    ++first_batch;
  }
  while (batches.size() < options.window_batches && next_stripe < plan.stripe_count) {
    batches.push_back(NextBatch());
  }
}

Batch Download::State::NextBatch() {
  StripeRead read = plan.At(next_stripe++);
  Batch batch;
  batch.range = read.shard;
  auto narrow = [&](const StripeRead& r) { return k() > 1 && r.unit_count == 1; };
  if (narrow(read)) {
    batch.direct = read.first_unit;
    return batch;
  }
  const uint64_t limit = std::max<uint64_t>(options.batch_bytes / k(), 1);
  while (next_stripe < plan.stripe_count) {
    read = plan.At(next_stripe);
    if (narrow(read) || batch.range.length + read.shard.length > limit) break;
    batch.range.length += read.shard.length;
    ++next_stripe;
  }
  return batch;
}

// Starts what the batch still needs; fails the download when that cannot be had.
void Download::State::ServeBatch(uint64_t id, Batch& batch, absl::Duration now) {
  if (batch.direct && Usable(*batch.direct)) {
    if (Active(id, *batch.direct, false)) return;
    if (!Active(id, *batch.direct, true)) {
      StartOne(id, batch, batch.direct, false, now);
      return;
    }
  }
  while (Live(id, batch, false) < k()) {
    if (StartOne(id, batch, std::nullopt, false, now)) continue;
    if (StartOne(id, batch, std::nullopt, true, now)) continue;
    const bool direct_left = batch.direct && Active(id, *batch.direct, true);
    // Slow ones may still arrive: only when they would not suffice is it over.
    if (Live(id, batch, true) < k() && !direct_left) Fail();
    return;
  }
}

// Asks the best holder of a shard that nobody is fetching (or, `beside_slow`, that only slow ones
// are) for the rest of it. False when there is none.
bool Download::State::StartOne(uint64_t id, const Batch& batch, std::optional<uint32_t> only,
                               bool beside_slow, absl::Duration now) {
  std::optional<uint32_t> best;
  auto rank = [&](uint32_t i) {
    const Holder& h = holders[i];
    // Among equals a data shard: it needs no decoding.
    return std::make_tuple(h.penalty + h.failures, h.who.shard, h.in_flight, i);
  };
  for (uint32_t i = 0; i < holders.size(); ++i) {
    const uint32_t shard = holders[i].who.shard;
    if (holders[i].dropped || (only && *only != shard) || Complete(batch, shard)) continue;
    if (Active(id, shard, !beside_slow)) continue;
    // Beside its own slow request a holder is no faster.
    const bool asked = std::any_of(fetches.begin(), fetches.end(), [&](const auto& entry) {
      return entry.second.batch == id && entry.second.holder == i;
    });
    if (!asked && (!best || rank(i) < rank(*best))) best = i;
  }
  if (!best) return false;
  StartFetch(id, batch, *best, now);
  return true;
}

void Download::State::StartFetch(uint64_t id, const Batch& batch, uint32_t holder,
                                 absl::Duration now) {
  const uint32_t shard = holders[holder].who.shard;
  auto at = batch.verified.find(shard);
  const uint64_t known = at == batch.verified.end() ? 0 : at->second;
  Fetch fetch;
  fetch.batch = id;
  fetch.holder = holder;
  fetch.shard = shard;
  fetch.range = {batch.range.offset + known, batch.range.length - known};
  fetch.started = fetch.last_progress = now;
  ++holders[holder].in_flight;
  actions.push_back({FetchAction::Kind::kStart, next_fetch, holder, shard, fetch.range});
  fetches.emplace(next_fetch++, fetch);
}

void Download::State::EndFetch(uint64_t id, bool cancel) {
  auto at = fetches.find(id);
  const Fetch& f = at->second;
  if (cancel) actions.push_back({FetchAction::Kind::kCancel, id, f.holder, f.shard, f.range});
  --holders[f.holder].in_flight;
  fetches.erase(at);
}

// A shard of the batch is there: others that fetch it are not needed, and perhaps the whole batch
// is done.
void Download::State::CompleteShard(uint64_t id, Batch& batch, uint32_t shard) {
  ++batch.complete;
  std::vector<uint64_t> superfluous;
  for (const auto& [fetch, f] : fetches) {
    if (f.batch == id && f.shard == shard) superfluous.push_back(fetch);
  }
  for (uint64_t fetch : superfluous) EndFetch(fetch, true);
  if (batch.complete >= k() || batch.direct == shard) FinishBatch(id, batch);
}

void Download::State::FinishBatch(uint64_t id, Batch& batch) {
  batch.done = true;
  std::vector<uint64_t> superfluous;
  for (const auto& [fetch, f] : fetches) {
    if (f.batch == id) superfluous.push_back(fetch);
  }
  for (uint64_t fetch : superfluous) EndFetch(fetch, true);
}

void Download::State::FailFetch(uint64_t id, const absl::Status& why) {
  const uint32_t index = fetches.at(id).holder;
  Holder& holder = holders[index];
  holder.last = why;
  // What breaks a connection breaks all requests on it: those begun before that are not counted.
  if (fetches.at(id).started >= holder.broke_at) ++holder.failures;
  EndFetch(id, false);
  if (!Permanent(why.code()) && holder.failures < options.attempts) return;
  holder.dropped = true;
  std::vector<uint64_t> others;
  for (const auto& [fetch, f] : fetches) {
    if (f.holder == index) others.push_back(fetch);
  }
  for (uint64_t fetch : others) EndFetch(fetch, true);
}

void Download::State::Fail() {
  base::Evidence evidence;
  uint32_t usable = 0;
  for (uint32_t shard = 0; shard < shards; ++shard) usable += Usable(shard);
  for (const Holder& h : holders) {
    evidence.emplace_back(
        h.who.name, h.last.ok() ? "no error" : h.last.ToString(absl::StatusToStringMode::kWithNoExtraData));
  }
  while (!fetches.empty()) EndFetch(fetches.begin()->first, true);
  state = TransferState::kFailed;
  status =
      base::Error(absl::StatusCode::kUnavailable, "NOT_ENOUGH_SHARDS",
                  absl::StrCat(usable, " of ", shards, " shards can be had, ", k(), " are needed"),
                  "Wait until more holders are back, or ask the bucket's owner to replace them.",
                  std::move(evidence));
}

Download::Download(const ReadPlan& plan, uint32_t shards, std::vector<ShardHolder> holders,
                   const DownloadOptions& options)
    : state_(std::make_unique<State>(plan, shards, std::move(holders), options)) {}
Download::~Download() = default;
Download::Download(Download&&) noexcept = default;

std::vector<FetchAction> Download::Start(absl::Duration now) { return state_->Schedule(now); }

std::vector<FetchAction> Download::OnProgress(uint64_t fetch, uint64_t verified,
                                              absl::Duration now) {
  State& s = *state_;
  auto at = s.fetches.find(fetch);
  if (at == s.fetches.end()) return {};
  Fetch& f = at->second;
  verified = std::min(verified, f.range.length);
  if (verified <= f.verified) return {};
  f.verified = verified;
  s.silence.Add(now - f.last_progress);
  f.last_progress = now;
  Batch& batch = *s.Find(f.batch);
  uint64_t& known = batch.verified[f.shard];
  known = std::max(known, f.range.offset - batch.range.offset + verified);
  if (verified < f.range.length) return {};

  const Fetch ended = f;
  Holder& holder = s.holders[ended.holder];
  if (ended.slow) {
    ++holder.penalty;
  } else if (holder.penalty > 0) {
    --holder.penalty;
  }
  const double mib = static_cast<double>(ended.range.length) / (1 << 20);
  s.duration.Add((now - ended.started) / mib);
  s.EndFetch(fetch, false);
  s.CompleteShard(ended.batch, batch, ended.shard);
  return s.Schedule(now);
}

std::vector<FetchAction> Download::OnFailed(uint64_t fetch, const absl::Status& why,
                                            absl::Duration now) {
  State& s = *state_;
  if (s.fetches.find(fetch) == s.fetches.end()) return {};
  const Fetch failed = s.fetches.at(fetch);
  Holder& holder = s.holders[failed.holder];
  s.FailFetch(fetch, why);
  if (failed.started >= holder.broke_at) holder.broke_at = now;
  return s.Schedule(now);
}

std::vector<FetchAction> Download::OnTimer(absl::Duration now) {
  State& s = *state_;
  std::vector<uint64_t> stalled;
  for (auto& [id, f] : s.fetches) {
    const absl::Duration silent = now - f.last_progress;
    if (silent >= s.options.stall) {
      stalled.push_back(id);
    } else if (!f.slow && s.MayHedge() &&
               (silent >= s.SilenceLimit() || now - f.started >= s.DurationLimit(f))) {
      f.slow = true;
      ++s.holders[f.holder].penalty;
      ++s.hedges;
    }
  }
  for (uint64_t id : stalled) {
    // A failure before it may have dropped the holder and with it this request.
    if (s.fetches.find(id) == s.fetches.end()) continue;
    s.FailFetch(id, absl::DeadlineExceededError(
                        absl::StrCat("no progress for ", absl::FormatDuration(s.options.stall))));
  }
  return s.Schedule(now);
}

std::optional<absl::Duration> Download::next_timer() const {
  const State& s = *state_;
  if (s.state != TransferState::kRunning || s.fetches.empty()) return std::nullopt;
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [id, f] : s.fetches) {
    next = std::min(next, f.last_progress + s.options.stall);
    if (f.slow || !s.MayHedge()) continue;
    next = std::min({next, f.last_progress + s.SilenceLimit(), f.started + s.DurationLimit(f)});
  }
  return next;
}

TransferState Download::state() const { return state_->state; }
const absl::Status& Download::status() const { return state_->status; }
uint32_t Download::hedges() const { return state_->hedges; }

}  // namespace cairn::storage
