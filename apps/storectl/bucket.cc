// bucket create, ls, stat, rm, set.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/client/buckets.h"
#include "apps/client/payment_accounts.h"
#include "apps/client/reference.h"
#include "apps/common/config.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/inspect.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::storectl {
namespace {

struct CreateFlags {
  std::string name;
  std::string policy;
  bool open = false;
  std::string byte_cap;
  uint32_t keep_versions = 1;
  std::string payer;
};

// "photos" and "cairn://photos/" are the same bucket.
absl::StatusOr<std::string> NameOf(const std::string& text) {
  if (!client::IsReference(text)) return text;
  ASSIGN_OR_RETURN(client::Reference ref, client::ParseReference(text));
  return ref.bucket;
}

// Account id of the payment account; empty: none is named.
absl::StatusOr<std::string> PayerOf(Context& context, const std::string& text) {
  if (text.empty()) return std::string();
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  ASSIGN_OR_RETURN(const base::AccountId id, client::ParsePaymentAccount(text, key.account));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const chain::v1::PaymentAccount account, client::FindPaymentAccount(*chain, id));
  return account.id();
}

absl::Status SetPayer(client::Client& client, uint64_t bucket, const std::string& payer) {
  if (payer.empty()) return absl::OkStatus();
  const absl::Status sent = client.sender().Send(client::PayerOperations(bucket, payer, {})).status();
  return base::Annotate(sent, "the bucket is made, but --payer does not pay for it");
}

absl::Status Create(Context& context, const CreateFlags& flags) {
  client::CreateBucketOptions options;
  options.public_read = flags.open;
  options.keep_versions = flags.keep_versions;
  ASSIGN_OR_RETURN(std::string name, NameOf(flags.name));
  RETURN_IF_ERROR(client::CheckBucketName(name));
  if (!flags.policy.empty()) {
    ASSIGN_OR_RETURN(options.policy, base::Redundancy::Parse(flags.policy));
  }
  if (!flags.byte_cap.empty()) {
    ASSIGN_OR_RETURN(options.byte_cap, app::ParseByteSize(flags.byte_cap));
  }
  ASSIGN_OR_RETURN(const std::string payer, PayerOf(context, flags.payer));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(client::BucketCreated created, client::CreateBucket(*client, name, options));
  RETURN_IF_ERROR(SetPayer(*client, created.id.value, payer));
  std::vector<std::string> holders;
  for (const base::AccountId& holder : created.placement.holders)
    holders.push_back(base::ToText(holder));
  Json json;
  json.Text("name", name)
      .Number("id", created.id.value)
      .Bool("public_read", flags.open)
      .Text("primary", base::ToText(created.placement.primary))
      .Texts("holders", holders)
      .Bool("reduced_spread", created.placement.reduced_spread)
      .Text("spread_note", created.placement.spread_note)
      .Real("loss_probability", created.placement.loss_probability);
  if (!payer.empty()) json.Text("payer", base::ToText(chain::AccountOf(payer)));
  context.Result(json, absl::StrCat("cairn://", name, "/  ", flags.open ? "public" : "private",
                                    ", ", holders.size(), " holders\n"));
  if (created.placement.reduced_spread) {
    context.Say(absl::StrCat(
        "reduced spread: ", created.placement.spread_note,
        "; chance of losing more than can be repaired: ", created.placement.loss_probability));
  }
  context.Say(absl::StrCat("Next:  storectl cp FILE cairn://", name, "/"));
  return absl::OkStatus();
}

absl::Status Remove(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(std::string name, NameOf(text));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  RETURN_IF_ERROR(client::DeleteBucket(*client, name));
  Json json;
  json.Text("removed", name);
  context.Result(json, absl::StrCat("removed ", name, "\n"));
  return absl::OkStatus();
}

struct SetFlags {
  std::string name;
  std::string open;
  uint32_t keep_versions = 0;
};

absl::Status Set(Context& context, const SetFlags& flags) {
  ASSIGN_OR_RETURN(std::string name, NameOf(flags.name));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(chain::v1::Bucket record, client::FindBucket(*client, name));
  chain::v1::Operation operation;
  operation.mutable_edit_bucket()->set_bucket(record.id());
  if (!flags.open.empty()) operation.mutable_edit_bucket()->set_public_read(flags.open == "on");
  if (flags.keep_versions != 0)
    operation.mutable_edit_bucket()->set_keep_versions(flags.keep_versions);
  RETURN_IF_ERROR(client->sender().Send({operation}).status());
  Json json;
  json.Text("changed", name);
  context.Result(json, absl::StrCat("changed ", name, "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddBucketCommands(CLI::App& app, Context& context) {
  CLI::App* bucket = app.add_subcommand("bucket", "make, list, change and delete buckets");

  auto flags = std::make_shared<CreateFlags>();
  CLI::App* create = bucket->add_subcommand("create", "choose holders and make a bucket");
  create->add_option("name", flags->name, "3 to 63 of a-z 0-9 - .")->required();
  create->add_option("--policy", flags->policy,
                     "rs:4+2 (default), replicate:3 (default when public)");
  create->add_flag("--public", flags->open, "anyone may read; stored as it is");
  create->add_option("--byte-cap", flags->byte_cap,
                     "most bytes that its holders agree to, e.g. 1TB");
  create->add_option("--keep-versions", flags->keep_versions, "how many versions of a name stay")
      ->check(CLI::Range(1, 100));
  create->add_option("--payer", flags->payer, "payment account that pays for it; default: its owner");
  create->callback([&context, flags] {
    context.action = [&context, flags] { return Create(context, *flags); };
  });

  auto removed = std::make_shared<std::string>();
  CLI::App* rm = bucket->add_subcommand("rm", "delete an empty bucket");
  rm->add_option("name", *removed)->required();
  rm->callback([&context, removed] {
    context.action = [&context, removed] { return Remove(context, *removed); };
  });

  auto set = std::make_shared<SetFlags>();
  CLI::App* change = bucket->add_subcommand("set", "change a bucket");
  change->add_option("name", set->name)->required();
  change->add_option("--public-read", set->open, "on | off")->check(CLI::IsMember({"on", "off"}));
  change->add_option("--keep-versions", set->keep_versions, "how many versions of a name stay")
      ->check(CLI::Range(1, 100));
  change->callback(
      [&context, set] { context.action = [&context, set] { return Set(context, *set); }; });

  CLI::App* ls = bucket->add_subcommand("ls", "list your buckets");
  ls->callback([&context] { context.action = [&context] { return ListBucketsCommand(context); }; });

  auto shown = std::make_shared<std::string>();
  CLI::App* stat = bucket->add_subcommand("stat", "all about a bucket");
  stat->add_option("name", *shown)->required();
  stat->callback([&context, shown] {
    context.action = [&context, shown] {
      return StatCommand(
          context, client::IsReference(*shown) ? *shown : std::string(client::kScheme) + *shown, 0);
    };
  });
}

}  // namespace cairn::storectl
