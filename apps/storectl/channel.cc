// channel ls, open, top-up, withdraw, close, dispute, settle, show, statement.
#include <CLI/CLI.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/client/channels.h"
#include "apps/client/pools.h"
#include "apps/common/key_file.h"
#include "apps/storectl/channel_text.h"
#include "apps/storectl/commands.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

struct ChannelFlags {
  std::string channel;
  std::string account;
  std::string amount;
  std::string life;
  std::string claim;
  std::string with;
  bool alone = false;
  bool not_restored = false;
  bool all = false;
  bool csv = false;
  bool compare = false;
  bool payee = false;
};

// The ledger alone, for what needs no key.
absl::StatusOr<payment::ChannelFacts> Facts(Context& context, const base::ChannelId& id,
                                            absl::Time* now) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::Profile profile, context.profile());
  pb::QueryRequest request;
  request.set_channel(chain::ToField(id));
  auto answer = chain->Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->channels().empty())) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_CHANNEL",
                       absl::StrCat("the ledger has no channel ", id.ToHexString()),
                       "storectl channel ls; a settled channel's record goes after some days");
  }
  RETURN_IF_ERROR(answer.status());
  *now = absl::FromUnixMillis(static_cast<int64_t>(answer->status().time_ms()));
  return client::FactsOf(profile.chain_id, answer->channels(0));
}

void AddRow(const payment::ChannelFacts& facts, const char* side, const base::AccountId& with,
            Table& table) {
  table.Row({facts.id.ToHexString(), std::string(PhaseText(facts.phase)), side, base::ToText(with),
             Money(facts.asset, facts.deposit), Money(facts.asset, facts.claimed),
             HumanTime(facts.expires)});
}

// What --pool names; nothing without it.
absl::StatusOr<std::optional<rpc::v1::PoolGrant>> GrantOf(const Context& context) {
  if (context.globals.pool.empty()) return std::optional<rpc::v1::PoolGrant>();
  ASSIGN_OR_RETURN(rpc::v1::PoolGrant grant, client::ParseGrant(context.globals.pool));
  return std::optional<rpc::v1::PoolGrant>(std::move(grant));
}

// Of the pool that --pool names: its owner pays, the grant's key signs.
absl::Status AddLanes(Context& context, const base::AccountId& account,
                      std::vector<std::string>& items, Table& table) {
  ASSIGN_OR_RETURN(const auto grant, GrantOf(context));
  if (!grant) return absl::OkStatus();
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const auto lanes, client::ListLanes(*client, *grant));
  for (const client::PoolLaneView& lane : lanes) {
    const payment::ChannelFacts facts = lane.channel();
    const char* side = facts.payee == account ? "payee" : facts.payer == account ? "payer" : "signer";
    items.push_back(ChannelJson(facts)
                        .Text("side", side)
                        .Text("pool", lane.parties.pool.ToHexString())
                        .Done());
    AddRow(facts, side, facts.payee, table);
  }
  return absl::OkStatus();
}

absl::Status List(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::Profile profile, context.profile());
  base::AccountId account;
  if (flags.account.empty()) {
    ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
    account = key.account;
  } else {
    ASSIGN_OR_RETURN(account, base::ParseAccountId(flags.account));
  }
  ASSIGN_OR_RETURN(const auto records, client::ListChannels(*chain, account));
  Table table({"CHANNEL", "STATE", "SIDE", "WITH", "DEPOSIT", "SHOWN", "EXPIRES"},
              {false, false, false, false, true, true, false});
  std::vector<std::string> items;
  RETURN_IF_ERROR(AddLanes(context, account, items, table));
  for (const pb::Channel& record : records) {
    ASSIGN_OR_RETURN(const payment::ChannelFacts facts, client::FactsOf(profile.chain_id, record));
    if (facts.phase == payment::ChannelPhase::kSettled && !flags.all) continue;
    const bool payer = facts.payer == account;
    items.push_back(ChannelJson(facts).Text("side", payer ? "payer" : "payee").Done());
    AddRow(facts, payer ? "payer" : "payee", payer ? facts.payee : facts.payer, table);
  }
  context.Items("channels", items, table);
  return absl::OkStatus();
}

absl::Status Open(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::AccountId payee, base::ParseAccountId(flags.account));
  client::OpenChannelOptions options;
  ASSIGN_OR_RETURN(options.deposit, ParseUsdc(flags.amount));
  if (!flags.life.empty() && !absl::ParseDuration(flags.life, &options.life)) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_DURATION",
                       absl::StrCat("\"", flags.life, "\" is no duration"), "--expires 720h");
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const base::ChannelId id, client::OpenChannel(*client, payee, options));
  ASSIGN_OR_RETURN(const pb::Channel record, client::FindChannel(*client, id));
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, client::FactsOf(client->chain_id(), record));
  context.Result(ChannelJson(facts),
                 absl::StrCat("channel  ", id.ToHexString(), "\ndeposit  ",
                              Money(facts.asset, facts.deposit), "\nreserve  ",
                              Money(facts.asset, facts.reserve), " (comes back)\nfee      ",
                              Money(facts.asset, facts.open_fee), "\nexpires  ",
                              HumanTime(facts.expires), "\n"));
  return absl::OkStatus();
}

absl::Status TopUp(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.channel));
  ASSIGN_OR_RETURN(const base::Amount amount, ParseUsdc(flags.amount));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  RETURN_IF_ERROR(client::TopUpChannel(*client, id, amount));
  ASSIGN_OR_RETURN(const pb::Channel record, client::FindChannel(*client, id));
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, client::FactsOf(client->chain_id(), record));
  context.Result(ChannelJson(facts),
                 absl::StrCat("deposit  ", Money(facts.asset, facts.deposit), "\n"));
  return absl::OkStatus();
}

std::string CloseText(const client::CloseReport& report, base::Asset asset) {
  switch (report.kind) {
    case client::CloseKind::kTogether:
      return absl::StrCat("closed together; the payee has ", Money(asset, report.amount),
                          ", the rest is back\n");
    case client::CloseKind::kAlone:
      return absl::StrCat("closing with ", Money(asset, report.amount),
                          " for the payee; it settles when the dispute window ends\n");
    case client::CloseKind::kReclaimed:
      return "reclaimed after its expiry; it settles when the dispute window ends\n";
  }
  return "";
}

absl::Status Close(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.channel));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  const client::CloseOptions options{.alone = flags.alone, .owner_vouches = flags.not_restored};
  ASSIGN_OR_RETURN(const client::CloseReport report, client::CloseChannel(*client, id, options));
  ASSIGN_OR_RETURN(const pb::Channel record, client::FindChannel(*client, id));
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, client::FactsOf(client->chain_id(), record));
  if (report.restored) {
    context.Say("this wallet's claims were older than what it had signed; the payee's were taken over");
  }
  constexpr const char* kKinds[] = {"", "together", "alone", "reclaimed"};
  Json json = ChannelJson(facts);
  json.Text("closed", kKinds[static_cast<int>(report.kind)]).Bool("restored", report.restored);
  context.Result(json, CloseText(report, facts.asset));
  return absl::OkStatus();
}

// The best claim there is: the one given, or what this wallet holds.
absl::StatusOr<base::Claim> ClaimFor(client::Client& client, const base::ChannelId& id,
                                     const std::string& hex) {
  if (!hex.empty()) {
    ASSIGN_OR_RETURN(const base::Bytes bytes, base::FromHex(hex));
    return base::DecodeClaim(bytes);
  }
  ASSIGN_OR_RETURN(const auto lines, client::OwnStatement(client, id));
  if (!lines.empty()) return lines.back();
  return base::Error(absl::StatusCode::kNotFound, "NO_CLAIM", "this wallet holds no claim of the channel",
                     "--claim HEX, as storectl channel statement -o json shows it");
}

absl::Status Show(Context& context, const ChannelFlags& flags);

absl::Status Withdraw(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.channel));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const base::Claim claim, ClaimFor(*client, id, flags.claim));
  RETURN_IF_ERROR(client::WithdrawChannel(*client, id, claim));
  return Show(context, flags);
}

absl::Status Dispute(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.channel));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const base::Claim claim, ClaimFor(*client, id, flags.claim));
  RETURN_IF_ERROR(client::DisputeChannel(*client, id, claim));
  return Show(context, flags);
}

// The ledger settles by itself when a window ends; only an expired channel waits for its payer.
absl::Status Settle(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.channel));
  absl::Time now;
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, Facts(context, id, &now));
  if (facts.phase == payment::ChannelPhase::kOpen) {
    ASSIGN_OR_RETURN(client::Client * client, context.client());
    RETURN_IF_ERROR(client::ReclaimChannel(*client, id));
  }
  return Show(context, flags);
}

absl::Status Show(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.channel));
  absl::Time now;
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, Facts(context, id, &now));
  const payment::LockExplanation lock = payment::ExplainLock(facts, now);
  Json json = ChannelJson(facts);
  AddLock(json, facts, lock);
  context.Result(json, ShowText(facts, lock));
  return absl::OkStatus();
}

// Ours or, with --payee, what the payee has; with --compare or --with held against the other one.
absl::Status Statement(Context& context, const ChannelFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.channel));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  client::Statement ours, theirs;
  if (!flags.payee) {
    ASSIGN_OR_RETURN(ours, client::OwnStatement(*client, id));
  }
  if (flags.payee || flags.compare) {
    ASSIGN_OR_RETURN(const auto grant, GrantOf(context));
    ASSIGN_OR_RETURN(const payment::ChannelFacts facts,
                     client::FindChannelOrLane(*client, id, grant ? &*grant : nullptr));
    client::Statement& told = flags.payee ? ours : theirs;
    ASSIGN_OR_RETURN(told, client::PayeeStatement(*client, facts));
  }
  if (!flags.with.empty()) {
    ASSIGN_OR_RETURN(const std::string text,
                     app::ReadSmallFile(flags.with, client::kMaxStatementText));
    ASSIGN_OR_RETURN(theirs, client::ParseStatement(text));
  } else if (!flags.compare) {
    ShowStatement(context, ours, flags.csv);
    return absl::OkStatus();
  }
  return ShowComparison(context, id, ours, theirs);
}

using Run = absl::Status (*)(Context&, const ChannelFlags&);

}  // namespace

void AddChannelCommands(CLI::App& app, Context& context) {
  CLI::App* channel = app.add_subcommand("channel", "money set aside for reads, and who gets it");
  const auto add = [&](const char* name, const char* alias, const char* doc, Run run) {
    auto flags = std::make_shared<ChannelFlags>();
    CLI::App* command = channel->add_subcommand(name, doc);
    if (*alias != '\0') command->alias(alias);
    command->callback([&context, flags, run] {
      context.action = [&context, flags, run] { return run(context, *flags); };
    });
    return std::pair(command, flags);
  };
  const auto about = [&](auto made) {
    made.first->add_option("channel", made.second->channel, "32 hex digits")->required();
    return made;
  };

  auto ls = add("ls", "list", "channels that an account pays or earns by; with --pool the pool's lanes, too", List);
  ls.first->add_option("account", ls.second->account, "cairn1...; default: yours");
  ls.first->add_flag("--all", ls.second->all, "settled ones too, while the ledger has them");

  auto open = add("open", "", "set money aside for a provider", Open);
  open.first->add_option("payee", open.second->account, "cairn1...")->required();
  open.first->add_option("deposit", open.second->amount, "usdc")->required();
  open.first->add_option("--expires", open.second->life, "after which it can be reclaimed, e.g. 720h");

  auto top_up = about(add("top-up", "topup", "add to the deposit; the expiry stays", TopUp));
  top_up.first->add_option("amount", top_up.second->amount, "usdc")->required();

  auto withdraw = about(add("withdraw", "", "as payee: take what a claim is worth, and leave the channel open", Withdraw));
  withdraw.first->add_option("--claim", withdraw.second->claim, "hex; default: the newest of this wallet");

  auto close = about(add("close", "", "end it: together with the payee, at once", Close));
  close.first->add_flag("--alone", close.second->alone, "do not ask the payee; opens the dispute window");
  close.first->add_flag("--not-restored", close.second->not_restored,
                        "this wallet's files were never restored from a backup");

  auto dispute = about(add("dispute", "", "show a better claim while the window is open", Dispute));
  dispute.first->add_option("--claim", dispute.second->claim, "hex; default: the newest of this wallet");

  about(add("settle", "", "get an expired channel's money back", Settle));
  about(add("show", "", "why money is locked, until when, and who must act", Show));

  auto statement = add("statement", "", "every voucher of a channel, or of a pool's lane, as this wallet has them", Statement);
  statement.first->add_option("channel", statement.second->channel,
                              "32 hex digits; to ask the payee about a lane, --pool with a grant for its signer")
      ->required();
  statement.first->add_flag("--csv", statement.second->csv, "comma-separated");
  CLI::Option* payee = statement.first->add_flag("--payee", statement.second->payee, "as the payee has them");
  CLI::Option* compare = statement.first->add_flag("--compare", statement.second->compare,
                                                   "with the payee's, down to the first voucher that differs");
  CLI::Option* with = statement.first->add_option("--with", statement.second->with,
                                                  "FILE: compare with this CSV or JSON of the other side");
  compare->excludes(payee)->excludes(with);
}

}  // namespace cairn::storectl
