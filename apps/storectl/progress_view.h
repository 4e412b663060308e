// Progress on stderr: one redrawn line on a terminal, a line now and then elsewhere, JSON lines for
// programs.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apps/client/progress.h"

namespace cairn::storectl {

class ProgressView : public client::Progress {
 public:
  // Takes away what is drawn, so that other output to the same terminal begins on a line of its own.
  virtual void Clear() = 0;
};

// "auto", "bar", "line", "json", "none". InvalidArgument (reason BAD_PROGRESS).
absl::StatusOr<std::unique_ptr<ProgressView>> MakeProgress(absl::string_view kind, bool quiet,
                                                           bool color);

}  // namespace cairn::storectl
