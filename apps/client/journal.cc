#include "apps/client/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "apps/common/key_file.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"
#include "cairn/storage/names.h"

namespace cairn::client {
namespace {

constexpr absl::string_view kMagic = "cairn transfer 1";
constexpr size_t kMaxTransaction = 2 << 20;
constexpr size_t kMaxTags = 32 << 20;  // 16 bytes for each 64 KiB frame of 64 GiB is 16 MiB
constexpr size_t kMaxJournal = 40 << 20;
constexpr size_t kMaxPath = 8192;

absl::Status FileError(const std::string& path) {
  return base::Error(absl::StatusCode::kUnknown, "LOCAL_FILE",
                     absl::StrCat(path, ": ", std::strerror(errno)));
}

// Does the lock file still stand under its name? Its last holder may have unlinked it between our
// open and our flock.
bool StillThere(int lock, const std::string& path) {
  struct stat held, named;
  return fstat(lock, &held) == 0 && stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino;
}

// The locked file, -1 when another process holds it.
absl::StatusOr<int> TakeLock(const std::string& path, std::string* holder) {
  while (true) {
    const int lock = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return FileError(path);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
      char pid[32] = {};
      if (pread(lock, pid, sizeof pid - 1, 0) > 0) *holder = pid;
      close(lock);
      return -1;
    }
    if (StillThere(lock, path)) return lock;
    close(lock);
  }
}

}  // namespace

base::Bytes EncodeJournal(const JournalEntry& entry) {
  base::Writer w;
  w.Raw(base::AsBytes(kMagic));
  w.Raw(entry.chain.view());
  w.U64(entry.bucket.value);
  w.Var(entry.stored_name);
  w.Var(entry.source);
  w.Var(entry.spool);
  w.U64(entry.plaintext_size);
  w.Var(entry.manifest);
  w.Var(entry.frame_tags);
  w.Var(entry.transaction);
  w.Raw(entry.object.view());
  w.Raw(base::Blake3(w.view()).view());
  return std::move(w).Take();
}

absl::StatusOr<JournalEntry> DecodeJournal(base::ByteView bytes) {
  base::Reader r(bytes);
  if (base::AsText(r.Raw(kMagic.size())) != kMagic) r.Fail("no transfer journal");
  JournalEntry out;
  out.chain = r.Fixed<base::ChainId>();
  out.bucket.value = r.U64();
  out.stored_name = r.Text(storage::kMaxStoredNameBytes);
  out.source = r.Text(kMaxPath);
  out.spool = r.Text(kMaxPath);
  out.plaintext_size = r.U64();
  out.manifest = base::ToBytes(r.Var(storage::kMaxManifestBytes));
  out.frame_tags = base::ToBytes(r.Var(kMaxTags));
  out.transaction = base::ToBytes(r.Var(kMaxTransaction));
  out.object = r.Fixed<base::ObjectId>();
  const size_t covered = bytes.size() - r.remaining();
  const auto sum = r.Fixed<base::Digest>();
  RETURN_IF_ERROR(r.Finish());
  if (sum != base::Blake3(bytes.subspan(0, covered))) {
    return base::Error(absl::StatusCode::kInvalidArgument, "MALFORMED",
                       "the journal's checksum differs");
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& folder,
                                                       const base::ChainId& chain,
                                                       base::BucketId bucket,
                                                       absl::string_view stored_name) {
  if (folder.empty()) return std::unique_ptr<Journal>(new Journal("", -1));
  RETURN_IF_ERROR(app::MakeFolders(folder));
  base::Hasher name = base::Hasher::DeriveKey("cairn v1 transfer journal");
  name.Field(chain.view()).Field(bucket.value).Field(stored_name);
  const std::string path = absl::StrCat(folder, "/", name.Finish().ToHexString().substr(0, 32));
  std::string holder;
  ASSIGN_OR_RETURN(const int lock, TakeLock(path + ".lock", &holder));
  if (lock < 0) {
    return base::Error(absl::StatusCode::kAborted, "TRANSFER_LOCKED",
                       "another process is putting this name", "wait for it to end",
                       {{"pid", holder}, {"lock", path + ".lock"}});
  }
  const std::string pid = absl::StrCat(getpid());
  if (ftruncate(lock, 0) != 0 || pwrite(lock, pid.data(), pid.size(), 0) < 0) {
    close(lock);
    return FileError(path);
  }
  return std::unique_ptr<Journal>(new Journal(path, lock));
}

Journal::~Journal() {
  if (lock_ < 0) return;
  // Unlinked under the lock: whoever opens the name next makes a lock of its own.
  if (access(path_.c_str(), F_OK) != 0) unlink((path_ + ".lock").c_str());
  close(lock_);
}

std::optional<JournalEntry> Journal::Load() const {
  if (path_.empty()) return std::nullopt;
  auto content = app::ReadSmallFile(path_, kMaxJournal);
  if (!content.ok()) return std::nullopt;
  auto entry = DecodeJournal(base::AsBytes(*content));
  if (!entry.ok()) return std::nullopt;
  return *std::move(entry);
}

absl::Status Journal::Save(const JournalEntry& entry) {
  if (path_.empty()) return absl::OkStatus();
  return app::WriteFileAtomically(path_, base::AsText(EncodeJournal(entry)));
}

void Journal::Remove() {
  if (path_.empty()) return;
  unlink(path_.c_str());
  unlink(SpoolPath().c_str());
}

std::string Journal::SpoolPath() const { return path_.empty() ? "" : path_ + ".spool"; }

}  // namespace cairn::client
