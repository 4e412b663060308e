#include "apps/common/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cairn/base/age_file.h"
#include "cairn/base/status.h"

namespace cairn::app {
namespace {

using base::Error;

constexpr char kMagic[] = "CAIRN-SEED-V1 ";

absl::Status FileError(const std::string& path, absl::string_view what) {
  int error = errno;
  absl::StatusCode code = error == ENOENT                     ? absl::StatusCode::kNotFound
                          : error == EACCES || error == EPERM ? absl::StatusCode::kPermissionDenied
                          : error == ENOSPC || error == EDQUOT
                              ? absl::StatusCode::kResourceExhausted
                              : absl::StatusCode::kInternal;
  absl::string_view reason = error == ENOENT                      ? "NO_FILE"
                             : error == ENOSPC || error == EDQUOT ? "DISK_FULL"
                                                                  : "DISK_ERROR";
  return Error(code, reason, absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(error)),
               error == ENOSPC || error == EDQUOT ? "make room on that disk"
                                                  : "check the path, and who may read and write it",
               {{"file", path}});
}

std::string SeedLine(const base::Secret<32>& seed) {
  return absl::StrCat(kMagic, base::ToHex(seed.Reveal()), "\n");
}

absl::StatusOr<base::Secret<32>> ParseSeedLine(absl::string_view line, const std::string& path) {
  auto bad = [&] {
    return Error(absl::StatusCode::kDataLoss, "BAD_KEY_FILE",
                 absl::StrCat(path, " is no key file of this version"),
                 "restore it from a copy or from the recovery phrase", {{"file", path}});
  };
  line = absl::StripSuffix(line, "\n");
  if (!absl::ConsumePrefix(&line, kMagic) || line.size() != 64) return bad();
  absl::StatusOr<base::Bytes> bytes = base::FromHex(line);
  if (!bytes.ok()) return bad();
  absl::StatusOr<base::Secret<32>> seed = base::Secret<32>::From(*bytes);
  base::SecureWipe(bytes->data(), bytes->size());
  return seed;
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(path, "write");
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (fsync(fd) != 0) return FileError(path, "sync");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t limit) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError(path, "read");
  std::string out;
  char buffer[16384];
  ssize_t n = 0;
  while ((n = read(fd, buffer, sizeof(buffer))) > 0 && out.size() <= limit)
    out.append(buffer, static_cast<size_t>(n));
  absl::Status status = n < 0 ? FileError(path, "read") : absl::OkStatus();
  close(fd);
  base::SecureWipe(buffer, sizeof(buffer));
  RETURN_IF_ERROR(status);
  if (out.size() > limit) {
    return Error(absl::StatusCode::kInvalidArgument, "FILE_TOO_LARGE",
                 absl::StrCat(path, " is longer than ", limit, " bytes"), "", {{"file", path}});
  }
  return out;
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, int mode) {
  std::string temporary = absl::StrCat(path, ".new");
  int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                static_cast<mode_t>(mode));
  if (fd < 0) return FileError(temporary, "create");
  absl::Status status = fchmod(fd, static_cast<mode_t>(mode)) == 0
                            ? WriteAll(fd, content, temporary)
                            : FileError(temporary, "set the mode of");
  close(fd);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0)
    status = FileError(path, "replace");
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int dir = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0 || fsync(dir) != 0) status = FileError(folder, "sync");
  if (dir >= 0) close(dir);
  return status;
}

absl::Status MakeFolders(const std::string& path, int mode) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    (void)mkdir(path.substr(0, slash).c_str(), static_cast<mode_t>(mode));
  }
  if (mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0) return absl::OkStatus();
  struct stat info {};
  if (errno == EEXIST && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    return absl::OkStatus();
  return FileError(path, "make the folder");
}

absl::Status WriteSeedFile(const std::string& path, const base::Secret<32>& seed,
                           const base::SecretString& passphrase, int work_factor,
                           base::Entropy& entropy) {
  base::SecretString line(SeedLine(seed));
  ASSIGN_OR_RETURN(std::string sealed,
                   base::AgeSeal(base::AsBytes(line.Reveal()), passphrase, work_factor, entropy));
  return WriteFileAtomically(path, sealed);
}

absl::StatusOr<base::Secret<32>> ReadSeedFile(const std::string& path,
                                              const base::SecretString& passphrase) {
  absl::StatusOr<std::string> sealed = ReadSmallFile(path, 64 << 10);
  if (absl::IsNotFound(sealed.status())) {
    return Error(absl::StatusCode::kNotFound, "NO_KEY_FILE",
                 absl::StrCat("there is no key file ", path), "", {{"file", path}});
  }
  RETURN_IF_ERROR(sealed.status());
  ASSIGN_OR_RETURN(base::SecretString line, base::AgeOpen(*sealed, passphrase));
  return ParseSeedLine(line.Reveal(), path);
}

absl::Status WritePlainSeedFile(const std::string& path, const base::Secret<32>& seed) {
  base::SecretString line(SeedLine(seed));
  return WriteFileAtomically(path, line.Reveal());
}

absl::StatusOr<base::Secret<32>> ReadPlainSeedFile(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return Error(absl::StatusCode::kNotFound, "NO_KEY_FILE",
                 absl::StrCat("there is no key file ", path), "", {{"file", path}});
  }
  if ((info.st_mode & 077) != 0) {
    return Error(absl::StatusCode::kPermissionDenied, "KEY_FILE_OPEN",
                 absl::StrCat("others may read ", path), absl::StrCat("chmod 600 ", path),
                 {{"file", path}});
  }
  ASSIGN_OR_RETURN(std::string text, ReadSmallFile(path, 4096));
  base::SecretString line(std::move(text));
  return ParseSeedLine(line.Reveal(), path);
}

}  // namespace cairn::app
