// pool open, fund, key, grant, revoke, show, ls, close.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/client/pools.h"
#include "apps/storectl/channel_text.h"
#include "apps/storectl/commands.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

struct PoolFlags {
  std::string pool;
  std::string amount;
  std::string key;
  std::string life = "24h";
  std::string account;
};

payment::ChannelPhase PhaseOf(const pb::Pool& pool) {
  return static_cast<payment::ChannelPhase>(pool.state());
}

base::Amount LeftOf(const pb::Pool& pool) {
  return chain::FromProto(pool.deposit())
      .MinusOrZero(chain::FromProto(pool.paid()))
      .MinusOrZero(chain::FromProto(pool.returned()));
}

Json PoolJson(const pb::Pool& pool) {
  Json json;
  json.Text("pool", base::ToHex(base::AsBytes(pool.id())))
      .Text("owner", base::ToText(chain::AccountOf(pool.owner())))
      .Text("state", PhaseText(PhaseOf(pool)))
      .Usdc("deposit", chain::FromProto(pool.deposit()))
      .Usdc("paid", chain::FromProto(pool.paid()))
      .Usdc("left", LeftOf(pool))
      .Usdc("returned", chain::FromProto(pool.returned()));
  if (pool.due_ms() != 0) {
    json.Time("until", absl::FromUnixMillis(static_cast<int64_t>(pool.due_ms())));
  }
  return json;
}

std::string PoolText(const pb::Pool& pool) {
  std::string out = absl::StrCat(
      "pool     ", base::ToHex(base::AsBytes(pool.id())), "\nstate    ", PhaseText(PhaseOf(pool)),
      "\ndeposit  ", Usdc(chain::FromProto(pool.deposit())), "\npaid     ",
      Usdc(chain::FromProto(pool.paid())), "\nleft     ", Usdc(LeftOf(pool)), "\n");
  if (PhaseOf(pool) == payment::ChannelPhase::kClosing) {
    absl::StrAppend(&out, "until    ",
                    HumanTime(absl::FromUnixMillis(static_cast<int64_t>(pool.due_ms()))),
                    ": providers redeem what they are owed, then the rest comes back\n");
  }
  return out;
}

absl::Status Show(Context& context, const PoolFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.pool));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const pb::Pool pool, client::FindPool(*chain, id));
  context.Result(PoolJson(pool), PoolText(pool));
  return absl::OkStatus();
}

absl::Status Open(Context& context, const PoolFlags& flags) {
  ASSIGN_OR_RETURN(const base::Amount deposit, ParseUsdc(flags.amount));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const base::ChannelId id, client::OpenPool(*client, deposit));
  ASSIGN_OR_RETURN(const pb::Pool pool, client::FindPool(client->chain(), id));
  context.Result(PoolJson(pool), PoolText(pool));
  return absl::OkStatus();
}

absl::Status Fund(Context& context, const PoolFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.pool));
  ASSIGN_OR_RETURN(const base::Amount amount, ParseUsdc(flags.amount));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  RETURN_IF_ERROR(client::FundPool(*client, id, amount));
  return Show(context, flags);
}

absl::StatusOr<base::PublicKey> ParseKey(const std::string& text) {
  const auto bytes = base::FromHex(text);
  auto key = base::PublicKey::Decode(bytes.ok() ? *bytes : base::Bytes{});
  if (key.ok()) return key;
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_KEY", "that is no public key",
                     "whoever is to sign runs storectl pool key, and hands on what it prints");
}

absl::Status ShowKey(Context& context, const PoolFlags&) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  const base::Bytes key = client->keys().signing.public_key().Encode();
  Json json;
  json.Text("key", base::ToHex(key));
  context.Result(json, base::ToHex(key) + "\n");
  return absl::OkStatus();
}

absl::Status Grant(Context& context, const PoolFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.pool));
  ASSIGN_OR_RETURN(const base::PublicKey signer, ParseKey(flags.key));
  ASSIGN_OR_RETURN(const base::Amount cap, ParseUsdc(flags.amount));
  absl::Duration life;
  if (!absl::ParseDuration(flags.life, &life)) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_DURATION",
                       absl::StrCat("\"", flags.life, "\" is no duration"), "--expires 24h");
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const rpc::v1::PoolGrant grant,
                   client::GrantPool(*client, id, signer, cap, life));
  const std::string text = client::ToText(grant);
  Json json;
  json.Text("grant", text)
      .Text("pool", id.ToHexString())
      .Usdc("cap", cap)
      .Time("expires", absl::FromUnixMillis(static_cast<int64_t>(grant.capability().expires_ms())));
  context.Result(json, text + "\n");
  return absl::OkStatus();
}

absl::Status Revoke(Context& context, const PoolFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.pool));
  ASSIGN_OR_RETURN(const base::PublicKey signer, ParseKey(flags.key));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  RETURN_IF_ERROR(client::RevokeSigner(*client, id, signer));
  return Show(context, flags);
}

absl::Status Close(Context& context, const PoolFlags& flags) {
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(flags.pool));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  RETURN_IF_ERROR(client::ClosePool(*client, id));
  return Show(context, flags);
}

absl::Status List(Context& context, const PoolFlags& flags) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  base::AccountId owner;
  if (flags.account.empty()) {
    ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
    owner = key.account;
  } else {
    ASSIGN_OR_RETURN(owner, base::ParseAccountId(flags.account));
  }
  ASSIGN_OR_RETURN(const std::vector<pb::Pool> pools, client::ListPools(*chain, owner));
  Table table({"POOL", "STATE", "DEPOSIT", "PAID", "LEFT"}, {false, false, true, true, true});
  std::vector<std::string> items;
  for (const pb::Pool& pool : pools) {
    items.push_back(PoolJson(pool).Done());
    table.Row({base::ToHex(base::AsBytes(pool.id())), std::string(PhaseText(PhaseOf(pool))),
               Usdc(chain::FromProto(pool.deposit())), Usdc(chain::FromProto(pool.paid())),
               Usdc(LeftOf(pool))});
  }
  context.Items("pools", items, table);
  return absl::OkStatus();
}

using Run = absl::Status (*)(Context&, const PoolFlags&);

}  // namespace

void AddPoolCommands(CLI::App& app, Context& context) {
  CLI::App* pool = app.add_subcommand("pool", "one deposit that several keys may pay reads from");
  const auto add = [&](const char* name, const char* doc, Run run) {
    auto flags = std::make_shared<PoolFlags>();
    CLI::App* command = pool->add_subcommand(name, doc);
    command->callback([&context, flags, run] {
      context.action = [&context, flags, run] { return run(context, *flags); };
    });
    return std::pair(command, flags);
  };
  const auto about = [&](auto made) {
    made.first->add_option("pool", made.second->pool, "32 hex digits")->required();
    return made;
  };

  auto open = add("open", "set money aside for many providers", Open);
  open.first->add_option("deposit", open.second->amount, "usdc")->required();

  auto fund = about(add("fund", "add to the deposit", Fund));
  fund.first->add_option("amount", fund.second->amount, "usdc")->required();

  add("key", "this wallet's public key, for a pool's owner to grant to", ShowKey);

  auto grant = about(add("grant", "let a key sign for the pool, up to a sum; prints what --pool takes", Grant));
  grant.first->add_option("key", grant.second->key, "as storectl pool key prints it")->required();
  grant.first->add_option("cap", grant.second->amount, "usdc, over all providers")->required();
  grant.first->add_option("--expires", grant.second->life, "after which it is void")->capture_default_str();

  auto revoke = about(add("revoke", "let a key sign no more, once the dispute window is over", Revoke));
  revoke.first->add_option("key", revoke.second->key, "as it was granted")->required();

  about(add("show", "what it has paid and what is left", Show));
  about(add("close", "end it: providers redeem until the window ends, then the rest comes back", Close));

  auto ls = add("ls", "pools of an account", List);
  ls.first->add_option("account", ls.second->account, "cairn1...; default: yours");
}

}  // namespace cairn::storectl
