// quota show, buy, upgrade, downgrade, cap.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/client/bucket_costs.h"
#include "apps/client/buckets.h"
#include "apps/client/reference.h"
#include "apps/common/config.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/money_text.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/payment/quota.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

// A bucket, what its package costs, and the clocks that changes go by.
struct View {
  pb::Bucket bucket;
  pb::Params params;
  client::KnownPrices prices;
  client::BucketCosts costs;
  client::Standing payer;

  // Never set: any size may follow.
  absl::Time since() const { return payer.At(bucket.package_since_s()); }
  absl::Time smaller_from() const { return payer.At(bucket.package_since_s() + params.package_term_seconds()); }
};

absl::StatusOr<View> Read(Context& context, const std::string& text) {
  std::string name = text;
  if (client::IsReference(text)) {
    ASSIGN_OR_RETURN(const client::Reference ref, client::ParseReference(text));
    name = ref.bucket;
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  View out;
  ASSIGN_OR_RETURN(out.bucket, client::FindBucket(*client, name));
  ASSIGN_OR_RETURN(out.params, client->Params());
  ASSIGN_OR_RETURN(out.prices, client::ReadPrices(client->chain()));
  ASSIGN_OR_RETURN(out.costs, client::CostsOf(client->chain(), out.bucket.id()));
  const std::string& payer = out.bucket.payer().empty() ? out.bucket.owner() : out.bucket.payer();
  ASSIGN_OR_RETURN(out.payer, client::ReadStanding(client->chain(), chain::AccountOf(payer)));
  return out;
}

absl::StatusOr<base::Amount> PackageCost(const pb::PriceRecord& price, const pb::Params& params, uint64_t bytes) {
  const auto rate = chain::PackageRateAt(price.prices(), params, bytes);
  if (rate) return rate->total;
  return base::Error(absl::StatusCode::kInvalidArgument, "CHARGE_OVERFLOW",
                     absl::StrCat("a package of ", bytes, " bytes a month costs more than an amount can say"),
                     "choose a smaller one");
}

absl::Status Show(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const View view, Read(context, text));
  const pb::Bucket& bucket = view.bucket;
  const uint64_t package = bucket.package_bytes();
  const absl::Time renews = payment::EndOfMonth(payment::MonthOf(view.prices.now));
  ASSIGN_OR_RETURN(const base::Amount now, PackageCost(view.prices.current, view.params, package));
  Json json;
  json.Text("bucket", bucket.name())
      .Number("id", bucket.id())
      .Number("free_bytes", view.params.free_quota_bytes())
      .Number("free_cap_bytes", bucket.free_cap_bytes())
      .Time("renews", renews)
      .Number("package_bytes", package)
      .Raw("package_rate", RateJson(view.costs.package))
      .Raw("package_rate_at_present_price", RateJson(now))
      .Texts("order", {"free", "package", "channel"})
      .Text("payer", base::ToText(view.payer.account))
      .Text("payer_state", chain::NameOf(view.payer.state));
  std::string out = absl::StrCat(
      "bucket    cairn://", bucket.name(), "/\nfree      ", HumanBytes(view.params.free_quota_bytes()), " a month",
      bucket.free_cap_bytes() != 0 ? absl::StrCat(", at most ", HumanBytes(bucket.free_cap_bytes()), " an object") : "",
      "\npackage   ", package == 0 ? "none" : absl::StrCat(HumanBytes(package), " a month for ",
                                                           RateText(view.costs.package)), "\n");
  if (package != 0) {
    json.Time("package_since", view.since()).Time("smaller_from", view.smaller_from());
    absl::StrAppend(&out, "since     ", HumanTime(view.since()), "; larger at any time, smaller from ",
                    HumanTime(view.smaller_from()), " on\n");
    if (!(now == view.costs.package)) absl::StrAppend(&out, "changed   today it would cost ", RateText(now), "\n");
  }
  if (view.prices.coming) {
    ASSIGN_OR_RETURN(const base::Amount next, PackageCost(view.prices.next, view.params, package));
    const absl::Time from = absl::FromUnixMillis(static_cast<int64_t>(view.prices.next.from_ms()));
    json.Raw("package_rate_at_next_price", RateJson(next)).Time("next_price_from", from);
    if (package != 0) {
      absl::StrAppend(&out, "coming    changed from ", HumanTime(from), " on, it would cost ", RateText(next), "\n");
    }
  }
  absl::StrAppend(&out, "order     free quota, then package, then a channel of whoever reads\nrenews    ",
                  HumanTime(renews), "; nothing is carried over\npayer     ", base::ToText(view.payer.account), ", ",
                  chain::NameOf(view.payer.state), "\n");
  context.Result(json, out);
  return absl::OkStatus();
}

enum class Change { kBuy, kUpgrade, kDowngrade };

struct ChangeFlags {
  std::string bucket;
  std::string size;
};

absl::Status Misnamed(absl::string_view reason, const std::string& message, const std::string& hint) {
  return base::Error(absl::StatusCode::kFailedPrecondition, reason, message, hint);
}

// A command does what its name says or nothing.
absl::Status CheckDirection(const View& view, uint64_t bytes, Change change) {
  const uint64_t now = view.bucket.package_bytes();
  const std::string& name = view.bucket.name();
  const std::string has = absl::StrCat("the package of ", name, " is ", HumanBytes(now), " a month");
  if (bytes == now) return Misnamed("NOTHING_TO_DO", has + " already", absl::StrCat("storectl quota show ", name));
  if (change == Change::kBuy && now != 0)
    return Misnamed("HAS_PACKAGE", has, absl::StrCat("storectl quota upgrade, or downgrade, ", name));
  if (change == Change::kUpgrade && bytes < now)
    return Misnamed("NOT_LARGER", has, absl::StrCat("storectl quota downgrade ", name));
  if (change != Change::kDowngrade) return absl::OkStatus();
  if (bytes > now) return Misnamed("NOT_SMALLER", has, absl::StrCat("storectl quota upgrade ", name));
  if (view.prices.now >= view.smaller_from()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "PACKAGE_TOO_SOON",
                     absl::StrCat("the package may become smaller from ", Rfc3339(view.smaller_from()), " on"),
                     "wait until then, or keep it",
                     {{"since", Rfc3339(view.since())},
                      {"term_seconds", absl::StrCat(view.params.package_term_seconds())}});
}

absl::Status CheckGuard(Context& context, base::Amount reserve) {
  ASSIGN_OR_RETURN(const std::optional<base::Amount> most, context.MaxCost());
  if (!most || reserve <= *most) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "PRICE_GUARD",
                     absl::StrCat("the reserve of ", Crn(reserve), " exceeds --max-cost ", Crn(*most)),
                     "raise --max-cost, or choose a smaller package");
}

absl::Status SetPackage(Context& context, const ChangeFlags& flags, Change change) {
  ASSIGN_OR_RETURN(const uint64_t bytes, app::ParseByteSize(flags.size));
  ASSIGN_OR_RETURN(const View view, Read(context, flags.bucket));
  RETURN_IF_ERROR(CheckDirection(view, bytes, change));
  ASSIGN_OR_RETURN(const base::Amount rate, PackageCost(view.prices.current, view.params, bytes));
  const base::Amount more = rate.MinusOrZero(view.costs.package);
  const base::Amount reserve = more.Times(view.params.reserve_seconds()).value_or(base::Amount::Max());
  RETURN_IF_ERROR(CheckGuard(context, reserve));
  Json json;
  json.Text("bucket", view.bucket.name())
      .Number("package_bytes", bytes)
      .Raw("package_rate", RateJson(rate))
      .Raw("package_rate_before", RateJson(view.costs.package))
      .Crn("reserve", reserve)
      .Bool("dry_run", context.globals.dry_run);
  const std::string what = absl::StrCat(view.bucket.name(), ": ", HumanBytes(bytes), " a month for ", RateText(rate),
                                        reserve.zero() ? "" : absl::StrCat(", reserve ", Crn(reserve)), "\n");
  if (!context.globals.dry_run) {
    ASSIGN_OR_RETURN(client::Client * client, context.client());
    pb::Operation operation;
    operation.mutable_set_package()->set_bucket(view.bucket.id());
    operation.mutable_set_package()->set_bytes_per_month(bytes);
    *operation.mutable_set_package()->mutable_max_rate() = chain::ToProto(rate);
    ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, client->sender().Send({operation}));
    json.Crn("fee", chain::FromProto(receipt.fee())).Number("height", receipt.height());
  }
  context.Result(json, context.globals.dry_run ? absl::StrCat("would set ", what) : what);
  return absl::OkStatus();
}

absl::Status SetCap(Context& context, const ChangeFlags& flags) {
  ASSIGN_OR_RETURN(const uint64_t bytes, app::ParseByteSize(flags.size));
  ASSIGN_OR_RETURN(const View view, Read(context, flags.bucket));
  if (!context.globals.dry_run) {
    ASSIGN_OR_RETURN(client::Client * client, context.client());
    pb::Operation operation;
    operation.mutable_set_free_cap()->set_bucket(view.bucket.id());
    operation.mutable_set_free_cap()->set_bytes_per_object(bytes);
    RETURN_IF_ERROR(client->sender().Send({operation}).status());
  }
  Json json;
  json.Text("bucket", view.bucket.name()).Number("free_cap_bytes", bytes).Bool("dry_run", context.globals.dry_run);
  context.Result(json, bytes == 0 ? absl::StrCat(view.bucket.name(), ": no object has a cap\n")
                                  : absl::StrCat(view.bucket.name(), ": at most ", HumanBytes(bytes),
                                                 " of the free quota for one object\n"));
  return absl::OkStatus();
}

}  // namespace

void AddQuotaCommands(CLI::App& app, Context& context) {
  CLI::App* quota = app.add_subcommand("quota", "how much of a bucket may be read a month, and what it costs");
  auto shown = std::make_shared<std::string>();
  CLI::App* show = quota->add_subcommand("show", "free quota, package, order of use, when what changes");
  show->add_option("bucket", *shown)->required();
  show->callback([&context, shown] { context.action = [&context, shown] { return Show(context, *shown); }; });

  struct Line {
    const char* name;
    const char* doc;
    const char* size;
    absl::Status (*run)(Context&, const ChangeFlags&);
  };
  const Line lines[] = {
      {"buy", "a read package: a fixed price for so many bytes a month", "bytes a month, e.g. 100GB",
       [](Context& c, const ChangeFlags& f) { return SetPackage(c, f, Change::kBuy); }},
      {"upgrade", "a larger package, at once", "bytes a month, e.g. 500GB",
       [](Context& c, const ChangeFlags& f) { return SetPackage(c, f, Change::kUpgrade); }},
      {"downgrade", "a smaller package, once its period is over", "bytes a month; 0: none",
       [](Context& c, const ChangeFlags& f) { return SetPackage(c, f, Change::kDowngrade); }},
      {"cap", "how much of the free quota one object may take", "bytes a month; 0: no cap", SetCap},
  };
  for (const Line& line : lines) {
    auto flags = std::make_shared<ChangeFlags>();
    CLI::App* command = quota->add_subcommand(line.name, line.doc);
    command->add_option("bucket", flags->bucket)->required();
    command->add_option("size", flags->size, line.size)->required();
    command->callback([&context, flags, run = line.run] {
      context.action = [&context, flags, run] { return run(context, *flags); };
    });
  }
}

}  // namespace cairn::storectl
