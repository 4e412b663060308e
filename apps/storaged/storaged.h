// The daemon: every part by name, what each is given, and the order in which they start and stop.
#pragma once

#include "apps/common/daemon.h"

namespace cairn::storaged {

// What main hands to app::RunDaemon.
app::DaemonSpec Spec();

}  // namespace cairn::storaged
