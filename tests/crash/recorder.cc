#undef _FORTIFY_SOURCE
#include "crash/recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <mutex>

#include "absl/strings/str_cat.h"

namespace cairn::crash {
namespace {

using Kind = Operation::Kind;

// A descriptor of a file or folder below the root.
struct Descriptor {
  bool folder = false;
  FileNumber file = 0;
  std::string path;
  bool through = false;
};

struct Recording {
  std::string root;
  std::optional<Fault> fault;
  DiskLog log;
  std::map<std::string, FileNumber> names;
  FileNumber next_file = 1;
  std::map<int, Descriptor> open;

  // Whether the next call is to fail; nullptr: no.
  const Fault* Failing() const {
    const size_t at = log.operations.size();
    const bool hit = fault.has_value() && (at == fault->at || (fault->forever && at > fault->at));
    return hit ? &*fault : nullptr;
  }
};

std::mutex mutex;
Recording* active = nullptr;
std::atomic<bool> recording = false;

// Below the root, as a relative path; nullopt for what does not concern us.
std::optional<std::string> Relative(int folder, const char* name) {
  std::string path = name;
  if (path.empty() || path[0] != '/') {
    char link[4096];
    const std::string via = folder == AT_FDCWD ? "/proc/self/cwd" : absl::StrCat("/proc/self/fd/", folder);
    const ssize_t n = readlink(via.c_str(), link, sizeof link);
    if (n <= 0) return std::nullopt;
    path = absl::StrCat(std::string(link, static_cast<size_t>(n)), "/", path);
  }
  path = std::filesystem::path(path).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == active->root) return "";
  const std::string below = active->root + "/";
  if (path.compare(0, below.size(), below) != 0) return std::nullopt;
  path = path.substr(below.size());
  return IsLockFile(path) ? std::nullopt : std::optional<std::string>(path);
}

bool Fail(const Fault& fault) {
  errno = fault.code;
  return fault.code != 0;
}

// Runs a call that changes a name, or has it fail.
template <class Call>
int NameCall(Operation operation, Call call) {
  const Fault* fault = active->Failing();
  const int result = fault != nullptr && Fail(*fault) ? -1 : call();
  const int code = errno;
  operation.failed = result != 0;
  if (result == 0 || fault != nullptr) active->log.operations.push_back(std::move(operation));
  errno = code;
  return result;
}

int RealOpen(int folder, const char* name, int flags, mode_t mode) {
  return static_cast<int>(syscall(SYS_openat, folder, name, flags, mode));
}

void Track(int fd, const std::string& path, int flags) {
  struct stat info;
  if (fstat(fd, &info) != 0) return;
  Descriptor descriptor;
  descriptor.folder = S_ISDIR(info.st_mode);
  descriptor.path = path;
  descriptor.through = (flags & (O_DSYNC | O_SYNC)) != 0;
  if (!descriptor.folder) descriptor.file = active->names[path];
  active->open[fd] = std::move(descriptor);
}

int Open(int folder, const char* name, int flags, mode_t mode) {
  if (!recording) return RealOpen(folder, name, flags, mode);
  std::lock_guard lock(mutex);
  const std::optional<std::string> path = active != nullptr ? Relative(folder, name) : std::nullopt;
  if (!path.has_value()) {
    const int fd = RealOpen(folder, name, flags, mode);
    if (active != nullptr) active->open.erase(fd);
    return fd;
  }
  const bool creates = (flags & O_CREAT) != 0 && active->names.count(*path) == 0;
  const bool cuts = (flags & O_TRUNC) != 0 && !creates;
  int fd = -1;
  if (creates) {
    Operation operation{.kind = Kind::kCreate, .file = active->next_file, .path = *path};
    NameCall(std::move(operation), [&] { return (fd = RealOpen(folder, name, flags, mode)) < 0 ? -1 : 0; });
    if (fd >= 0) active->names[*path] = active->next_file++;
  } else {
    fd = RealOpen(folder, name, flags, mode);
  }
  const int code = errno;
  if (fd >= 0) Track(fd, *path, flags);
  if (fd >= 0 && cuts) {
    active->log.operations.push_back({.kind = Kind::kTruncate, .file = active->names[*path], .path = *path});
  }
  errno = code;
  return fd;
}

const Descriptor* Find(int fd) {
  if (active == nullptr) return nullptr;
  const auto found = active->open.find(fd);
  return found == active->open.end() ? nullptr : &found->second;
}

ssize_t Write(int fd, base::ByteView bytes, uint64_t offset, bool at_position) {
  const auto real = [&](size_t size) -> ssize_t {
    if (at_position) return syscall(SYS_write, fd, bytes.data(), size);
    return syscall(SYS_pwrite64, fd, bytes.data(), size, offset);
  };
  if (!recording) return real(bytes.size());
  std::lock_guard lock(mutex);
  const Descriptor* descriptor = Find(fd);
  if (descriptor == nullptr || descriptor->folder) return real(bytes.size());
  if (at_position) offset = static_cast<uint64_t>(lseek(fd, 0, SEEK_CUR));
  const Fault* fault = active->Failing();
  Operation operation{.kind = Kind::kWrite, .file = descriptor->file, .path = descriptor->path, .offset = offset};
  operation.through = descriptor->through;
  ssize_t done = -1;
  if (fault == nullptr || !Fail(*fault)) {
    done = real(fault != nullptr && bytes.size() > 1 ? bytes.size() / 2 : bytes.size());
  }
  const int code = errno;
  operation.failed = done < 0;
  if (done > 0) operation.bytes = base::ToBytes(bytes.subspan(0, static_cast<size_t>(done)));
  active->log.operations.push_back(std::move(operation));
  errno = code;
  return done;
}

base::Bytes Gather(const iovec* parts, int count) {
  base::Bytes all;
  for (int i = 0; i < count; ++i) {
    const auto* begin = static_cast<const uint8_t*>(parts[i].iov_base);
    all.insert(all.end(), begin, begin + parts[i].iov_len);
  }
  return all;
}

int Sync(int fd, long call) {
  const auto real = [&] { return static_cast<int>(syscall(call, fd)); };
  if (!recording) return real();
  std::lock_guard lock(mutex);
  const Descriptor* descriptor = Find(fd);
  if (descriptor == nullptr) return real();
  Operation operation;
  operation.kind = descriptor->folder ? Kind::kSyncFolder : Kind::kSyncFile;
  operation.file = descriptor->file;
  operation.path = descriptor->path;
  return NameCall(std::move(operation), real);
}

int Truncate(int fd, off_t size) {
  const auto real = [&] { return static_cast<int>(syscall(SYS_ftruncate, fd, size)); };
  if (!recording) return real();
  std::lock_guard lock(mutex);
  const Descriptor* descriptor = Find(fd);
  if (descriptor == nullptr) return real();
  Operation operation{.kind = Kind::kTruncate, .file = descriptor->file, .path = descriptor->path};
  operation.offset = static_cast<uint64_t>(size);
  return NameCall(std::move(operation), real);
}

int MakeFolder(int folder, const char* name, mode_t mode) {
  const auto real = [&] { return static_cast<int>(syscall(SYS_mkdirat, folder, name, mode)); };
  if (!recording) return real();
  std::lock_guard lock(mutex);
  const auto path = active != nullptr ? Relative(folder, name) : std::nullopt;
  return path.has_value() ? NameCall({.kind = Kind::kMakeFolder, .path = *path}, real) : real();
}

int Remove(int folder, const char* name, int flags) {
  const auto real = [&] { return static_cast<int>(syscall(SYS_unlinkat, folder, name, flags)); };
  if (!recording) return real();
  std::lock_guard lock(mutex);
  const auto path = active != nullptr ? Relative(folder, name) : std::nullopt;
  if (!path.has_value()) return real();
  const auto file = active->names.find(*path);
  const FileNumber number = file == active->names.end() ? 0 : file->second;
  const int result = NameCall({.kind = Kind::kRemove, .file = number, .path = *path}, real);
  if (result == 0) active->names.erase(*path);
  return result;
}

int Rename(int from_folder, const char* from, int to_folder, const char* to) {
  const auto real = [&] { return static_cast<int>(syscall(SYS_renameat, from_folder, from, to_folder, to)); };
  if (!recording) return real();
  std::lock_guard lock(mutex);
  const auto source = active != nullptr ? Relative(from_folder, from) : std::nullopt;
  const auto target = active != nullptr ? Relative(to_folder, to) : std::nullopt;
  if (!source.has_value() || !target.has_value() || active->names.count(*source) == 0) return real();
  const FileNumber file = active->names[*source];
  const int result = NameCall({.kind = Kind::kRename, .file = file, .path = *source, .target = *target}, real);
  if (result == 0) {
    active->names.erase(*source);
    active->names[*target] = file;
  }
  return result;
}

}  // namespace

Recorder::Recorder(const std::string& root, std::optional<Fault> fault) {
  auto* made = new Recording;
  made->root = std::filesystem::canonical(root).string();
  made->fault = fault;
  made->log.start = ReadTree(made->root);
  made->names = made->log.start.names;
  made->next_file = static_cast<FileNumber>(made->names.size() + 1);
  std::lock_guard lock(mutex);
  if (active != nullptr) std::abort();
  active = made;
  recording = true;
}

Recorder::~Recorder() { Take(); }

size_t Recorder::size() const {
  std::lock_guard lock(mutex);
  return active == nullptr ? 0 : active->log.operations.size();
}

DiskLog Recorder::Take() {
  std::lock_guard lock(mutex);
  recording = false;
  const std::unique_ptr<Recording> taken(std::exchange(active, nullptr));
  return taken == nullptr ? DiskLog() : std::move(taken->log);
}

}  // namespace cairn::crash

// The names of the C library, for this program and the shared libraries that it loads. msync is not among them: the
// only writable map is that of LMDB's lock file, and every test compares what was recorded with what is on the disk.
extern "C" {

using namespace cairn::crash;

int open(const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return Open(AT_FDCWD, name, flags, mode);
}
int open64(const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return Open(AT_FDCWD, name, flags, mode);
}
int openat(int folder, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return Open(folder, name, flags, mode);
}
int close(int fd) {
  if (recording) {
    std::lock_guard lock(mutex);
    if (active != nullptr) active->open.erase(fd);
  }
  return static_cast<int>(syscall(SYS_close, fd));
}
ssize_t write(int fd, const void* bytes, size_t size) {
  return Write(fd, {static_cast<const uint8_t*>(bytes), size}, 0, true);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return Write(fd, {static_cast<const uint8_t*>(bytes), size}, static_cast<uint64_t>(offset), false);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return Write(fd, {static_cast<const uint8_t*>(bytes), size}, static_cast<uint64_t>(offset), false);
}
ssize_t writev(int fd, const iovec* parts, int count) { return Write(fd, Gather(parts, count), 0, true); }
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return Write(fd, Gather(parts, count), static_cast<uint64_t>(offset), false);
}
int fsync(int fd) { return Sync(fd, SYS_fsync); }
int fdatasync(int fd) { return Sync(fd, SYS_fdatasync); }
int ftruncate(int fd, off_t size) noexcept { return Truncate(fd, size); }
int mkdir(const char* name, mode_t mode) noexcept { return MakeFolder(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char* name, mode_t mode) noexcept { return MakeFolder(folder, name, mode); }
int unlink(const char* name) noexcept { return Remove(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char* name, int flags) noexcept { return Remove(folder, name, flags); }
int rename(const char* from, const char* to) noexcept { return Rename(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return Rename(from_folder, from, to_folder, to);
}

}  // extern "C"
