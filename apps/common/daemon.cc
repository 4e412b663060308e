#include "apps/common/daemon.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "apps/common/cli_tree.h"
#include "apps/common/daemon_process.h"
#include "apps/common/errors.h"
#include "apps/common/log.h"
#include "cairn/base/status.h"

namespace cairn::app {
namespace {

std::vector<ConfigKey> AllKeys(const DaemonSpec& spec) {
  std::vector<ConfigKey> keys = spec.keys;
  keys.push_back({"log.level", ValueType::kText, "info",
                  "Least severe records to write: debug, info, warning, error.", true});
  keys.push_back({"log.format", ValueType::kText, "auto",
                  "auto (text on a terminal, else JSON lines), text, json."});
  keys.push_back({"shutdown.timeout", ValueType::kDuration, "10s",
                  "How long a graceful stop may take.", true});
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
  std::string shell;
  std::map<std::string, std::vector<std::string>> options;  // of the chosen command
};

void AddKeyOptions(CLI::App& app, const std::vector<ConfigKey>& keys, Parsed& parsed) {
  for (const ConfigKey& key : keys) {
    std::string name = key.name;
    app.add_option_function<std::string>(
           absl::StrCat("--", name),
           [&parsed, name](const std::string& value) { parsed.flags.emplace_back(name, value); },
           key.doc)
        ->type_name(key.built_in.empty() ? "VALUE" : absl::StrCat("[", key.built_in, "]"))
        ->group("Configuration");
  }
}

void AddCommandOptions(CLI::App& sub, const Command& command, Parsed& parsed) {
  for (const CommandOption& option : command.options) {
    std::string name = option.name;
    if (option.flag) {
      sub.add_flag_callback(
          name, [&parsed, name] { parsed.options[name] = {"true"}; }, option.doc);
      continue;
    }
    auto* added = sub.add_option_function<std::vector<std::string>>(
        name,
        [&parsed, name](const std::vector<std::string>& values) { parsed.options[name] = values; },
        option.doc);
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
absl::Status ExplainExtra(const DaemonSpec& spec, const std::vector<ConfigKey>& keys,
                          const std::string& extra) {
  if (absl::StartsWith(extra, "--") && absl::StrContains(extra, '.')) {
    std::pair<std::string, std::string> pair =
        absl::StrSplit(extra.substr(2), absl::MaxSplits('=', 1));
    return Config::Load(spec.name, keys, {.flags = {pair}, .file = "", .environment = {}}).status();
  }
  return base::Error(absl::StatusCode::kInvalidArgument, "USAGE",
                     absl::StrCat("unknown argument \"", extra, "\""),
                     absl::StrCat("see `", spec.name, " --help`"));
}

absl::Status Serve(const DaemonSpec& spec, const std::vector<ConfigKey>& keys, const Parsed& parsed,
                   Config config) {
  if (parsed.die_with_parent && prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
    return base::Error(absl::StatusCode::kInternal, "NO_PARENT_SIGNAL",
                       "the kernel refused --die-with-parent");
  }
  auto reload = [&spec, &keys, &parsed]() -> absl::StatusOr<Config> {
    ASSIGN_OR_RETURN(Config fresh, Config::Load(spec.name, keys,
                                                {.flags = parsed.flags,
                                                 .file = parsed.config_file,
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

// The command line as a tree, and what to do about what was said.
class Program {
 public:
  explicit Program(const DaemonSpec& spec)
      : spec_(spec), keys_(AllKeys(spec)), app_(spec.doc, spec.name) {
    AddGlobalOptions();
    AddSubcommands();
  }

  int Run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp& help) {
      app_.exit(help);
      return 0;
    } catch (const CLI::ParseError& error) {
      return Fail(Usage(error.what()), parsed_);
    }
    std::vector<std::string> extras = app_.remaining(true);
    absl::Status status = extras.empty() ? Dispatch() : ExplainExtra(spec_, keys_, extras.front());
    return status.ok() ? 0 : Fail(status, parsed_);
  }

 private:
  void AddGlobalOptions() {
    app_.allow_extras();
    app_.option_defaults()->take_last();
    app_.add_option("-c,--config", parsed_.config_file, "TOML file; see `config print-default`")
        ->type_name("FILE");
    app_.add_option("-o,--output", parsed_.output, "How results and errors are printed")
        ->check(CLI::IsMember({"text", "json"}));
    app_.add_option("--ready-fd", parsed_.ready_fd,
                    "Descriptor that gets one line once the daemon serves");
    app_.add_flag("--die-with-parent", parsed_.die_with_parent,
                  "Stop when the process that started this one ends");
    AddKeyOptions(app_, keys_, parsed_);
  }

  void AddSubcommands() {
    CLI::App* run = app_.add_subcommand("run", "Serve (what happens without a subcommand)");
    version_ = app_.add_subcommand("version", "Print the version");
    CLI::App* config = app_.add_subcommand("config", "Look at the configuration");
    config->require_subcommand(1);
    check_ = config->add_subcommand("check", "Load everything, report the first error");
    explain_ = config->add_subcommand("explain", "Value, origin and meaning of a key");
    explain_->add_option("key", parsed_.explain_key, "Dotted name")->required();
    print_ = config->add_subcommand("print-default", "A complete, commented file");
    man_ = app_.add_subcommand("man", "Print the manual page");
    completion_ = app_.add_subcommand("completion", "Print a completion script for a shell");
    completion_->add_option("shell", parsed_.shell, "bash | zsh | fish")->required();
    for (CLI::App* sub : {run, version_, config, check_, explain_, print_, man_, completion_}) {
      sub->fallthrough()->allow_extras();
    }
    for (const Command& command : spec_.commands) {
      CLI::App* sub = app_.add_subcommand(command.name, command.doc);
      AddCommandOptions(*sub, command, parsed_);
      sub->fallthrough()->allow_extras();
      commands_.emplace_back(sub, &command);
    }
  }

  absl::Status Usage(absl::string_view what) const {
    return base::Error(absl::StatusCode::kInvalidArgument, "USAGE", what,
                       absl::StrCat("see `", spec_.name, " --help`"));
  }

  absl::Status Dispatch() {
    if (version_->parsed()) return Say(absl::StrCat(spec_.name, " ", kVersion, "\n"));
    if (man_->parsed()) return Say(Man());
    if (completion_->parsed()) {
      ASSIGN_OR_RETURN(std::string script, Completion(app_, parsed_.shell));
      return Say(script);
    }
    if (print_->parsed()) return Say(Config::PrintDefault(spec_.name, keys_));
    ASSIGN_OR_RETURN(Config config, Config::Load(spec_.name, keys_,
                                                 {.flags = parsed_.flags,
                                                  .file = parsed_.config_file,
                                                  .environment = ProcessEnvironment()}));
    LogOptions log;
    RETURN_IF_ERROR(CheckAll(spec_, config, log));
    if (check_->parsed()) return Say("the configuration is valid\n");
    if (explain_->parsed()) {
      ASSIGN_OR_RETURN(std::string text, config.Explain(parsed_.explain_key));
      return Say(text);
    }
    InitLog(log);
    for (auto& [sub, command] : commands_) {
      if (!sub->parsed()) continue;
      return command->run(CommandLine(config, parsed_.options, parsed_.output == "json"));
    }
    return Serve(spec_, keys_, parsed_, std::move(config));
  }

  std::string Man() const {
    const std::string prefix = absl::StrCat("CAIRN_", absl::AsciiStrToUpper(spec_.name), "__");
    return ManPage(
        app_, 8,
        {{"ENVIRONMENT",
          absl::StrCat("Every key of the configuration has a variable: a.b is ", prefix,
                       "A__B. A flag goes first, then the environment, then the file, then what is "
                       "built in.")},
         {"SIGNALS",
          "SIGTERM and SIGINT ask for a graceful stop; a second one ends the process. SIGHUP takes "
          "up the keys that can change while it runs and names those that cannot."},
         {"SEE ALSO", "storectl(1)"}});
  }

  static absl::Status Say(const std::string& text) {
    std::cout << text;
    return absl::OkStatus();
  }

  const DaemonSpec& spec_;
  std::vector<ConfigKey> keys_;
  Parsed parsed_;
  CLI::App app_;
  CLI::App* version_ = nullptr;
  CLI::App* check_ = nullptr;
  CLI::App* explain_ = nullptr;
  CLI::App* print_ = nullptr;
  CLI::App* man_ = nullptr;
  CLI::App* completion_ = nullptr;
  std::vector<std::pair<CLI::App*, const Command*>> commands_;
};

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
  return Program(spec).Run(argc, argv);
}

}  // namespace cairn::app
