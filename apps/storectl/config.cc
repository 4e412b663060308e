// config get, set, path, profiles, profile add and remove; completion; man; version.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/common/cli_tree.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/tree.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/pb.h"

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

// Only what was seen to be that network is remembered, unless the user says that it cannot be asked now.
absl::Status AddProfile(Context& context, const client::ProfileText& text, bool unseen) {
  ASSIGN_OR_RETURN(const client::Profile profile, client::ParseProfile(text));
  Json json;
  json.Text("name", profile.name).Text("chain_id", profile.chain_id.ToHexString());
  std::string seen = "not asked";
  if (!unseen) {
    ASSIGN_OR_RETURN(auto ledger, client::ConnectChain(context.paths(), profile));
    chain::pb::QueryRequest request;
    request.set_status(true);
    ASSIGN_OR_RETURN(const auto answer, ledger->Query(request));
    seen = absl::StrCat("at height ", answer.status().height());
    json.Number("height", answer.status().height());
  }
  RETURN_IF_ERROR(client::SaveProfile(context.paths(), profile));
  context.Result(json, absl::StrCat("profile ", profile.name, ": ledger ", profile.chain_endpoint, ", ", seen,
                                    "\nuse it with --profile ", profile.name, ", or always: storectl config set profile ",
                                    profile.name, "\n"));
  return absl::OkStatus();
}

absl::Status RemoveProfile(Context& context, const std::string& name) {
  RETURN_IF_ERROR(client::RemoveProfile(context.paths(), name));
  context.Result(Json().Text("removed", name), absl::StrCat("the profile ", name, " is forgotten\n"));
  return absl::OkStatus();
}

void AddProfileCommands(CLI::App& config, Context& context) {
  config.add_subcommand("profiles", "the networks that are known")->callback([&context] {
    context.action = [&context] { return Profiles(context); };
  });
  CLI::App* profile = config.add_subcommand("profile", "networks by name: add, remove");
  profile->require_subcommand(1);
  auto text = std::make_shared<client::ProfileText>();
  auto unseen = std::make_shared<bool>(false);
  CLI::App* add = profile->add_subcommand("add", "remember a network by what its operator publishes");
  add->add_option("name", text->name)->required();
  add->add_option("--endpoint", text->chain_endpoint, "HOST:PORT of its ledger")->required();
  add->add_option("--chain-id", text->chain_id, "hash of its genesis record, hex")->required();
  add->add_option("--tls-pin", text->chain_tls_pin, "hash of the ledger's certificate key, hex; none: loopback only");
  add->add_option("--engine-key", text->engine_key, "key that signs its headers, hex; none: the genesis record's");
  add->add_flag("--unseen", *unseen, "do not ask the ledger whether all of it is so");
  add->callback([&context, text, unseen] {
    context.action = [&context, text, unseen] { return AddProfile(context, *text, *unseen); };
  });
  CLI::App* remove = profile->add_subcommand("remove", "forget a network; keys and files stay");
  remove->add_option("name", text->name)->required();
  remove->callback([&context, text] {
    context.action = [&context, text] { return RemoveProfile(context, text->name); };
  });
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
  AddProfileCommands(*config, context);

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
