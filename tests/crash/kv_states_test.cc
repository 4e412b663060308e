// The key-value store alone: commits that need not last between commits that must, and syncs that fail.
#include <cerrno>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "cairn/base/kv.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "crash/crash_run.h"
#include "crash/recorder.h"
#include "support/temp_dir.h"

namespace cairn::crash {
namespace {

using Values = std::map<std::string, std::string>;

constexpr uint64_t kJournalBytes = 32 << 10;  // full after four of the commits below

struct KvRun {
  Recorded recorded;
  std::vector<size_t> durable;   // by told: so many commits are durable
  std::vector<Values> versions;  // after so many commits
};

Values Read(const base::Kv& kv) {
  Values values;
  const auto snapshot = kv.Snapshot();
  const auto cursor = snapshot->NewCursor();
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) values.emplace(cursor->key(), cursor->value());
  return values;
}

// Every commit changes a few of many keys, so that pages are freed and used again; two of three need not last. One that
// is refused is tried again until the store takes nothing any more.
KvRun RecordKv(uint64_t journal_bytes, std::optional<Fault> fault) {
  TempDir scratch(MemoryFolder());
  KvRun run;
  Recorder recorder(scratch.path(), fault);
  const auto tell = [&](size_t durable) {
    run.recorded.told_at.push_back(recorder.size());
    run.durable.push_back(durable);
  };
  run.versions = {{}};
  tell(0);
  auto kv = base::OpenLmdb(scratch.path(), {.journal_bytes = journal_bytes});
  bool failed = !kv.ok();
  for (int number = 0, tries = 0; !failed && number < 24 && tries < 60; ++tries) {
    base::KvBatch batch;
    Values next = run.versions.back();
    for (int i = 0; i < 6; ++i) {
      const std::string key = absl::StrCat("key ", (number * 7 + i * 11) % 40);
      batch.Put(key, next[key] = std::string(700, static_cast<char>('a' + number)));
    }
    const bool durable = number % 3 == 0;
    const absl::Status status = (*kv)->Commit(batch, durable);
    failed = !status.ok() && base::ReasonOf(status) != "DISK_FULL";
    // Written but not synced: a journal cannot take it back.
    if (failed && journal_bytes != 0) run.versions.push_back(next);
    if (!status.ok()) continue;
    ++number;
    run.versions.push_back(std::move(next));
    if (durable) tell(run.versions.size() - 1);
  }
  if (kv.ok()) kv->reset();
  run.recorded.log = recorder.Take();
  run.recorded.end = ReadTree(scratch.path());
  return run;
}

Oracle KvOracle(const KvRun& run) {
  return {.broken = [&run](const std::string& folder, size_t told) -> std::optional<std::string> {
            const auto kv = base::OpenLmdb(folder);
            if (!kv.ok()) return kv.status().ToString();
            const Values found = Read(**kv);
            for (size_t i = run.durable[told - 1]; i < run.versions.size(); ++i) {
              if (found == run.versions[i]) return std::nullopt;
            }
            // A commit that failed may be there all the same: it was tried again with the same values.
            return "neither what was durable nor anything later";
          },
          .recover = [](const std::string& folder) { (void)base::OpenLmdb(folder); }};
}

}  // namespace

namespace {

// Every call of a run fails once, in two ways; then the power is cut.
void FailEachCall(const std::string& name, uint64_t journal_bytes) {
  const KvRun sound = RecordKv(journal_bytes, std::nullopt);
  const auto& operations = sound.recorded.log.operations;
  size_t states = 0;
  for (size_t at = 0; at < operations.size(); ++at) {
    for (int code : {EIO, ENOSPC}) {
      const KvRun run = RecordKv(journal_bytes, Fault{.at = at, .code = code, .forever = false});
      RunOptions options{.name = name};
      options.recover_every = 0;
      options.drawn = 1;
      options.in_child = true;
      options.from = at;
      options.until = at + 16;
      const RunResult result = RunStates(run.recorded, KvOracle(run), options);
      states += result.states;
      INFO("call " << at << " " << Describe(operations[at]) << " fails with " << code);
      INFO(result.broken.value_or(""));
      REQUIRE_FALSE(result.broken.has_value());
    }
  }
  std::cout << name << ": " << states << " crash states behind a failed call\n";
}

}  // namespace

TEST_CASE("a sync that fails between commits that need not last costs no durable one, whatever the power cut leaves") {
  FailEachCall("key-value store", 0);
}

TEST_CASE("a call that fails under a journal costs no durable commit, whatever the power cut leaves") {
  FailEachCall("journaled store", kJournalBytes);
}

TEST_CASE("behind a journal every durable commit survives every power cut, and without any one of its syncs it would not") {
  const KvRun run = RecordKv(kJournalBytes, std::nullopt);
  REQUIRE(IsComplete(run.recorded));
  RunOptions options{.name = "journaled store"};
  const RunResult result = RunStates(run.recorded, KvOracle(run), options);
  INFO(result.broken.value_or(""));
  CHECK_FALSE(result.broken.has_value());
  std::cout << "journaled store: " << result.states << " crash states, " << result.inside_recovery
            << " of them inside recovery\n";
  const SyncFindings findings = ForgetEachSync(run.recorded, KvOracle(run), options);
  for (const ForgottenSync& sync : findings.unnoticed) {
    UNSCOPED_INFO(sync.what);
    CHECK_FALSE(sync.told);
  }
  CHECK_FALSE(findings.noticed.empty());
}

}  // namespace cairn::crash
