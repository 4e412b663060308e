// sponsor start, pause, resume, stop, ls: streams that a giver may stop at any time.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/client/payment_accounts.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/money_text.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

std::string TextOf(const std::string& id) { return base::ToText(chain::AccountOf(id)); }

absl::StatusOr<pb::PaymentAccount> Find(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  ASSIGN_OR_RETURN(const base::AccountId id, client::ParsePaymentAccount(text, key.account));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  return client::FindPaymentAccount(*chain, id);
}

// What the key gives to the account now.
absl::StatusOr<pb::Sponsorship> Given(Context& context, const pb::PaymentAccount& account) {
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const auto all, client::ListSponsorships(*chain, key.account));
  for (const auto& entry : all) {
    if (entry.account() == account.id()) return entry.sponsorship();
  }
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_SPONSORSHIP",
                     absl::StrCat("you do not sponsor ", TextOf(account.id())),
                     absl::StrCat("storectl sponsor start ", TextOf(account.id()), " RATE"));
}

absl::Status Set(Context& context, const pb::PaymentAccount& account, base::Amount rate, bool paused,
                 const std::string& what) {
  const std::string id = TextOf(account.id());
  if (context.globals.dry_run) {
    context.Say(absl::StrCat("would: ", what, " ", id));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  pb::Operation operation;
  operation.mutable_set_sponsorship()->set_account(account.id());
  *operation.mutable_set_sponsorship()->mutable_rate() = chain::ToProto(rate);
  operation.mutable_set_sponsorship()->set_paused(paused);
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, client->sender().Send({operation}));
  Json json;
  json.Text("account", id)
      .Raw("rate", RateJson(rate))
      .Bool("paused", paused)
      .Crn("fee", chain::FromProto(receipt.fee()))
      .Number("height", receipt.height());
  context.Result(json, absl::StrCat(what, " ", id, rate.zero() ? "" : absl::StrCat(": ", RateText(rate)), "\n"));
  return absl::OkStatus();
}

struct StartFlags {
  std::string account;
  std::string rate;
};

absl::Status Start(Context& context, const StartFlags& flags) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, flags.account));
  ASSIGN_OR_RETURN(const base::Amount rate, ParseRate(flags.rate));
  if (rate.zero()) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_AMOUNT",
                       absl::StrCat("\"", flags.rate, "\" is less than one unit a second"),
                       "give crn per 30 days, or crn a second as 0.001/s; storectl sponsor stop ends a stream");
  }
  return Set(context, account, rate, false, "sponsoring");
}

absl::Status Pause(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, text));
  ASSIGN_OR_RETURN(const pb::Sponsorship given, Given(context, account));
  return Set(context, account, chain::FromProto(given.rate()), true, "paused sponsoring");
}

absl::Status Resume(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, text));
  ASSIGN_OR_RETURN(const pb::Sponsorship given, Given(context, account));
  return Set(context, account, chain::FromProto(given.rate()), false, "sponsoring");
}

absl::Status Stop(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, text));
  RETURN_IF_ERROR(Given(context, account).status());
  return Set(context, account, base::Amount(), false, "stopped sponsoring");
}

absl::Status List(Context& context) {
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const auto all, client::ListSponsorships(*chain, key.account));
  ASSIGN_OR_RETURN(const client::Standing giver, client::ReadStanding(*chain, key.account));
  Table table({"ACCOUNT", "A MONTH", "STATE", "FUNDED UNTIL"}, {false, true, false, false});
  std::vector<std::string> items;
  for (const auto& entry : all) {
    const base::Amount rate = chain::FromProto(entry.sponsorship().rate());
    ASSIGN_OR_RETURN(const client::Standing standing,
                     client::ReadStanding(*chain, chain::AccountOf(entry.account())));
    // A giver without money gives nothing, whatever it meant to.
    const char* state = entry.sponsorship().paused() ? "paused" : giver.frozen() ? "frozen" : "flowing";
    Json json;
    json.Text("account", TextOf(entry.account())).Raw("rate", RateJson(rate)).Text("state", state);
    json.Bool("paused", entry.sponsorship().paused()).Text("account_state", chain::NameOf(standing.state));
    if (!standing.steps.empty()) json.Time("funded_until", standing.steps.front().at);
    items.push_back(json.Done());
    table.Row({TextOf(entry.account()), Crn(PerMonth(rate)), state,
               standing.steps.empty() ? "" : HumanTime(standing.steps.front().at)});
  }
  context.Items("sponsorships", items, table);
  return absl::OkStatus();
}

}  // namespace

void AddSponsorCommands(CLI::App& app, Context& context) {
  CLI::App* sponsor = app.add_subcommand("sponsor", "give to non-refundable payment accounts, second by second");
  auto started = std::make_shared<StartFlags>();
  CLI::App* start = sponsor->add_subcommand("start", "begin a stream, or change its rate");
  start->add_option("account", started->account, "cairn1..., or the number of one of yours")->required();
  start->add_option("rate", started->rate, "crn per 30 days, or crn a second as 0.001/s")->required();
  start->callback([&context, started] { context.action = [&context, started] { return Start(context, *started); }; });

  struct Plain {
    const char* name;
    const char* doc;
    absl::Status (*run)(Context&, const std::string&);
  };
  for (const Plain& plain : {Plain{"pause", "stop the flow; the rate is remembered", Pause},
                             Plain{"resume", "let it flow again", Resume},
                             Plain{"stop", "end the stream", Stop}}) {
    auto given = std::make_shared<std::string>();
    CLI::App* command = sponsor->add_subcommand(plain.name, plain.doc);
    command->add_option("account", *given, "cairn1..., or the number of one of yours")->required();
    command->callback([&context, given, run = plain.run] {
      context.action = [&context, given, run] { return run(context, *given); };
    });
  }
  sponsor->add_subcommand("ls", "whom you sponsor, and whether it flows")->callback([&context] {
    context.action = [&context] { return List(context); };
  });
}

}  // namespace cairn::storectl
