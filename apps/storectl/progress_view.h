// Progress on stderr: one redrawn line on a terminal, a line now and then elsewhere, JSON lines for
// programs.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apps/client/progress.h"

namespace cairn::storectl {

// "auto", "bar", "line", "json", "none". InvalidArgument (reason BAD_PROGRESS).
absl::StatusOr<std::unique_ptr<client::Progress>> MakeProgress(absl::string_view kind, bool quiet,
                                                               bool color);

}  // namespace cairn::storectl
