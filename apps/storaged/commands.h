// What an operator runs beside the daemon: init, register, doctor.
#pragma once

#include "apps/common/daemon.h"
#include "apps/storaged/settings.h"

namespace cairn::storaged {

std::vector<app::Command> Commands();

// One finding of `doctor`.
struct Finding {
  std::string check;
  absl::Status status;  // OK, or what is wrong and how to mend it
  std::string detail;
};
std::vector<Finding> Examine(const Settings& settings);

}  // namespace cairn::storaged
