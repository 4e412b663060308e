// The blobs of one PutMany on their way into the log.
#pragma once

#include <vector>

#include "blob/disk_store.h"

namespace cairn::storage {

// The groups that records of one caller have gone to.
class LogGroups {
 public:
  explicit LogGroups(PackLog& log) : log_(log) {}
  absl::Status Note(absl::StatusOr<PackLog::GroupPtr> group);
  // Until all are written and in the catalog.
  absl::Status Flush();
  const PackLog::GroupPtr& last() const { return last_; }

 private:
  PackLog& log_;
  std::vector<PackLog::GroupPtr> unwritten_;
  PackLog::GroupPtr last_;
};

// Takes blobs that were proven against their ids. Claims the ids of large ones until all are in the
// catalog, also when something fails on the way.
class DiskStore::Batch {
 public:
  explicit Batch(DiskStore& store) : store_(store), groups_(*store.log_) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch();

  absl::Status Put(const base::ContentId& id, base::ByteView bytes, base::ByteView outboard);
  absl::StatusOr<Durable> Finish();

 private:
  absl::Status PutLarge(const base::ContentId& id, base::ByteView bytes, base::ByteView outboard);

  DiskStore& store_;
  LogGroups groups_;
  std::vector<base::ContentId> claimed_;
  bool found_here_ = false;  // a blob that another caller has stored
};

}  // namespace cairn::storage
