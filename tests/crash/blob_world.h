// The blob store's script on a real disk with its real index, recorded; and its oracle.
#pragma once

#include "crash/crash_run.h"
#include "crash/recorder.h"
#include "storage/blob_script.h"

namespace cairn::crash {

struct BlobRun {
  Recorded recorded;
  std::vector<storage::blob_script::Model> told;  // told[i - 1] once i of recorded.told_at have passed
  base::StoreId store;
  size_t opened = SIZE_MAX;  // of told: from here on somebody knows the store's id
  absl::Status status;  // how the script ended: at the first error
  // After an error the same store is asked for two blobs more: the log's length then, and what it said ("" for OK).
  size_t failed_at = SIZE_MAX;
  std::vector<std::string> later;
};

// Creation, puts, deletes, resumed writes, compactions, a restart, and a restart that has lost its index; then so many
// lives between two restarts that draw what they do. 
BlobRun RecordBlobs(size_t random_lives, std::optional<Fault> fault = std::nullopt);

// Every blob that was acknowledged is there and equal, every delete holds, nothing is there by half, the accounting is
// the disk's, nothing counts as damaged, the store id is the one in the receipts; and the store goes on working.
std::optional<std::string> FindBrokenBlobs(const BlobRun& run, const std::string& folder, size_t told);
Oracle BlobOracle(const BlobRun& run);

}  // namespace cairn::crash
