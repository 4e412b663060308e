#include "crash/fault_sweep.h"

#include <cerrno>

#include "absl/strings/match.h"
#include "support/temp_dir.h"

namespace cairn::crash {

std::vector<Fault> FaultsOf(const DiskLog& log) {
  std::vector<Fault> faults;
  for (size_t at = 0; at < log.operations.size(); ++at) {
    for (int code : {EIO, ENOSPC}) {
      faults.push_back({.at = at, .code = code, .forever = false});
      faults.push_back({.at = at, .code = code, .forever = true});
    }
    if (log.operations[at].kind == Operation::Kind::kWrite) faults.push_back({.at = at, .code = 0, .forever = false});
  }
  return faults;
}

std::optional<std::string> FindBrokenAfterFault(const Recorded& run, const Oracle& oracle) {
  TempDir scratch(MemoryFolder());
  WriteTree(run.end, scratch.path() + "/end");
  if (auto broken = oracle.broken(scratch.path() + "/end", run.told_at.size())) return broken;
  RunOptions options{.name = "after a failed call"};
  options.recover_every = 0;
  options.drawn = 1;
  options.from = run.log.operations.size();
  return RunStates(run, oracle, options).broken;
}

std::string FirstChange(const DiskLog& log, size_t from, const std::string& folder) {
  for (size_t i = from; i < log.operations.size(); ++i) {
    const Operation& operation = log.operations[i];
    if (!operation.failed && absl::StartsWith(operation.path, folder)) return Describe(operation);
  }
  return "";
}

}  // namespace cairn::crash
