#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <lmdb.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kv_journal.h"
#include "kv_limits.h"
#include "kv_lmdb_heads.h"

namespace cairn::base {
namespace {

constexpr unsigned kMaxReaders = 4096;
constexpr size_t kIdleReaders = 16;
constexpr unsigned kFileMode = 0600;
constexpr uint64_t kLargestWrite = 256 * 1024;  // of LMDB, at once
constexpr char kDataName[] = "/data.mdb";
constexpr char kNewDataName[] = "/data.mdb.new";
constexpr char kJournalName[] = "journal";

MDB_val ToVal(absl::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
absl::string_view FromVal(const MDB_val& val) {
  return absl::string_view(static_cast<const char*>(val.mv_data), val.mv_size);
}

// LMDB's own codes are negative, the operating system's positive.
absl::Status ToStatus(int code, absl::string_view what) {
  std::string message = absl::StrCat(what, ": ", mdb_strerror(code));
  switch (code) {
    case MDB_MAP_FULL:
      return Error(absl::StatusCode::kResourceExhausted, "MAP_FULL", message, "open the store with a larger map");
    case ENOSPC:
    case EDQUOT:
      return Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", message, "free some space");
    case MDB_READERS_FULL:
      return Error(absl::StatusCode::kResourceExhausted, "TOO_MANY_SNAPSHOTS", message);
    case MDB_TXN_FULL:
      return Error(absl::StatusCode::kInvalidArgument, "BATCH_TOO_LARGE", message, "split the batch");
    case ENOENT:
      return Error(absl::StatusCode::kNotFound, "NO_SUCH_STORE", message);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      return Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED", message, "rebuild the store or restore a copy");
    default:
      return Error(absl::StatusCode::kInternal, "IO_ERROR", message);
  }
}

absl::Status Errno(absl::string_view what) { return ToStatus(errno, what); }

// Which failures of a commit leave the store as it was. After any other the disk may not hold what was written. A full
// disk may show in the sync, which then may have dropped the meta page of an earlier commit that was not `durable`: the
// pages that only the one before it knows would be used again.
bool IsHarmless(int code, bool all_durable) {
  if (code == ENOSPC || code == EDQUOT) return all_durable;
  return code == MDB_MAP_FULL || code == MDB_TXN_FULL || code == ENOMEM;
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

absl::Status SyncPath(const std::string& path) {
  Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok() || fsync(fd.get()) != 0) return Errno(absl::StrCat("sync ", path));
  return absl::OkStatus();
}

// Held as long as the store is open; the system lets go of it when the process ends, however it ends.
absl::StatusOr<Descriptor> Lock(const std::string& folder) {
  std::string path = folder + "/LOCK";
  Descriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode));
  if (!fd.ok()) return Errno(absl::StrCat("open ", path));
  // LMDB's own lock would let two processes write in turns; a store has one owner.
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Errno(absl::StrCat("lock ", path));
    char owner[32];
    ssize_t n = pread(fd.get(), owner, sizeof owner, 0);
    return Error(absl::StatusCode::kFailedPrecondition, "STORE_LOCKED",
                 absl::StrCat("the store in ", folder, " is open already"), "stop the process that has it open",
                 {{"pid", std::string(owner, n > 0 ? static_cast<size_t>(n) : 0)}});
  }
  std::string pid = absl::StrCat(getpid());
  if (ftruncate(fd.get(), 0) != 0 || pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
    return Errno(absl::StrCat("write ", path));
  }
  return fd;
}

struct EnvCloser {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using EnvHandle = std::unique_ptr<MDB_env, EnvCloser>;

absl::StatusOr<EnvHandle> OpenEnv(const std::string& path, uint64_t map_bytes, unsigned flags) {
  MDB_env* raw = nullptr;
  if (int code = mdb_env_create(&raw)) return ToStatus(code, "create environment");
  EnvHandle env(raw);
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  int code = mdb_env_set_mapsize(raw, map_bytes / page * page);
  if (code == 0) code = mdb_env_set_maxreaders(raw, kMaxReaders);
  // NOTLS: a reader belongs to no thread, so that an idle one serves whoever comes.
  if (code == 0) code = mdb_env_open(raw, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS | flags, kFileMode);
  if (code != 0) return ToStatus(code, absl::StrCat("open ", path));
  return env;
}

// LMDB writes the first pages of a new file without a sync, and never syncs the folder. So a file is made under
// another name and appears under its own only when it is whole and on the disk.
absl::Status CreateStore(const std::string& folder, uint64_t map_bytes) {
  std::string fresh = folder + kNewDataName;
  if (unlink(fresh.c_str()) != 0 && errno != ENOENT) return Errno(absl::StrCat("remove ", fresh));
  RETURN_IF_ERROR(OpenEnv(fresh, map_bytes, MDB_NOLOCK).status());
  RETURN_IF_ERROR(SyncPath(fresh));
  // Before the new one has its name: with the old note it would look like a store that lost its commits.
  RETURN_IF_ERROR(HeadNote::Remove(folder));  // of a store that was here before
  std::string final_name = folder + kDataName;
  if (rename(fresh.c_str(), final_name.c_str()) != 0) return Errno(absl::StrCat("rename ", fresh));
  return SyncPath(folder);
}

// Shared by the store and its snapshots, so that a snapshot never outlives the map it points into.
struct Env {
  ~Env() {
    for (MDB_txn* reader : idle_readers) mdb_txn_abort(reader);
  }

  // A reader keeps its slot in LMDB's table while it is idle: renewing it costs no lock.
  absl::StatusOr<MDB_txn*> BeginRead() {
    MDB_txn* reader = nullptr;
    {
      std::lock_guard lock(readers_mutex);
      if (!idle_readers.empty()) {
        reader = idle_readers.back();
        idle_readers.pop_back();
      }
    }
    if (reader == nullptr) {
      if (int code = mdb_txn_begin(handle.get(), nullptr, MDB_RDONLY, &reader)) return ToStatus(code, "begin to read");
    } else if (int code = mdb_txn_renew(reader)) {
      mdb_txn_abort(reader);
      return ToStatus(code, "begin to read");
    }
    return reader;
  }

  void EndRead(MDB_txn* reader) {
    mdb_txn_reset(reader);
    std::lock_guard lock(readers_mutex);
    if (idle_readers.size() < kIdleReaders) {
      idle_readers.push_back(reader);
    } else {
      mdb_txn_abort(reader);
    }
  }

  Descriptor lock_file;
  HeadNote note;  // under write_mutex
  EnvHandle handle;
  MDB_dbi table = 0;
  std::mutex readers_mutex;
  std::vector<MDB_txn*> idle_readers;
  std::mutex write_mutex;
  std::atomic<bool> failed = false;
  bool all_durable = true;  // no commit is waiting for a sync; under write_mutex
};

class LmdbCursor final : public KvCursor {
 public:
  LmdbCursor(MDB_txn* reader, MDB_dbi table) { Keep(mdb_cursor_open(reader, table, &cursor_)); }
  explicit LmdbCursor(absl::Status status) : status_(std::move(status)) {}
  ~LmdbCursor() override {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }

  void Seek(absl::string_view key) override {
    // LMDB knows no empty key; every key follows it.
    if (key.empty()) return Move(MDB_FIRST);
    key_ = ToVal(key);
    Move(MDB_SET_RANGE);
  }
  void SeekBefore(absl::string_view key) override {
    valid_ = false;
    if (key.empty()) return;
    Seek(key);
    if (status_.ok()) Move(valid_ ? MDB_PREV : MDB_LAST);
  }
  bool Valid() const override { return valid_; }
  void Next() override {
    if (valid_) Move(MDB_NEXT);
  }
  void Prev() override {
    if (valid_) Move(MDB_PREV);
  }
  absl::string_view key() const override { return FromVal(key_); }
  absl::string_view value() const override { return FromVal(value_); }
  absl::Status status() const override { return status_; }

 private:
  void Move(MDB_cursor_op op) {
    valid_ = false;
    if (cursor_ == nullptr) return;
    int code = mdb_cursor_get(cursor_, &key_, &value_, op);
    valid_ = code == 0;
    if (code != MDB_NOTFOUND) Keep(code);
  }
  void Keep(int code) {
    if (code != 0) status_ = ToStatus(code, "read");
  }

  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{};
  MDB_val value_{};
  bool valid_ = false;
  absl::Status status_;
};

class LmdbSnapshot final : public KvSnapshot {
 public:
  explicit LmdbSnapshot(std::shared_ptr<Env> env) : env_(std::move(env)), reader_(env_->BeginRead()) {}
  ~LmdbSnapshot() override {
    if (reader_.ok()) env_->EndRead(*reader_);
  }
  absl::StatusOr<std::optional<absl::string_view>> Get(absl::string_view key) const override {
    RETURN_IF_ERROR(reader_.status());
    RETURN_IF_ERROR(CheckKvKey(key));
    MDB_val wanted = ToVal(key);
    MDB_val found{};
    int code = mdb_get(*reader_, env_->table, &wanted, &found);
    if (code == MDB_NOTFOUND) return std::optional<absl::string_view>();
    if (code != 0) return ToStatus(code, "read");
    return std::optional<absl::string_view>(FromVal(found));
  }
  std::unique_ptr<KvCursor> NewCursor() const override {
    if (!reader_.ok()) return std::make_unique<LmdbCursor>(reader_.status());
    return std::make_unique<LmdbCursor>(*reader_, env_->table);
  }

 private:
  std::shared_ptr<Env> env_;
  absl::StatusOr<MDB_txn*> reader_;
};

class LmdbKv final : public Kv {
 public:
  explicit LmdbKv(std::shared_ptr<Env> env) : env_(std::move(env)) {}

  std::unique_ptr<KvSnapshot> Snapshot() const override { return std::make_unique<LmdbSnapshot>(env_); }

  absl::Status Commit(const KvBatch& batch, bool durable) override {
    RETURN_IF_ERROR(CheckKvBatch(batch));
    std::lock_guard lock(env_->write_mutex);
    RETURN_IF_ERROR(CheckNotFailed());
    if (int code = Write(batch, durable)) return Fail(code, "commit");
    env_->all_durable = durable || (env_->all_durable && batch.empty());
    // A commit without changes writes nothing; what was committed before must be durable all the same.
    if (durable && batch.empty()) return SyncLocked();
    if (durable) env_->note.Write(NewestHead(env_->handle.get()));
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    std::lock_guard lock(env_->write_mutex);
    RETURN_IF_ERROR(CheckNotFailed());
    return SyncLocked();
  }

  absl::StatusOr<uint64_t> EntryCount() const override {
    ASSIGN_OR_RETURN(MDB_txn * reader, env_->BeginRead());
    MDB_stat stat{};
    int code = mdb_stat(reader, env_->table, &stat);
    env_->EndRead(reader);
    if (code != 0) return ToStatus(code, "count");
    return stat.ms_entries;
  }

 private:
  absl::Status CheckNotFailed() const {
    if (!env_->failed) return absl::OkStatus();
    return Error(absl::StatusCode::kAborted, "STORE_FAILED", "the store takes no more commits since an I/O error",
                 "check the disk and restart the process");
  }

  absl::Status Fail(int code, absl::string_view what) {
    if (!IsHarmless(code, env_->all_durable)) env_->failed = true;
    return ToStatus(code == EIO && DiskIsFull() ? ENOSPC : code, what);
  }

  // LMDB calls a write that was cut short an I/O error; on a full disk it is the lack of room.
  bool DiskIsFull() const {
    int file = -1;
    struct statvfs disk = {};
    return mdb_env_get_fd(env_->handle.get(), &file) == 0 && fstatvfs(file, &disk) == 0 &&
           disk.f_bavail * disk.f_frsize < kLargestWrite;
  }

  absl::Status SyncLocked() {
    int code = mdb_env_sync(env_->handle.get(), 1);
    if (code == 0) {
      env_->all_durable = true;
      env_->note.Write(NewestHead(env_->handle.get()));
      return absl::OkStatus();
    }
    // Unlike a refused write, a sync that failed for any reason leaves pages of which nobody knows where they are.
    env_->failed = true;
    return ToStatus(code, "sync");
  }

  // A commit first syncs the new pages, then writes the meta page that makes them the store, then syncs that too.
  // NOMETASYNC leaves out the last step alone: until the next commit's sync the meta page on the disk is the old one,
  // whose pages are not reused before then. NOSYNC would let the new meta page reach the disk before its pages.
  int Write(const KvBatch& batch, bool durable) {
    MDB_env* env = env_->handle.get();
    if (int code = mdb_env_set_flags(env, MDB_NOMETASYNC, durable ? 0 : 1)) return code;
    MDB_txn* txn = nullptr;
    if (int code = mdb_txn_begin(env, nullptr, 0, &txn)) return code;
    for (const auto& [key, value] : batch.changes()) {
      if (int code = Change(txn, key, value)) {
        mdb_txn_abort(txn);
        return code;
      }
    }
    return mdb_txn_commit(txn);
  }

  int Change(MDB_txn* txn, const std::string& key, const std::optional<std::string>& value) {
    MDB_val k = ToVal(key);
    if (value.has_value()) {
      MDB_val v = ToVal(*value);
      return mdb_put(txn, env_->table, &k, &v, 0);
    }
    int code = mdb_del(txn, env_->table, &k, nullptr);
    return code == MDB_NOTFOUND ? 0 : code;
  }

  std::shared_ptr<Env> env_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Kv>> OpenLmdb(absl::string_view folder_view, const LmdbOptions& options) {
  std::string folder(folder_view);
  if (options.create) {
    if (mkdir(folder.c_str(), 0700) == 0) {
      RETURN_IF_ERROR(SyncPath(folder + "/.."));
    } else if (errno != EEXIST) {
      return Errno(absl::StrCat("create ", folder));
    }
  }
  auto env = std::make_shared<Env>();
  ASSIGN_OR_RETURN(env->lock_file, Lock(folder));
  std::string path = folder + kDataName;
  if (access(path.c_str(), F_OK) != 0) {
    if (errno != ENOENT || !options.create) return Errno(absl::StrCat("open ", path));
    RETURN_IF_ERROR(CreateStore(folder, options.map_bytes));
  }
  ASSIGN_OR_RETURN(env->handle, OpenEnv(path, options.map_bytes, 0));
  RETURN_IF_ERROR(env->note.Open(folder));
  RETURN_IF_ERROR(CheckHeads(env->handle.get(), env->note.Read()));
  MDB_txn* txn = nullptr;
  int code = mdb_txn_begin(env->handle.get(), nullptr, MDB_RDONLY, &txn);
  if (code == 0) code = mdb_dbi_open(txn, nullptr, 0, &env->table);
  if (txn != nullptr) mdb_txn_abort(txn);
  if (code != 0) return ToStatus(code, absl::StrCat("open ", path));
  auto kv = std::make_unique<LmdbKv>(std::move(env));
  ASSIGN_OR_RETURN(const uint64_t pass, JournalPass(*kv));
  if (options.journal_bytes == 0 && pass == 0) return kv;
  return OpenJournaledKv(std::move(kv), OpenPosixDisk(folder), kJournalName, options.journal_bytes);
}

}  // namespace cairn::base
