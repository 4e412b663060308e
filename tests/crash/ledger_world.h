// A ledger at work on the real LMDB, recorded; and its oracle.
#pragma once

#include <map>

#include "crash/crash_run.h"
#include "crash/recorder.h"
#include "support/ledger_harness.h"

namespace cairn::crash {

// What clients are to do, worked out beforehand on a ledger in memory: the same transactions and the same passing of
// time for every run.
struct LedgerScript {
  struct Step {
    std::vector<chain::pb::SignedTransaction> transactions{};  // submitted together
    absl::Duration pass{};                                     // then so much time passes
    absl::Duration jump{};                                     // the ledger's clock is advanced
    bool restart = false;
  };
  std::vector<Step> steps;
  std::unique_ptr<chain::LedgerHarness> people;  // keys and genesis
};

// Money, providers, a bucket, objects through all of their life, refusals, deadlines, marks that need not last, restarts.
const LedgerScript& TheLedgerScript();

struct LedgerRun {
  // What clients of the ledger were told.
  struct Told {
    bool created = false;
    uint64_t height = 0;
    size_t receipts = 0;  // so many of LedgerRun::receipts
    absl::Time clock = absl::InfinitePast();
  };
  Recorded recorded;
  std::vector<Told> told;  // told[i - 1] once i of recorded.told_at have passed
  std::vector<chain::pb::TransactionReceipt> receipts;
  std::map<uint64_t, base::Digest> states;  // by height: all that its store held but for the marks
  absl::Time end;                           // of the script, by the wall clock
  absl::Status status;                      // how it ended: at the first error
  // After an error the same engine is asked for one thing more: the log's length then, and what it said.
  size_t failed_at = SIZE_MAX;
  absl::Status later;
};
LedgerRun RecordLedger(std::optional<Fault> fault = std::nullopt);

// The engine opens (it recounts every invariant then), stands at a height that was acknowledged or about to be, holds
// exactly the blocks, receipts, records and tree of that height, gives the same answers, and goes on.
std::optional<std::string> FindBrokenLedger(const LedgerRun& run, const std::string& folder, size_t told);
Oracle LedgerOracle(const LedgerRun& run);

}  // namespace cairn::crash
