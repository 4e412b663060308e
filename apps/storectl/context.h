// What every command shares: the global flags, and on demand the profile, the keys and the
// connection they lead to.
//
// Nothing is opened before it is asked for, so commands that need no network start at once. One
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "apps/client/connect.h"
#include "apps/client/put.h"
#include "apps/client/wallet.h"
#include "apps/storectl/output.h"
#include "apps/storectl/progress_view.h"
#include "cairn/base/secret.h"

namespace cairn::storectl {

enum class Format { kText, kJson, kJsonl, kCsv };

struct Globals {
  std::string profile;
  std::string home;
  std::string output;
  bool quiet = false;
  int verbose = 0;
  bool no_color = false;
  std::string progress;
  std::string timeout;
  bool yes = false;
  bool dry_run = false;
  std::string wait;
  std::string key;
  std::string passphrase_file;
  std::string passphrase_command;
  std::string max_cost;
  std::string pay;
  std::string pool;
};

class Context {
 public:
  Context();
  ~Context();

  Globals globals;
  // What the command line asked for; run once parsing is over.
  std::function<absl::Status()> action;

  // Applies settings below flags and environment; checks --output, --progress, --timeout, --wait.
  absl::Status Prepare();
  absl::Status Run();

  Format format() const { return format_; }
  bool text() const { return format_ == Format::kText; }
  bool terminal() const;  // is stdout one?
  // A result, on stdout. Under jsonl and for lists, one line for each call.
  void Print(absl::string_view text) const;
  // JSON when asked for, else the text.
  void Result(const Json& json, absl::string_view text) const;
  // A list: {"items":[...]} under json, lines under jsonl, the table otherwise: under csv with its header, RFC 4180.
  void Items(absl::string_view name, const std::vector<std::string>& items,
             const Table& table) const;
  // For people, on stderr; nothing under -q.
  void Say(absl::string_view text) const;
  // A question whose answer --yes gives. FailedPrecondition (NOT_CONFIRMED) without a terminal.
  absl::Status Confirm(absl::string_view question) const;

  const client::Paths& paths() const { return paths_; }
  const client::Settings& settings() const { return settings_; }
  client::Wallet wallet() const { return client::Wallet(paths_); }
  base::SystemEntropy& entropy() { return entropy_; }
  client::StopFlag& stop() { return stop_; }

  absl::StatusOr<client::Profile> profile();
  // The key that signs: --key, the setting, or the only one there is.
  absl::StatusOr<std::string> KeyName() const;
  absl::StatusOr<client::WalletKey> Key() const;
  absl::StatusOr<base::SecretString> Passphrase(absl::string_view prompt, bool confirm) const;
  absl::StatusOr<chain::Client*> chain();
  absl::StatusOr<client::Client*> client();
  // What this command paid for reads, once everything due was sent.
  std::vector<client::Spending> Spent() const;

  absl::StatusOr<client::PutOptions> PutFlags() const;
  // --max-cost as crn: nullopt when it is not given, or a limit in usdc (which reads obey).
  absl::StatusOr<std::optional<base::Amount>> MaxCost() const;
  // --pay, and --max-cost in usdc.
  absl::StatusOr<client::PayOptions> PayFlags() const;

 private:
  client::Paths paths_;
  client::Settings settings_;
  base::SystemEntropy entropy_;
  client::StopFlag stop_;
  Format format_ = Format::kText;
  std::unique_ptr<ProgressView> progress_;
  std::shared_ptr<chain::Client> chain_;
  std::unique_ptr<client::Connection> connection_;
};

// The process's exit code for a status; prints the error as the format wants it.
int Report(const Context& context, absl::Status status);

}  // namespace cairn::storectl
