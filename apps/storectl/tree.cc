#include "apps/storectl/tree.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "apps/common/cli_tree.h"
#include "apps/common/config.h"
#include "apps/storectl/commands.h"
#include "cairn/base/status.h"

namespace cairn::storectl {
namespace {

void AddGlobals(CLI::App& app, Globals& globals) {
  app.add_option("-P,--profile", globals.profile, "network to talk to");
  app.add_option("--home", globals.home,
                 "folder of configuration, keys and state (also CAIRN_HOME)");
  app.add_option("-o,--output", globals.output, "text | json | jsonl; csv for tables");
  app.add_flag("-q,--quiet", globals.quiet, "results and errors only");
  app.add_flag("-v,--verbose", globals.verbose, "say more");
  app.add_flag("--no-color", globals.no_color, "no colours (also NO_COLOR)");
  app.add_option("--progress", globals.progress, "auto | bar | line | json | none");
  app.add_option("--timeout", globals.timeout, "give up after, e.g. 90s");
  app.add_flag("-y,--yes", globals.yes, "do not ask");
  app.add_flag("-n,--dry-run", globals.dry_run, "say what would be done and what it costs");
  app.add_option("--wait", globals.wait, "created | available | durable (default)");
  app.add_option("--key", globals.key, "name of the key that signs");
  app.add_option("--passphrase-file", globals.passphrase_file, "its first line opens the key");
  app.add_option("--passphrase-command", globals.passphrase_command,
                 "the first line it prints opens the key");
  app.add_option("--max-cost", globals.max_cost,
                 "refuse to lock and pay more, in crn; for reads in usdc (0.5usdc)");
  app.add_option("--pay", globals.pay, "never, needed or always: whether channels pay for reads");
  app.add_option("--pool", globals.pool,
                 "pay reads from a pool: what storectl pool grant printed");
}

// --passphrase-file is STORECTL_PASSPHRASE_FILE, on whatever command it stands. Global flags work
// after a command too.
void Complete(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty() || option->get_lnames()[0] == "help") continue;
    option->envname(absl::StrCat("STORECTL_", absl::AsciiStrToUpper(absl::StrReplaceAll(
                                                  option->get_lnames()[0], {{"-", "_"}}))));
  }
  for (CLI::App* sub : app::Subcommands(app)) {
    sub->fallthrough();
    if (!app::Subcommands(*sub).empty()) sub->require_subcommand(1);
    Complete(*sub);
  }
}

absl::Status Usage(absl::string_view message, absl::string_view hint) {
  return base::Error(absl::StatusCode::kInvalidArgument, "USAGE", message, hint);
}

// The deepest command that the words lead to, and the first word that leads nowhere.
absl::Status Explain(const CLI::App& tree, int argc, char** argv, const CLI::ParseError& error) {
  const CLI::App* at = &tree;
  std::string path = "storectl";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.empty() || word[0] == '-') {
      const std::string name = word.substr(0, word.find('='));
      std::vector<std::string> flags = app::FlagWords(*at);
      for (const std::string& global : app::FlagWords(tree)) flags.push_back(global);
      const bool known = std::find(flags.begin(), flags.end(), name) != flags.end();
      if (name.size() <= 2 || known) continue;
      const std::string near = app::Nearest(name, flags);
      return Usage(
          absl::StrCat("no flag ", name.substr(0, 64)),
          near.empty() ? absl::StrCat(path, " --help") : absl::StrCat("did you mean ", near, "?"));
    }
    const std::vector<std::string> words = app::CommandWords(*at);
    if (words.empty()) continue;
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end()) {
      if (i > 1 && argv[i - 1][0] == '-') continue;  // a flag's value
      const std::string near = app::Nearest(word, words);
      return Usage(absl::StrCat("no command \"", path.substr(std::min<size_t>(path.size(), 9)),
                                path.size() > 9 ? " " : "", word.substr(0, 64), "\""),
                   near.empty() ? absl::StrCat(path, " --help")
                                : absl::StrCat("did you mean ", path, " ", near, "?"));
    }
    at = at->get_subcommand(word);
    absl::StrAppend(&path, " ", word);
  }
  const std::string help = absl::StrCat(path, " --help");
  const std::vector<std::string> words = app::CommandWords(*at);
  if (at == &tree || words.empty() || dynamic_cast<const CLI::RequiredError*>(&error) == nullptr)
    return Usage(error.what(), help);
  return Usage(absl::StrCat(path, " needs one of: ", absl::StrJoin(words, ", ")), help);
}

}  // namespace

std::unique_ptr<CLI::App> BuildTree(Context& context) {
  auto app = std::make_unique<CLI::App>(
      "Store, fetch and share files on a Cairn network.\n\n"
      "  storectl dev up                        a network of your own, on this machine\n"
      "  storectl cp photo.jpg cairn://album/   store a file\n"
      "  storectl get cairn://album/photo.jpg   get it back",
      "storectl");
  app->require_subcommand(1);
  AddGlobals(*app, context.globals);
  for (AddCommands add : kCommandFiles) add(*app, context);
  Complete(*app);
  return app;
}

absl::Status Parse(CLI::App& tree, int argc, char** argv, Context& context, bool* done) {
  *done = false;
  // Errors of parsing are told in the format asked for, too.
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "-o" || std::string(argv[i]) == "--output")
      context.globals.output = argv[i + 1];
  }
  if (argc > 1 && (std::string(argv[1]) == "help" || std::string(argv[1]) == "--version")) {
    static char version[] = "version", help[] = "--help";
    if (std::string(argv[1]) == "--version") argv[1] = version;
    for (int i = 1; i + 1 < argc && std::string(argv[1]) == "help"; ++i)
      argv[i] = argv[i + 1], argv[i + 1] = help;
    if (std::string(argv[1]) == "help") argv[1] = help;
  }
  try {
    tree.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* at = &tree;
    std::string parents;
    while (!at->get_subcommands().empty()) {
      absl::StrAppend(&parents, parents.empty() ? "" : " ", at->get_name());
      at = at->get_subcommands().front();
    }
    std::fputs(at->help(parents).c_str(), stdout);
    *done = true;
  } catch (const CLI::ParseError& error) {
    return Explain(tree, argc, argv, error);
  }
  return absl::OkStatus();
}

}  // namespace cairn::storectl
