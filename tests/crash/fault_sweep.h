// Every call of a recorded run made to fail once, or from then on.
#pragma once

#include <functional>

#include "crash/crash_run.h"
#include "crash/recorder.h"

namespace cairn::crash {

// EIO, and no space left, each once and for good, at every call; and every write cut short.
std::vector<Fault> FaultsOf(const DiskLog& log);

// After the failed run: the disk as it is, and every state in which a power cut at its end may leave it. A sync that
// failed has made nothing durable, and no later one has either. Returns the first broken promise.
std::optional<std::string> FindBrokenAfterFault(const Recorded& run, const Oracle& oracle);

// Operations from `from` on that change a file or sync it; the name of the first one, or "".
std::string FirstChange(const DiskLog& log, size_t from, const std::string& folder);

}  // namespace cairn::crash
