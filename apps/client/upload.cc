#include "apps/client/upload.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "apps/client/holders.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "cairn/storage/upload.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;
using Piece = std::shared_ptr<const base::Bytes>;

constexpr uint64_t kQueueBytes = 32 << 20;                  // over all holders
constexpr uint64_t kMinQueueBytes = 1 << 20;                // of one
constexpr uint64_t kStepBytes = 256 << 10;   // sent at once
constexpr uint64_t kMinAhead = kStepBytes + (128 << 10);  // a holder tells every 128 KiB
constexpr absl::Duration kStreamTimeout = absl::Hours(24);  // stalls are the machine's to see
constexpr absl::Duration kTick = absl::Milliseconds(100);

// What holder threads tell the driver.
struct Event {
  enum class Kind { kOpened, kProgress, kReceipt, kFailed };
  Kind kind = Kind::kProgress;
  uint32_t target = 0;
  uint64_t generation = 0;  // of the attempt; older ones are ignored
  uint64_t offset = 0;
  absl::Status status;
};

// One attempt to bring one holder its part. The driver fills the queue, a thread of the executor
// empties it.
struct Lane {
  uint32_t target = 0;
  uint32_t position = 0;
  base::AccountId holder = {};
  uint64_t generation = 0;
  uint64_t next = 0;                           // driver's: offset of the next byte to queue
  std::deque<std::pair<Piece, size_t>> queue;  // piece and where in it to begin
  uint64_t queued = 0;
  bool end = false;  // everything was queued
  bool closed = false;
  std::shared_ptr<PutStream> stream;
};

// How far a holder is.
struct Reach {
  uint64_t sent = 0;
  uint64_t held = 0;  // stays when we are killed
  uint64_t told = 0;  // to the machine
};

}  // namespace

class UploadDriver {
 public:
  UploadDriver(Client& client, Shipment& shipment, const PassFn& pass, const UploadRun& run)
      : client_(client),
        shipment_(shipment),
        pass_(pass),
        run_(run),
        parcel_(shipment.parcels().front()),
        positions_(parcel_.record.positions().begin(), parcel_.record.positions().end()) {}

  absl::StatusOr<UploadOutcome> Run();

 private:
  using Lock = std::unique_lock<std::mutex>;
  absl::Status Prepare();
  storage::UploadTarget TargetOf(uint32_t target);
  void Apply(std::vector<storage::UploadAction> actions);
  absl::Status Handle();
  void Dispatch(const Event& event);
  bool Finished() const;
  void StartLane(uint32_t target);
  void CloseLane(uint32_t target);
  void Abandon(const storage::UploadAction& action);
  absl::Status RunPass(const storage::UploadAction& action);
  absl::Status Queue(Lane& lane, uint64_t offset, const Piece& piece);
  void WaitForEvents(absl::Duration limit);
  absl::Duration Now() const { return client_.clock().Monotonic(); }
  void ReportProgress();
  void MaybeSealQuorum();

  // On executor threads.
  void Work(const std::shared_ptr<Lane>& lane);
  absl::Status Feed(Lane& lane, PutStream& stream, uint64_t done);
  absl::StatusOr<std::pair<Piece, size_t>> NextPiece(Lane& lane);
  absl::Status Send(Lane& lane, PutStream& stream, base::ByteView bytes, Reach& reach);
  absl::Status Finish(Lane& lane, PutStream& stream);
  void TellReach(const Lane& lane, Reach& reach);
  absl::StatusOr<std::shared_ptr<PutStream>> OpenStream(Lane& lane, uint64_t* offset);
  void Tell(Event event);

  Client& client_;
  Shipment& shipment_;
  const PassFn& pass_;
  const UploadRun& run_;
  const Parcel& parcel_;
  const std::vector<uint32_t> positions_;  // by target
  std::optional<storage::Upload> machine_;
  std::deque<storage::UploadAction> todo_;
  std::map<uint32_t, MissingPart> missing_;  // by target
  std::vector<base::AccountId> holders_;     // whom each was last asked of
  std::vector<uint64_t> attempts_;
  std::vector<uint64_t> acked_;
  uint64_t limit_ = kMinQueueBytes;
  std::optional<uint64_t> ahead_;  // of what a holder keeps; absent: it does not matter
  bool in_pass_ = false;
  std::optional<absl::Duration> available_since_;
  bool quorum_sealed_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;  // events, room, pieces
  std::deque<Event> events_;
  std::map<uint32_t, std::shared_ptr<Lane>> lanes_;
  size_t working_ = 0;
  uint64_t sent_ = 0;
};

storage::UploadTarget UploadDriver::TargetOf(uint32_t target) {
  const uint32_t position = positions_[target];
  const pb::Group group = shipment_.group();
  const base::AccountId account =
      chain::AccountOf(group.positions(static_cast<int>(position)).provider());
  auto provider = client_.Provider(account);
  return {
      .shard = parcel_.layout.layout == base::LayoutKind::kShards ? position : 0,
      .operator_id = provider.ok() ? chain::AccountOf(provider->operator_()) : base::AccountId{},
      .name = base::ToText(account)};
}

absl::Status UploadDriver::Prepare() {
  std::vector<storage::UploadTarget> targets;
  for (uint32_t i = 0; i < positions_.size(); ++i) targets.push_back(TargetOf(i));
  storage::UploadOptions options;
  options.policy = parcel_.layout.policy;
  options.layout = parcel_.layout.layout;
  options.blob_bytes = PartSize(parcel_);
  machine_.emplace(std::move(targets), options);
  holders_.resize(positions_.size());
  attempts_.resize(positions_.size());
  acked_.resize(positions_.size());
  limit_ = std::max(kMinQueueBytes, kQueueBytes / positions_.size());
  const uint64_t ahead = run_.repeat_bytes / positions_.size();
  if (PartSize(parcel_) > ahead) ahead_ = std::max(kMinAhead, ahead);
  return absl::OkStatus();
}

void UploadDriver::Tell(Event event) {
  std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

absl::StatusOr<std::shared_ptr<PutStream>> UploadDriver::OpenStream(Lane& lane, uint64_t* offset) {
  ASSIGN_OR_RETURN(ProviderAddress holder, client_.Address(lane.holder));
  *offset = 0;
  if (run_.resumed || lane.generation > 1) {
    ASSIGN_OR_RETURN(rpc::v1::QueryUploadResponse held,
                     client_.transport().QueryUpload(
                         holder, chain::Trusted<base::ObjectId>(parcel_.record.id()), lane.position,
                         PartId(parcel_, lane.position), absl::Seconds(5)));
    *offset = held.complete() ? PartSize(parcel_) : held.held_bytes();
  }
  ASSIGN_OR_RETURN(std::shared_ptr<PutStream> stream,
                   client_.transport().Put(holder, kStreamTimeout));
  rpc::v1::PutOpen open = OpenOf(parcel_, lane.position, *offset);
  open.set_report(ahead_.has_value());
  RETURN_IF_ERROR(stream->Open(open));
  return stream;
}

// No piece at the end of the part.
absl::StatusOr<std::pair<Piece, size_t>> UploadDriver::NextPiece(Lane& lane) {
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return lane.closed || lane.end || !lane.queue.empty(); });
  if (lane.closed) return absl::CancelledError("closed");
  if (lane.queue.empty()) return std::pair<Piece, size_t>();
  std::pair<Piece, size_t> piece = std::move(lane.queue.front());
  lane.queue.pop_front();
  return piece;
}

void UploadDriver::TellReach(const Lane& lane, Reach& reach) {
  const uint64_t known = ahead_ ? reach.held : reach.sent;
  if (known == reach.told || (known < reach.told + (1 << 20) && known < PartSize(parcel_))) return;
  reach.told = known;
  Tell({Event::Kind::kProgress, lane.target, lane.generation, known, {}});
}

absl::Status UploadDriver::Send(Lane& lane, PutStream& stream, base::ByteView bytes,
                                Reach& reach) {
  while (!bytes.empty()) {
    const base::ByteView piece = bytes.subspan(0, kStepBytes);
    const uint64_t end = reach.sent + piece.size();
    if (ahead_ && end > reach.held + *ahead_) {
      ASSIGN_OR_RETURN(const uint64_t held, stream.WaitHeld(end - *ahead_));
      reach.held = std::min(held, reach.sent);
      TellReach(lane, reach);
    }
    RETURN_IF_ERROR(stream.Send(piece));
    bytes.remove_prefix(piece.size());
    reach.sent = end;
    TellReach(lane, reach);
    Lock lock(mutex_);
    lane.queued -= piece.size();
    sent_ += piece.size();
    changed_.notify_all();
  }
  return absl::OkStatus();
}

absl::Status UploadDriver::Feed(Lane& lane, PutStream& stream, uint64_t done) {
  Reach reach{done, done, done};
  while (true) {
    ASSIGN_OR_RETURN(const auto piece, NextPiece(lane));
    if (piece.first == nullptr) break;
    const base::ByteView bytes = base::ByteView(*piece.first).subspan(piece.second);
    RETURN_IF_ERROR(Send(lane, stream, bytes, reach));
  }
  if (ahead_) {
    ASSIGN_OR_RETURN(reach.held, stream.WaitHeld(reach.sent));
    TellReach(lane, reach);
  }
  return Finish(lane, stream);
}

absl::Status UploadDriver::Finish(Lane& lane, PutStream& stream) {
  if (parcel_.manifest_is_blob()) {
    RETURN_IF_ERROR(stream.Open(ManifestOpenOf(parcel_, lane.position)));
    RETURN_IF_ERROR(stream.Send(parcel_.manifest));
  }
  ASSIGN_OR_RETURN(pb::Receipt receipt,
                   stream.Commit({chain::Trusted<base::ObjectId>(parcel_.record.id())}));
  const absl::Status added = shipment_.Add(lane.position, receipt);
  if (added.ok() || base::ReasonOf(added) != "BAD_RECEIPT") return added;
  // Perhaps signed under another epoch than we know: the second time the receipt must be right.
  RETURN_IF_ERROR(shipment_.RefreshGroup());
  if (shipment_.HolderAt(lane.position) == lane.holder) return shipment_.Deliver(lane.position);
  return base::Error(absl::StatusCode::kUnavailable, "HOLDER_REPLACED",
                     "another provider has been given the position meanwhile",
                     "the part is sent to it");
}

void UploadDriver::Work(const std::shared_ptr<Lane>& lane) {
  uint64_t offset = 0;
  auto stream = OpenStream(*lane, &offset);
  absl::Status status = stream.status();
  if (stream.ok()) {
    {
      Lock lock(mutex_);
      lane->stream = *stream;
      lane->next = offset;
      if (offset == PartSize(parcel_)) lane->end = true;
    }
    Tell({Event::Kind::kOpened, lane->target, lane->generation, offset, {}});
    status = Feed(*lane, **stream, offset);
  }
  Tell({status.ok() ? Event::Kind::kReceipt : Event::Kind::kFailed, lane->target, lane->generation,
        0, status});
  Lock lock(mutex_);
  lane->stream.reset();
  lane->closed = true;
  --working_;
  changed_.notify_all();
}

void UploadDriver::StartLane(uint32_t target) {
  auto lane = std::make_shared<Lane>();
  lane->target = target;
  lane->position = positions_[target];
  lane->holder = holders_[target] = shipment_.HolderAt(positions_[target]);
  lane->generation = ++attempts_[target];
  {
    Lock lock(mutex_);
    lanes_[target] = lane;
    ++working_;
  }
  client_.executor().Post([this, lane] { Work(lane); });
}

void UploadDriver::CloseLane(uint32_t target) {
  std::shared_ptr<PutStream> stream;
  {
    Lock lock(mutex_);
    const auto found = lanes_.find(target);
    if (found == lanes_.end()) return;
    found->second->closed = true;
    stream = found->second->stream;
    lanes_.erase(found);
    changed_.notify_all();
  }
  if (stream) stream->Cancel();
}

void UploadDriver::Abandon(const storage::UploadAction& action) {
  const uint32_t position = positions_[action.target];
  const base::AccountId account = holders_[action.target];
  missing_[action.target] = {position, account, std::string(action.why.message())};
  CloseLane(action.target);
  // An object that is gone from the ledger is no fault of the holder's.
  if (!run_.replace_holders || absl::IsNotFound(action.why) ||
      !shipment_.Replace(position, account, action.why).ok())
    return;
  missing_.erase(action.target);
  for (auto& next : machine_->OnReplaced(action.target, TargetOf(action.target), Now()))
    todo_.push_back(std::move(next));
}

void UploadDriver::Apply(std::vector<storage::UploadAction> actions) {
  for (auto& action : actions) todo_.push_back(std::move(action));
}

void UploadDriver::Dispatch(const Event& event) {
  if (event.generation != attempts_[event.target]) return;
  switch (event.kind) {
    case Event::Kind::kOpened:
      Apply(machine_->OnOpened(event.target, event.offset, Now()));
      break;
    case Event::Kind::kProgress:
      acked_[event.target] = event.offset;
      Apply(machine_->OnProgress(event.target, event.offset, Now()));
      break;
    case Event::Kind::kReceipt:
      Apply(machine_->OnReceipt(event.target, Now()));
      break;
    case Event::Kind::kFailed:
      CloseLane(event.target);
      Apply(machine_->OnFailed(event.target, event.status, Now()));
      break;
  }
}

// Everything that is known by now: events into the machine, its decisions carried out. Never starts
// a pass in a pass.
absl::Status UploadDriver::Handle() {
  RETURN_IF_ERROR(client_.CheckStop());
  std::deque<Event> events;
  {
    Lock lock(mutex_);
    events.swap(events_);
  }
  for (const Event& event : events) Dispatch(event);
  const auto timer = machine_->next_timer();
  if (timer && *timer <= Now()) Apply(machine_->OnTimer(Now()));
  while (!todo_.empty()) {
    if (todo_.front().kind == storage::UploadAction::Kind::kPass && in_pass_)
      return absl::OkStatus();
    const storage::UploadAction action = std::move(todo_.front());
    todo_.pop_front();
    switch (action.kind) {
      case storage::UploadAction::Kind::kOpen:
        StartLane(action.target);
        break;
      case storage::UploadAction::Kind::kPass:
        RETURN_IF_ERROR(RunPass(action));
        break;
      case storage::UploadAction::Kind::kClose:
        CloseLane(action.target);
        break;
      case storage::UploadAction::Kind::kAbandoned:
        Abandon(action);
        break;
      default:
        break;
    }
  }
  return absl::OkStatus();
}

void UploadDriver::WaitForEvents(absl::Duration limit) {
  Lock lock(mutex_);
  if (events_.empty()) changed_.wait_for(lock, absl::ToChronoMilliseconds(limit));
}

absl::Status UploadDriver::Queue(Lane& lane, uint64_t offset, const Piece& piece) {
  while (true) {
    {
      Lock lock(mutex_);
      if (lane.closed || offset + piece->size() <= lane.next) return absl::OkStatus();
      if (lane.queued < limit_) {
        const size_t skip = lane.next > offset ? lane.next - offset : 0;
        lane.queue.emplace_back(piece, skip);
        lane.queued += piece->size() - skip;
        lane.next = offset + piece->size();
        changed_.notify_all();
        return absl::OkStatus();
      }
    }
    WaitForEvents(kTick);
    RETURN_IF_ERROR(Handle());
  }
}

absl::Status UploadDriver::RunPass(const storage::UploadAction& action) {
  in_pass_ = true;
  const storage::StripeMap map(parcel_.layout);
  const uint64_t stripe =
      map.count() == 0 ? 0 : std::min(map.IndexOfShard(action.offset), map.count() - 1);
  const uint64_t begin = map.count() == 0 ? 0 : map.At(stripe).shard_offset;
  std::map<uint32_t, std::vector<std::shared_ptr<Lane>>> by_shard;
  {
    Lock lock(mutex_);
    for (uint32_t target : action.targets) {
      const auto lane = lanes_.find(target);
      if (lane == lanes_.end()) continue;
      by_shard[parcel_.layout.layout == base::LayoutKind::kShards ? positions_[target] : 0]
          .push_back(lane->second);
    }
  }
  std::map<uint32_t, uint64_t> offsets;
  const absl::Status passed =
      pass_(stripe, [&](uint32_t shard, base::ByteView bytes) -> absl::Status {
        uint64_t& done = offsets.try_emplace(shard, begin).first->second;
        const uint64_t offset = done;
        done += bytes.size();
        const auto wanted = by_shard.find(shard);
        if (wanted != by_shard.end() && !bytes.empty()) {
          const Piece piece = std::make_shared<const base::Bytes>(bytes.begin(), bytes.end());
          for (const auto& lane : wanted->second) RETURN_IF_ERROR(Queue(*lane, offset, piece));
        }
        ReportProgress();
        return Handle();
      });
  in_pass_ = false;
  RETURN_IF_ERROR(passed);
  {
    Lock lock(mutex_);
    for (const auto& [shard, lanes] : by_shard) {
      for (const auto& lane : lanes) lane->end = true;
    }
    changed_.notify_all();
  }
  Apply(machine_->OnPassEnd(Now()));
  return absl::OkStatus();
}

void UploadDriver::ReportProgress() {
  uint64_t done = 0;
  for (uint64_t offset : acked_) done += offset;
  const uint64_t total = PartSize(parcel_) * positions_.size();
  const uint64_t shown =
      total == 0 ? 0
                 : static_cast<uint64_t>(static_cast<double>(done) / total * run_.plaintext_size);
  client_.progress().Update(run_.item, Stage::kUpload, shown, run_.plaintext_size);
}

void UploadDriver::MaybeSealQuorum() {
  if (machine_->state() != storage::Upload::State::kAvailable || quorum_sealed_) return;
  if (!available_since_) available_since_ = Now();
  if (Now() - *available_since_ < kSealPatience) return;
  quorum_sealed_ = true;
  {
    Lock lock(mutex_);
    ++working_;
  }
  client_.executor().Post([this] {
    (void)shipment_.Seal(WaitFor::kAvailable);
    Lock lock(mutex_);
    --working_;
    changed_.notify_all();
  });
}

bool UploadDriver::Finished() const {
  using State = storage::Upload::State;
  const State state = machine_->state();
  if (state == State::kDurable || state == State::kFailed) return true;
  return state == State::kAvailable && machine_->idle();
}

absl::StatusOr<UploadOutcome> UploadDriver::Run() {
  RETURN_IF_ERROR(Prepare());
  const auto streams = client_.TakeStreams(static_cast<uint32_t>(positions_.size()));
  Apply(machine_->Start(Now()));
  absl::Status status;
  while (status.ok()) {
    status = Handle();
    if (!status.ok() || (Finished() && todo_.empty())) break;
    ReportProgress();
    MaybeSealQuorum();
    const auto timer = machine_->next_timer();
    WaitForEvents(timer ? std::clamp(*timer - Now(), absl::Milliseconds(1), kTick) : kTick);
  }
  for (uint32_t target = 0; target < positions_.size(); ++target) CloseLane(target);
  {
    Lock lock(mutex_);
    changed_.wait(lock, [&] { return working_ == 0; });
  }
  RETURN_IF_ERROR(status);
  if (machine_->state() == storage::Upload::State::kFailed) return machine_->status();
  UploadOutcome out{.missing = {}, .sent_bytes = sent_};
  for (auto& [target, part] : missing_) out.missing.push_back(std::move(part));
  return out;
}

absl::StatusOr<UploadOutcome> UploadParcel(Client& client, Shipment& shipment, const PassFn& pass,
                                           const UploadRun& run) {
  UploadDriver driver(client, shipment, pass, run);
  return driver.Run();
}

}  // namespace cairn::client
