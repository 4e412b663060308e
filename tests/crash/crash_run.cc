#include "crash/crash_run.h"

#include <cstdlib>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "crash/forked.h"
#include "crash/recorder.h"
#include "support/temp_dir.h"

namespace cairn::crash {
namespace {

std::string Wanted() {
  const char* id = std::getenv("CAIRN_CRASH_STATE");
  return id == nullptr ? "" : id;
}

std::string Story(const DiskLog& log, const RunOptions& options, const CrashState& state) {
  CrashPoint at(log, options.forgotten);
  for (size_t i = 0; i < state.point; ++i) at.Step();
  std::string text = absl::StrCat("\n  loose at the crash (", at.issued(), " operations issued):");
  for (size_t number : at.LooseOperations()) absl::StrAppend(&text, "\n    ", number, " ", Describe(log.operations[number]));
  return text;
}

class Run {
 public:
  Run(const Recorded& recorded, const Oracle& oracle, const RunOptions& options)
      : recorded_(recorded), oracle_(oracle), options_(options), scratch_(MemoryFolder()) {}

  RunResult All() {
    const std::string wanted = Wanted();
    const size_t slash = wanted.find('/');
    ExploreOptions explore{.seed = CrashSeed(),
                           .drawn = options_.drawn,
                           .forgotten = options_.forgotten,
                           .told_at = recorded_.told_at,
                           .only = wanted.substr(0, slash),
                           .from = options_.from,
                           .until = options_.until};
    Explore(recorded_.log, explore, [&](const CrashState& state) {
      const size_t told = ToldBy(recorded_.told_at, state.returned);
      ++result_.states;
      if (slash == std::string::npos) Check(state.tree, told, state.id, "state");
      const bool deeper = options_.recover_every > 0 && (result_.states % options_.recover_every == 0 || !wanted.empty());
      if (deeper && !result_.broken) InsideRecovery(state, told, wanted);
      if (result_.broken) absl::StrAppend(&*result_.broken, Story(recorded_.log, options_, state));
      return !result_.broken && result_.states < options_.at_most;
    });
    return std::move(result_);
  }

 private:
  void Check(const Tree& tree, size_t told, const std::string& id, const std::string& name) {
    const bool kept = !Wanted().empty();
    const std::string folder = kept ? absl::StrCat(MemoryFolder(), "/cairn-crash-state") : scratch_.path() + "/" + name;
    WriteTree(tree, folder);
    const auto check = [&] { return oracle_.broken(folder, told); };
    const auto broken = options_.in_child ? InChild(check) : check();
    if (!broken) return;
    result_.broken = absl::StrCat(*broken, "\n  again with CAIRN_CRASH_SEED=", CrashSeed(), " CAIRN_CRASH_STATE=", id,
                                  " (", options_.name, ")", kept ? absl::StrCat("\n  left in ", folder) : "");
  }

  // The state is recovered once, on record; then the states of that are checked.
  void InsideRecovery(const CrashState& state, size_t told, const std::string& wanted) {
    const std::string folder = scratch_.path() + "/recovery";
    WriteTree(state.tree, folder);
    Recorder recorder(folder);
    oracle_.recover(folder);
    const DiskLog log = recorder.Take();
    ExploreOptions explore{.seed = CrashSeed(), .drawn = options_.drawn_in_recovery};
    const size_t slash = wanted.find('/');
    if (slash != std::string::npos) explore.only = wanted.substr(slash + 1);
    Explore(log, explore, [&](const CrashState& inner) {
      ++result_.states;
      ++result_.inside_recovery;
      Check(inner.tree, told, absl::StrCat(state.id, "/", inner.id), "again");
      if (result_.broken) absl::StrAppend(&*result_.broken, Story(log, {}, inner));
      return !result_.broken && result_.states < options_.at_most;
    });
  }

  const Recorded& recorded_;
  const Oracle& oracle_;
  const RunOptions& options_;
  TempDir scratch_;
  RunResult result_;
};

}  // namespace

RunResult RunStates(const Recorded& recorded, const Oracle& oracle, const RunOptions& options) {
  return Run(recorded, oracle, options).All();
}

SyncFindings ForgetEachSync(const Recorded& recorded, const Oracle& oracle, const RunOptions& options) {
  SyncFindings found;
  const auto& operations = recorded.log.operations;
  for (size_t sync = 0; sync < operations.size(); ++sync) {
    if (!operations[sync].is_sync() || operations[sync].failed) continue;
    const std::vector<size_t> covered = CoveredBy(recorded.log, sync);
    found.idle += covered.empty();
    if (covered.empty()) continue;
    RunOptions control = options;
    control.forgotten = [sync](size_t number) { return number == sync; };
    control.from = sync + 1;
    control.until = NextSync(recorded.log, sync);
    control.in_child = true;
    const bool lost = RunStates(recorded, oracle, control).broken.has_value();
    const bool told = ToldBy(recorded.told_at, control.until) > ToldBy(recorded.told_at, sync);
    const std::string what = absl::StrCat(Describe(operations[sync]), " after ", Describe(operations[covered.back()]));
    (lost ? found.noticed : found.unnoticed).push_back({sync, what, told});
  }
  return found;
}

uint64_t CrashSeed() {
  const char* text = std::getenv("CAIRN_CRASH_SEED");
  uint64_t seed = 1;
  if (text != nullptr && !absl::SimpleAtoi(text, &seed)) std::abort();
  return seed;
}

bool Soak() { return std::getenv("CAIRN_SOAK") != nullptr; }

bool IsComplete(const Recorded& recorded) {
  CrashPoint at(recorded.log);
  while (at.Step()) {
  }
  return DigestOf(at.Build({})) == DigestOf(recorded.end);
}

}  // namespace cairn::crash
