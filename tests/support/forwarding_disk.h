// A disk in front of another, and its files: every call goes through. Tests override what they want to be otherwise.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/base/disk.h"

namespace cairn::base {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> inner) : inner_(std::move(inner)) {}
  absl::StatusOr<size_t> ReadAt(uint64_t offset, MutableByteView out) override { return inner_->ReadAt(offset, out); }
  absl::Status WriteAt(uint64_t offset, ByteView bytes) override { return inner_->WriteAt(offset, bytes); }
  absl::Status Truncate(uint64_t size) override { return inner_->Truncate(size); }
  absl::StatusOr<uint64_t> Size() override { return inner_->Size(); }
  absl::Status Sync() override { return inner_->Sync(); }
  absl::Status PunchHole(uint64_t offset, uint64_t length) override { return inner_->PunchHole(offset, length); }

 private:
  const std::unique_ptr<File> inner_;
};

// `inner` must outlive it.
class ForwardingDisk : public Disk {
 public:
  explicit ForwardingDisk(Disk& inner) : inner_(inner) {}
  absl::StatusOr<std::unique_ptr<File>> Open(absl::string_view path, OpenMode mode) override {
    auto file = inner_.Open(path, mode);
    if (!file.ok()) return file.status();
    return Wrap(*std::move(file));
  }
  absl::Status MakeDirs(absl::string_view path) override { return inner_.MakeDirs(path); }
  absl::Status Rename(absl::string_view from, absl::string_view to) override { return inner_.Rename(from, to); }
  absl::Status Remove(absl::string_view path) override { return inner_.Remove(path); }
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override { return inner_.List(folder); }
  absl::StatusOr<bool> Exists(absl::string_view path) override { return inner_.Exists(path); }
  absl::Status SyncDir(absl::string_view folder) override { return inner_.SyncDir(folder); }
  absl::StatusOr<DiskSpace> Space() override { return inner_.Space(); }

 protected:
  // What Open hands out.
  virtual std::unique_ptr<File> Wrap(std::unique_ptr<File> file) { return file; }

 private:
  Disk& inner_;
};

}  // namespace cairn::base
