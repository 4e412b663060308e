// The blob store in every state that a power cut can leave: system calls of the real code on the real index.
#include <iostream>

#include "absl/strings/match.h"
#include "crash/blob_world.h"

namespace cairn::crash {

TEST_CASE("whatever a power cut leaves of the disk, a blob store has all that it acknowledged and nothing by half") {
  const BlobRun run = RecordBlobs(Soak() ? 40 : 12);
  REQUIRE(run.status.ok());
  REQUIRE(IsComplete(run.recorded));
  RunOptions options{.name = "blob store"};
  options.recover_every = 28;
  options.drawn = Soak() ? 8 : 3;
  const RunResult result = RunStates(run.recorded, BlobOracle(run), options);
  std::cout << "blob store: " << run.recorded.log.operations.size() << " operations, " << result.states
            << " crash states (" << result.inside_recovery << " inside recovery), seed " << CrashSeed() << "\n";
  INFO(result.broken.value_or(""));
  CHECK_FALSE(result.broken.has_value());
  CHECK(result.states > 12'000);
}

TEST_CASE("a blob store that was torn while it was first made opens all the same, and is then like any other") {
  const BlobRun run = RecordBlobs(0);
  REQUIRE(run.status.ok());
  REQUIRE(run.opened < run.told.size());
  RunOptions options{.name = "blob store, creation"};
  options.until = run.recorded.told_at[run.opened];
  options.drawn = Soak() ? 400 : 60;
  options.recover_every = 4;
  const RunResult result = RunStates(run.recorded, BlobOracle(run), options);
  std::cout << "blob store, creation: " << options.until << " operations, " << result.states << " crash states ("
            << result.inside_recovery << " inside recovery), seed " << CrashSeed() << "\n";
  INFO(result.broken.value_or(""));
  CHECK_FALSE(result.broken.has_value());
  CHECK(result.states > 100);
}

namespace {

// Why nothing is lost without a sync; empty: it must be noticed.
std::string Excuse(const ForgottenSync& sync) {
  if (!sync.told) return "nobody was told anything before the next sync of the same made up for it";
  if (absl::StrContains(sync.what, "index")) {
    return "the index holds nothing that the packs do not tell: what is lost of it is replayed or built anew";
  }
  if (absl::StrContains(sync.what, "sync folder packs after unlink")) {
    return "a removed pack that is back holds nothing that counts, as long as the tombstones are there that say so";
  }
  return "";
}

}  // namespace

TEST_CASE("no sync of the blob store can be left out unnoticed") {
  const BlobRun run = RecordBlobs(0);
  RunOptions options{.name = "blob store"};
  options.recover_every = 0;
  const SyncFindings found = ForgetEachSync(run.recorded, BlobOracle(run), options);
  std::map<std::string, int> excuses;
  for (const ForgottenSync& sync : found.unnoticed) {
    INFO(sync.number << " " << sync.what);
    CHECK(Excuse(sync) != "");
    ++excuses[Excuse(sync)];
  }
  std::cout << "blob store: " << found.noticed.size() << " syncs are missed when they are left out, " << found.idle
            << " had nothing to do; of the others:\n";
  for (const auto& [excuse, count] : excuses) std::cout << "  " << count << ": " << excuse << "\n";
  // Every kind of sync is missed somewhere. That of the index's folder is not: a lost index is built anew.
  for (const char* kind : {"sync folder . after", "sync folder packs after create", "sync folder packs after unlink",
                           "sync packs/", "sync store.new", "sync index/data.mdb after", "write through index/data.mdb"}) {
    CAPTURE(kind);
    CHECK(std::any_of(found.noticed.begin(), found.noticed.end(),
                      [&](const ForgottenSync& sync) { return absl::StartsWith(sync.what, kind); }));
  }
}

}  // namespace cairn::crash
