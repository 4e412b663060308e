#include <malloc.h>

#include <CLI/CLI.hpp>

#include "apps/storectl/context.h"
#include "apps/storectl/tree.h"

int main(int argc, char** argv) {
  // Buffers travel between many threads: with an arena for each, freed memory would pile up by the
  // hundred megabytes.
  mallopt(M_ARENA_MAX, 2);
  cairn::storectl::Context context;
  const std::unique_ptr<CLI::App> tree = cairn::storectl::BuildTree(context);
  bool done = false;
  absl::Status status = cairn::storectl::Parse(*tree, argc, argv, context, &done);
  if (done) return 0;
  if (!status.ok()) {
    (void)context.Prepare();
    return cairn::storectl::Report(context, status);
  }
  return cairn::storectl::Report(context, context.Run());
}
