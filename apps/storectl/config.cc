// config get, set, path, profiles; completion; man; version.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/common/cli_tree.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/tree.h"
#include "cairn/base/status.h"

#ifndef CAIRN_VERSION
#define CAIRN_VERSION "0.1.0"
#endif

namespace cairn::storectl {
namespace {

absl::Status Get(Context& context, const std::string& name) {
  client::Settings settings = context.settings();
  if (name.empty()) {
    Table table({"SETTING", "VALUE"});
    Json json;
    for (const std::string& each : client::Settings::Names()) {
      ASSIGN_OR_RETURN(std::string * value, settings.Find(each));
      json.Text(each, *value);
      table.Row({each, *value});
    }
    context.Result(json, table.Done(context.terminal()));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string * value, settings.Find(name));
  Json json;
  json.Text(name, *value);
  context.Result(json, *value + "\n");
  return absl::OkStatus();
}

absl::Status Set(Context& context, const std::string& name, const std::string& value) {
  client::Settings settings = context.settings();
  ASSIGN_OR_RETURN(std::string * field, settings.Find(name));
  *field = value;
  RETURN_IF_ERROR(client::SaveSettings(context.paths(), settings));
  return Get(context, name);
}

absl::Status Where(Context& context) {
  const client::Paths& paths = context.paths();
  Json json;
  json.Text("settings", paths.Settings())
      .Text("profiles", paths.config + "/profiles")
      .Text("keys", paths.Keys())
      .Text("transfers", paths.Transfers());
  context.Result(json, absl::StrCat("settings   ", paths.Settings(), "\nprofiles   ", paths.config,
                                    "/profiles\nkeys       ", paths.Keys(), "\ntransfers  ",
                                    paths.Transfers(), "\n"));
  return absl::OkStatus();
}

absl::Status Profiles(Context& context) {
  Table table({"PROFILE", "LEDGER", "CHAIN"});
  std::vector<std::string> items;
  for (const std::string& name : client::ListProfiles(context.paths())) {
    auto profile = client::LoadProfile(context.paths(), name);
    if (!profile.ok()) continue;
    items.push_back(Json()
                        .Text("name", name)
                        .Text("endpoint", profile->chain_endpoint)
                        .Text("chain_id", profile->chain_id.ToHexString())
                        .Done());
    table.Row({name, profile->chain_endpoint, profile->chain_id.ToHexString().substr(0, 16)});
  }
  context.Items("profiles", items, table);
  return absl::OkStatus();
}

absl::Status Complete(Context& context, const std::string& shell) {
  Context empty;
  const std::unique_ptr<CLI::App> tree = BuildTree(empty);
  ASSIGN_OR_RETURN(std::string script, app::Completion(*tree, shell));
  context.Print(script);
  return absl::OkStatus();
}

absl::Status Man(Context& context) {
  Context empty;
  const std::unique_ptr<CLI::App> tree = BuildTree(empty);
  context.Print(app::ManPage(
      *tree, 1,
      {{"ENVIRONMENT",
        "Every option can be set by the variable named with it; an option on the command line goes "
        "first, a remembered setting (storectl config set) last."},
       {"SEE ALSO", "chaind(8), storaged(8)"}}));
  return absl::OkStatus();
}

absl::Status Version(Context& context) {
  Json json;
  json.Text("version", CAIRN_VERSION).Text("protocol", "1").Text("compiler", __VERSION__);
  context.Result(json, absl::StrCat("storectl ", CAIRN_VERSION, ", protocol 1, built with ", __VERSION__, "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddConfigCommands(CLI::App& app, Context& context) {
  CLI::App* config =
      app.add_subcommand("config", "what storectl assumes when no flag says otherwise");
  auto pair = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* get = config->add_subcommand("get", "one setting, or all");
  get->add_option("name", pair->first);
  get->callback([&context, pair] {
    context.action = [&context, pair] { return Get(context, pair->first); };
  });
  CLI::App* set = config->add_subcommand("set", "remember a setting (\"\" forgets it)");
  set->add_option("name", pair->first)->required();
  set->add_option("value", pair->second)->required();
  set->callback([&context, pair] {
    context.action = [&context, pair] { return Set(context, pair->first, pair->second); };
  });
  config->add_subcommand("path", "where everything is")->callback([&context] {
    context.action = [&context] { return Where(context); };
  });
  config->add_subcommand("profiles", "the networks that are known")->callback([&context] {
    context.action = [&context] { return Profiles(context); };
  });

  auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "a completion script: eval \"$(storectl completion bash)\"");
  completion->add_option("shell", *shell, "bash | zsh | fish")->required();
  completion->callback([&context, shell] {
    context.action = [&context, shell] { return Complete(context, *shell); };
  });

  app.add_subcommand("man", "the manual page: storectl man | man -l -")->callback([&context] {
    context.action = [&context] { return Man(context); };
  });

  app.add_subcommand("version", "version and build")->callback([&context] {
    context.action = [&context] { return Version(context); };
  });
}

}  // namespace cairn::storectl
