// wallet new, import, export, ls, use, balance, receive, send, fines, claim, history.
#include <CLI/CLI.hpp>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "apps/client/owed.h"
#include "apps/common/key_file.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/history.h"
#include "apps/storectl/money_text.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/verdict.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

std::string Named(const std::string& name) { return name.empty() ? "default" : name; }

absl::Status Adopt(Context& context, const std::string& name) {
  if (!context.settings().key.empty()) return absl::OkStatus();
  client::Settings settings = context.settings();
  settings.key = name;
  return client::SaveSettings(context.paths(), settings);
}

absl::Status New(Context& context, const std::string& given) {
  const std::string name = Named(given);
  ASSIGN_OR_RETURN(base::SecretString passphrase,
                   context.Passphrase(absl::StrCat("New passphrase for key ", name), true));
  ASSIGN_OR_RETURN(base::SecretString phrase,
                   context.wallet().Create(name, passphrase, context.entropy()));
  RETURN_IF_ERROR(Adopt(context, name));
  ASSIGN_OR_RETURN(client::WalletKey key, context.wallet().Find(name));
  Json json;
  json.Text("name", name)
      .Text("account", base::ToText(key.account))
      .Text("phrase", phrase.Reveal());
  context.Result(json, absl::StrCat("key      ", name, "\naccount  ", base::ToText(key.account),
                                    "\nphrase   ", phrase.Reveal(), "\n"));
  context.Say(
      "Write the 24 words down: they alone bring back the account and everything stored under it.");
  return absl::OkStatus();
}

absl::Status Import(Context& context, const std::string& given, const std::string& file) {
  const std::string name = Named(given);
  std::string phrase;
  if (!file.empty() && file != "-") {
    ASSIGN_OR_RETURN(phrase, app::ReadSmallFile(file, 4096));
  } else {
    context.Say("Recovery phrase, 24 words:");
    std::getline(std::cin, phrase);
  }
  const base::SecretString words(std::move(phrase));
  ASSIGN_OR_RETURN(base::SecretString passphrase,
                   context.Passphrase(absl::StrCat("New passphrase for key ", name), true));
  ASSIGN_OR_RETURN(client::WalletKey key,
                   context.wallet().Import(name, words.Reveal(), passphrase, context.entropy()));
  RETURN_IF_ERROR(Adopt(context, name));
  Json json;
  json.Text("name", name).Text("account", base::ToText(key.account));
  context.Result(json,
                 absl::StrCat("key      ", name, "\naccount  ", base::ToText(key.account), "\n"));
  return absl::OkStatus();
}

absl::Status Export(Context& context) {
  ASSIGN_OR_RETURN(std::string name, context.KeyName());
  RETURN_IF_ERROR(context.Confirm(absl::StrCat("Show the recovery phrase of key ", name,
                                               "? Whoever sees it owns the account.")));
  ASSIGN_OR_RETURN(base::SecretString passphrase,
                   context.Passphrase(absl::StrCat("Passphrase of key ", name), false));
  ASSIGN_OR_RETURN(base::SecretString phrase, context.wallet().ExportPhrase(name, passphrase));
  Json json;
  json.Text("name", name).Text("phrase", phrase.Reveal());
  context.Result(json, absl::StrCat(phrase.Reveal(), "\n"));
  return absl::OkStatus();
}

absl::Status List(Context& context) {
  Table table({"KEY", "ACCOUNT", "USED"});
  std::vector<std::string> items;
  const auto used = context.KeyName();
  for (const client::WalletKey& key : context.wallet().List()) {
    const bool current = used.ok() && *used == key.name;
    items.push_back(Json()
                        .Text("name", key.name)
                        .Text("account", base::ToText(key.account))
                        .Bool("used", current)
                        .Done());
    table.Row({key.name, base::ToText(key.account), current ? "*" : ""});
  }
  context.Items("keys", items, table);
  return absl::OkStatus();
}

absl::Status Use(Context& context, const std::string& name) {
  RETURN_IF_ERROR(context.wallet().Find(name).status());
  client::Settings settings = context.settings();
  settings.key = name;
  RETURN_IF_ERROR(client::SaveSettings(context.paths(), settings));
  Json json;
  json.Text("used", name);
  context.Result(json, absl::StrCat("using ", name, "\n"));
  return absl::OkStatus();
}

absl::StatusOr<base::AccountId> AccountOf(Context& context, const std::string& given) {
  if (!given.empty()) return base::ParseAccountId(given);
  ASSIGN_OR_RETURN(client::WalletKey key, context.Key());
  return key.account;
}

absl::Status Balance(Context& context, const std::string& given) {
  ASSIGN_OR_RETURN(base::AccountId account, AccountOf(context, given));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  pb::QueryRequest request;
  request.set_account(chain::ToField(account));
  auto answer = chain->Query(request);
  if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer.status();
  const pb::Account record = answer.ok() ? answer->account() : pb::Account();
  ASSIGN_OR_RETURN(const client::Standing standing, client::ReadStanding(*chain, account));
  const base::Amount free = standing.settled_free;
  const base::Amount locked = standing.locked;
  const base::Amount reserve = standing.settled_reserve;
  Json json;
  json.Text("account", base::ToText(account))
      .Bool("exists", answer.ok())
      .Crn("free", free)
      .Crn("locked", locked)
      .Crn("reserve", reserve)
      .Crn("pays_per_month", PerMonth(standing.out_rate))
      .Crn("earns_per_month", PerMonth(standing.in_rate))
      .Raw("usdc",
           Json()
               .Text("amount", chain::FromProto(record.usdc()).ToDecimal(base::kUsdcDecimals))
               .Text("asset", "usdc")
               .Done())
      .Number("buckets", record.buckets())
      .Small("lanes", record.lanes());
  const std::string deposit = absl::StrCat("storectl wallet send ", base::ToText(account));
  AddState(standing, deposit, json);
  context.Result(json, absl::StrCat("account  ", base::ToText(account), "\nfree     ", Crn(free),
                                    "\nlocked   ", Crn(locked), "\nreserve  ", Crn(reserve), " of ",
                                    Crn(standing.full_reserve), "\npays     ", RateText(standing.out_rate),
                                    "\nearns    ", RateText(standing.in_rate), "\nusdc     ",
                                    chain::FromProto(record.usdc()).ToDecimal(base::kUsdcDecimals),
                                    " usdc\n", StateText(standing, deposit)));
  if (!answer.ok())
    context.Say("The account has never been credited: it begins with its first transfer.");
  return absl::OkStatus();
}

absl::Status Receive(Context& context) {
  ASSIGN_OR_RETURN(client::WalletKey key, context.Key());
  Json json;
  json.Text("account", base::ToText(key.account));
  context.Result(json, absl::StrCat(base::ToText(key.account), "\n"));
  return absl::OkStatus();
}

struct SendFlags {
  std::string to;
  std::string amount;
};

absl::Status Send(Context& context, const SendFlags& flags) {
  ASSIGN_OR_RETURN(base::AccountId to, base::ParseAccountId(flags.to));
  const std::string lower = absl::AsciiStrToLower(flags.amount);
  absl::string_view number = lower;
  const bool usdc = absl::ConsumeSuffix(&number, "usdc");
  absl::ConsumeSuffix(&number, "crn");
  const int decimals = usdc ? base::kUsdcDecimals : base::kCrnDecimals;
  ASSIGN_OR_RETURN(base::Amount amount,
                   base::Amount::FromDecimal(absl::StripAsciiWhitespace(number), decimals));
  const std::string shown = absl::StrCat(amount.ToDecimal(decimals), usdc ? " usdc" : " crn");
  if (context.globals.dry_run) {
    context.Say(absl::StrCat("would send ", shown, " to ", flags.to));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(
      context.Confirm(absl::StrCat("Send ", shown, " to ", flags.to, "? This cannot be undone.")));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  pb::Operation operation;
  operation.mutable_transfer()->set_to(chain::ToField(to));
  operation.mutable_transfer()->set_asset(usdc ? pb::ASSET_USDC : pb::ASSET_CRN);
  *operation.mutable_transfer()->mutable_amount() = chain::ToProto(amount);
  ASSIGN_OR_RETURN(pb::TransactionReceipt receipt, client->sender().Send({operation}));
  const std::string hash = base::ToHex(base::AsBytes(receipt.transaction()));
  Json json;
  json.Text("transaction", hash)
      .Number("height", receipt.height())
      .Crn("fee", chain::FromProto(receipt.fee()));
  context.Result(json, absl::StrCat("sent ", shown, " to ", flags.to, "\ntransaction  ", hash,
                                    "\nfee          ", Crn(chain::FromProto(receipt.fee())), "\n"));
  return absl::OkStatus();
}

// Blocks are kept for a while only; what is older is not shown.
absl::Status History(Context& context, const std::string& given, uint64_t blocks) {
  ASSIGN_OR_RETURN(base::AccountId account, AccountOf(context, given));
  return ShowHistory(context, account, blocks);
}

std::string FineText(const client::OwedReport& report) {
  return report.fine.zero() ? "" : Crn(report.fine);
}

absl::Status ShowOwed(Context& context, const std::vector<client::OwedReport>& reports) {
  Table table({"STATE", "FINE", "DEADLINE", "OBJECTS", "PRIMARY"}, {false, true, false, true, false});
  std::vector<std::string> items;
  for (const client::OwedReport& report : reports) {
    const std::string state(report.paid ? "paid" : client::ToText(report.state));
    const absl::Time deadline = absl::FromUnixMillis(static_cast<int64_t>(report.owed.deadline_ms));
    std::vector<std::string> objects;
    for (const base::ObjectId& object : report.owed.objects)
      objects.push_back(absl::StrCat("\"", object.ToHexString(), "\""));
    items.push_back(Json()
                        .Text("state", state)
                        .Crn("fine", report.fine)
                        .Time("deadline", deadline)
                        .Text("primary", base::ToText(report.owed.primary))
                        .Number("bucket", report.owed.bucket.value)
                        .List("objects", objects)
                        .Done());
    table.Row({state, FineText(report), HumanTime(deadline), absl::StrCat(report.owed.objects.size()),
               base::ToText(report.owed.primary)});
  }
  context.Items("fines", items, table);
  return absl::OkStatus();
}

// Uploads that a primary signed for and did not seal yet.
absl::Status Fines(Context& context) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(std::vector<client::OwedReport> reports, client::ListOwed(*client));
  return ShowOwed(context, reports);
}

absl::Status Claim(Context& context) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(std::vector<client::OwedReport> reports,
                   context.globals.dry_run ? client::ListOwed(*client) : client::ClaimOwed(*client));
  return ShowOwed(context, reports);
}

}  // namespace

void AddWalletCommands(CLI::App& app, Context& context) {
  CLI::App* wallet = app.add_subcommand("wallet", "keys, balances, transfers");

  auto made = std::make_shared<std::string>();
  CLI::App* fresh = wallet->add_subcommand("new", "draw a key and show its recovery phrase once");
  fresh->add_option("name", *made, "default: default");
  fresh->callback(
      [&context, made] { context.action = [&context, made] { return New(context, *made); }; });

  auto imported = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* import = wallet->add_subcommand(
      "import", "bring a key back from its recovery phrase (read from stdin)");
  import->add_option("name", imported->first, "default: default");
  import->add_option("--phrase-file", imported->second, "file with the 24 words");
  import->callback([&context, imported] {
    context.action = [&context, imported] {
      return Import(context, imported->first, imported->second);
    };
  });

  wallet->add_subcommand("export", "show the recovery phrase")->callback([&context] {
    context.action = [&context] { return Export(context); };
  });
  wallet->add_subcommand("ls", "list keys")->callback([&context] {
    context.action = [&context] { return List(context); };
  });

  auto used = std::make_shared<std::string>();
  CLI::App* use = wallet->add_subcommand("use", "sign with this key from now on");
  use->add_option("name", *used)->required();
  use->callback([&context, used] {
    context.action = [&context, used] { return Use(context, *used); };
  });

  auto asked = std::make_shared<std::string>();
  CLI::App* balance = wallet->add_subcommand("balance", "what is free and what is locked");
  balance->add_option("account", *asked, "cairn1...; default: yours");
  balance->callback([&context, asked] {
    context.action = [&context, asked] { return Balance(context, *asked); };
  });

  wallet->add_subcommand("receive", "your account, for others to send to")->callback([&context] {
    context.action = [&context] { return Receive(context); };
  });

  auto sent = std::make_shared<SendFlags>();
  CLI::App* send = wallet->add_subcommand("send", "transfer money");
  send->add_option("to", sent->to, "cairn1...")->required();
  send->add_option("amount", sent->amount, "1.5, 1.5crn or 3usdc")->required();
  send->callback([&context, sent] {
    context.action = [&context, sent] { return Send(context, *sent); };
  });

  wallet->add_subcommand("fines", "uploads a primary signed for and did not seal, and what it owes")
      ->callback([&context] { context.action = [&context] { return Fines(context); }; });
  wallet->add_subcommand("claim", "have the fines paid that are due")->callback([&context] {
    context.action = [&context] { return Claim(context); };
  });

  auto blocks = std::make_shared<uint64_t>(1000);
  auto told = std::make_shared<std::string>();
  CLI::App* history = wallet->add_subcommand("history", "what you paid, locked and got back, to or from whom, and warnings");
  history->add_option("--blocks", *blocks, "how many blocks to look back; 0: all that are kept");
  history->add_option("account", *told, "cairn1..., also of a payment account; default: yours");
  history->callback([&context, blocks, told] {
    context.action = [&context, blocks, told] { return History(context, *told, *blocks); };
  });
}

}  // namespace cairn::storectl
