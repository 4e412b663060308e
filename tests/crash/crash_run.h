// Opens the real thing in every state that a log allows, and asks whether all promises were kept.
//
// CAIRN_CRASH_SEED chooses the random states (printed). A broken one prints its id; CAIRN_CRASH_STATE=<id> with the same
// seed visits that one alone and leaves its folder behind.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crash/crash_states.h"

namespace cairn::crash {

// A program's run, recorded, with the positions at which its callers were told more.
struct Recorded {
  DiskLog log;
  std::vector<size_t> told_at;
  Tree end;  // what was on the disk when the recording ended
};

struct Oracle {
  // Opens what lies in `folder` and names the first promise that is broken; `told` of told_at had passed. It may change
  // the folder.
  std::function<std::optional<std::string>(const std::string& folder, size_t told)> broken;
  // Opens it and closes it again: what is done after a crash before anything else.
  std::function<void(const std::string& folder)> recover;
};

struct RunOptions {
  std::string name;            // of the run, for messages
  size_t drawn = 2;            // random choices of each kind at each point
  size_t recover_every = 20;   // of so many states, one is interrupted again while it recovers; 0: none
  size_t drawn_in_recovery = 1;
  std::function<bool(size_t)> forgotten{};
  size_t from = 0;
  size_t until = SIZE_MAX;
  size_t at_most = SIZE_MAX;  // states
  bool in_child = false;      // each check in a process of its own
};

struct RunResult {
  size_t states = 0;              // different ones, those inside recovery included
  size_t inside_recovery = 0;
  std::optional<std::string> broken;  // the first broken promise, with its state and what led to it
};

RunResult RunStates(const Recorded& recorded, const Oracle& oracle, const RunOptions& options);

// Forgets the barriers of a run, one at a time, and looks for a state that breaks a promise for the lack of it.
struct ForgottenSync {
  size_t number = 0;            // of the operation
  std::string what;             // "sync packs/00000002.pack after write packs/00000002.pack [0, +64)"
  bool told = false;            // somebody was told more before the next barrier that covers the same
};
struct SyncFindings {
  size_t idle = 0;              // had nothing to make durable
  std::vector<ForgottenSync> noticed;
  std::vector<ForgottenSync> unnoticed;
};
SyncFindings ForgetEachSync(const Recorded& recorded, const Oracle& oracle, const RunOptions& options);

uint64_t CrashSeed();
bool Soak();  // CAIRN_SOAK

// Nothing went past the recorder: with every operation done, the log gives what is on the disk.
bool IsComplete(const Recorded& recorded);

}  // namespace cairn::crash
