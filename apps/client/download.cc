#include "cairn/storage/download.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "apps/client/get.h"
#include "apps/client/holders.h"
#include "apps/client/local_file.h"
#include "apps/client/part_reader.h"
#include "cairn/base/status.h"
#include "cairn/chain/pb.h"
#include "cairn/storage/stripe.h"

namespace cairn::client {
namespace {

constexpr uint64_t kQueueBytes = 8 << 20;  // received and not verified yet, over all requests
constexpr absl::Duration kRequestTimeout = absl::Minutes(10);  // stalls are the machine's to see
constexpr absl::Duration kPaidStall = absl::Seconds(30);
constexpr absl::Duration kPaidHedge = absl::Seconds(5);
constexpr absl::Duration kTick = absl::Milliseconds(100);

// The sockets and threads around storage::ObjectDownload: one thread of the executor for each
// request, all facts and bytes to the calling thread, which verifies, decrypts and writes.
class DownloadDriver {
 public:
  // `bytes`: about how many each holder will be asked for.
  DownloadDriver(Client& client, const base::ObjectId& object, const storage::VersionLayout& layout,
                 std::vector<Holder> holders, uint64_t bytes)
      : client_(client),
        object_(object),
        layout_(layout),
        shard_size_(storage::StripeMap(layout).shard_size()),
        holders_(std::move(holders)),
        bytes_(bytes) {}

  absl::Status Run(storage::ObjectDownload& machine);
  // Of a request that is paid for; the driver's thread.
  void Verified(uint64_t fetch, uint64_t bytes);

 private:
  struct Event {
    enum class Kind { kPiece, kEnd, kFailed };
    Kind kind = Kind::kPiece;
    uint64_t fetch = 0;
    base::Bytes bytes;
    absl::Status status;
  };

  // A request that a channel pays for: what it asked for and what of it was verified.
  struct Bill {
    std::shared_ptr<PayingChannel> payer;
    uint64_t wanted = 0;
    uint64_t verified = 0;
  };

  void Start(const storage::FetchAction& action);
  absl::Status Receive(const storage::FetchAction& action, const GetPart& what);
  absl::Status Transfer(const storage::FetchAction& action);
  absl::Status Pay(const storage::FetchAction& action, GetPart& what);
  void EndBill(uint64_t fetch);
  // Money that is not there for one holder is not there for another one.
  absl::Status KeepUnpaid(const absl::Status& why) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (IsAboutMoney(why)) unpaid_ = why;
    return why;
  }
  absl::Status Unpaid() {
    std::lock_guard<std::mutex> lock(mutex_);
    return unpaid_;
  }
  void Fetch(const storage::FetchAction& action);
  void Cancel(uint64_t fetch);
  absl::Status Push(Event event);
  void Apply(const std::vector<storage::FetchAction>& actions);
  absl::Duration Now() const { return client_.clock().Monotonic(); }

  Client& client_;
  const base::ObjectId object_;
  const storage::VersionLayout& layout_;
  const uint64_t shard_size_;
  const std::vector<Holder> holders_;
  const uint64_t bytes_;
  std::mutex paying_;
  bool paid_once_ = false;  // a channel was found affordable
  storage::ObjectDownload* machine_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  uint64_t queued_ = 0;
  bool closed_ = false;
  size_t running_ = 0;
  std::map<uint64_t, std::shared_ptr<GetStream>> streams_;
  std::map<uint64_t, bool> cancelled_;
  std::map<uint64_t, Bill> bills_;
  std::set<base::AccountId> asks_;  // holders that want to be paid
  absl::Status unpaid_;             // why the money is not there: no other holder changes that
};

absl::Status DownloadDriver::Push(Event event) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] {
    return closed_ || queued_ < kQueueBytes || event.kind != Event::Kind::kPiece ||
           cancelled_.contains(event.fetch);
  });
  if (closed_ || cancelled_.contains(event.fetch))
    return absl::CancelledError("not wanted any more");
  queued_ += event.bytes.size();
  events_.push_back(std::move(event));
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status DownloadDriver::Receive(const storage::FetchAction& action, const GetPart& what) {
  ASSIGN_OR_RETURN(std::shared_ptr<GetStream> stream,
                   client_.transport().Get(holders_[action.holder].address, what, kRequestTimeout));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_ || cancelled_.contains(action.fetch))
      return absl::CancelledError("not wanted any more");
    streams_[action.fetch] = stream;
  }
  return stream->Run([&](base::ByteView piece) {
    return Push({Event::Kind::kPiece, action.fetch, base::ToBytes(piece), {}});
  });
}

// A channel for the request, and its first payment.
absl::Status DownloadDriver::Pay(const storage::FetchAction& action, GetPart& what) {
  const ProviderAddress& holder = holders_[action.holder].address;
  std::shared_ptr<PayingChannel> payer;
  {
    // One at a time: the first one looks at what all holders together will cost.
    std::lock_guard<std::mutex> one_at_a_time(paying_);
    RETURN_IF_ERROR(Unpaid());
    auto found = client_.purse().For(holder, bytes_, paid_once_ ? 0 : layout_.data());
    if (!found.ok()) return KeepUnpaid(found.status());
    payer = *std::move(found);
    paid_once_ = true;
  }
  const uint64_t offset = std::min(action.range.offset, shard_size_);
  const uint64_t wanted = std::min(action.range.length, shard_size_ - offset);
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || cancelled_.contains(action.fetch))
    return absl::CancelledError("not wanted any more");
  const absl::Status begun = payer->Begin(wanted);
  if (base::ReasonOf(begun) == "PRICE_GUARD") unpaid_ = begun;
  RETURN_IF_ERROR(begun);
  what.channel = payer->id();
  bills_[action.fetch] = {std::move(payer), wanted, 0};
  return absl::OkStatus();
}

absl::Status DownloadDriver::Transfer(const storage::FetchAction& action) {
  const base::AccountId& holder = holders_[action.holder].address.account;
  GetPart what{object_, layout_.blob(action.shard), action.range};
  const PayWhen when = client_.purse().when();
  bool pay = when == PayWhen::kAlways;
  if (when == PayWhen::kNeeded) {
    std::lock_guard<std::mutex> lock(mutex_);
    pay = asks_.contains(holder);
  }
  if (!pay) {
    const absl::Status free = Receive(action, what);
    if (base::ReasonOf(free) != "READ_QUOTA_SPENT") return free;
    std::lock_guard<std::mutex> lock(mutex_);
    if (when == PayWhen::kNever) unpaid_ = NotAllowed(free);
    if (when == PayWhen::kNever) return free;
    asks_.insert(holder);
  }
  RETURN_IF_ERROR(Pay(action, what));
  return Receive(action, what);
}

void DownloadDriver::Fetch(const storage::FetchAction& action) {
  const absl::Status status = Transfer(action);
  (void)Push({status.ok() ? Event::Kind::kEnd : Event::Kind::kFailed, action.fetch, {}, status});
  std::lock_guard<std::mutex> lock(mutex_);
  streams_.erase(action.fetch);
  --running_;
  changed_.notify_all();
}

void DownloadDriver::Verified(uint64_t fetch, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto bill = bills_.find(fetch);
  if (bill == bills_.end()) return;
  bill->second.verified += bytes;
  bill->second.payer->Verified(bytes);
}

// Nothing of the request will be verified any more.
void DownloadDriver::EndBill(uint64_t fetch) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto bill = bills_.find(fetch);
  if (bill == bills_.end()) return;
  bill->second.payer->End(bill->second.wanted - bill->second.verified);
  bills_.erase(bill);
}

void DownloadDriver::Start(const storage::FetchAction& action) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++running_;
  }
  client_.executor().Post([this, action] { Fetch(action); });
}

void DownloadDriver::Cancel(uint64_t fetch) {
  std::shared_ptr<GetStream> stream;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    cancelled_[fetch] = true;
    const auto found = streams_.find(fetch);
    if (found != streams_.end()) stream = found->second;
    changed_.notify_all();
  }
  EndBill(fetch);
  if (stream) stream->Cancel();
}

void DownloadDriver::Apply(const std::vector<storage::FetchAction>& actions) {
  for (const storage::FetchAction& action : actions) {
    if (action.kind == storage::FetchAction::Kind::kStart) {
      Start(action);
    } else {
      Cancel(action.fetch);
    }
  }
}

absl::Status DownloadDriver::Run(storage::ObjectDownload& machine) {
  machine_ = &machine;
  Apply(machine_->Start(Now()));
  absl::Status status;
  while (machine_->state() == storage::TransferState::kRunning) {
    status = client_.CheckStop();
    if (status.ok()) status = Unpaid();
    if (!status.ok()) break;
    std::deque<Event> events;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const auto timer = machine_->next_timer();
      const absl::Duration wait =
          timer ? std::clamp(*timer - Now(), absl::ZeroDuration(), kTick) : kTick;
      changed_.wait_for(lock, absl::ToChronoMilliseconds(wait + absl::Milliseconds(1)),
                        [&] { return !events_.empty(); });
      events.swap(events_);
      queued_ = 0;
      changed_.notify_all();
    }
    for (const Event& event : events) {
      switch (event.kind) {
        case Event::Kind::kPiece:
          Apply(machine_->OnPiece(event.fetch, event.bytes, Now()));
          break;
        case Event::Kind::kEnd:
          EndBill(event.fetch);
          Apply(machine_->OnEnd(event.fetch, Now()));
          break;
        case Event::Kind::kFailed:
          EndBill(event.fetch);
          Apply(machine_->OnFailed(event.fetch, event.status, Now()));
          break;
      }
      if (machine_->state() != storage::TransferState::kRunning) break;
    }
    const auto timer = machine_->next_timer();
    if (timer && *timer <= Now()) Apply(machine_->OnTimer(Now()));
  }
  std::vector<std::shared_ptr<GetStream>> open;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    for (const auto& [fetch, stream] : streams_) open.push_back(stream);
    changed_.notify_all();
  }
  for (const auto& stream : open) stream->Cancel();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return running_ == 0; });
  }
  while (!bills_.empty()) EndBill(bills_.begin()->first);
  if (status.ok() && machine_->state() != storage::TransferState::kDone) status = Unpaid();
  if (!status.ok()) return status;
  return machine_->state() == storage::TransferState::kDone ? absl::OkStatus() : machine_->status();
}

// The stored bytes as one copy, whatever else they were cut into.
storage::VersionLayout WholeOf(const storage::VersionLayout& stored) {
  storage::VersionLayout whole = stored;
  whole.layout = base::LayoutKind::kCopies;
  whole.policy = {.kind = base::LayoutKind::kCopies, .data = 0, .parity = 0, .copies = 2};
  whole.shard_ids.clear();
  return whole;
}

// The plaintext of the range from these holders; how often a slow one was hedged.
absl::StatusOr<uint32_t> Read(Client& client, const ObjectInfo& object,
                              const storage::VersionLayout& layout, std::vector<Holder> holders,
                              const base::ByteRange& range, const GetOptions& options,
                              const storage::ByteSink& sink) {
  std::vector<storage::ShardHolder> shards;
  for (const Holder& holder : holders) {
    shards.push_back({.shard = holder.shard,
                      .name = absl::StrCat(base::ToText(holder.address.account), " at ",
                                           holder.address.endpoint)});
  }
  const auto& sealed = object.manifest->head.seal;
  storage::SealedWith seal;
  if (sealed) seal = {.key = &*object.key, .key_id = sealed->key_id};
  // A part of an object touches a stripe more than its bytes fill.
  const storage::StripeMap map(layout);
  const uint64_t share =
      std::min(range.length, layout.stored_size) / layout.data() + map.unit();
  DownloadDriver driver(client, object.id, layout, std::move(holders),
                        std::min(share, map.shard_size()));
  storage::DownloadOptions limits;
  limits.batch_bytes = kReadAhead / limits.window_batches;
  limits.stall = options.start_within / 2;
  if (client.purse().when() != PayWhen::kNever) {
    // Opening a channel takes a block; another holder would want one of its own.
    limits.stall = std::max(limits.stall, kPaidStall);
    limits.min_hedge = kPaidHedge;
  }
  limits.verified = [&](uint64_t fetch, uint64_t bytes) { driver.Verified(fetch, bytes); };
  ASSIGN_OR_RETURN(auto machine,
                   storage::ObjectDownload::Create(layout, sealed ? &seal : nullptr, range,
                                                   std::move(shards), limits, sink));
  RETURN_IF_ERROR(driver.Run(*machine));
  // What was signed is kept and shown again with the next read, so a payment that did not arrive takes
  // nothing away from this one.
  const absl::Status paid = client.purse().Settle();
  if (!paid.ok()) client.progress().Note(object.ref.ToText(), paid.message());
  return machine->hedges();
}

}  // namespace

absl::StatusOr<GetResult> GetObject(Client& client, const Bucket&, const ObjectInfo& object,
                                    const GetOptions& options, const storage::ByteSink& sink) {
  if (!object.manifest) {
    return base::Error(absl::StatusCode::kUnavailable, "NO_MANIFEST",
                       absl::StrCat("the manifest of ", object.ref.ToText(), " could not be read"));
  }
  ASSIGN_OR_RETURN(chain::pb::Group group, client.Group(object.record->group()));
  const uint64_t size = object.manifest->plaintext_size;
  const uint64_t wanted = options.range.offset >= size
                              ? 0
                              : std::min(options.range.length, size - options.range.offset);
  GetResult out{.ref = object.ref,
                .bytes = 0,
                .content_id = object.manifest->head.stored.content_id,
                .hedges = 0};
  const std::string item = object.ref.ToText();
  const storage::ByteSink count = [&](base::ByteView bytes) {
    out.bytes += bytes.size();
    client.progress().Update(item, Stage::kDownload, out.bytes, wanted);
    return sink(bytes);
  };
  if (auto primary = WholeAtPrimary(client, group); primary && wanted > 0) {
    const storage::VersionLayout whole = WholeOf(object.manifest->head.stored);
    auto read = Read(client, object, whole, {*std::move(primary)}, options.range, options, count);
    if (read.ok()) return out;
    RETURN_IF_ERROR(client.CheckStop());
    client.progress().Note(item, absl::StrCat("not from the primary's copy: ", read.status().message()));
  }
  ASSIGN_OR_RETURN(std::vector<Holder> holders, HoldersOf(client, *object.record, group));
  const base::ByteRange rest{options.range.offset + out.bytes, options.range.length - out.bytes};
  auto hedges = Read(client, object, object.manifest->head.stored, std::move(holders), rest, options, count);
  RETURN_IF_ERROR(base::Annotate(hedges.status(), item));
  out.hedges = *hedges;
  return out;
}

absl::StatusOr<GetResult> Get(Client& client, const Reference& from, const GetOptions& options,
                              const storage::ByteSink& sink) {
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, from.bucket));
  ASSIGN_OR_RETURN(ObjectInfo object, FindObject(client, *bucket, from, options.version));
  client.progress().Begin(from.ToText(), object.size());
  auto result = GetObject(client, *bucket, object, options, sink);
  client.progress().End(from.ToText(), result.status());
  return result;
}

namespace {

bool Kept(const Client& client, const ObjectInfo& object, const GetOptions& options) {
  const bool all = options.range.offset == 0 && options.range.length == UINT64_MAX;
  return client.purse().when() != PayWhen::kNever && all && object.manifest &&
         object.manifest->plaintext_hash;
}

// What an earlier run paid for and wrote down is not bought again. The plaintext's hash tells whether it was sound.
absl::StatusOr<GetResult> GetRest(Client& client, const Bucket& bucket, const ObjectInfo& object,
                                  GetOptions options, PartFile& part) {
  const uint64_t kept = part.size();
  if (kept != 0) {
    client.progress().Note(object.ref.ToText(),
                           absl::StrCat("goes on after ", kept, " bytes of an earlier run"));
  }
  GetResult out{.ref = object.ref,
                .bytes = 0,
                .content_id = object.manifest->head.stored.content_id,
                .hedges = 0};
  options.range = {kept, object.size() - kept};
  if (options.range.length != 0 || kept == 0) {
    ASSIGN_OR_RETURN(out, GetObject(client, bucket, object, options,
                                    [&](base::ByteView bytes) { return part.Append(bytes); }));
  }
  out.bytes = part.size();
  if (part.hash() == *object.manifest->plaintext_hash) return out;
  RETURN_IF_ERROR(part.Clear());
  if (kept != 0) return GetRest(client, bucket, object, options, part);
  return base::Error(absl::StatusCode::kDataLoss, "CONTENT_DIFFERS",
                     absl::StrCat(object.ref.ToText(), ": the bytes have another hash than the manifest says"),
                     "storectl verify");
}

}  // namespace

absl::StatusOr<GetResult> GetFile(Client& client, const Reference& from, const GetOptions& options,
                                  const std::string& path) {
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, from.bucket));
  ASSIGN_OR_RETURN(ObjectInfo object, FindObject(client, *bucket, from, options.version));
  client.progress().Begin(from.ToText(), object.size());
  const int64_t mtime_ms = object.manifest ? object.manifest->mtime_ms : 0;
  absl::StatusOr<GetResult> result = absl::UnknownError("not run");
  std::unique_ptr<PartFile> part;
  if (Kept(client, object, options)) {
    ASSIGN_OR_RETURN(part, PartFile::Open(path, object.id, object.size()));
  }
  absl::Status written;
  if (part != nullptr) {
    result = GetRest(client, *bucket, object, options, *part);
    written = result.ok() ? part->Publish(mtime_ms) : result.status();
  } else {
    written = WriteFileWhole(path, mtime_ms, [&](const storage::ByteSink& sink) {
      result = GetObject(client, *bucket, object, options, sink);
      return result.status();
    });
  }
  client.progress().End(from.ToText(), written);
  RETURN_IF_ERROR(written);
  return result;
}

}  // namespace cairn::client
