#include "apps/common/cli_tree.h"

#include <CLI/CLI.hpp>

namespace cairn::app {

std::vector<CLI::App*> Subcommands(CLI::App& app) {
  return app.get_subcommands([](CLI::App*) { return true; });
}
std::vector<const CLI::App*> Subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> CommandWords(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* sub : Subcommands(app)) {
    if (!sub->get_name().empty()) out.push_back(sub->get_name());
  }
  return out;
}

std::vector<std::string> FlagWords(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  }
  return out;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

}  // namespace cairn::app
