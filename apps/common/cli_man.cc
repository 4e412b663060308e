#include <CLI/CLI.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "apps/common/cli_tree.h"
#include "apps/common/daemon.h"
#include "apps/common/errors.h"

namespace cairn::app {
namespace {

constexpr char kBold[] = "\\fB", kItalic[] = "\\fI", kPlain[] = "\\fR";

// As text of a page: no letter of it is a command to the formatter.
std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}, {"'", "\\(aq"}, {"`", "\\(ga"}});
}

// Lines as they come; those that begin with a space as they are.
std::string Text(absl::string_view text) {
  std::string out;
  bool verbatim = false;
  for (absl::string_view line : absl::StrSplit(absl::StripTrailingAsciiWhitespace(text), '\n')) {
    if (absl::StartsWith(line, " ") != verbatim) {
      verbatim = !verbatim;
      absl::StrAppend(&out, verbatim ? ".nf\n" : ".fi\n");
    }
    if (line.empty()) {
      absl::StrAppend(&out, ".PP\n");
    } else {
      absl::StrAppend(&out, absl::StartsWith(line, ".") ? "\\&" : "", Escaped(line), "\n");
    }
  }
  if (verbatim) absl::StrAppend(&out, ".fi\n");
  return out;
}

std::string Named(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames())
    names.push_back(absl::StrCat(kBold, Escaped("-" + name), kPlain));
  for (const std::string& name : option.get_lnames())
    names.push_back(absl::StrCat(kBold, Escaped("--" + name), kPlain));
  if (names.empty()) return absl::StrCat(kItalic, Escaped(option.get_name(true)), kPlain);
  std::string out = absl::StrJoin(names, ", ");
  if (!TakesValue(option)) return out;
  return absl::StrCat(out, " ", kItalic, Escaped(option.get_type_name()), kPlain);
}

std::string Entry(const CLI::Option& option) {
  std::string text = option.get_description();
  if (option.get_required()) absl::StrAppend(&text, text.empty() ? "" : "; ", "required");
  if (!option.get_default_str().empty())
    absl::StrAppend(&text, text.empty() ? "" : "; ", "default ", option.get_default_str());
  if (!option.get_envname().empty())
    absl::StrAppend(&text, text.empty() ? "" : " ", "(", option.get_envname(), ")");
  return absl::StrCat(".TP\n", Named(option), "\n", text.empty() ? "\\&\n" : Text(text));
}

// Arguments first, then options; those in a group of their own are left to OptionGroups.
std::string Entries(const CLI::App& app, absl::string_view group) {
  std::string arguments, options;
  for (const CLI::Option* option : app.get_options()) {
    const bool argument = option->get_lnames().empty() && option->get_snames().empty();
    if (!argument && option->get_group() != group) continue;
    if (argument && group != "Options") continue;
    if (option == app.get_help_ptr() && app.get_parent() != nullptr) continue;  // said once, at the top
    absl::StrAppend(argument ? &arguments : &options, Entry(*option));
  }
  return arguments + options;
}

std::string OtherGroups(const CLI::App& app) {
  std::string out;
  for (const std::string& group : app.get_groups()) {
    if (group == "Options" || group.empty()) continue;
    absl::StrAppend(&out, ".SH ", Escaped(absl::AsciiStrToUpper(group)), "\n", Entries(app, group));
  }
  return out;
}

void Commands(const CLI::App& app, const std::string& path, std::string* out) {
  for (const CLI::App* sub : Subcommands(app)) {
    const std::string here = absl::StrCat(path, " ", sub->get_name());
    std::string arguments;
    for (const CLI::Option* option : sub->get_options()) {
      if (!option->get_lnames().empty() || !option->get_snames().empty()) continue;
      const std::string name = absl::AsciiStrToUpper(option->get_name(true));
      absl::StrAppend(&arguments, " ", option->get_required() ? name : "[" + name + "]",
                      option->get_expected_max() > 1 ? "..." : "");
    }
    absl::StrAppend(out, ".SS \"", Escaped(here + arguments), "\"\n",
                    Text(sub->get_description()), Entries(*sub, "Options"));
    Commands(*sub, here, out);
  }
}

// In brackets where the program does something without one.
std::string CommandWord(const CLI::App& tree) {
  const std::string word = absl::StrCat(kItalic, "COMMAND", kPlain);
  return tree.get_require_subcommand_min() > 0 ? word : absl::StrCat("[", word, "]");
}

std::string ExitCodes() {
  std::string out = ".SH \"EXIT STATUS\"\n";
  for (const auto& [code, meaning] : ExitMeanings())
    absl::StrAppend(&out, ".TP\n", kBold, static_cast<int>(code), kPlain, "\n", Text(meaning));
  return out;
}

}  // namespace

std::string ManPage(const CLI::App& tree, int section, const std::vector<ManSection>& more) {
  const std::string name = tree.get_name();
  const std::pair<std::string, std::string> description =
      absl::StrSplit(tree.get_description(), absl::MaxSplits("\n\n", 1));
  std::string what(absl::StripSuffix(description.first, "."));
  std::string out = absl::StrCat(".TH ", absl::AsciiStrToUpper(name), " ", section, " \"\" \"Cairn ",
                                 kVersion, "\" Cairn\n.SH NAME\n", name, " \\- ", Escaped(what),
                                 "\n.SH SYNOPSIS\n", kBold, name, kPlain, " [", kItalic, "OPTION",
                                 kPlain, "]... ", CommandWord(tree), " [", kItalic, "ARGUMENT", kPlain,
                                 "]...\n");
  if (!description.second.empty())
    absl::StrAppend(&out, ".SH DESCRIPTION\n", Text(description.second));
  absl::StrAppend(&out, ".SH OPTIONS\n", Entries(tree, "Options"), ".SH COMMANDS\n");
  Commands(tree, name, &out);
  absl::StrAppend(&out, OtherGroups(tree), ExitCodes());
  for (const ManSection& each : more)
    absl::StrAppend(&out, ".SH \"", Escaped(each.title), "\"\n", Text(each.text));
  return out;
}

}  // namespace cairn::app
