// provider ls, show, earnings, replace-primary, replace-holder.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/client/channels.h"
#include "apps/client/primary.h"
#include "apps/client/reference.h"
#include "apps/storectl/channel_text.h"
#include "apps/storectl/commands.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

std::string StateOf(const pb::Provider& provider) {
  switch (provider.state()) {
    case pb::PROVIDER_STATE_ACTIVE:
      return "active";
    case pb::PROVIDER_STATE_MAINTENANCE:
      return "maintenance";
    case pb::PROVIDER_STATE_EXITING:
      return "exiting";
    case pb::PROVIDER_STATE_EXITED:
      return "exited";
    default:
      return "unknown";
  }
}

// What a TB costs for a month when this provider is a holder.
base::Amount PerTbMonth(const pb::Provider& provider) {
  const auto rate =
      chain::FromProto(provider.prices().holder_storage()).Rate(absl::uint128{1'000'000'000'000});
  return rate ? rate->Times(payment::kMonthSeconds).value_or(base::Amount()) : base::Amount();
}

Json ProviderJson(const pb::Provider& provider) {
  Json out;
  out.Text("account", base::ToText(chain::AccountOf(provider.account())))
      .Text("operator", base::ToText(chain::AccountOf(provider.operator_())))
      .Text("endpoint", provider.endpoint())
      .Text("state", StateOf(provider))
      .Text("region", provider.region())
      .Text("network", provider.network())
      .Number("capacity_bytes", provider.capacity_bytes())
      .Number("committed_bytes", provider.committed_bytes())
      .Number("groups", provider.groups())
      .Crn("holder_price_tb_month", PerTbMonth(provider))
      .Crn("deposit", chain::FromProto(provider.deposit()))
      .Crn("fined", chain::FromProto(provider.fined()))
      .Text("store_id", base::ToHex(base::AsBytes(provider.store_id())))
      .Text("tls_pin", base::ToHex(base::AsBytes(provider.tls_pin())))
      .Text("node_key", base::ToHex(base::AsBytes(provider.node_key())));
  return out;
}

absl::StatusOr<std::vector<pb::Provider>> All(Context& context) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  std::vector<pb::Provider> out;
  pb::QueryRequest request;
  request.set_providers(true);
  request.mutable_page()->set_limit(1000);
  do {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, chain->Query(request));
    for (const pb::Provider& provider : answer.providers()) out.push_back(provider);
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return out;
}

absl::Status List(Context& context) {
  ASSIGN_OR_RETURN(std::vector<pb::Provider> providers, All(context));
  Table table({"PROVIDER", "ENDPOINT", "STATE", "REGION", "COMMITTED", "CAPACITY", "TB-MONTH"},
              {false, false, false, false, true, true, true});
  std::vector<std::string> items;
  for (const pb::Provider& provider : providers) {
    items.push_back(ProviderJson(provider).Done());
    table.Row({base::ToText(chain::AccountOf(provider.account())), provider.endpoint(),
               StateOf(provider), provider.region(), HumanBytes(provider.committed_bytes()),
               HumanBytes(provider.capacity_bytes()), AboutCrn(PerTbMonth(provider))});
  }
  context.Items("providers", items, table);
  return absl::OkStatus();
}

absl::Status Show(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(base::AccountId account, base::ParseAccountId(text));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(pb::Provider record, client->Provider(account));
  ASSIGN_OR_RETURN(client::ProviderAddress address, client->Address(account));
  const auto info = client->transport().GetInfo(address, absl::Seconds(3));
  Json json = ProviderJson(record);
  json.Bool("answers", info.ok());
  std::string live;
  if (info.ok()) {
    json.Text("version", info->version())
        .Number("used_bytes", info->used_bytes())
        .Number("free_bytes", info->free_bytes())
        .Bool("accepting", info->accepting())
        .Bool("loss_reported", info->loss_reported());
    live = absl::StrCat("answers   yes, version ", info->version(), ", ",
                        info->accepting() ? "accepting" : "not accepting", ", ",
                        HumanBytes(info->used_bytes()), " used, ", HumanBytes(info->free_bytes()),
                        " free\n");
  } else {
    json.Text("why", info.status().message());
    live = absl::StrCat("answers   no: ", info.status().message(), "\n");
  }
  context.Result(
      json, absl::StrCat("provider  ", text, "\noperator  ",
                         base::ToText(chain::AccountOf(record.operator_())), "\nendpoint  ",
                         record.endpoint(), "\nstate     ", StateOf(record), "\nplace     ",
                         record.region(), " ", record.network(), "\nholds     ",
                         HumanBytes(record.committed_bytes()), " of ",
                         HumanBytes(record.capacity_bytes()), " in ", record.groups(),
                         " groups\nprice     ", AboutCrn(PerTbMonth(record)),
                         " a TB and month\ndeposit   ", Crn(chain::FromProto(record.deposit())),
                         ", fined ", Crn(chain::FromProto(record.fined())), "\n", live));
  return absl::OkStatus();
}

// What an account earned by channels and earns by streams, as the ledger has it now. Settled channels count while their
// records are kept; what is promised and not shown yet is between the provider and its payers.
absl::Status Earnings(Context& context, const std::string& text) {
  base::AccountId account;
  if (text.empty()) {
    ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
    account = key.account;
  } else {
    ASSIGN_OR_RETURN(account, base::ParseAccountId(text));
  }
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::Profile profile, context.profile());
  ASSIGN_OR_RETURN(const auto channels, client::ListChannels(*chain, account));
  pb::QueryRequest request;
  request.set_stream(chain::ToField(account));
  ASSIGN_OR_RETURN(const pb::QueryResponse streams, chain->Query(request));
  const base::Amount per_month = chain::FromProto(streams.stream().in_rate())
                                     .Times(payment::kMonthSeconds)
                                     .value_or(base::Amount::Max());
  base::Amount withdrawn, shown, open;
  std::vector<std::string> items;
  Table table({"CHANNEL", "STATE", "PAYER", "PAID OUT", "SHOWN", "DEPOSIT"},
              {false, false, false, true, true, true});
  const auto add = [](base::Amount& sum, base::Amount more) { sum = sum.Plus(more).value_or(sum); };
  for (const pb::Channel& record : channels) {
    ASSIGN_OR_RETURN(const payment::ChannelFacts facts, client::FactsOf(profile.chain_id, record));
    if (facts.payee != account || facts.asset != base::Asset::kUsdc) continue;
    const bool settled = facts.phase == payment::ChannelPhase::kSettled;
    const base::Amount out = settled ? facts.claimed : facts.withdrawn;
    add(withdrawn, out);
    add(shown, facts.claimed.MinusOrZero(out));
    if (!settled) add(open, facts.deposit.MinusOrZero(facts.withdrawn));
    items.push_back(ChannelJson(facts).Usdc("paid_out", out).Done());
    table.Row({facts.id.ToHexString(), std::string(PhaseText(facts.phase)), base::ToText(facts.payer), Usdc(out),
               Usdc(facts.claimed), Usdc(facts.deposit)});
  }
  Json json;
  json.Text("account", base::ToText(account))
      .Usdc("channels_paid_out", withdrawn)
      .Usdc("channels_shown", shown)
      .Usdc("channels_in_deposit", open)
      .Crn("streams_per_month", per_month)
      .List("channels", items);
  context.Result(json, absl::StrCat(table.empty() ? "" : table.Done(context.terminal()), "paid out    ",
                                    Usdc(withdrawn), ", fees of the router included\nshown       ", Usdc(shown),
                                    " in channels that are closing\nin deposit  ", Usdc(open),
                                    " at most to come\nstreams     ", Crn(per_month), " per 30 days\n"));
  return absl::OkStatus();
}

struct ReplaceFlags {
  std::string bucket;
  std::string provider;
  uint32_t position = 0;
};

absl::StatusOr<uint64_t> GroupOf(client::Client& client, const std::string& text) {
  std::string name = text;
  if (client::IsReference(text)) {
    ASSIGN_OR_RETURN(client::Reference ref, client::ParseReference(text));
    name = ref.bucket;
  }
  ASSIGN_OR_RETURN(pb::Bucket bucket, client::FindBucket(client, name));
  return bucket.group();
}

absl::Status ReplacePrimary(Context& context, const ReplaceFlags& flags) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(uint64_t group, GroupOf(*client, flags.bucket));
  base::AccountId now;
  if (flags.provider.empty()) {
    ASSIGN_OR_RETURN(now, client::ReplacePrimary(*client, group, {}));
  } else {
    ASSIGN_OR_RETURN(base::AccountId wanted, base::ParseAccountId(flags.provider));
    ASSIGN_OR_RETURN(now, client::AppointPrimary(*client, group, wanted));
  }
  Json json;
  json.Number("group", group).Text("primary", base::ToText(now));
  context.Result(json,
                 absl::StrCat("primary of group ", group, " is now ", base::ToText(now), "\n"));
  return absl::OkStatus();
}

absl::Status ReplaceHolder(Context& context, const ReplaceFlags& flags) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(uint64_t group, GroupOf(*client, flags.bucket));
  base::AccountId wanted;
  if (!flags.provider.empty()) {
    ASSIGN_OR_RETURN(wanted, base::ParseAccountId(flags.provider));
  }
  ASSIGN_OR_RETURN(base::AccountId now,
                   client::ReplaceHolder(*client, group, flags.position,
                                         flags.provider.empty() ? nullptr : &wanted));
  Json json;
  json.Number("group", group).Small("position", flags.position).Text("provider", base::ToText(now));
  context.Result(json, absl::StrCat("position ", flags.position, " of group ", group, " goes to ",
                                    base::ToText(now), "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddProviderCommands(CLI::App& app, Context& context) {
  CLI::App* provider = app.add_subcommand("provider", "who stores, and who shall store instead");
  provider->add_subcommand("ls", "every registered provider")->callback([&context] {
    context.action = [&context] { return List(context); };
  });

  auto shown = std::make_shared<std::string>();
  CLI::App* show = provider->add_subcommand("show", "a provider's record and whether it answers");
  show->add_option("provider", *shown, "cairn1...")->required();
  show->callback(
      [&context, shown] { context.action = [&context, shown] { return Show(context, *shown); }; });

  auto earner = std::make_shared<std::string>();
  CLI::App* earnings = provider->add_subcommand("earnings", "what channels paid and streams pay an account");
  earnings->add_option("account", *earner, "cairn1...; default: yours");
  earnings->callback([&context, earner] {
    context.action = [&context, earner] { return Earnings(context, *earner); };
  });

  auto primary = std::make_shared<ReplaceFlags>();
  CLI::App* appoint =
      provider->add_subcommand("replace-primary", "appoint another primary for a bucket");
  appoint->add_option("bucket", primary->bucket)->required();
  appoint->add_option("provider", primary->provider, "cairn1...; default: the best that consents");
  appoint->callback([&context, primary] {
    context.action = [&context, primary] { return ReplacePrimary(context, *primary); };
  });

  auto holder = std::make_shared<ReplaceFlags>();
  CLI::App* assign = provider->add_subcommand(
      "replace-holder", "put another provider at a position of a bucket's group");
  assign->add_option("bucket", holder->bucket)->required();
  assign->add_option("position", holder->position)->required();
  assign->add_option("provider", holder->provider,
                     "cairn1...; default: the best that keeps the spread");
  assign->callback([&context, holder] {
    context.action = [&context, holder] { return ReplaceHolder(context, *holder); };
  });
}

}  // namespace cairn::storectl
