// The parts of the thread library's replacement that a world asks for by name.
#pragma once

#include "sim/threads.h"

namespace cairn::sim {

// What the kernel does for a killed process: its file locks are free again.
void CloseFileLocks(Process process);

}  // namespace cairn::sim
