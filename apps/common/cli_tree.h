// A CLI11 tree as words: what suggestions, completions and man pages are made from, so that no list
// of commands or options is written twice.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace cairn::app {

// In the order of their declaration.
std::vector<CLI::App*> Subcommands(CLI::App& app);
std::vector<const CLI::App*> Subcommands(const CLI::App& app);
std::vector<std::string> CommandWords(const CLI::App& app);  // the names of its subcommands
std::vector<std::string> FlagWords(const CLI::App& app);     // its own options: "--policy"
bool TakesValue(const CLI::Option& option);

// A completion script of the program that `tree` is named after, for "bash", "zsh" or "fish". It
// offers subcommands, each command's options and the program's; file names where a value or an
// argument stands. The zsh script works from a folder of $fpath and through eval.
// InvalidArgument (reason UNKNOWN_SHELL).
absl::StatusOr<std::string> Completion(const CLI::App& tree, absl::string_view shell);

struct ManSection {
  std::string title;  // "ENVIRONMENT"
  std::string text;   // lines that begin with a space stay as they are
};
// A manual page in man(7) format: name, synopsis, every option, every command with its options, the
// exit codes of errors.h, then `more`. The program's description is its first sentence and, after
// an empty line, more of it.
std::string ManPage(const CLI::App& tree, int section, const std::vector<ManSection>& more);

}  // namespace cairn::app
