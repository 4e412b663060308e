#include "apps/client/local_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::client {
namespace {

constexpr size_t kReadBack = 1 << 20;

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

// Ready to be renamed: mode, time, and everything on the disk.
absl::Status Complete(int fd, int64_t mtime_ms, const std::string& path) {
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(fd, 0666 & ~mask) != 0) return FileError(path);
  if (mtime_ms != 0) {
    const timespec when{.tv_sec = mtime_ms / 1000, .tv_nsec = (mtime_ms % 1000) * 1'000'000};
    const timespec times[2] = {when, when};
    (void)futimens(fd, times);
  }
  return fdatasync(fd) == 0 ? absl::OkStatus() : FileError(path);
}

// One object at one place.
std::string PartNameOf(const std::string& path, const base::ObjectId& object) {
  base::Hasher hasher = base::Hasher::DeriveKey("cairn v1 client part file");
  hasher.Field(base::ToString(base::ByteView(object.value.data(), object.value.size())));
  hasher.Field(path.substr(path.rfind('/') + 1));
  return absl::StrCat(FolderOf(path), "/.cairn-", hasher.Finish().ToHexString().substr(0, 16),
                      ".part");
}

}  // namespace

absl::Status WriteFileWhole(const std::string& path, int64_t mtime_ms,
                            const std::function<absl::Status(const storage::ByteSink&)>& fill) {
  std::string temporary = absl::StrCat(FolderOf(path), "/.cairn-", getpid(), "-XXXXXX");
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return FileError(path);
  absl::Status status = fill([&](base::ByteView bytes) { return WriteAll(fd, bytes, path); });
  if (status.ok()) status = Complete(fd, mtime_ms, path);
  if (close(fd) != 0 && status.ok()) status = FileError(path);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = FileError(path);
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::StatusOr<std::unique_ptr<PartFile>> PartFile::Open(const std::string& path,
                                                         const base::ObjectId& object,
                                                         uint64_t most) {
  const std::string name = PartNameOf(path, object);
  const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return FileError(path);
  std::unique_ptr<PartFile> part(new PartFile(path, name, fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) return std::unique_ptr<PartFile>();
  // Whoever had it open may have published it under its own name since.
  struct stat here{}, there{};
  const bool same = fstat(fd, &here) == 0 && stat(name.c_str(), &there) == 0 &&
                    here.st_ino == there.st_ino && here.st_dev == there.st_dev;
  if (!same) return std::unique_ptr<PartFile>();
  part->locked_ = true;
  RETURN_IF_ERROR(part->ReadBack(most));
  return part;
}

PartFile::~PartFile() {
  if (fd_ < 0) return;
  if (locked_ && size_ == 0) unlink(part_.c_str());
  close(fd_);
}

absl::Status PartFile::ReadBack(uint64_t most) {
  base::Bytes buffer(kReadBack);
  while (true) {
    const ssize_t n = read(fd_, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(path_);
    if (n == 0) return absl::OkStatus();
    size_ += static_cast<uint64_t>(n);
    if (size_ > most) return Clear();
    hasher_.Update(base::ByteView(buffer.data(), static_cast<size_t>(n)));
  }
}

absl::Status PartFile::Append(base::ByteView bytes) {
  RETURN_IF_ERROR(WriteAll(fd_, bytes, path_));
  hasher_.Update(bytes);
  size_ += bytes.size();
  return absl::OkStatus();
}

absl::Status PartFile::Clear() {
  if (ftruncate(fd_, 0) != 0 || lseek(fd_, 0, SEEK_SET) != 0) return FileError(path_);
  hasher_ = base::Hasher();
  size_ = 0;
  return absl::OkStatus();
}

absl::Status PartFile::Publish(int64_t mtime_ms) {
  RETURN_IF_ERROR(Complete(fd_, mtime_ms, path_));
  if (rename(part_.c_str(), path_.c_str()) != 0) return FileError(path_);
  const int fd = std::exchange(fd_, -1);
  return close(fd) == 0 ? absl::OkStatus() : FileError(path_);
}

}  // namespace cairn::client
