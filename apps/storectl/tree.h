// The command tree as a whole: global flags, environment names, suggestions.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "apps/storectl/context.h"

namespace CLI {
class App;
}

namespace cairn::storectl {

std::unique_ptr<CLI::App> BuildTree(Context& context);

// Parses and leaves what to do in context.action. Usage errors: InvalidArgument (reason USAGE) with
// the nearest command or flag. Help is printed to stdout; then `*done` is true.
absl::Status Parse(CLI::App& tree, int argc, char** argv, Context& context, bool* done);

}  // namespace cairn::storectl
