#include "crash/disk_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::crash {
namespace {

namespace fs = std::filesystem;
using Kind = Operation::Kind;

base::Bytes ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return base::Bytes(std::istreambuf_iterator<char>(in), {});
}

void WriteFile(const std::string& path, base::ByteView bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) std::abort();
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n <= 0) std::abort();
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  close(fd);
}

}  // namespace

const base::Digest& Content::digest() const {
  if (!hashed_) digest_ = base::Blake3(bytes_);
  hashed_ = true;
  return digest_;
}

std::string Describe(const Operation& operation) {
  const std::string& path = operation.path.empty() ? "." : operation.path;
  const std::string failed = operation.failed ? " (failed)" : "";
  switch (operation.kind) {
    case Kind::kCreate:
      return absl::StrCat("create ", path, failed);
    case Kind::kMakeFolder:
      return absl::StrCat("mkdir ", path, failed);
    case Kind::kRename:
      return absl::StrCat("rename ", path, " to ", operation.target, failed);
    case Kind::kRemove:
      return absl::StrCat("unlink ", path, failed);
    case Kind::kWrite:
      return absl::StrCat(operation.through ? "write through " : "write ", path, " [", operation.offset, ", +",
                          operation.bytes.size(), ")", failed);
    case Kind::kTruncate:
      return absl::StrCat("truncate ", path, " to ", operation.offset, failed);
    case Kind::kSyncFile:
      return absl::StrCat("sync ", path, failed);
    case Kind::kSyncFolder:
      return absl::StrCat("sync folder ", path, failed);
  }
  return "";
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool IsLockFile(const std::string& path) {
  return path == "LOCK" || absl::EndsWith(path, "/LOCK") || absl::EndsWith(path, "-lock");
}

Tree ReadTree(const std::string& root) {
  Tree tree;
  FileNumber next = 1;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path = fs::relative(entry.path(), root).string();
    if (entry.is_directory()) {
      tree.folders.insert(path);
    } else if (!IsLockFile(path)) {
      tree.names[path] = next;
      tree.contents[next++] = std::make_shared<Content>(ReadFile(entry.path()));
    }
  }
  return tree;
}

// A name below a folder that is not there is lost with the folder.
void WriteTree(const Tree& tree, const std::string& root) {
  fs::remove_all(root);
  fs::create_directories(root);
  std::set<std::string> made = {""};
  for (const std::string& folder : tree.folders) {
    if (made.count(FolderOf(folder)) == 0) continue;
    mkdir(absl::StrCat(root, "/", folder).c_str(), 0700);
    made.insert(folder);
  }
  for (const auto& [path, file] : tree.names) {
    if (made.count(FolderOf(path)) > 0) WriteFile(absl::StrCat(root, "/", path), tree.contents.at(file)->bytes());
  }
}

base::Digest DigestOf(const Tree& tree) {
  base::Hasher hasher = base::Hasher::DeriveKey("cairn test tree of files");
  for (const std::string& folder : tree.folders) hasher.Field(folder);
  hasher.Field(uint64_t{tree.folders.size()});
  for (const auto& [path, file] : tree.names) {
    hasher.Field(path);
    hasher.Field(tree.contents.at(file)->digest().view());
  }
  return hasher.Finish();
}

}  // namespace cairn::crash
