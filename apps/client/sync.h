// Synchronising a folder and a prefix, either way, by the plan of storage::PlanSync.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/list.h"
#include "apps/client/put.h"
#include "cairn/storage/sync.h"

namespace cairn::client {

struct SyncRun {
  storage::SyncOptions plan;
  ManyOptions many;
  bool dry_run = false;
};
struct SyncReport {
  std::vector<storage::SyncAction> actions;
  std::vector<std::pair<std::string, absl::Status>> failures;
  uint64_t copied = 0;
  uint64_t deleted = 0;
  uint64_t same = 0;
  uint64_t bytes = 0;
  uint32_t transactions = 0;
};
absl::StatusOr<SyncReport> SyncUp(Client& client, const std::string& folder, const Reference& to,
                                  const SyncRun& run);
absl::StatusOr<SyncReport> SyncDown(Client& client, const Reference& from,
                                    const std::string& folder, const SyncRun& run);

// The regular files below a folder, as names relative to it; symbolic links to files count, others
// are left out.
absl::StatusOr<std::vector<storage::SyncEntry>> ScanFolder(const std::string& folder,
                                                           bool checksum);

// Downloads many objects side by side below a folder; one status each.
std::vector<absl::Status> GetMany(Client& client, const Bucket& bucket,
                                  const std::vector<ObjectInfo>& objects,
                                  const std::vector<std::string>& paths, uint32_t parallel);

}  // namespace cairn::client
