// chain status, block, tx, params, events, check.
#include <google/protobuf/util/json_util.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/raw_transactions.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/verdict.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

std::string ProtoJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(message, &out, options);
  return out;
}

std::string Hex(const std::string& bytes) { return base::ToHex(base::AsBytes(bytes)); }
absl::Time TimeOf(uint64_t ms) { return absl::FromUnixMillis(static_cast<int64_t>(ms)); }

absl::StatusOr<pb::QueryResponse> Ask(Context& context, const pb::QueryRequest& request) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  return chain->Query(request);
}

absl::Status Status(Context& context) {
  pb::QueryRequest request;
  request.set_status(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Ask(context, request));
  const pb::ChainStatus& status = answer.status();
  ASSIGN_OR_RETURN(client::Profile profile, context.profile());
  const bool ours = status.chain_id() == chain::ToField(profile.chain_id);
  const std::string network_class =
      status.network_class() == pb::NETWORK_CLASS_TEST ? "test" : "main";
  Json json;
  json.Text("chain_id", Hex(status.chain_id()))
      .Text("network", status.network())
      .Text("network_class", network_class)
      .Number("height", status.height())
      .Time("time", TimeOf(status.time_ms()))
      .Text("state_root", Hex(status.state_root()))
      .Text("engine_key", Hex(status.engine_key()))
      .Number("earliest_height", status.earliest_height())
      .Number("pending_transactions", status.pending_transactions())
      .Text("endpoint", profile.chain_endpoint)
      .Bool("is_the_profiles", ours);
  context.Result(json, absl::StrCat("network  ", status.network(), " (", network_class, ")  ",
                                    Hex(status.chain_id()), "\nheight   ", status.height(),
                                    "\ntime     ", HumanTime(TimeOf(status.time_ms())),
                                    "\nroot     ", Hex(status.state_root()), "\n"));
  if (ours) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "WRONG_CHAIN",
                     "this is not the profile's ledger",
                     "the network was reset: take its profile anew",
                     {{"expected", profile.chain_id.ToHexString()}});
}

// The ledger recounts everything at start; here its own totals are held against each other.
absl::Status Check(Context& context) {
  pb::QueryRequest request;
  request.set_supply(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Ask(context, request));
  std::vector<std::string> items;
  Table table({"ASSET", "MINTED", "FREE", "LOCKED", "STREAMS", "CHANNELS", "TREASURY", "BURNT", "HOLDS"},
              {false, true, true, true, true, true, true, true, false});
  bool sound = answer.supply_size() > 0;
  for (int i = 0; i < answer.supply_size(); ++i) {
    const pb::Supply& supply = answer.supply(i);
    const int decimals = i == 0 ? base::kCrnDecimals : base::kUsdcDecimals;
    const auto show = [&](const pb::Amount& amount) {
      return chain::FromProto(amount).ToDecimal(decimals);
    };
    auto sum = chain::FromProto(supply.free()).Plus(chain::FromProto(supply.locked()));
    if (sum) sum = sum->Plus(chain::FromProto(supply.treasury()));
    if (sum) sum = sum->Plus(chain::FromProto(supply.burnt()));
    if (sum) sum = sum->Plus(chain::FromProto(supply.streams()));
    if (sum) sum = sum->Plus(chain::FromProto(supply.channels()));
    const bool holds = sum && *sum == chain::FromProto(supply.minted());
    sound = sound && holds;
    const std::string asset = i == 0 ? "crn" : "usdc";
    items.push_back(Json()
                        .Text("asset", asset)
                        .Text("minted", show(supply.minted()))
                        .Text("free", show(supply.free()))
                        .Text("locked", show(supply.locked()))
                        .Text("streams", show(supply.streams()))
                        .Text("channels", show(supply.channels()))
                        .Text("treasury", show(supply.treasury()))
                        .Text("burnt", show(supply.burnt()))
                        .Bool("conserved", holds)
                        .Done());
    table.Row({asset, show(supply.minted()), show(supply.free()), show(supply.locked()),
               show(supply.streams()), show(supply.channels()), show(supply.treasury()),
               show(supply.burnt()), holds ? "yes" : "NO"});
  }
  context.Items("supply", items, table);
  if (sound) return absl::OkStatus();
  return base::Error(absl::StatusCode::kDataLoss, "MONEY_NOT_CONSERVED",
                     "balances, locks, streams, channels, treasury and burnt money do not make up what was minted");
}

absl::Status Block(Context& context, uint64_t height) {
  pb::QueryRequest request;
  request.set_block(height);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Ask(context, request));
  pb::BlockHeader header;
  if (!header.ParseFromString(answer.block().header())) {
    return base::Error(absl::StatusCode::kDataLoss, "BAD_RECORD",
                       "the block's header does not parse");
  }
  std::string text = absl::StrCat(
      "block    ", header.height(), "\ntime     ", Rfc3339(TimeOf(header.time_ms())), "\nroot     ",
      Hex(header.state_root()), "\nparent   ", Hex(header.parent()), "\n");
  std::vector<std::string> receipts;
  for (const pb::TransactionReceipt& receipt : answer.block().receipts()) {
    const std::string verdict(chain::Name(chain::VerdictOf(receipt)));
    receipts.push_back(Json()
                           .Text("transaction", Hex(receipt.transaction()))
                           .Text("verdict", verdict)
                           .Crn("fee", chain::FromProto(receipt.fee()))
                           .Text("detail", receipt.detail())
                           .Done());
    absl::StrAppend(&text, "tx       ", Hex(receipt.transaction()), "  ", verdict, "\n");
  }
  for (const pb::Event& event : answer.block().events())
    absl::StrAppend(&text, "event    ", event.type(), "\n");
  Json json;
  json.Number("height", header.height())
      .Time("time", TimeOf(header.time_ms()))
      .Text("state_root", Hex(header.state_root()))
      .Text("parent", Hex(header.parent()))
      .Text("signature", Hex(answer.block().signature()))
      .List("receipts", receipts)
      .Small("events", answer.block().events_size());
  context.Result(json, text);
  return absl::OkStatus();
}

absl::Status Transaction(Context& context, const std::string& text) {
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, FindReceipt(context, text));
  const std::string verdict(chain::Name(chain::VerdictOf(receipt)));
  std::vector<std::string> created;
  for (const std::string& id : receipt.created()) created.push_back(Hex(id));
  Json json;
  json.Text("transaction", Hex(receipt.transaction()))
      .Number("height", receipt.height())
      .Small("index", receipt.index())
      .Text("verdict", verdict)
      .Small("verdict_number", receipt.verdict())
      .Small("operation", receipt.operation())
      .Crn("fee", chain::FromProto(receipt.fee()))
      .Text("detail", receipt.detail())
      .Texts("created", created)
      .Text("explanation", chain::Explain(chain::VerdictOf(receipt)));
  context.Result(json, absl::StrCat("transaction  ", Hex(receipt.transaction()), "\nblock        ",
                                    receipt.height(), "\nverdict      ", verdict, ": ",
                                    std::string(chain::Explain(chain::VerdictOf(receipt))),
                                    receipt.detail().empty() ? "" : ": ", receipt.detail(),
                                    "\nfee          ", Crn(chain::FromProto(receipt.fee())), "\n"));
  return absl::OkStatus();
}

absl::Status Params(Context& context) {
  pb::QueryRequest request;
  request.set_params(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Ask(context, request));
  const pb::Params& params = answer.params();
  const auto* descriptor = params.GetDescriptor();
  const auto* reflection = params.GetReflection();
  Table table({"PARAMETER", "VALUE"});
  Json json;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    std::string value;
    if (field->type() == google::protobuf::FieldDescriptor::TYPE_MESSAGE) {
      const auto amount =
          chain::FromProto(static_cast<const pb::Amount&>(reflection->GetMessage(params, field)));
      json.Crn(field->name(), amount);
      value = Crn(amount);
    } else {
      const uint64_t number = field->type() == google::protobuf::FieldDescriptor::TYPE_UINT64
                                  ? reflection->GetUInt64(params, field)
                                  : reflection->GetUInt32(params, field);
      json.Number(field->name(), number);
      value = absl::StrCat(number);
    }
    table.Row({field->name(), value});
  }
  context.Result(json, table.Done(context.terminal()));
  return absl::OkStatus();
}

struct EventFlags {
  bool follow = false;
  uint64_t from = 0;
  std::vector<std::string> types;
};

void ShowEvents(Context& context, const pb::Block& block, const EventFlags& flags) {
  pb::BlockHeader header;
  if (!header.ParseFromString(block.header())) return;
  for (const pb::Event& event : block.events()) {
    if (!flags.types.empty() &&
        std::find(flags.types.begin(), flags.types.end(), event.type()) == flags.types.end())
      continue;
    std::string details;
    Json attributes;
    for (const pb::Attribute& attribute : event.attributes()) {
      absl::StrAppend(&details, "  ", attribute.key(), "=", attribute.value());
      attributes.Text(attribute.key(), attribute.value());
    }
    if (context.text()) {
      context.Print(absl::StrCat(header.height(), "  ", Rfc3339(TimeOf(header.time_ms())), "  ",
                                 event.type(), details, "\n"));
    } else {
      context.Print(Json()
                        .Number("height", header.height())
                        .Time("time", TimeOf(header.time_ms()))
                        .Text("type", event.type())
                        .Raw("attributes", attributes.Done())
                        .Done() +
                    "\n");
    }
  }
}

absl::Status Events(Context& context, const EventFlags& flags) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  if (flags.follow) {
    const absl::Status followed = chain->Follow(flags.from, [&](const pb::Block& block) {
      ShowEvents(context, block, flags);
      return !context.stop().stopped();
    });
    return context.stop().stopped() ? context.stop().Check() : followed;
  }
  pb::QueryRequest ask;
  ask.set_status(true);
  ASSIGN_OR_RETURN(pb::QueryResponse status, chain->Query(ask));
  const uint64_t top = status.status().height();
  const uint64_t first = flags.from != 0 ? flags.from
                                         : std::max<uint64_t>(status.status().earliest_height(),
                                                              top > 100 ? top - 100 : 1);
  for (uint64_t height = std::max<uint64_t>(first, 1); height <= top; ++height) {
    RETURN_IF_ERROR(context.stop().Check());
    pb::QueryRequest request;
    request.set_block(height);
    auto answer = chain->Query(request);
    if (absl::IsNotFound(answer.status()) || absl::IsOutOfRange(answer.status())) continue;
    RETURN_IF_ERROR(answer.status());
    ShowEvents(context, answer->block(), flags);
  }
  return absl::OkStatus();
}

absl::Status Genesis(Context& context) {
  pb::QueryRequest request;
  request.set_genesis(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Ask(context, request));
  context.Print(ProtoJson(answer.genesis()) + "\n");
  return absl::OkStatus();
}

}  // namespace

void AddChainCommands(CLI::App& app, Context& context) {
  CLI::App* chain =
      app.add_subcommand("chain", "the ledger: status, blocks, transactions, parameters, events");
  chain->add_subcommand("status", "height, time and root")->callback([&context] {
    context.action = [&context] { return Status(context); };
  });
  chain->add_subcommand("params", "every number the rules use")->callback([&context] {
    context.action = [&context] { return Params(context); };
  });
  chain->add_subcommand("genesis", "the record the ledger began with")->callback([&context] {
    context.action = [&context] { return Genesis(context); };
  });
  chain->add_subcommand("check", "is all money accounted for?")->callback([&context] {
    context.action = [&context] { return Check(context); };
  });

  auto height = std::make_shared<uint64_t>(0);
  CLI::App* block = chain->add_subcommand("block", "one block");
  block->add_option("height", *height)->required();
  block->callback([&context, height] {
    context.action = [&context, height] { return Block(context, *height); };
  });

  CLI::App* tx = chain->add_subcommand("tx", "transactions");
  auto hash = std::make_shared<std::string>();
  CLI::App* show = tx->add_subcommand("show", "what became of a transaction");
  show->add_option("hash", *hash, "64 hex digits")->required();
  show->callback([&context, hash] {
    context.action = [&context, hash] { return Transaction(context, *hash); };
  });
  AddRawTransactionCommands(*tx, context);

  auto flags = std::make_shared<EventFlags>();
  CLI::App* events = chain->add_subcommand("events", "what happened, block by block");
  events->add_flag("-f,--follow", flags->follow, "go on with what comes");
  events->add_option("--from", flags->from, "height to begin at; default: the last 100 blocks");
  events->add_option("--type", flags->types, "only these, e.g. object.sealed");
  events->callback([&context, flags] {
    context.action = [&context, flags] { return Events(context, *flags); };
  });
}

}  // namespace cairn::storectl
