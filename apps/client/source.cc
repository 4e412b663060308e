#include "apps/client/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::client {
namespace {

absl::Status LocalError(const std::string& path, int error) {
  const std::string message = absl::StrCat(path, ": ", std::strerror(error));
  if (error == ENOENT || error == ENOTDIR) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_FILE", message);
  }
  if (error == EACCES || error == EPERM) {
    return base::Error(absl::StatusCode::kPermissionDenied, "FILE_NOT_READABLE", message);
  }
  return base::Error(absl::StatusCode::kUnknown, "LOCAL_FILE", message,
                     "look at the disk this file is on");
}

class FileSource final : public Source {
 public:
  FileSource(int fd, std::string path, const struct stat& facts)
      : fd_(fd), path_(std::move(path)), facts_(facts) {}
  ~FileSource() override { close(fd_); }
  uint64_t size() const override { return static_cast<uint64_t>(facts_.st_size); }
  int64_t mtime_ms() const override {
    return facts_.st_mtim.tv_sec * 1000 + facts_.st_mtim.tv_nsec / 1'000'000;
  }
  std::string content_type() const override { return ContentTypeOf(path_); }
  std::string identity() const override {
    return absl::StrCat("file\n", path_, "\n", facts_.st_dev, ":", facts_.st_ino, "\n",
                        facts_.st_size, "\n", facts_.st_mtim.tv_sec, ".", facts_.st_mtim.tv_nsec);
  }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n =
          pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return LocalError(path_, errno);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

 private:
  int fd_;
  std::string path_;
  struct stat facts_;
};

class BytesSource final : public Source {
 public:
  BytesSource(base::Bytes bytes, std::string type)
      : bytes_(std::move(bytes)), type_(std::move(type)) {}
  uint64_t size() const override { return bytes_.size(); }
  std::string content_type() const override { return type_; }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) override {
    if (offset >= bytes_.size()) return 0;
    const size_t n = std::min<uint64_t>(out.size(), bytes_.size() - offset);
    std::memcpy(out.data(), bytes_.data() + offset, n);
    return n;
  }

 private:
  base::Bytes bytes_;
  std::string type_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Source>> OpenFileSource(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return LocalError(path, errno);
  struct stat facts;
  if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    close(fd);
    return base::Error(absl::StatusCode::kInvalidArgument, "NOT_A_FILE",
                       absl::StrCat(path, " is no regular file"),
                       "folders need -r; pipes go through `storectl put -`");
  }
  char* absolute = realpath(path.c_str(), nullptr);
  std::string name = absolute == nullptr ? path : absolute;
  free(absolute);
  return std::unique_ptr<Source>(new FileSource(fd, std::move(name), facts));
}

std::unique_ptr<Source> MemorySource(base::Bytes bytes, std::string content_type) {
  return std::make_unique<BytesSource>(std::move(bytes), std::move(content_type));
}

std::string ContentTypeOf(absl::string_view name) {
  static constexpr struct {
    absl::string_view ending;
    absl::string_view type;
  } kTypes[] = {
      {"html", "text/html"},        {"htm", "text/html"},       {"css", "text/css"},
      {"js", "text/javascript"},    {"mjs", "text/javascript"}, {"json", "application/json"},
      {"txt", "text/plain"},        {"md", "text/markdown"},    {"csv", "text/csv"},
      {"xml", "application/xml"},   {"svg", "image/svg+xml"},   {"png", "image/png"},
      {"jpg", "image/jpeg"},        {"jpeg", "image/jpeg"},     {"gif", "image/gif"},
      {"webp", "image/webp"},       {"avif", "image/avif"},     {"ico", "image/x-icon"},
      {"mp4", "video/mp4"},         {"webm", "video/webm"},     {"mp3", "audio/mpeg"},
      {"ogg", "audio/ogg"},         {"wav", "audio/wav"},       {"pdf", "application/pdf"},
      {"zip", "application/zip"},   {"gz", "application/gzip"}, {"tar", "application/x-tar"},
      {"wasm", "application/wasm"}, {"woff2", "font/woff2"},
  };
  const size_t dot = name.rfind('.');
  if (dot == absl::string_view::npos) return "";
  const std::string ending = absl::AsciiStrToLower(name.substr(dot + 1));
  for (const auto& entry : kTypes) {
    if (entry.ending == ending) return std::string(entry.type);
  }
  return "";
}

}  // namespace cairn::client
