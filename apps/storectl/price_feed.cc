#include "apps/storectl/price_feed.h"

#include <google/protobuf/util/json_util.h>

#include <CLI/CLI.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "apps/client/bucket_costs.h"
#include "apps/common/key_file.h"
#include "apps/storectl/prices_text.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

// A statement is the operation that posts it, as JSON, with the signatures collected so far.
constexpr size_t kMaxStatement = 1 << 20;

absl::Status BadStatement(const std::string& file, absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_PRICE_STATEMENT", absl::StrCat(file, ": ", what),
                     "take the file that storectl price sign printed", {{"file", file}});
}

std::string ToJson(const pb::PostPrice& statement) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(statement, &out, options);
  return out + "\n";
}

absl::StatusOr<pb::PostPrice> ReadStatement(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, app::ReadSmallFile(file, kMaxStatement));
  pb::PostPrice out;
  if (!google::protobuf::util::JsonStringToMessage(text, &out).ok()) return BadStatement(file, "is no price statement");
  return out;
}

absl::StatusOr<pb::Genesis> ReadGenesis(Context& context) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  pb::QueryRequest request;
  request.set_genesis(true);
  ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain->Query(request));
  if (answer.genesis().oracles_size() > 0) return answer.genesis();
  return base::Error(absl::StatusCode::kFailedPrecondition, "NO_ORACLES",
                     "this network has no oracles: its price is the median of what providers ask",
                     "storectl price ask sets a provider's; oracles are named when a network is made");
}

absl::StatusOr<base::SigningKey> OpenKey(Context& context) {
  ASSIGN_OR_RETURN(const std::string name, context.KeyName());
  ASSIGN_OR_RETURN(const base::SecretString passphrase,
                   context.Passphrase(absl::StrCat("Passphrase of key ", name), false));
  ASSIGN_OR_RETURN(base::AccountKeys keys, context.wallet().Open(name, passphrase));
  return std::move(keys.signing);
}

absl::Status OracleKey(Context& context) {
  ASSIGN_OR_RETURN(const base::SigningKey key, OpenKey(context));
  const std::string hex = base::ToHex(key.public_key().Encode());
  context.Result(Json().Text("oracle_key", hex).Text("account", base::ToText(key.account())), hex + "\n");
  return absl::OkStatus();
}

// ---- sign ----

struct SignFlags {
  std::string statement;
  PriceFlags prices;
};

absl::StatusOr<uint32_t> OracleIndex(const pb::Genesis& genesis, const base::PublicKey& key) {
  const std::string encoded = base::ToString(key.Encode());
  for (int i = 0; i < genesis.oracles_size(); ++i) {
    if (genesis.oracles(i) == encoded) return static_cast<uint32_t>(i);
  }
  return base::Error(absl::StatusCode::kPermissionDenied, "NOT_AN_ORACLE",
                     "the key is none of the oracles that genesis names", "--key NAME of an oracle's key",
                     {{"key", base::ToHex(key.Encode())}, {"account", base::ToText(key.Account())}});
}

// What the oracle says now: the prices given, the others as they are.
absl::StatusOr<pb::PostPrice> NewStatement(Context& context, const PriceFlags& flags) {
  if (flags.empty()) {
    return base::Error(absl::StatusCode::kInvalidArgument, "USAGE", "no price is given",
                       "storectl price sign --primary 0.5 --holder 2, or give another oracle's statement to sign");
  }
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::KnownPrices known, client::ReadPrices(*chain));
  const pb::PriceRecord& newest = known.coming ? known.next : known.current;
  pb::PostPrice out;
  ASSIGN_OR_RETURN(*out.mutable_prices(), flags.Over(newest.prices()));
  out.set_number(newest.number() + 1);
  out.set_observed_ms(static_cast<uint64_t>(absl::ToUnixMillis(known.now)));
  return out;
}

absl::Status Sign(Context& context, const SignFlags& flags) {
  ASSIGN_OR_RETURN(const pb::Genesis genesis, ReadGenesis(context));
  ASSIGN_OR_RETURN(const client::Profile profile, context.profile());
  pb::PostPrice statement;
  if (flags.statement.empty()) {
    ASSIGN_OR_RETURN(statement, NewStatement(context, flags.prices));
  } else {
    if (!flags.prices.empty()) {
      return base::Error(absl::StatusCode::kInvalidArgument, "USAGE", "a statement that exists has its prices",
                         "leave the prices out, or the statement");
    }
    ASSIGN_OR_RETURN(statement, ReadStatement(flags.statement));
    const absl::Time observed = absl::FromUnixMillis(static_cast<int64_t>(statement.observed_ms()));
    RETURN_IF_ERROR(context.Confirm(absl::StrCat("Sign price ", statement.number(), ", observed at ",
                                                 Rfc3339(observed), "?\n", PricesText(statement.prices(), nullptr))));
  }
  ASSIGN_OR_RETURN(const base::SigningKey key, OpenKey(context));
  ASSIGN_OR_RETURN(const uint32_t index, OracleIndex(genesis, key.public_key()));
  for (const pb::OracleSignature& there : statement.signatures()) {
    if (there.oracle() == index) return BadStatement(flags.statement, "this oracle signed it before");
  }
  pb::OracleSignature& signature = *statement.add_signatures();
  signature.set_oracle(index);
  signature.set_signature(chain::ToField(key.Sign(chain::PriceDigest(profile.chain_id, statement))));
  context.Print(ToJson(statement));
  context.Say(absl::StrCat(statement.signatures_size(), " of ", chain::OracleQuorum(genesis.oracles_size()),
                           " signatures that make a price"));
  return absl::OkStatus();
}

// ---- post ----

// One statement with the signatures of all; each is checked here, where a forged one costs nothing.
class Collector {
 public:
  Collector(const pb::Genesis& genesis, const base::ChainId& chain) : genesis_(genesis), chain_(chain) {}

  absl::Status Take(const std::string& file) {
    ASSIGN_OR_RETURN(const pb::PostPrice statement, ReadStatement(file));
    const base::Digest digest = chain::PriceDigest(chain_, statement);
    if (first_.empty()) {
      all_ = statement;
      all_.clear_signatures();
      first_ = file;
      digest_ = digest;
    }
    if (!(digest == digest_)) {
      return base::Error(absl::StatusCode::kFailedPrecondition, "ORACLES_DISAGREE",
                         absl::StrCat(first_, " and ", file, " say different prices, numbers or times"),
                         "let all oracles sign one statement: storectl price sign FILE");
    }
    for (const pb::OracleSignature& signature : statement.signatures()) RETURN_IF_ERROR(Add(file, signature));
    return absl::OkStatus();
  }

  absl::StatusOr<pb::PostPrice> Done() const {
    const int quorum = chain::OracleQuorum(genesis_.oracles_size());
    if (all_.signatures_size() >= quorum) return all_;
    return base::Error(absl::StatusCode::kFailedPrecondition, "PRICE_QUORUM_MISSING",
                       absl::StrCat(all_.signatures_size(), " oracles signed, ", quorum, " of ",
                                    genesis_.oracles_size(), " make a price"),
                       "collect more statements: storectl price sign FILE");
  }

 private:
  absl::Status Add(const std::string& file, const pb::OracleSignature& signature) {
    if (signature.oracle() >= static_cast<uint32_t>(genesis_.oracles_size())) {
      return BadStatement(file, absl::StrCat("there is no oracle ", signature.oracle()));
    }
    const std::string& encoded = genesis_.oracles(static_cast<int>(signature.oracle()));
    const auto key = base::PublicKey::Decode(base::AsBytes(encoded));
    const auto bytes = chain::FromField<base::Signature>(signature.signature());
    if (!key.ok() || !bytes || !key->Verify(digest_, *bytes)) {
      return BadStatement(file, absl::StrCat("the signature of oracle ", signature.oracle(), " is not its own"));
    }
    if (named_.insert(signature.oracle()).second) *all_.add_signatures() = signature;
    return absl::OkStatus();
  }

  const pb::Genesis& genesis_;
  const base::ChainId chain_;
  std::string first_;
  base::Digest digest_;
  pb::PostPrice all_;
  std::set<uint32_t> named_;
};

absl::Status ShowNewest(Context& context, uint64_t height) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(const client::KnownPrices known, client::ReadPrices(*chain));
  const pb::PriceRecord& newest = known.coming ? known.next : known.current;
  const absl::Time from = absl::FromUnixMillis(static_cast<int64_t>(newest.from_ms()));
  Json json;
  json.Number("number", newest.number()).Time("from", from).Number("height", height);
  json.Raw("prices", PricesJson(newest.prices()));
  context.Result(json, absl::StrCat("price ", newest.number(), " holds from ", HumanTime(from), " on\n",
                                    PricesText(newest.prices(), known.coming ? &known.current.prices() : nullptr)));
  return absl::OkStatus();
}

absl::Status Post(Context& context, const std::vector<std::string>& files) {
  ASSIGN_OR_RETURN(const pb::Genesis genesis, ReadGenesis(context));
  ASSIGN_OR_RETURN(const client::Profile profile, context.profile());
  Collector collector(genesis, profile.chain_id);
  for (const std::string& file : files) RETURN_IF_ERROR(collector.Take(file));
  pb::Operation operation;
  ASSIGN_OR_RETURN(*operation.mutable_post_price(), collector.Done());
  if (context.globals.dry_run) {
    context.Say(absl::StrCat("would post price ", operation.post_price().number()));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, client->sender().Send({operation}));
  return ShowNewest(context, receipt.height());
}

absl::Status Refresh(Context& context) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  pb::Operation operation;
  operation.mutable_refresh_price();
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, client->sender().Send({operation}));
  return ShowNewest(context, receipt.height());
}

}  // namespace

void AddPriceFeedCommands(CLI::App& price, Context& context) {
  price.add_subcommand("oracle-key", "the key's public half, as genesis names oracles")->callback([&context] {
    context.action = [&context] { return OracleKey(context); };
  });

  auto signed_flags = std::make_shared<SignFlags>();
  CLI::App* sign = price.add_subcommand("sign", "as an oracle: state prices, or sign another's statement");
  sign->add_option("statement", signed_flags->statement, "file of another oracle's; nothing: a new one");
  signed_flags->prices.AddTo(*sign);
  sign->callback([&context, signed_flags] {
    context.action = [&context, signed_flags] { return Sign(context, *signed_flags); };
  });

  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* post = price.add_subcommand("post", "bring what a quorum of oracles signed to the ledger; anyone may");
  post->add_option("statements", *files, "files that storectl price sign printed")->required();
  post->callback([&context, files] { context.action = [&context, files] { return Post(context, *files); }; });

  price.add_subcommand("refresh", "while the oracles are silent: move to the median of what providers ask")
      ->callback([&context] { context.action = [&context] { return Refresh(context); }; });
}

}  // namespace cairn::storectl
