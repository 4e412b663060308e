// The file behind OpenJournaledKv: commits one after the other, each a record that begins at a block of its own.
//
// The file is made whole before its first record, so that writing one changes no more than the file's bytes. It is
// written in passes: each begins at the start again, once the store below has all of the pass before. A record names
// its pass and its index in it, and a digest covers both, so nothing left of an earlier pass is taken for a record.
// One thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/base/disk.h"
#include "cairn/base/kv.h"

namespace cairn::base {

// The number of the pass that the journal of `kv` is in; 0 when it never had one.
absl::StatusOr<uint64_t> JournalPass(const Kv& kv);

class KvJournal {
 public:
  // The file at `path`, of at least `bytes`, on the disk with its name. `create`: the store below does not know yet that
  // it has one; otherwise NotFound when it is not there.
  static absl::StatusOr<KvJournal> Open(std::shared_ptr<Disk> disk, absl::string_view path, uint64_t bytes,
                                        bool create);

  // The commits of a pass, in order. What is broken at the end was never synced; DataLoss (reason STORE_DAMAGED) when
  // records behind show that it was, or when one belongs to a later pass.
  absl::StatusOr<std::vector<KvBatch>> Read(uint64_t pass);
  // From the start again. What the file held may be lost from now on.
  void Begin(uint64_t pass);

  Bytes Encode(const KvBatch& batch) const;  // the next record
  bool HasRoomFor(const Bytes& record) const { return record.size() <= bytes_ - at_; }
  absl::Status Append(const Bytes& record);
  absl::Status Sync();

 private:
  KvJournal(std::shared_ptr<Disk> disk, std::unique_ptr<File> file) : disk_(std::move(disk)), file_(std::move(file)) {}

  std::shared_ptr<Disk> disk_;
  std::unique_ptr<File> file_;
  uint64_t bytes_ = 0;
  uint64_t pass_ = 0;
  uint64_t at_ = 0;
  uint32_t next_ = 0;    // index of the next record
  uint32_t synced_ = 0;  // so many records of the pass are on the disk
};

}  // namespace cairn::base
