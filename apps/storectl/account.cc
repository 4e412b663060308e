// account create, ls, show, deposit, withdraw, cancel-withdrawal, non-refundable, consent, assign, settle.
#include <CLI/CLI.hpp>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "apps/client/buckets.h"
#include "apps/client/list.h"
#include "apps/client/payment_accounts.h"
#include "apps/client/reference.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/money_text.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

constexpr char kOwner[] = "owner";  // in place of an account: whoever owns the bucket

std::string TextOf(const std::string& id) { return base::ToText(chain::AccountOf(id)); }
absl::Time TimeOf(uint64_t ms) { return absl::FromUnixMillis(static_cast<int64_t>(ms)); }
std::string DepositCommand(const base::AccountId& id) {
  return absl::StrCat("storectl account deposit ", base::ToText(id));
}

absl::StatusOr<base::AccountId> IdOf(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  return client::ParsePaymentAccount(text, key.account);
}

absl::StatusOr<pb::PaymentAccount> Find(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const base::AccountId id, IdOf(context, text));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  return client::FindPaymentAccount(*chain, id);
}

// Sends what an account's command does, and shows it.
absl::Status Send(Context& context, pb::Operation operation, Json json, const std::string& text) {
  if (context.globals.dry_run) {
    context.Say(absl::StrCat("would: ", text));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, client->sender().Send({std::move(operation)}));
  json.Crn("fee", chain::FromProto(receipt.fee())).Number("height", receipt.height());
  context.Result(json, text + "\n");
  return absl::OkStatus();
}

absl::Status Create(Context& context) {
  if (context.globals.dry_run) {
    context.Say("would create a payment account");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  pb::Operation operation;
  operation.mutable_create_payment_account();
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, client->sender().Send({operation}));
  if (receipt.created().empty()) {
    return base::Error(absl::StatusCode::kDataLoss, "BAD_RECORD", "the receipt names no account", "storectl account ls");
  }
  ASSIGN_OR_RETURN(const pb::PaymentAccount made,
                   client::FindPaymentAccount(client->chain(), chain::AccountOf(receipt.created(0))));
  const std::string id = TextOf(made.id());
  Json json;
  json.Text("account", id).Number("number", made.number()).Crn("fee", chain::FromProto(receipt.fee()));
  context.Result(json, absl::StrCat("account  ", id, "\nnumber   ", made.number(), "\n"));
  context.Say(absl::StrCat("Next:  storectl account deposit ", made.number(), " AMOUNT"));
  return absl::OkStatus();
}

Json AccountJson(const pb::PaymentAccount& account, const client::Standing& standing) {
  Json json;
  json.Text("account", TextOf(account.id()))
      .Number("number", account.number())
      .Text("owner", TextOf(account.owner()))
      .Bool("refundable", !account.non_refundable());
  if (account.withdrawal_ms() != 0) {
    json.Raw("withdrawal", Json()
                               .Crn("amount", chain::FromProto(account.withdrawal()))
                               .Time("arrives", TimeOf(account.withdrawal_ms()))
                               .Done());
  }
  AddStanding(standing, DepositCommand(standing.account), json);
  return json;
}

absl::Status List(Context& context) {
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const std::vector<pb::PaymentAccount> accounts, client::ListPaymentAccounts(*chain, key.account));
  Table table({"NUMBER", "ACCOUNT", "FREE", "RESERVE", "PAYS A MONTH", "STATE", "FUNDED UNTIL"},
              {true, false, true, true, true, false, false});
  std::vector<std::string> items;
  for (const pb::PaymentAccount& account : accounts) {
    ASSIGN_OR_RETURN(const client::Standing standing, client::ReadStanding(*chain, chain::AccountOf(account.id())));
    items.push_back(AccountJson(account, standing).Done());
    table.Row({absl::StrCat(account.number()), TextOf(account.id()), Crn(standing.free), Crn(standing.reserve),
               AboutCrn(PerMonth(standing.out_rate)), chain::NameOf(standing.state),
               standing.steps.empty() ? "" : HumanTime(standing.steps.front().at)});
  }
  context.Items("accounts", items, table);
  return absl::OkStatus();
}

// Which of the owner's buckets the account pays for.
absl::StatusOr<std::vector<std::string>> BucketsPaid(chain::Client& chain, const pb::PaymentAccount& account) {
  std::vector<std::string> out;
  pb::QueryRequest request;
  request.set_buckets_of(account.owner());
  request.mutable_page()->set_limit(1000);
  do {
    ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain.Query(request));
    for (const pb::Bucket& bucket : answer.buckets()) {
      if (bucket.payer() == account.id()) out.push_back(bucket.name());
    }
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return out;
}

absl::Status Show(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, text));
  const base::AccountId id = chain::AccountOf(account.id());
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::Standing standing, client::ReadStanding(*chain, id));
  ASSIGN_OR_RETURN(const auto consents, client::ListConsents(*chain, id));
  ASSIGN_OR_RETURN(const std::vector<std::string> buckets, BucketsPaid(*chain, account));
  std::vector<std::string> entries;
  std::string lines;
  for (const std::string& name : buckets) absl::StrAppend(&lines, "bucket   cairn://", name, "/\n");
  for (const auto& entry : consents) {
    const base::Amount most = chain::FromProto(entry.consent().max_rate());
    const base::Amount used = chain::FromProto(entry.consent().used_rate());
    const base::Amount ahead = chain::AheadNow(entry.consent(), standing.second);
    entries.push_back(Json()
                          .Number("bucket", entry.bucket())
                          .Raw("max_rate", RateJson(most))
                          .Raw("used_rate", RateJson(used))
                          .Crn("ahead", ahead)
                          .Done());
    absl::StrAppend(&lines, "consent  bucket ", entry.bucket(), ": ", AboutCrn(PerMonth(used)), " of ", RateText(most),
                    ahead.zero() ? "" : absl::StrCat(", ", AboutCrn(ahead), " paid ahead"), "\n");
  }
  if (account.withdrawal_ms() != 0) {
    absl::StrAppend(&lines, "leaves   ", Crn(chain::FromProto(account.withdrawal())), " to its owner on ",
                    HumanTime(TimeOf(account.withdrawal_ms())), "; storectl account cancel-withdrawal stops it\n");
  }
  Json json = AccountJson(account, standing);
  json.Texts("buckets", buckets).List("consents", entries);
  context.Result(json, absl::StrCat("account  ", base::ToText(id), "\nowner    ", TextOf(account.owner()), ", number ",
                                    account.number(), account.non_refundable() ? ", non-refundable" : "", "\n",
                                    StandingText(standing, DepositCommand(id)), lines));
  return absl::OkStatus();
}

struct MoneyFlags {
  std::string account;
  std::string amount;
};

absl::Status Deposit(Context& context, const MoneyFlags& flags) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, flags.account));
  ASSIGN_OR_RETURN(const base::Amount amount, ParseCrn(flags.amount));
  pb::Operation operation;
  operation.mutable_deposit_payment()->set_account(account.id());
  *operation.mutable_deposit_payment()->mutable_amount() = chain::ToProto(amount);
  Json json;
  json.Text("account", TextOf(account.id())).Crn("deposited", amount);
  return Send(context, operation, json, absl::StrCat("deposited ", Crn(amount), " into ", TextOf(account.id())));
}

// What is left may be less than what the account needs to go on: said before it is done.
absl::Status Withdraw(Context& context, const MoneyFlags& flags) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, flags.account));
  ASSIGN_OR_RETURN(const base::Amount amount, ParseCrn(flags.amount));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  pb::QueryRequest request;
  request.set_params(true);
  ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain->Query(request));
  const bool later = amount >= chain::FromProto(answer.params().withdraw_threshold());
  pb::Operation operation;
  operation.mutable_withdraw_payment()->set_account(account.id());
  *operation.mutable_withdraw_payment()->mutable_amount() = chain::ToProto(amount);
  std::string what = absl::StrCat("withdraw ", Crn(amount), " from ", TextOf(account.id()));
  const absl::Duration delay = absl::Milliseconds(static_cast<int64_t>(answer.params().withdraw_delay_ms()));
  if (later) absl::StrAppend(&what, ", to arrive after ", HumanDuration(delay));
  Json json;
  json.Text("account", TextOf(account.id())).Crn("withdrawn", amount).Bool("pending", later);
  if (!later || context.globals.dry_run) return Send(context, operation, json, what);
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  RETURN_IF_ERROR(client->sender().Send({operation}).status());
  ASSIGN_OR_RETURN(const pb::PaymentAccount now, client::FindPaymentAccount(*chain, chain::AccountOf(account.id())));
  json.Time("arrives", TimeOf(now.withdrawal_ms()));
  context.Result(json, absl::StrCat(what, ", on ", HumanTime(TimeOf(now.withdrawal_ms())), "\n"));
  return absl::OkStatus();
}

absl::Status CancelWithdrawal(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, text));
  pb::Operation operation;
  operation.mutable_cancel_withdrawal()->set_account(account.id());
  Json json;
  json.Text("account", TextOf(account.id())).Crn("kept", chain::FromProto(account.withdrawal()));
  return Send(context, operation, json,
              absl::StrCat(Crn(chain::FromProto(account.withdrawal())), " stay in ", TextOf(account.id())));
}

absl::Status NonRefundable(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, text));
  if (!context.globals.dry_run) {
    RETURN_IF_ERROR(context.Confirm(absl::StrCat("Make ", TextOf(account.id()),
                                                 " non-refundable? Nothing can ever be withdrawn from it again.")));
  }
  pb::Operation operation;
  operation.mutable_disable_refund()->set_account(account.id());
  Json json;
  json.Text("account", TextOf(account.id())).Bool("refundable", false);
  return Send(context, operation, json, absl::StrCat(TextOf(account.id()), " is non-refundable from now on"));
}

struct ConsentFlags {
  std::string account;
  std::string bucket;
  std::string max_rate;
};

// "photos", "cairn://photos/", or the number of somebody else's bucket.
absl::StatusOr<uint64_t> BucketNumber(Context& context, const std::string& text) {
  uint64_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  std::string name = text;
  if (client::IsReference(text)) {
    ASSIGN_OR_RETURN(const client::Reference ref, client::ParseReference(text));
    name = ref.bucket;
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const pb::Bucket bucket, client::FindBucket(*client, name));
  return bucket.id();
}

absl::Status Consent(Context& context, const ConsentFlags& flags) {
  ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, flags.account));
  ASSIGN_OR_RETURN(const uint64_t bucket, BucketNumber(context, flags.bucket));
  ASSIGN_OR_RETURN(const base::Amount rate, ParseRate(flags.max_rate));
  pb::Operation operation;
  operation.mutable_set_payment_consent()->set_account(account.id());
  operation.mutable_set_payment_consent()->set_bucket(bucket);
  *operation.mutable_set_payment_consent()->mutable_max_rate() = chain::ToProto(rate);
  Json json;
  json.Text("account", TextOf(account.id())).Number("bucket", bucket).Raw("max_rate", RateJson(rate));
  return Send(context, operation, json,
              rate.zero() ? absl::StrCat(TextOf(account.id()), " pays no longer for bucket ", bucket)
                          : absl::StrCat(TextOf(account.id()), " may pay for bucket ", bucket, " up to ",
                                         RateText(rate)));
}

struct AssignFlags {
  std::string account;
  std::vector<std::string> refs;
  bool recursive = false;
};

// What the references name in one bucket.
struct Named {
  bool whole = false;
  std::vector<base::ObjectId> objects;
};

absl::Status AddNamed(client::Client& client, const client::Reference& ref, bool recursive, Named& named) {
  if (ref.key.empty()) {
    named.whole = true;
    return absl::OkStatus();
  }
  std::vector<base::ObjectId>& objects = named.objects;
  ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(client, ref.bucket));
  if (!ref.folder()) {
    ASSIGN_OR_RETURN(const client::ObjectInfo object, client::FindObject(client, *bucket, ref));
    objects.push_back(object.id);
    return absl::OkStatus();
  }
  if (!recursive) {
    return base::Error(absl::StatusCode::kInvalidArgument, "IS_A_FOLDER", ref.ToText() + " stands for many objects",
                       "add -r");
  }
  ASSIGN_OR_RETURN(const std::vector<client::ObjectInfo> found,
                   client::ListObjects(client, *bucket, ref.key, {.manifests = false}));
  for (const client::ObjectInfo& object : found) objects.push_back(object.id);
  if (!found.empty()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_OBJECT", absl::StrCat("nothing under ", ref.ToText()),
                     absl::StrCat("storectl ls cairn://", ref.bucket, "/"));
}

absl::Status Assign(Context& context, const AssignFlags& flags) {
  std::string payer;
  if (flags.account != kOwner) {
    ASSIGN_OR_RETURN(const pb::PaymentAccount account, Find(context, flags.account));
    payer = account.id();
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  std::map<std::string, Named> buckets;
  for (const std::string& text : flags.refs) {
    ASSIGN_OR_RETURN(const client::Reference ref, client::ParseReference(text));
    RETURN_IF_ERROR(AddNamed(*client, ref, flags.recursive, buckets[ref.bucket]));
  }
  size_t objects = 0;
  std::vector<pb::Operation> operations;
  for (const auto& [name, named] : buckets) {
    ASSIGN_OR_RETURN(const pb::Bucket bucket, client::FindBucket(*client, name));
    objects += named.objects.size();
    std::vector<pb::Operation> more;
    if (named.whole) more = client::PayerOperations(bucket.id(), payer, {});
    if (!named.objects.empty()) {
      for (pb::Operation& each : client::PayerOperations(bucket.id(), payer, named.objects)) more.push_back(each);
    }
    operations.insert(operations.end(), more.begin(), more.end());
  }
  for (pb::Operation& operation : operations) {
    if (context.globals.dry_run) break;
    RETURN_IF_ERROR(client->sender().Send({std::move(operation)}).status());
  }
  const std::string who = payer.empty() ? kOwner : TextOf(payer);
  Json json;
  json.Text("payer", who).Number("buckets", buckets.size()).Number("objects", objects);
  json.Bool("dry_run", context.globals.dry_run);
  context.Result(json, absl::StrCat(context.globals.dry_run ? "would be paid by " : "paid by ", who, " from now on: ",
                                    objects != 0 ? absl::StrCat(objects, " objects\n")
                                                 : absl::StrCat(buckets.size(), " buckets\n")));
  return absl::OkStatus();
}

// What flowed to the account becomes free to spend.
absl::Status Settle(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const client::WalletKey key, context.Key());
  base::AccountId id = key.account;
  if (!text.empty()) {
    ASSIGN_OR_RETURN(id, IdOf(context, text));
  }
  pb::Operation operation;
  operation.mutable_settle_stream()->set_account(chain::ToField(id));
  Json json;
  json.Text("account", base::ToText(id));
  return Send(context, operation, json, absl::StrCat("settled ", base::ToText(id)));
}

// A command on one account.
void AddPlain(CLI::App& group, Context& context, const char* name, const char* doc,
              absl::Status (*run)(Context&, const std::string&), bool required = true) {
  auto given = std::make_shared<std::string>();
  CLI::App* command = group.add_subcommand(name, doc);
  CLI::Option* option =
      command->add_option("account", *given, required ? "cairn1..., or the number of one of yours"
                                                      : "cairn1..., or the number of one of yours; default: the key's");
  if (required) option->required();
  command->callback([&context, given, run] { context.action = [&context, given, run] { return run(context, *given); }; });
}

void AddMoney(CLI::App& group, Context& context, const char* name, const char* doc,
              absl::Status (*run)(Context&, const MoneyFlags&)) {
  auto flags = std::make_shared<MoneyFlags>();
  CLI::App* command = group.add_subcommand(name, doc);
  command->add_option("account", flags->account, "cairn1..., or the number of one of yours")->required();
  command->add_option("amount", flags->amount, "crn, e.g. 1.5")->required();
  command->callback([&context, flags, run] { context.action = [&context, flags, run] { return run(context, *flags); }; });
}

}  // namespace

void AddAccountCommands(CLI::App& app, Context& context) {
  CLI::App* account = app.add_subcommand("account", "payment accounts: money that pays for buckets and objects");
  account->add_subcommand("create", "make one; it gets an id that no key signs for")->callback([&context] {
    context.action = [&context] { return Create(context); };
  });
  account->add_subcommand("ls", "yours, and until when each is funded")->callback([&context] {
    context.action = [&context] { return List(context); };
  });
  AddPlain(*account, context, "show", "what it holds, pays and earns, until when, and what to do", Show);
  AddMoney(*account, context, "deposit", "pay in; anyone may", Deposit);
  AddMoney(*account, context, "withdraw", "take out what no reserve needs; large sums arrive after a delay", Withdraw);
  AddPlain(*account, context, "cancel-withdrawal", "keep what is on its way out", CancelWithdrawal);
  AddPlain(*account, context, "non-refundable", "for ever: nothing can be withdrawn, others may sponsor it",
           NonRefundable);

  auto consent = std::make_shared<ConsentFlags>();
  CLI::App* allow = account->add_subcommand("consent", "let a bucket be paid from it, up to a rate");
  allow->add_option("account", consent->account, "cairn1..., or the number of one of yours")->required();
  allow->add_option("bucket", consent->bucket, "name of yours, or the number of somebody's")->required();
  allow->add_option("max-rate", consent->max_rate, "crn per 30 days, or crn a second as 0.001/s; 0 takes it back")
      ->required();
  allow->callback([&context, consent] { context.action = [&context, consent] { return Consent(context, *consent); }; });

  auto assign = std::make_shared<AssignFlags>();
  CLI::App* pay = account->add_subcommand("assign", "pay for buckets or single objects from it");
  pay->add_option("account", assign->account, "cairn1..., the number of one of yours, or owner")->required();
  pay->add_option("refs", assign->refs, "cairn://bucket or cairn://bucket/key ...")->required();
  pay->add_flag("-r,--recursive", assign->recursive, "everything below a folder");
  pay->callback([&context, assign] { context.action = [&context, assign] { return Assign(context, *assign); }; });

  AddPlain(*account, context, "settle", "make what flowed to an account free to spend", Settle, false);
}

}  // namespace cairn::storectl
