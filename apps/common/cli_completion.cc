#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "apps/common/cli_tree.h"
#include "cairn/base/status.h"

namespace cairn::app {
namespace {

// One command: how it is reached, what may follow.
struct Node {
  std::string path;  // "storectl bucket create"
  const CLI::App* app = nullptr;
};

void Walk(const CLI::App& app, const std::string& path, std::vector<Node>* out) {
  out->push_back({path, &app});
  for (const CLI::App* sub : Subcommands(app))
    Walk(*sub, absl::StrCat(path, " ", sub->get_name()), out);
}

std::vector<Node> Nodes(const CLI::App& tree) {
  std::vector<Node> out;
  Walk(tree, tree.get_name(), &out);
  return out;
}

std::string Quoted(const std::string& text) {
  return "'" + absl::StrReplaceAll(text, {{"'", "'\\''"}}) + "'";
}

// Options whose next word is a value and no command, each between spaces.
std::string Valued(const std::vector<Node>& nodes) {
  std::string out = " ";
  for (const Node& node : nodes) {
    for (const CLI::Option* option : node.app->get_options()) {
      if (!TakesValue(*option)) continue;
      for (const std::string& name : option->get_lnames()) absl::StrAppend(&out, "--", name, " ");
      for (const std::string& name : option->get_snames()) absl::StrAppend(&out, "-", name, " ");
    }
  }
  return out;
}

// Every path but the program's own, quoted for a shell.
std::string Paths(const std::vector<Node>& nodes, absl::string_view separator) {
  return absl::StrJoin(nodes.begin() + 1, nodes.end(), separator,
                       [](std::string* out, const Node& node) { *out += Quoted(node.path); });
}

std::string Bash(const CLI::App& tree) {
  const std::vector<Node> nodes = Nodes(tree);
  std::string cases;
  for (const Node& node : nodes) {
    std::vector<std::string> words = CommandWords(*node.app);
    for (const std::string& flag : FlagWords(*node.app)) words.push_back(flag);
    absl::StrAppend(&cases, "    ", Quoted(node.path), ") words=\"", absl::StrJoin(words, " "),
                    "\" ;;\n");
  }
  return absl::StrReplaceAll(
      R"(_@P() {
  local cur="${COMP_WORDS[COMP_CWORD]}" at="@P" words="" i
  local valued="@VALUED" globals="@GLOBALS"
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ "$valued" == *" ${COMP_WORDS[i - 1]} "* ]] && continue
    case "$at ${COMP_WORDS[i]}" in
      @PATHS) at="$at ${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  if [[ "$valued" != *" ${COMP_WORDS[COMP_CWORD - 1]} "* ]]; then
    case "$at" in
@CASES    esac
    COMPREPLY=($(compgen -W "$words $globals" -- "$cur"))
  fi
  if [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default 2>/dev/null; fi
}
complete -F _@P @P
)",
      {{"@PATHS", Paths(nodes, "|")},
       {"@VALUED", Valued(nodes)},
       {"@GLOBALS", absl::StrJoin(FlagWords(tree), " ")},
       {"@CASES", cases},
       {"@P", tree.get_name()}});
}

// 'word:what it is' for zsh's _describe.
std::string Described(absl::string_view word, const std::string& what) {
  return Quoted(absl::StrCat(word, ":", absl::StrReplaceAll(what, {{"\n", " "}})));
}

std::string DescribedFlags(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      out.push_back(Described("--" + name, option->get_description()));
  }
  return absl::StrJoin(out, " ");
}

std::string Zsh(const CLI::App& tree) {
  const std::vector<Node> nodes = Nodes(tree);
  std::string cases;
  for (const Node& node : nodes) {
    std::vector<std::string> commands;
    for (const CLI::App* sub : Subcommands(*node.app))
      commands.push_back(Described(sub->get_name(), sub->get_description()));
    absl::StrAppend(&cases, "    (", Quoted(node.path), ")\n      commands=(",
                    absl::StrJoin(commands, " "), ")\n      flags=(", DescribedFlags(*node.app),
                    ") ;;\n");
  }
  return absl::StrReplaceAll(
      R"(#compdef @P
_@P() {
  local at=@P valued="@VALUED" i
  local -a commands flags globals
  globals=(@GLOBALS)
  for ((i = 2; i < CURRENT; i++)); do
    [[ "$valued" == *" ${words[i-1]} "* ]] && continue
    case "$at ${words[i]}" in
      (@PATHS) at="$at ${words[i]}" ;;
    esac
  done
  if [[ "$valued" == *" ${words[CURRENT-1]} "* ]]; then
    _files
    return
  fi
  case "$at" in
@CASES  esac
  [[ "$at" == @P ]] && globals=()
  if [[ "${words[CURRENT]}" == -* ]]; then
    _describe option flags -- globals
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}
if [[ "${funcstack[1]}" == _@P ]]; then
  _@P "$@"
else
  compdef _@P @P
fi
)",
      {{"@PATHS", Paths(nodes, "|")},
       {"@VALUED", Valued(nodes)},
       {"@GLOBALS", DescribedFlags(tree)},
       {"@CASES", cases},
       {"@P", tree.get_name()}});
}

void FishOptions(const std::string& program, const CLI::App& app, const std::string& condition,
                 std::string* out) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      absl::StrAppend(out, "complete -c ", program, condition, " -l ", name,
                      TakesValue(*option) ? " -r" : "", " -d ", Quoted(option->get_description()),
                      "\n");
    }
  }
}

std::string Fish(const CLI::App& tree) {
  const std::string program = tree.get_name();
  const std::vector<Node> nodes = Nodes(tree);
  std::string out = absl::StrReplaceAll(
      R"(function __fish_@P_at
  set -l at @P
  set -l previous
  for word in (commandline -opc)[2..-1]
    if not string match -q -- "* $previous *" "@VALUED"; or test -z "$previous"
      if contains -- "$at $word" @PATHS
        set at "$at $word"
      end
    end
    set previous $word
  end
  test "$at" = "$argv"
end
)",
      {{"@PATHS", Paths(nodes, " ")}, {"@VALUED", Valued(nodes)}, {"@P", program}});
  FishOptions(program, tree, "", &out);
  for (const Node& node : nodes) {
    const std::string condition = absl::StrCat(" -n '__fish_", program, "_at ", node.path, "'");
    for (const CLI::App* sub : Subcommands(*node.app)) {
      absl::StrAppend(&out, "complete -c ", program, condition, " -f -a ", sub->get_name(), " -d ",
                      Quoted(sub->get_description()), "\n");
    }
    if (node.app != &tree) FishOptions(program, *node.app, condition, &out);
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> Completion(const CLI::App& tree, absl::string_view shell) {
  if (shell == "bash") return Bash(tree);
  if (shell == "zsh") return Zsh(tree);
  if (shell == "fish") return Fish(tree);
  return base::Error(absl::StatusCode::kInvalidArgument, "UNKNOWN_SHELL",
                     absl::StrCat("no completion for ", shell),
                     absl::StrCat(tree.get_name(), " completion bash | zsh | fish"));
}

}  // namespace cairn::app
