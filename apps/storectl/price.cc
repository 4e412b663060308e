// price show, history, ask; the oracles' commands are in price_feed.cc.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/client/bucket_costs.h"
#include "apps/client/sender.h"
#include "apps/common/key_file.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/money_text.h"
#include "apps/storectl/price_feed.h"
#include "apps/storectl/prices_text.h"
#include "cairn/base/clock.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/rate_card.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

absl::Time TimeOf(uint64_t ms) { return absl::FromUnixMillis(static_cast<int64_t>(ms)); }
std::string SourceOf(const pb::PriceRecord& record) {
  return record.source() == pb::PRICE_SOURCE_FEED ? "feed" : "median";
}

Json RecordJson(const pb::PriceRecord& record) {
  Json out;
  out.Number("number", record.number())
      .Time("from", TimeOf(record.from_ms()))
      .Text("source", SourceOf(record))
      .Raw("prices", PricesJson(record.prices()));
  if (record.source() == pb::PRICE_SOURCE_FEED) out.Time("observed", TimeOf(record.observed_ms()));
  return out;
}

// ---- show ----

struct Effect {
  pb::Bucket bucket;
  client::BucketCosts pays;  // and goes on paying, whatever the price becomes
  client::BucketCosts anew;  // the same made at the present price
  client::BucketCosts next;  // at the coming one
};

absl::StatusOr<std::vector<Effect>> EffectsOf(chain::Client& chain, const base::AccountId& owner,
                                              const client::KnownPrices& prices) {
  pb::QueryRequest ask_params, request;
  ask_params.set_params(true);
  ASSIGN_OR_RETURN(const pb::QueryResponse params, chain.Query(ask_params));
  request.set_buckets_of(chain::ToField(owner));
  request.mutable_page()->set_limit(1000);
  std::vector<Effect> out;
  do {
    ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain.Query(request));
    for (const pb::Bucket& bucket : answer.buckets()) {
      Effect& effect = out.emplace_back();
      effect.bucket = bucket;
      ASSIGN_OR_RETURN(effect.pays, client::CostsOf(chain, bucket.id()));
      ASSIGN_OR_RETURN(const std::vector<pb::Object> objects, client::RecordsOf(chain, bucket.id()));
      const auto at = [&](const pb::PriceRecord& price) {
        return client::CostsAt(price.prices(), params.params(), bucket.policy(), objects, bucket.package_bytes());
      };
      effect.anew = at(prices.current);
      if (prices.coming) effect.next = at(prices.next);
    }
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return out;
}

std::string EffectJson(const Effect& effect, bool coming) {
  Json out;
  out.Text("bucket", effect.bucket.name())
      .Raw("objects_pay", RateJson(effect.pays.objects))
      .Raw("package_pays", RateJson(effect.pays.package))
      .Raw("objects_anew", RateJson(effect.anew.objects))
      .Raw("package_anew", RateJson(effect.anew.package));
  if (coming) {
    out.Raw("objects_anew_next", RateJson(effect.next.objects)).Raw("package_anew_next", RateJson(effect.next.package));
  }
  return out.Done();
}

std::string EffectText(const Effect& effect, const client::KnownPrices& prices) {
  const auto month = [](base::Amount rate) { return AboutCrn(PerMonth(rate)); };
  std::string out = absl::StrCat("cairn://", effect.bucket.name(), "/ goes on paying ", month(effect.pays.objects),
                                 " per 30 days; stored anew it would cost ", month(effect.anew.objects));
  if (prices.coming) {
    absl::StrAppend(&out, " now, ", month(effect.next.objects), " from ", HumanTime(TimeOf(prices.next.from_ms())),
                    " on");
  }
  if (effect.bucket.package_bytes() != 0) {
    absl::StrAppend(&out, "\n  its package goes on at ", month(effect.pays.package), "; changed it would cost ",
                    month(effect.anew.package));
    if (prices.coming) absl::StrAppend(&out, " now, ", month(effect.next.package), " then");
  }
  return out + "\n";
}

absl::Status Show(Context& context, bool network_only) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::KnownPrices prices, client::ReadPrices(*chain));
  if (prices.current.number() == 0) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "NO_PRICE", "there is no price yet: no provider is registered",
                       "storaged register makes the first");
  }
  Json json;
  json.Time("as_of", prices.now).Raw("current", RecordJson(prices.current).Done());
  std::string text = absl::StrCat("price ", prices.current.number(), " (", SourceOf(prices.current), ") since ",
                                  HumanTime(TimeOf(prices.current.from_ms())), "\n",
                                  PricesText(prices.current.prices(), nullptr));
  if (prices.coming) {
    json.Raw("next", RecordJson(prices.next).Done());
    absl::StrAppend(&text, "\nprice ", prices.next.number(), " (", SourceOf(prices.next), ") from ",
                    HumanTime(TimeOf(prices.next.from_ms())), " on, for what is made from then on\n",
                    PricesText(prices.next.prices(), &prices.current.prices()));
  } else {
    absl::StrAppend(&text, "no other price is announced\n");
  }
  const auto key = context.Key();
  if (!network_only && key.ok()) {
    ASSIGN_OR_RETURN(const std::vector<Effect> effects, EffectsOf(*chain, key->account, prices));
    std::vector<std::string> items;
    if (!effects.empty()) absl::StrAppend(&text, "\n");
    for (const Effect& effect : effects) {
      items.push_back(EffectJson(effect, prices.coming));
      absl::StrAppend(&text, EffectText(effect, prices));
    }
    json.List("buckets", items);
  }
  context.Result(json, text);
  return absl::OkStatus();
}

absl::Status History(Context& context) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  Table table({"NUMBER", "FROM", "SOURCE", "PRIMARY", "HOLDER"}, {true, false, false, true, true});
  std::vector<std::string> items;
  pb::QueryRequest request;
  request.set_prices(true);
  request.mutable_page()->set_limit(1000);
  do {
    ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain->Query(request));
    for (const pb::PriceRecord& record : answer.prices()) {
      items.push_back(RecordJson(record).Done());
      const auto show = [](const pb::Price& price) {
        return AboutCrn(payment::StoragePerTbMonth(chain::FromProto(price)));
      };
      table.Row({absl::StrCat(record.number()), HumanTime(TimeOf(record.from_ms())), SourceOf(record),
                 show(record.prices().primary_storage()), show(record.prices().holder_storage())});
    }
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  context.Items("prices", items, table);
  return absl::OkStatus();
}

// ---- ask ----

struct AskFlags {
  PriceFlags prices;
  std::string key_file;
};

// A daemon's key: plain, or behind the passphrase that the global flags give.
absl::StatusOr<base::SigningKey> ReadKey(Context& context, const std::string& file) {
  auto plain = app::ReadPlainSeedFile(file);
  if (plain.ok()) return base::SigningKey::FromSeed(*plain);
  if (!absl::IsDataLoss(plain.status())) return plain.status();
  ASSIGN_OR_RETURN(const base::SecretString passphrase,
                   context.Passphrase(absl::StrCat("Passphrase of ", file), false));
  ASSIGN_OR_RETURN(const base::Secret<32> seed, app::ReadSeedFile(file, passphrase));
  return base::SigningKey::FromSeed(seed);
}

absl::StatusOr<pb::Provider> FindProvider(chain::Client& chain, const base::AccountId& account) {
  pb::QueryRequest request;
  request.set_provider(chain::ToField(account));
  auto answer = chain.Query(request);
  if (answer.ok() && !answer->providers().empty()) return answer->providers(0);
  if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer.status();
  return base::Error(absl::StatusCode::kNotFound, "NOT_REGISTERED",
                     absl::StrCat(base::ToText(account), " is no provider"),
                     "sign with the provider's account: --key NAME, or --key-file FILE of its data folder");
}

absl::Status Ask(Context& context, const AskFlags& flags) {
  if (flags.prices.empty()) {
    return base::Error(absl::StatusCode::kInvalidArgument, "USAGE", "no price is given",
                       "storectl price ask --primary 0.5 --holder 2");
  }
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::Profile profile, context.profile());
  client::Sender* sender = nullptr;
  std::optional<base::SigningKey> key;
  std::optional<client::Sender> own;
  base::RealClock clock;
  base::AccountId account;
  if (flags.key_file.empty()) {
    ASSIGN_OR_RETURN(client::Client * client, context.client());
    account = client->account();
    sender = &client->sender();
  } else {
    ASSIGN_OR_RETURN(key, ReadKey(context, flags.key_file));
    account = key->account();
    client::SenderOptions options;
    options.chain_id = profile.chain_id;
    own.emplace(*chain, *key, clock, context.entropy(), options);
    sender = &*own;
  }
  ASSIGN_OR_RETURN(const pb::Provider record, FindProvider(*chain, account));
  pb::Operation operation;
  ASSIGN_OR_RETURN(*operation.mutable_edit_provider()->mutable_prices(), flags.prices.Over(record.prices()));
  const pb::ProviderPrices& asked = operation.edit_provider().prices();
  Json json;
  json.Text("provider", base::ToText(account)).Raw("prices", PricesJson(asked)).Bool("dry_run", context.globals.dry_run);
  if (!context.globals.dry_run) RETURN_IF_ERROR(sender->Send({operation}).status());
  context.Result(json, absl::StrCat(base::ToText(account), context.globals.dry_run ? " would ask\n" : " asks\n",
                                    PricesText(asked, &record.prices())));
  context.Say("Put the same into market.prices of its configuration: storaged register brings those to the ledger.");
  return absl::OkStatus();
}

}  // namespace

void AddPriceCommands(CLI::App& app, Context& context) {
  CLI::App* price = app.add_subcommand("price", "what things cost now and next, who says so, what it means for you");
  auto network_only = std::make_shared<bool>(false);
  CLI::App* show = price->add_subcommand("show", "the present price, the announced one, and your buckets under both");
  show->add_flag("--network-only", *network_only, "leave your buckets out");
  show->callback([&context, network_only] {
    context.action = [&context, network_only] { return Show(context, *network_only); };
  });
  price->add_subcommand("history", "every price there was")->callback([&context] {
    context.action = [&context] { return History(context); };
  });

  auto asked = std::make_shared<AskFlags>();
  CLI::App* ask = price->add_subcommand("ask", "as a provider: what you ask; the median of all is the price");
  asked->prices.AddTo(*ask);
  ask->add_option("--key-file", asked->key_file, "the provider's account key, where no wallet key is");
  ask->callback([&context, asked] { context.action = [&context, asked] { return Ask(context, *asked); }; });

  AddPriceFeedCommands(*price, context);
}

}  // namespace cairn::storectl
