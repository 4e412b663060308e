#include "apps/common/daemon.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "apps/common/daemon_process.h"
#include "apps/common/errors.h"
#include "apps/common/log.h"
#include "cairn/base/status.h"

namespace cairn::app {
namespace {

std::vector<ConfigKey> AllKeys(const DaemonSpec& spec) {
  std::vector<ConfigKey> keys = spec.keys;
  keys.push_back({"log.level", ValueType::kText, "info", "Least severe records to write: debug, info, warning, error.",
                  true});
  keys.push_back({"log.format", ValueType::kText, "auto", "auto (text on a terminal, else JSON lines), text, json."});
  keys.push_back({"shutdown.timeout", ValueType::kDuration, "10s", "How long a graceful stop may take.", true});
  return keys;
}

// What the command line said, before any of it is acted on.
struct Parsed {
  std::vector<std::pair<std::string, std::string>> flags;
  std::string config_file;
  std::string output = "text";
  int ready_fd = -1;
  bool die_with_parent = false;
  std::string explain_key;
  std::map<std::string, std::vector<std::string>> options;  // of the chosen command
};

void AddKeyOptions(CLI::App& app, const std::vector<ConfigKey>& keys, Parsed& parsed) {
  for (const ConfigKey& key : keys) {
    std::string name = key.name;
    app.add_option_function<std::string>(
           absl::StrCat("--", name),
           [&parsed, name](const std::string& value) { parsed.flags.emplace_back(name, value); }, key.doc)
        ->type_name(key.built_in.empty() ? "VALUE" : absl::StrCat("[", key.built_in, "]"))
        ->group("Configuration");
  }
}

void AddCommandOptions(CLI::App& sub, const Command& command, Parsed& parsed) {
  for (const CommandOption& option : command.options) {
    std::string name = option.name;
    if (option.flag) {
      sub.add_flag_callback(name, [&parsed, name] { parsed.options[name] = {"true"}; }, option.doc);
      continue;
    }
    auto* added = sub.add_option_function<std::vector<std::string>>(
        name, [&parsed, name](const std::vector<std::string>& values) { parsed.options[name] = values; }, option.doc);
    added->required(option.required)->expected(1, option.repeated ? 1000 : 1)->type_name("VALUE");
    if (option.repeated) added->take_all();
    if (!option.repeated) added->take_last();
  }
}

absl::Status CheckAll(const DaemonSpec& spec, const Config& config, LogOptions& log) {
  log.program = spec.name;
  RETURN_IF_ERROR(ParseLogOptions(config.Text("log.level"), config.Text("log.format"), log));
  return spec.check ? spec.check(config) : absl::OkStatus();
}

int Fail(const absl::Status& status, const Parsed& parsed) {
  std::cerr << (parsed.output == "json" ? ErrorJson(status) : ErrorText(status)) << std::flush;
  return ExitCodeOf(status);
}

// An argument that nothing declared: most likely a misspelt key.
absl::Status ExplainExtra(const DaemonSpec& spec, const std::vector<ConfigKey>& keys, const std::string& extra) {
  if (absl::StartsWith(extra, "--") && absl::StrContains(extra, '.')) {
    std::pair<std::string, std::string> pair = absl::StrSplit(extra.substr(2), absl::MaxSplits('=', 1));
    return Config::Load(spec.name, keys, {.flags = {pair}, .file = "", .environment = {}}).status();
  }
  return base::Error(absl::StatusCode::kInvalidArgument, "USAGE", absl::StrCat("unknown argument \"", extra, "\""),
                     absl::StrCat("see `", spec.name, " --help`"));
}

absl::Status Serve(const DaemonSpec& spec, const std::vector<ConfigKey>& keys, const Parsed& parsed, Config config) {
  if (parsed.die_with_parent && prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
    return base::Error(absl::StatusCode::kInternal, "NO_PARENT_SIGNAL", "the kernel refused --die-with-parent");
  }
  auto reload = [&spec, &keys, &parsed]() -> absl::StatusOr<Config> {
    ASSIGN_OR_RETURN(Config fresh, Config::Load(spec.name, keys, {.flags = parsed.flags, .file = parsed.config_file,
                                                                  .environment = ProcessEnvironment()}));
    LogOptions log;
    RETURN_IF_ERROR(CheckAll(spec, fresh, log));
    InitLog(log);
    return fresh;
  };
  DaemonProcess process(spec.name, std::move(config), parsed.ready_fd, reload);
  absl::Status ended = spec.run(process);
  if (!ended.ok()) LogError("daemon.failed", ended);
  return ended;
}

}  // namespace

std::string CommandLine::Get(const std::string& name, const std::string& otherwise) const {
  auto found = values_.find(name);
  return found == values_.end() || found->second.empty() ? otherwise : found->second.front();
}

std::vector<std::string> CommandLine::All(const std::string& name) const {
  auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

int RunDaemon(int argc, char** argv, const DaemonSpec& spec) {
  Parsed parsed;
  std::vector<ConfigKey> keys = AllKeys(spec);
  CLI::App app(spec.doc, spec.name);
  app.allow_extras();
  app.option_defaults()->take_last();
  app.add_option("-c,--config", parsed.config_file, "TOML file; see `config print-default`")->type_name("FILE");
  app.add_option("-o,--output", parsed.output, "How errors are printed: text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--ready-fd", parsed.ready_fd, "Descriptor that gets one line once the daemon serves");
  app.add_flag("--die-with-parent", parsed.die_with_parent, "Stop when the process that started this one ends");
  AddKeyOptions(app, keys, parsed);
  CLI::App* run = app.add_subcommand("run", "Serve (what happens without a subcommand)");
  CLI::App* version = app.add_subcommand("version", "Print the version");
  CLI::App* config_commands = app.add_subcommand("config", "Look at the configuration");
  config_commands->require_subcommand(1);
  CLI::App* check = config_commands->add_subcommand("check", "Load everything, report the first error");
  CLI::App* explain = config_commands->add_subcommand("explain", "Value, origin and meaning of a key");
  explain->add_option("key", parsed.explain_key, "Dotted name")->required();
  CLI::App* print = config_commands->add_subcommand("print-default", "A complete, commented file");
  std::vector<std::pair<CLI::App*, const Command*>> commands;
  for (const Command& command : spec.commands) {
    commands.emplace_back(app.add_subcommand(command.name, command.doc), &command);
    AddCommandOptions(*commands.back().first, command, parsed);
  }
  for (CLI::App* sub : {run, version, config_commands, check, explain, print}) sub->fallthrough()->allow_extras();
  for (auto& [sub, command] : commands) sub->fallthrough()->allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return 0;
  } catch (const CLI::ParseError& error) {
    return Fail(base::Error(absl::StatusCode::kInvalidArgument, "USAGE", error.what(),
                            absl::StrCat("see `", spec.name, " --help`")),
                parsed);
  }
  std::vector<std::string> extras = app.remaining(true);
  if (!extras.empty()) return Fail(ExplainExtra(spec, keys, extras.front()), parsed);
  if (version->parsed()) {
    std::cout << spec.name << " " << kVersion << "\n";
    return 0;
  }
  if (print->parsed()) {
    std::cout << Config::PrintDefault(spec.name, keys);
    return 0;
  }
  absl::StatusOr<Config> config = Config::Load(
      spec.name, keys, {.flags = parsed.flags, .file = parsed.config_file, .environment = ProcessEnvironment()});
  if (!config.ok()) return Fail(config.status(), parsed);
  LogOptions log;
  if (absl::Status status = CheckAll(spec, *config, log); !status.ok()) return Fail(status, parsed);
  if (check->parsed()) {
    std::cout << "the configuration is valid\n";
    return 0;
  }
  if (explain->parsed()) {
    absl::StatusOr<std::string> text = config->Explain(parsed.explain_key);
    if (!text.ok()) return Fail(text.status(), parsed);
    std::cout << *text;
    return 0;
  }
  InitLog(log);
  for (auto& [sub, command] : commands) {
    if (!sub->parsed()) continue;
    absl::Status status = command->run(CommandLine(*config, parsed.options, parsed.output == "json"));
    return status.ok() ? 0 : Fail(status, parsed);
  }
  absl::Status status = Serve(spec, keys, parsed, *std::move(config));
  return status.ok() ? 0 : Fail(status, parsed);
}

}  // namespace cairn::app
