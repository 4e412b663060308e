// The blob store when a system call fails: each in turn.
#include <cerrno>
#include <iostream>

#include "absl/strings/match.h"
#include "crash/blob_world.h"
#include "crash/fault_sweep.h"

namespace cairn::crash {
namespace {

// A sync of packs that failed: nobody knows what is on the disk.
bool IsPackSync(const Operation& operation) {
  return operation.failed && operation.kind == Operation::Kind::kSyncFile && absl::StartsWith(operation.path, "packs/");
}

}  // namespace

TEST_CASE("whichever system call fails, once or for good, a blob store loses nothing that it acknowledged") {
  const DiskLog log = RecordBlobs(0).recorded.log;
  size_t runs = 0, poisoned = 0;
  for (const Fault& fault : FaultsOf(log)) {
    INFO("call " << fault.at << " " << Describe(log.operations[fault.at]) << " fails with " << fault.code
                 << (fault.forever ? " for good" : " once"));
    const BlobRun run = RecordBlobs(0, fault);
    const std::optional<std::string> broken = FindBrokenAfterFault(run.recorded, BlobOracle(run));
    INFO(run.status.ToString());
    INFO(broken.value_or(""));
    REQUIRE_FALSE(broken.has_value());
    ++runs;
    if (run.failed_at == SIZE_MAX || !IsPackSync(run.recorded.log.operations[fault.at])) continue;
    // A store whose sync failed says so from then on, and touches its packs no more.
    ++poisoned;
    REQUIRE(run.later == std::vector<std::string>{"STORE_POISONED", "STORE_POISONED"});
    REQUIRE(FirstChange(run.recorded.log, fault.at + 1, "packs/") == "");
  }
  std::cout << "blob store: " << runs << " runs with a failing call, " << poisoned << " of them poisoned by a sync\n";
  CHECK(poisoned > 100);
}

}  // namespace cairn::crash
