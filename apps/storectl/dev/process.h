// Starting, watching and ending the daemons of a dev network.
//
// A daemon is started in a session of its own with its output in a log file; it says on a descriptor when it serves.
// A process is known by pid and start time, so that a pid that the kernel gave to somebody else is never signalled.
// Functions block; safe from several threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cairn::storectl {

struct ProcessId {
  int64_t pid = 0;
  uint64_t started_ticks = 0;
};

struct ProgramResult {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs a program to its end with standard input empty. Unavailable (reason PROGRAM_MISSING) when it cannot be started.
// Output beyond 1 MiB is dropped.
absl::StatusOr<ProgramResult> RunProgram(const std::vector<std::string>& arguments);

// Starts a daemon and waits until it wrote a line to --ready-fd, which is added to the arguments; returns that line in
// `ready`. DeadlineExceeded (reason NOT_READY) or FailedPrecondition (reason DAEMON_ENDED) with the log's last lines.
absl::StatusOr<ProcessId> StartDaemon(std::vector<std::string> arguments, const std::string& log_path,
                                      absl::Duration timeout, std::string* ready);

bool IsRunning(const ProcessId& process);
// SIGTERM, and SIGKILL after `grace`. Returns when it is gone.
void StopProcess(const ProcessId& process, absl::Duration grace);
void KillProcess(const ProcessId& process);

// The folder of the running program, where its siblings are.
std::string ProgramFolder();

}  // namespace cairn::storectl
