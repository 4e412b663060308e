#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cairn/base/disk.h"
#include "disk_path.h"

namespace cairn::base {
namespace {

// From here on, whole blocks in aligned memory go past the page cache.
constexpr size_t kDirectBytes = 64 << 10;

absl::Status ToStatus(int code, absl::string_view call, absl::string_view path) {
  std::string message = absl::StrCat(call, " ", path, ": ", std::strerror(code));
  switch (code) {
    case ENOENT:
      return Error(absl::StatusCode::kNotFound, "NO_SUCH_FILE", message);
    case EEXIST:
      return Error(absl::StatusCode::kAlreadyExists, "FILE_EXISTS", message);
    case ENOSPC:
    case EDQUOT:
      return Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", message, "free some space");
    // They pass, and say nothing about the file or the disk.
    case EMFILE:
    case ENFILE:
      return Error(absl::StatusCode::kUnavailable, "TOO_MANY_FILES", message, "raise the limit on open files");
    case EACCES:
    case EPERM:
    case EROFS:
      return Error(absl::StatusCode::kPermissionDenied, "NO_ACCESS", message);
    case ENOTEMPTY:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EBADF:
      return Error(absl::StatusCode::kFailedPrecondition, "WRONG_KIND", message);
    default:
      return Error(absl::StatusCode::kInternal, "IO_ERROR", message);
  }
}

// Calls until it is not interrupted.
template <class Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// The folder of a disk, shared with its files.
struct RootFolder {
  explicit RootFolder(const std::string& path) : fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  ~RootFolder() {
    if (fd >= 0) close(fd);
  }
  RootFolder(const RootFolder&) = delete;
  RootFolder& operator=(const RootFolder&) = delete;
  const int fd;
};

class PosixFile final : public File {
 public:
  PosixFile(std::shared_ptr<const RootFolder> root, int fd, std::string path)
      : root_(std::move(root)), fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override {
    close(fd_);
    if (direct_fd_ >= 0) close(direct_fd_);
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    size_t done = 0;
    while (done < out.size()) {
      ssize_t n = Retry([&] {
        return pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return Failed("read");
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  absl::Status WriteAt(uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const bool direct = IsWholeBlocks(offset, bytes) && CanWriteDirectly();
      const int fd = direct ? direct_fd_ : fd_;
      ssize_t n = Retry([&] { return pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      // This file system takes no direct writes after all.
      if (n < 0 && direct && errno == EINVAL) {
        refused_ = true;
        continue;
      }
      if (n < 0) return Failed("write");
      offset += static_cast<uint64_t>(n);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    if (Retry([&] { return ftruncate(fd_, static_cast<off_t>(size)); }) != 0) return Failed("truncate");
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat info;
    if (fstat(fd_, &info) != 0) return Failed("stat");
    return static_cast<uint64_t>(info.st_size);
  }

  // No retry, not even when interrupted: after a failure the kernel may call lost pages clean.
  absl::Status Sync() override {
    if (!poisoned_ && fdatasync(fd_) == 0) return absl::OkStatus();
    if (!poisoned_.exchange(true)) return Failed("sync");
    return Error(absl::StatusCode::kAborted, "SYNC_FAILED_BEFORE",
                 absl::StrCat("an earlier sync of ", path_, " failed, what it covered may be lost"),
                 "check the disk and restart the process");
  }

  absl::Status PunchHole(uint64_t offset, uint64_t length) override {
    if (length == 0) return absl::OkStatus();
    int failed = Retry([&] {
      return fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(length));
    });
    if (failed && errno != EOPNOTSUPP && errno != ENOSYS) return Failed("punch hole in");
    return absl::OkStatus();
  }

 private:
  absl::Status Failed(absl::string_view call) const { return ToStatus(errno, call, path_); }

  static bool IsWholeBlocks(uint64_t offset, ByteView bytes) {
    return bytes.size() >= kDirectBytes && bytes.size() % kBlockBytes == 0 && offset % kBlockBytes == 0 &&
           reinterpret_cast<uintptr_t>(bytes.data()) % kBlockBytes == 0;
  }

  // A descriptor of its own: reads go on through the page cache.
  bool CanWriteDirectly() {
    std::call_once(tried_, [this] {
      const int flags = O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW;
      direct_fd_ = Retry([&] { return openat(root_->fd, path_.c_str(), flags); });
      struct stat mine, other;
      // The name may have gone to another file since this one was opened.
      const bool same = direct_fd_ >= 0 && fstat(fd_, &mine) == 0 && fstat(direct_fd_, &other) == 0 &&
                        mine.st_dev == other.st_dev && mine.st_ino == other.st_ino;
      refused_ = !same;
    });
    return !refused_;
  }

  const std::shared_ptr<const RootFolder> root_;
  int fd_;
  std::once_flag tried_;
  int direct_fd_ = -1;
  std::atomic<bool> refused_ = false;
  std::string path_;
  std::atomic<bool> poisoned_ = false;
};

int ToFlags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

class PosixDisk final : public Disk {
 public:
  explicit PosixDisk(absl::string_view root)
      : folder_(std::make_shared<RootFolder>(std::string(root))), root_(folder_->fd) {}

  absl::StatusOr<std::unique_ptr<File>> Open(absl::string_view path, OpenMode mode) override {
    RETURN_IF_ERROR(CheckDiskPath(path));
    std::string name(path);
    int fd = Retry([&] { return openat(root_, name.c_str(), ToFlags(mode) | O_CLOEXEC | O_NOFOLLOW, 0600); });
    if (fd < 0) return ToStatus(errno, "open", path);
    auto file = std::make_unique<PosixFile>(folder_, fd, name);
    struct stat info;
    if (fstat(fd, &info) != 0) return ToStatus(errno, "stat", path);
    if (!S_ISREG(info.st_mode)) return ToStatus(EISDIR, "open", path);
    return file;
  }

  absl::Status MakeDirs(absl::string_view path) override {
    RETURN_IF_ERROR(CheckDiskFolder(path));
    for (size_t end = 0; end < path.size();) {
      end = std::min(path.find('/', end + 1), path.size());
      std::string prefix(path.substr(0, end));
      if (mkdirat(root_, prefix.c_str(), 0700) != 0 && errno != EEXIST) return ToStatus(errno, "make folder", prefix);
    }
    ASSIGN_OR_RETURN(int fd, OpenFolder(path));  // refuses a file of that name
    close(fd);
    return absl::OkStatus();
  }

  absl::Status Rename(absl::string_view from, absl::string_view to) override {
    RETURN_IF_ERROR(CheckDiskPath(from));
    RETURN_IF_ERROR(CheckDiskPath(to));
    if (renameat(root_, std::string(from).c_str(), root_, std::string(to).c_str()) != 0) {
      return ToStatus(errno, "rename", from);
    }
    return absl::OkStatus();
  }

  absl::Status Remove(absl::string_view path) override {
    RETURN_IF_ERROR(CheckDiskPath(path));
    std::string name(path);
    if (unlinkat(root_, name.c_str(), 0) == 0) return absl::OkStatus();
    if (errno == EISDIR && unlinkat(root_, name.c_str(), AT_REMOVEDIR) == 0) return absl::OkStatus();
    return ToStatus(errno, "remove", path);
  }

  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override {
    ASSIGN_OR_RETURN(int fd, OpenFolder(folder));
    std::unique_ptr<DIR, int (*)(DIR*)> dir(fdopendir(fd), closedir);
    if (dir == nullptr) {
      close(fd);
      return ToStatus(errno, "list", folder);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(dir.get())) {
      absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    if (errno != 0) return ToStatus(errno, "list", folder);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<bool> Exists(absl::string_view path) override {
    RETURN_IF_ERROR(CheckDiskPath(path));
    struct stat info;
    if (fstatat(root_, std::string(path).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return ToStatus(errno, "stat", path);
  }

  absl::Status SyncDir(absl::string_view folder) override {
    ASSIGN_OR_RETURN(int fd, OpenFolder(folder));
    int failed = fsync(fd);
    int code = errno;
    close(fd);
    if (failed) return ToStatus(code, "sync folder", folder);
    return absl::OkStatus();
  }

  absl::StatusOr<DiskSpace> Space() override {
    struct statvfs info;
    if (fstatvfs(root_, &info) != 0) return ToStatus(errno, "statvfs", "");
    return DiskSpace{.total_bytes = uint64_t{info.f_blocks} * info.f_frsize,
                     .free_bytes = uint64_t{info.f_bavail} * info.f_frsize};
  }

 private:
  absl::StatusOr<int> OpenFolder(absl::string_view folder) {
    RETURN_IF_ERROR(CheckDiskFolder(folder));
    std::string name = folder.empty() ? "." : std::string(folder);
    int fd = Retry([&] { return openat(root_, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW); });
    if (fd < 0) return ToStatus(errno, "open folder", folder);
    return fd;
  }

  const std::shared_ptr<const RootFolder> folder_;
  const int root_;
};

}  // namespace

std::unique_ptr<Disk> OpenPosixDisk(absl::string_view root) { return std::make_unique<PosixDisk>(root); }

}  // namespace cairn::base
