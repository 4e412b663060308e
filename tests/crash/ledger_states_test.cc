// The ledger in every state that a power cut can leave: system calls of the real engine on the real LMDB.
#include <iostream>

#include "crash/ledger_world.h"
#include "catch.h"

namespace cairn::crash {

TEST_CASE("whatever a power cut leaves of the disk, a ledger has every block that it acknowledged and no half of one") {
  const LedgerRun run = RecordLedger();
  REQUIRE(run.status.ok());
  REQUIRE(IsComplete(run.recorded));
  RunOptions options{.name = "ledger"};
  options.drawn = Soak() ? 40 : 8;
  const RunResult result = RunStates(run.recorded, LedgerOracle(run), options);
  std::cout << "ledger: " << run.recorded.log.operations.size() << " operations, " << result.states
            << " crash states (" << result.inside_recovery << " inside recovery), seed " << CrashSeed() << "\n";
  INFO(result.broken.value_or(""));
  CHECK_FALSE(result.broken.has_value());
  CHECK(result.states > 8'000);
}

TEST_CASE("a ledger that was torn while it was first made opens all the same, and is then like any other") {
  const LedgerRun run = RecordLedger();
  REQUIRE(run.status.ok());
  size_t first = 0;
  while (!run.told[first].created) ++first;
  RunOptions options{.name = "ledger, creation"};
  options.until = run.recorded.told_at[first];
  options.drawn = Soak() ? 400 : 60;
  options.recover_every = 4;
  const RunResult result = RunStates(run.recorded, LedgerOracle(run), options);
  std::cout << "ledger, creation: " << options.until << " operations, " << result.states << " crash states ("
            << result.inside_recovery << " inside recovery), seed " << CrashSeed() << "\n";
  INFO(result.broken.value_or(""));
  CHECK_FALSE(result.broken.has_value());
  CHECK(result.states > 100);
}

TEST_CASE("no sync of the ledger that callers rely on can be left out unnoticed") {
  const LedgerRun run = RecordLedger();
  RunOptions options{.name = "ledger"};
  options.recover_every = 0;
  const SyncFindings found = ForgetEachSync(run.recorded, LedgerOracle(run), options);
  // Of several blocks in one step, callers hear of the last: the next sync makes up for one before it.
  std::cout << "ledger: " << found.noticed.size() << " syncs are missed when they are left out; " << found.unnoticed.size()
            << " others nobody was told of before the next\n";
  CHECK(found.noticed.size() > 100);
  CHECK(found.idle == 0);
  for (const ForgottenSync& sync : found.unnoticed) {
    INFO(sync.number << " " << sync.what);
    CHECK_FALSE(sync.told);
  }
}

}  // namespace cairn::crash
