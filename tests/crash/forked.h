// Runs a check in a child process, for what may end it: LMDB on a damaged file.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace cairn::crash {

// What `check` returned; "ended by signal N" when the child did not come back.
std::optional<std::string> InChild(const std::function<std::optional<std::string>()>& check);
bool WasKilled(const std::string& finding);

}  // namespace cairn::crash
