#include "cairn/storage/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "apps/client/get.h"
#include "apps/client/holders.h"
#include "cairn/base/status.h"
#include "cairn/chain/pb.h"

namespace cairn::client {
namespace {

constexpr uint64_t kQueueBytes = 8 << 20;  // received and not verified yet, over all requests
constexpr absl::Duration kRequestTimeout = absl::Minutes(10);  // stalls are the machine's to see
constexpr absl::Duration kTick = absl::Milliseconds(100);

// The sockets and threads around storage::ObjectDownload: one thread of the executor for each
// request, all facts and bytes to the calling thread, which verifies, decrypts and writes.
class DownloadDriver {
 public:
  DownloadDriver(Client& client, const base::ObjectId& object, const storage::VersionLayout& layout,
                 std::vector<Holder> holders, storage::ObjectDownload& machine)
      : client_(client),
        object_(object),
        layout_(layout),
        holders_(std::move(holders)),
        machine_(machine) {}

  absl::Status Run();

 private:
  struct Event {
    enum class Kind { kPiece, kEnd, kFailed };
    Kind kind = Kind::kPiece;
    uint64_t fetch = 0;
    base::Bytes bytes;
    absl::Status status;
  };

  void Start(const storage::FetchAction& action);
  void Fetch(const storage::FetchAction& action);
  void Cancel(uint64_t fetch);
  absl::Status Push(Event event);
  void Apply(const std::vector<storage::FetchAction>& actions);
  absl::Duration Now() const { return client_.clock().Monotonic(); }

  Client& client_;
  const base::ObjectId object_;
  const storage::VersionLayout& layout_;
  const std::vector<Holder> holders_;
  storage::ObjectDownload& machine_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  uint64_t queued_ = 0;
  bool closed_ = false;
  size_t running_ = 0;
  std::map<uint64_t, std::shared_ptr<GetStream>> streams_;
  std::map<uint64_t, bool> cancelled_;
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

void DownloadDriver::Fetch(const storage::FetchAction& action) {
  const Holder& holder = holders_[action.holder];
  auto stream = client_.transport().Get(
      holder.address, {object_, layout_.blob(action.shard), action.range}, kRequestTimeout);
  absl::Status status = stream.status();
  if (stream.ok()) {
    std::shared_ptr<GetStream> shared = *std::move(stream);
    bool wanted;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      wanted = !closed_ && !cancelled_.contains(action.fetch);
      if (wanted) streams_[action.fetch] = shared;
    }
    status = !wanted ? absl::CancelledError("not wanted any more")
                     : shared->Run([&](base::ByteView piece) {
                         return Push({Event::Kind::kPiece, action.fetch, base::ToBytes(piece), {}});
                       });
  }
  (void)Push({status.ok() ? Event::Kind::kEnd : Event::Kind::kFailed, action.fetch, {}, status});
  std::lock_guard<std::mutex> lock(mutex_);
  streams_.erase(action.fetch);
  --running_;
  changed_.notify_all();
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

absl::Status DownloadDriver::Run() {
  Apply(machine_.Start(Now()));
  absl::Status status;
  while (machine_.state() == storage::TransferState::kRunning) {
    status = client_.CheckStop();
    if (!status.ok()) break;
    std::deque<Event> events;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const auto timer = machine_.next_timer();
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
          Apply(machine_.OnPiece(event.fetch, event.bytes, Now()));
          break;
        case Event::Kind::kEnd:
          Apply(machine_.OnEnd(event.fetch, Now()));
          break;
        case Event::Kind::kFailed:
          Apply(machine_.OnFailed(event.fetch, event.status, Now()));
          break;
      }
      if (machine_.state() != storage::TransferState::kRunning) break;
    }
    const auto timer = machine_.next_timer();
    if (timer && *timer <= Now()) Apply(machine_.OnTimer(Now()));
  }
  std::vector<std::shared_ptr<GetStream>> open;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    for (const auto& [fetch, stream] : streams_) open.push_back(stream);
    changed_.notify_all();
  }
  for (const auto& stream : open) stream->Cancel();
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return running_ == 0; });
  if (!status.ok()) return status;
  return machine_.state() == storage::TransferState::kDone ? absl::OkStatus() : machine_.status();
}

absl::Status FileError(const std::string& path) {
  const int error = errno;
  const std::string message = absl::StrCat(path, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) {
    return base::Error(absl::StatusCode::kResourceExhausted, "LOCAL_DISK_FULL", message,
                       "free space and try again");
  }
  return base::Error(absl::StatusCode::kUnknown, "LOCAL_FILE", message,
                     "look at the disk this file is on");
}

absl::Status WriteAll(int fd, base::ByteView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
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
  storage::DownloadOptions limits;
  limits.stall = options.start_within / 2;
  ASSIGN_OR_RETURN(auto machine,
                   storage::ObjectDownload::Create(layout, sealed ? &seal : nullptr, range,
                                                   std::move(shards), limits, sink));
  DownloadDriver driver(client, object.id, layout, std::move(holders), *machine);
  RETURN_IF_ERROR(driver.Run());
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

absl::StatusOr<GetResult> GetFile(Client& client, const Reference& from, const GetOptions& options,
                                  const std::string& path) {
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, from.bucket));
  ASSIGN_OR_RETURN(ObjectInfo object, FindObject(client, *bucket, from, options.version));
  client.progress().Begin(from.ToText(), object.size());
  absl::StatusOr<GetResult> result = absl::UnknownError("not run");
  const absl::Status written = WriteFileWhole(
      path, object.manifest ? object.manifest->mtime_ms : 0, [&](const storage::ByteSink& sink) {
        result = GetObject(client, *bucket, object, options, sink);
        return result.status();
      });
  client.progress().End(from.ToText(), written);
  RETURN_IF_ERROR(written);
  return result;
}

absl::Status WriteFileWhole(const std::string& path, int64_t mtime_ms,
                            const std::function<absl::Status(const storage::ByteSink&)>& fill) {
  std::string temporary = absl::StrCat(FolderOf(path), "/.cairn-", getpid(), "-XXXXXX");
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return FileError(path);
  absl::Status status = fill([&](base::ByteView bytes) { return WriteAll(fd, bytes, path); });
  const mode_t mask = umask(0);
  umask(mask);
  if (status.ok() && fchmod(fd, 0666 & ~mask) != 0) status = FileError(path);
  if (status.ok() && mtime_ms != 0) {
    const timespec when{.tv_sec = mtime_ms / 1000, .tv_nsec = (mtime_ms % 1000) * 1'000'000};
    const timespec times[2] = {when, when};
    (void)futimens(fd, times);
  }
  if (status.ok() && fdatasync(fd) != 0) status = FileError(path);
  if (close(fd) != 0 && status.ok()) status = FileError(path);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = FileError(path);
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace cairn::client
