#include "apps/storectl/context.h"

#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "apps/client/pools.h"
#include "apps/common/errors.h"
#include "apps/common/passphrase.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storectl {
namespace {

// What signal handlers may touch.
client::StopFlag* stop_flag = nullptr;
volatile std::sig_atomic_t signal_seen = 0;

void OnSignal(int signal) {
  // The first asks the transfer to stop at a point where it can be taken up again; the second does
  // not wait.
  if (signal_seen != 0 && signal != SIGALRM) _exit(128 + signal);
  signal_seen = signal;
  if (stop_flag != nullptr) stop_flag->Set();
}

void CatchSignals(client::StopFlag& flag) {
  stop_flag = &flag;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  for (int signal : {SIGINT, SIGTERM, SIGALRM}) sigaction(signal, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

absl::Status BadFlag(absl::string_view reason, absl::string_view message, absl::string_view hint) {
  return base::Error(absl::StatusCode::kInvalidArgument, reason, message, hint);
}

void Fallback(std::string& flag, const std::string& setting) {
  if (flag.empty()) flag = setting;
}

// An interrupt looks like many things from below; say what it was.
absl::Status NameSignal(absl::Status status) {
  if (status.ok() || signal_seen == 0) return status;
  if (signal_seen == SIGALRM) {
    return base::Error(absl::StatusCode::kDeadlineExceeded, "TIMEOUT", "not done within --timeout",
                       "run the same command again to continue");
  }
  return base::Error(absl::StatusCode::kCancelled,
                     signal_seen == SIGTERM ? "TERMINATED" : "INTERRUPTED",
                     signal_seen == SIGTERM ? "terminated" : "interrupted",
                     "run the same command again to continue");
}

}  // namespace

Context::Context() = default;
Context::~Context() = default;

absl::Status Context::Prepare() {
  paths_ = client::Paths::Find(globals.home);
  // The format first: whatever is wrong below is then said in it.
  if (globals.output == "json") format_ = Format::kJson;
  if (globals.output == "jsonl") format_ = Format::kJsonl;
  if (globals.output == "csv") format_ = Format::kCsv;
  ASSIGN_OR_RETURN(settings_, client::LoadSettings(paths_));
  Fallback(globals.profile, settings_.profile);
  Fallback(globals.key, settings_.key);
  Fallback(globals.max_cost, settings_.max_cost);
  if (globals.passphrase_file.empty() && globals.passphrase_command.empty()) {
    globals.passphrase_file = settings_.passphrase_file;
    globals.passphrase_command = settings_.passphrase_command;
  }
  Fallback(globals.progress, settings_.progress);
  Fallback(globals.wait, settings_.wait);
  Fallback(globals.timeout, settings_.timeout);
  Fallback(globals.output, settings_.output);
  Fallback(globals.output, "text");
  if (globals.output == "json") {
    format_ = Format::kJson;
  } else if (globals.output == "jsonl") {
    format_ = Format::kJsonl;
  } else if (globals.output == "csv") {
    format_ = Format::kCsv;
  } else if (globals.output != "text") {
    return BadFlag("BAD_OUTPUT", absl::StrCat("no output \"", globals.output, "\""),
                   "-o text | json | jsonl | csv");
  }
  const bool color =
      !globals.no_color && std::getenv("NO_COLOR") == nullptr && isatty(STDERR_FILENO) == 1;
  ASSIGN_OR_RETURN(progress_, MakeProgress(globals.progress, globals.quiet, color));
  CatchSignals(stop_);
  if (!globals.timeout.empty()) {
    absl::Duration timeout;
    if (!absl::ParseDuration(globals.timeout, &timeout) || timeout <= absl::ZeroDuration()) {
      return BadFlag("BAD_DURATION", absl::StrCat("\"", globals.timeout, "\" is no duration"),
                     "--timeout 90s | 10m | 2h");
    }
    itimerval timer{};
    timer.it_value = absl::ToTimeval(timeout);
    setitimer(ITIMER_REAL, &timer, nullptr);
  }
  return absl::OkStatus();
}

absl::Status Context::Run() {
  absl::Status status = Prepare();
  if (status.ok() && action) status = NameSignal(action());
  connection_.reset();
  progress_.reset();
  return status;
}

bool Context::terminal() const { return isatty(STDOUT_FILENO) == 1; }

void Context::Print(absl::string_view text) const {
  if (progress_ != nullptr) progress_->Clear();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Context::Result(const Json& json, absl::string_view text_form) const {
  Print(text() ? app::Printable(text_form, /*lines=*/true) : json.Done() + "\n");
}

void Context::Items(absl::string_view name, const std::vector<std::string>& items,
                    const Table& table) const {
  if (text()) return Print(table.empty() ? "" : table.Done(terminal()));
  if (format_ == Format::kCsv) return Print(table.Csv());
  if (format_ == Format::kJson) return Print(Json().List(name, items).Done() + "\n");
  for (const std::string& item : items) Print(item + "\n");
}

void Context::Say(absl::string_view text_form) const {
  if (globals.quiet) return;
  if (progress_ != nullptr) progress_->Clear();
  std::fprintf(stderr, "%s\n", app::Printable(text_form, /*lines=*/true).c_str());
}

absl::Status Context::Confirm(absl::string_view question) const {
  if (globals.yes) return absl::OkStatus();
  if (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "%s [y/N] ", app::Printable(question).c_str());
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "yes") return absl::OkStatus();
  }
  return base::Error(absl::StatusCode::kFailedPrecondition, "NOT_CONFIRMED",
                     absl::StrCat(question, " - not confirmed"), "add --yes");
}

absl::StatusOr<client::Profile> Context::profile() {
  if (!globals.profile.empty()) return client::LoadProfile(paths_, globals.profile);
  const std::vector<std::string> there = client::ListProfiles(paths_);
  if (there.size() == 1) return client::LoadProfile(paths_, there.front());
  return base::Error(absl::StatusCode::kNotFound, "NO_PROFILE",
                     there.empty() ? "no network is known" : "several networks are known",
                     there.empty() ? "start one of your own: storectl dev up"
                                   : absl::StrCat("--profile ", absl::StrJoin(there, " | ")),
                     {{"looked_in", paths_.config + "/profiles"}});
}

absl::StatusOr<std::string> Context::KeyName() const {
  if (!globals.key.empty()) return globals.key;
  const std::vector<client::WalletKey> keys = wallet().List();
  if (keys.size() == 1) return keys.front().name;
  std::vector<std::string> names;
  for (const client::WalletKey& key : keys) names.push_back(key.name);
  return base::Error(absl::StatusCode::kNotFound, "NO_KEY",
                     keys.empty() ? "there is no key yet" : "there are several keys",
                     keys.empty() ? "storectl wallet new, or storectl wallet import"
                                  : absl::StrCat("--key ", absl::StrJoin(names, " | "),
                                                 ", or storectl wallet use NAME"));
}

absl::StatusOr<client::WalletKey> Context::Key() const {
  ASSIGN_OR_RETURN(std::string name, KeyName());
  return wallet().Find(name);
}

absl::StatusOr<base::SecretString> Context::Passphrase(absl::string_view prompt,
                                                       bool confirm) const {
  app::PassphraseSources sources;
  sources.file = globals.passphrase_file;
  sources.command = globals.passphrase_command;
  sources.prompt = std::string(prompt);
  sources.confirm = confirm;
  return app::ReadPassphrase(sources);
}

absl::StatusOr<chain::Client*> Context::chain() {
  if (!chain_) {
    ASSIGN_OR_RETURN(client::Profile where, profile());
    ASSIGN_OR_RETURN(chain_, client::ConnectChain(paths_, where));
  }
  return chain_.get();
}

absl::StatusOr<client::Client*> Context::client() {
  if (!connection_) {
    ASSIGN_OR_RETURN(client::Profile where, profile());
    ASSIGN_OR_RETURN(std::string name, KeyName());
    RETURN_IF_ERROR(wallet().Find(name).status());
    ASSIGN_OR_RETURN(base::SecretString passphrase,
                     Passphrase(absl::StrCat("Passphrase of key ", name), false));
    ASSIGN_OR_RETURN(base::AccountKeys keys, wallet().Open(name, passphrase));
    ASSIGN_OR_RETURN(client::PayOptions pay, PayFlags());
    ASSIGN_OR_RETURN(connection_, client::Connection::Open(paths_, where, std::move(keys),
                                                           progress_.get(), &stop_, pay));
  }
  return &connection_->client();
}

std::vector<client::Spending> Context::Spent() const {
  return connection_ ? connection_->client().purse().spent() : std::vector<client::Spending>();
}

absl::StatusOr<std::optional<base::Amount>> Context::MaxCost() const {
  if (globals.max_cost.empty()) return std::optional<base::Amount>();
  std::string text = absl::AsciiStrToLower(globals.max_cost);
  absl::string_view number = text;
  if (absl::EndsWith(number, "usdc")) return std::optional<base::Amount>();
  absl::ConsumeSuffix(&number, "crn");
  ASSIGN_OR_RETURN(
      base::Amount amount,
      base::Amount::FromDecimal(absl::StripAsciiWhitespace(number), base::kCrnDecimals));
  return std::optional<base::Amount>(amount);
}

absl::StatusOr<client::PayOptions> Context::PayFlags() const {
  client::PayOptions out;
  const std::string text = absl::AsciiStrToLower(globals.max_cost);
  absl::string_view number = text;
  const bool limited = absl::ConsumeSuffix(&number, "usdc");
  if (limited) {
    ASSIGN_OR_RETURN(out.max_cost, base::Amount::FromDecimal(absl::StripAsciiWhitespace(number),
                                                             base::kUsdcDecimals));
  }
  if (!globals.pool.empty()) {
    ASSIGN_OR_RETURN(rpc::v1::PoolGrant grant, client::ParseGrant(globals.pool));
    out.pool = std::make_shared<const rpc::v1::PoolGrant>(std::move(grant));
  }
  // A limit in usdc, or a pool, says that money may be spent.
  if (globals.pay == "always") {
    out.when = client::PayWhen::kAlways;
  } else if (globals.pay == "needed" || (globals.pay.empty() && (limited || out.pool))) {
    out.when = client::PayWhen::kNeeded;
  } else if (!globals.pay.empty() && globals.pay != "never") {
    return BadFlag("BAD_PAY", absl::StrCat("no --pay \"", globals.pay, "\""),
                   "--pay never | needed | always");
  }
  return out;
}

absl::StatusOr<client::PutOptions> Context::PutFlags() const {
  client::PutOptions out;
  out.dry_run = globals.dry_run;
  if (!globals.wait.empty()) {
    ASSIGN_OR_RETURN(out.wait, client::ParseWait(globals.wait));
  }
  ASSIGN_OR_RETURN(out.max_cost, MaxCost());
  return out;
}

int Report(const Context& context, absl::Status status) {
  // A result that did not arrive is no success.
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
    status = base::Error(absl::StatusCode::kUnknown, "LOCAL_FILE",
                         "standard output takes no more: the result above is incomplete",
                         "make room where it is written, and run the command again");
  }
  if (status.ok()) return 0;
  const bool quiet_noop = app::ExitOf(status) == app::Exit::kNothingToDo && context.globals.quiet;
  if (!quiet_noop) {
    const std::string text = context.text() ? app::ErrorText(status) : app::ErrorJson(status);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  return app::ExitCodeOf(status);
}

}  // namespace cairn::storectl
