// What a program did to the files below one folder, in order: changes, and the barriers that make them durable.
//
// The rules are those of a POSIX file system that promises no more than POSIX: bytes and sizes are durable after
// fdatasync or fsync of the file (a write through an O_DSYNC descriptor when it returns), names after fsync of their
// folder. A rename is one change and belongs to the folder of the new name. After a failed sync nobody knows which of
// the file's changes reached the disk, and no later sync says so.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cairn/base/bytes.h"
#include "cairn/base/hash.h"

namespace cairn::crash {

using FileNumber = uint32_t;  // a file keeps its number under every name

// The bytes of a file at one moment. Not thread-safe.
class Content {
 public:
  explicit Content(base::Bytes bytes) : bytes_(std::move(bytes)) {}
  const base::Bytes& bytes() const { return bytes_; }
  const base::Digest& digest() const;  // computed when first asked for

 private:
  base::Bytes bytes_;
  mutable bool hashed_ = false;
  mutable base::Digest digest_;
};

// Names and contents below a folder. Paths are relative to it; the folder itself is not listed.
struct Tree {
  std::map<std::string, FileNumber> names;
  std::set<std::string> folders;
  std::map<FileNumber, std::shared_ptr<const Content>> contents;
};

struct Operation {
  enum class Kind { kCreate, kMakeFolder, kRename, kRemove, kWrite, kTruncate, kSyncFile, kSyncFolder };
  Kind kind = Kind::kWrite;
  FileNumber file = 0;     // of a change to a file or to its name, and of a sync
  std::string path{};      // the name made, renamed or removed; the file's name; the folder that is synced
  std::string target{};    // the new name of a rename
  uint64_t offset = 0;     // of a write; the size of a truncation
  base::Bytes bytes{};     // of a write
  bool through = false;    // a write through an O_DSYNC descriptor
  bool failed = false;     // the call returned an error (and had no effect, unless it is a sync)

  bool is_sync() const { return kind == Kind::kSyncFile || kind == Kind::kSyncFolder || through; }
  bool is_name() const {
    return kind == Kind::kCreate || kind == Kind::kMakeFolder || kind == Kind::kRename || kind == Kind::kRemove;
  }
};

struct DiskLog {
  Tree start;
  std::vector<Operation> operations;
};

// "fdatasync packs/00000001.pack": for messages.
std::string Describe(const Operation& operation);

// The folder of a path; "" for the top one.
std::string FolderOf(const std::string& path);

// Reads what is below `root`, and writes a tree to `root`, a folder that is made anew. Lock files, which mean nothing
// after a restart, are left out of both.
Tree ReadTree(const std::string& root);
void WriteTree(const Tree& tree, const std::string& root);
bool IsLockFile(const std::string& path);

// Equal names and bytes give equal digests.
base::Digest DigestOf(const Tree& tree);

}  // namespace cairn::crash
