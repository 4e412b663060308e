// The ledger when a system call fails: each in turn.
#include <cerrno>
#include <iostream>

#include "cairn/base/status.h"
#include "catch.h"
#include "crash/fault_sweep.h"
#include "crash/ledger_world.h"

namespace cairn::crash {

TEST_CASE("whichever system call fails, once or for good, a ledger stops and keeps every block it acknowledged") {
  const DiskLog log = RecordLedger().recorded.log;
  size_t runs = 0, stopped = 0;
  for (const Fault& fault : FaultsOf(log)) {
    INFO("call " << fault.at << " " << Describe(log.operations[fault.at]) << " fails with " << fault.code
                 << (fault.forever ? " for good" : " once"));
    const LedgerRun run = RecordLedger(fault);
    const std::optional<std::string> broken = FindBrokenAfterFault(run.recorded, LedgerOracle(run));
    INFO(run.status.ToString());
    INFO(broken.value_or(""));
    REQUIRE_FALSE(broken.has_value());
    ++runs;
    if (run.failed_at == SIZE_MAX) continue;
    // The engine says the same from then on, and its store is left alone.
    ++stopped;
    REQUIRE(base::ReasonOf(run.later) == base::ReasonOf(run.status));
    REQUIRE(FirstChange(run.recorded.log, run.failed_at, "") == "");
  }
  std::cout << "ledger: " << runs << " runs with a failing call, " << stopped << " of them stopped the engine\n";
  CHECK(stopped > 500);
}

}  // namespace cairn::crash
