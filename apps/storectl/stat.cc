// stat of objects and buckets: state, holders, what it costs, who pays, until when.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "apps/client/bucket_costs.h"
#include "apps/client/holders.h"
#include "apps/client/list.h"
#include "apps/common/errors.h"
#include "apps/storectl/inspect.h"
#include "apps/storectl/money_text.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storectl {
namespace {

using client::ObjectInfo;
using client::Reference;

// Whoever pays: a payment account, or the bucket's owner.
struct Payer {
  base::AccountId id;
  client::Standing standing;
  std::string deposit;  // how money comes to it
};

absl::StatusOr<Payer> PayerOf(client::Client& client, const chain::v1::Bucket& bucket, const std::string& pin) {
  const std::string& named = !pin.empty() ? pin : bucket.payer();
  Payer out;
  out.id = chain::AccountOf(named.empty() ? bucket.owner() : named);
  out.deposit = absl::StrCat(named.empty() ? "storectl wallet send " : "storectl account deposit ", base::ToText(out.id));
  ASSIGN_OR_RETURN(out.standing, client::ReadStanding(client.chain(), out.id));
  return out;
}

void AddPayer(const Payer& payer, Json& json) {
  Json standing;
  AddState(payer.standing, payer.deposit, standing);
  json.Text("payer", base::ToText(payer.id)).Raw("payer_standing", standing.Done());
}

// One line, and what to do when there is something to do.
std::string PayerText(const Payer& payer) {
  const client::Standing& standing = payer.standing;
  std::string out = absl::StrCat("payer     ", base::ToText(payer.id), ", ", chain::NameOf(standing.state));
  if (!standing.steps.empty()) {
    const client::PayerStep& next = standing.steps.front();
    absl::StrAppend(&out, ", ", chain::NameOf(next.state), " on ", HumanTime(next.at), " unless paid");
  }
  absl::StrAppend(&out, "\n");
  if (!standing.missing) return out;
  return absl::StrCat(out, "do        pay in at least ", Crn(*standing.missing), ": ", payer.deposit, " AMOUNT\n");
}

absl::Status StatBucket(Context& context, client::Client& client, const std::string& name) {
  ASSIGN_OR_RETURN(chain::v1::Bucket bucket, client::FindBucket(client, name));
  ASSIGN_OR_RETURN(chain::v1::Group group, client.Group(bucket.group()));
  const std::string policy = chain::FromProto(bucket.policy()).ToText();
  std::vector<std::string> positions;
  Table table({"POSITION", "PROVIDER", "STATE", "PARTS"}, {true, false, false, true});
  for (int i = 0; i < group.positions_size(); ++i) {
    const chain::v1::GroupPosition& place = group.positions(i);
    const std::string provider = base::ToText(chain::AccountOf(place.provider()));
    const std::string state = place.rebuilding() ? "rebuilding" : "settled";
    positions.push_back(Json()
                            .Small("position", i)
                            .Text("provider", provider)
                            .Text("state", state)
                            .Number("should_hold", place.should_hold())
                            .Number("receipted", place.receipted())
                            .Done());
    table.Row({absl::StrCat(i), provider, state,
               absl::StrCat(place.receipted(), "/", place.should_hold())});
  }
  const std::string primary = base::ToText(chain::AccountOf(group.primary()));
  ASSIGN_OR_RETURN(const client::BucketCosts costs, client::CostsOf(client.chain(), bucket.id()));
  const base::Amount month = PerMonth(costs.objects.Plus(costs.package).value_or(base::Amount::Max()));
  ASSIGN_OR_RETURN(const Payer payer, PayerOf(client, bucket, ""));
  Json json;
  json.Text("name", bucket.name())
      .Number("id", bucket.id())
      .Text("policy", policy)
      .Bool("public_read", bucket.public_read())
      .Bool("sealed", !bucket.wraps().empty())
      .Number("group", group.id())
      .Number("group_epoch", group.epoch())
      .Text("primary", primary)
      .Number("objects", bucket.objects())
      .Number("stored_bytes", bucket.stored_bytes())
      .Small("keep_versions", bucket.keep_versions())
      .Crn("per_month", month)
      .Raw("storage", RateJson(costs.objects))
      .Raw("package", RateJson(costs.package))
      .Number("package_bytes", bucket.package_bytes())
      .Time("created", absl::FromUnixMillis(static_cast<int64_t>(bucket.created_ms())))
      .List("positions", positions);
  AddPayer(payer, json);
  context.Result(
      json, absl::StrCat("bucket    ", bucket.name(), "  (",
                         bucket.wraps().empty() ? "public" : "private", ", ", policy, ")\n",
                         "objects   ", bucket.objects(), "  ", HumanBytes(bucket.stored_bytes()),
                         " stored\n", "costs     ", Crn(month), " per 30 days",
                         costs.package.zero() ? "" : absl::StrCat(", of it ", Crn(PerMonth(costs.package)), " for a package of ",
                                                                  HumanBytes(bucket.package_bytes()), " a month"),
                         "\n", PayerText(payer), "primary   ", primary, "\n", table.Done(true)));
  return absl::OkStatus();
}

// Holders that answer and have the store they signed with.
std::vector<char> WhoLives(client::Client& client, const std::vector<client::Holder>& holders) {
  std::vector<char> live(holders.size());
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < holders.size(); ++i) {
    tasks.push_back([&, i] {
      const auto info = client.transport().GetInfo(holders[i].address, absl::Seconds(2));
      const auto record = client.Provider(holders[i].address.account);
      live[i] = info.ok() && record.ok() && !info->loss_reported() &&
                info->store_id() == record->store_id();
    });
  }
  client.RunAll(std::move(tasks));
  return live;
}

}  // namespace

absl::Status StatCommand(Context& context, const std::string& text, uint64_t version) {
  ASSIGN_OR_RETURN(Reference ref, client::ParseReference(text));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  if (ref.key.empty()) return StatBucket(context, *client, ref.bucket);
  ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, ref.bucket));
  ASSIGN_OR_RETURN(ObjectInfo object, client::FindObject(*client, *bucket, ref, version));
  ASSIGN_OR_RETURN(chain::v1::Group group, client->Group(object.record->group()));
  ASSIGN_OR_RETURN(std::vector<client::Holder> holders,
                   client::HoldersOf(*client, *object.record, group));
  std::sort(holders.begin(), holders.end(),
            [](const auto& a, const auto& b) { return a.position < b.position; });
  const std::vector<char> live = WhoLives(*client, holders);
  Table table({"POSITION", "PROVIDER", "ENDPOINT", "PART", "ANSWERS"},
              {true, false, false, false, false});
  std::vector<std::string> parts;
  bool all_live = true;
  for (size_t i = 0; i < holders.size(); ++i) {
    const client::Holder& holder = holders[i];
    const std::string provider = base::ToText(holder.address.account);
    all_live = all_live && (live[i] || !holder.receipted);
    parts.push_back(Json()
                        .Small("position", holder.position)
                        .Text("provider", provider)
                        .Text("endpoint", holder.address.endpoint)
                        .Bool("receipted", holder.receipted)
                        .Bool("live", live[i])
                        .Done());
    table.Row({absl::StrCat(holder.position), provider, holder.address.endpoint,
               holder.receipted ? "signed for" : "missing", live[i] ? "yes" : "no"});
  }
  const auto keeper = client::WholeAtPrimary(*client, group);
  const bool whole = keeper && client::SaysWhole(*client, *object.record, *keeper);
  if (keeper)
    table.Row({"primary", base::ToText(keeper->address.account), keeper->address.endpoint,
               whole ? "whole copy" : "no whole copy yet", whole ? "yes" : "no"});
  // The ledger knows who signed; who is there is for us to see.
  if (object.status == client::ObjectStatus::kDurable && !all_live)
    object.status = client::ObjectStatus::kDegraded;
  ASSIGN_OR_RETURN(const Payer payer, PayerOf(*client, bucket->record(), object.record->pin()));
  Json json = ObjectJson(object);
  const std::string hash = base::ToHex(base::AsBytes(object.record->content_id()));
  const auto primary = base::ToText(chain::AccountOf(group.primary()));
  json.Text("content_hash", hash)
      .Text("primary", primary)
      .Bool("whole", whole)
      .List("holders", parts)
      .Number("group", object.record->group())
      .Crn("per_month", PerMonth(chain::FullRate(*object.record)))
      .Raw("rate", RateJson(chain::FullRate(*object.record)))
      .Number("price", object.record->price())
      .Crn("lock", chain::FromProto(object.record->lock()))
      .Crn("bond", chain::FromProto(object.record->bond()))
      .Time("created", absl::FromUnixMillis(static_cast<int64_t>(object.record->created_ms())));
  AddPayer(payer, json);
  std::string state(client::ToText(object.status));
  if (!object.missing.empty())
    absl::StrAppend(&state, ", missing at positions ", absl::StrJoin(object.missing, " "));
  context.Result(
      json,
      absl::StrCat(
          "object    ", app::Printable(object.ref.ToText()), "  version ", object.version, "\n", "content   ",
          base::ContentId{chain::Trusted<base::Digest>(object.record->content_id())}.ToText(), "\n",
          "blake3    ", hash, "\n", "size      ", object.size(), " B  (", HumanBytes(object.record->stored_size()),
          " stored)\n", "modified  ", HumanTime(Modified(object)), "\n", "state     ", state, "\n",
          "costs     ", Crn(PerMonth(chain::FullRate(*object.record))), " per 30 days, bond ",
          Crn(chain::FromProto(object.record->bond())), "\n", PayerText(payer), table.Done(true)));
  return absl::OkStatus();
}

}  // namespace cairn::storectl
