// The frame of a daemon: command line, configuration, logs, signals, readiness, exit code.
//
// A program declares its keys, its subcommands and one function that starts it; the frame adds
// `run` (the default), `config check|explain|print-default`, `man`, `completion`, `version`,
// --config, --ready-fd, --die-with-parent and the log.* keys. SIGTERM and SIGINT ask for a graceful stop within
// `shutdown.timeout`; a second one ends the process. SIGHUP reloads: reloadable keys are taken up,
// others are named in a warning.
//
//   int main(int argc, char** argv) { return cairn::app::RunDaemon(argc, argv,
//   cairn::chaind::Spec()); }
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "apps/common/config.h"
#include "apps/common/metrics.h"

namespace cairn::app {

inline constexpr char kVersion[] = "0.1.0";

// What a running daemon sees of its process. Thread-safe.
class DaemonContext {
 public:
  virtual ~DaemonContext() = default;
  // As loaded at start; a reload hands a new one to OnReload.
  virtual const Config& config() const = 0;
  virtual Metrics& metrics() = 0;
  // Called on SIGHUP, from the main thread, with the new configuration.
  virtual void OnReload(std::function<void(const Config&)> reload) = 0;
  // Tells whoever waits (NOTIFY_SOCKET, --ready-fd) that the daemon serves. `line` goes to the
  // ready descriptor, for example "grpc=127.0.0.1:4853 http=127.0.0.1:4854".
  virtual void Ready(const std::string& line) = 0;
  // Blocks until a signal or RequestStop; runs reloads meanwhile. Returns OK after a signal, else
  // the cause.
  virtual absl::Status WaitForStop() = 0;
  // A fatal cause found by one of the daemon's threads (first one counts), or OK for a plain stop.
  virtual void RequestStop(absl::Status cause) = 0;
  virtual bool stopping() const = 0;
  virtual absl::Duration stop_timeout() const = 0;
};

// An option of a subcommand, beside the keys of the configuration.
struct CommandOption {
  std::string name;  // "--account"
  std::string doc;
  bool repeated = false;
  bool required = false;
  bool flag = false;  // takes no value; "true" when given
};
class CommandLine {
 public:
  CommandLine(const Config& config, std::map<std::string, std::vector<std::string>> values,
              bool json)
      : config_(config), values_(std::move(values)), json_(json) {}
  const Config& config() const { return config_; }
  bool json() const { return json_; }  // -o json: the result on standard output is one JSON object
  // The first value, or `otherwise`.
  std::string Get(const std::string& name, const std::string& otherwise = "") const;
  std::vector<std::string> All(const std::string& name) const;
  bool Has(const std::string& name) const { return values_.count(name) > 0; }

 private:
  const Config& config_;
  std::map<std::string, std::vector<std::string>> values_;
  bool json_;
};
struct Command {
  std::string name;
  std::string doc;
  std::vector<CommandOption> options;
  std::function<absl::Status(const CommandLine&)> run;  // prints its own result on standard output
};

struct DaemonSpec {
  std::string name;
  std::string doc;
  std::vector<ConfigKey> keys = {};
  std::vector<Command> commands = {};
  // What the types of the keys cannot say; also behind `config check`. May be empty.
  std::function<absl::Status(const Config&)> check = {};
  // Starts, calls context.Ready and context.WaitForStop, stops, returns why it ended.
  std::function<absl::Status(DaemonContext&)> run = {};
};

// Returns the exit code of errors.h. Errors go to standard error as text, or as JSON when -o json
// is given.
int RunDaemon(int argc, char** argv, const DaemonSpec& spec);

}  // namespace cairn::app
