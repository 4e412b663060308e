#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "apps/chaind/chaind.h"
#include "apps/common/errors.h"
#include "apps/common/key_file.h"
#include "apps/rpc/tls.h"
#include "cairn/base/clock.h"
#include "cairn/base/entropy.h"
#include "cairn/base/status.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/params.h"
#include "cairn/chain/transaction.h"

namespace cairn::chaind {
namespace {

using base::Error;
namespace pb = chain::pb;

absl::Status BadInput(absl::string_view what, absl::string_view given, absl::string_view wanted) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_GENESIS_INPUT",
               absl::StrCat(what, " must be ", wanted), "chaind init --help", {{"given", std::string(given)}});
}

// ACCOUNT=CRN[:USDC], amounts as decimals.
absl::StatusOr<pb::GenesisAccount> ParseAccount(absl::string_view text) {
  std::vector<std::string> halves = absl::StrSplit(text, '=');
  if (halves.size() != 2) return BadInput("an account of genesis", text, "ACCOUNT=CRN[:USDC]");
  std::vector<std::string> amounts = absl::StrSplit(halves[1], ':');
  if (amounts.size() > 2) return BadInput("an account of genesis", text, "ACCOUNT=CRN[:USDC]");
  ASSIGN_OR_RETURN(base::AccountId id, base::ParseAccountId(halves[0]));
  ASSIGN_OR_RETURN(base::Amount crn, base::Amount::FromDecimal(amounts[0], base::kCrnDecimals));
  base::Amount usdc;
  if (amounts.size() == 2) {
    ASSIGN_OR_RETURN(usdc, base::Amount::FromDecimal(amounts[1], base::kUsdcDecimals));
  }
  return chain::MakeGenesisAccount(id, crn, usdc);
}

// 66 hex digits, as `storectl price oracle-key` prints them.
absl::StatusOr<base::PublicKey> ParseOracle(const std::string& text) {
  const auto bytes = base::FromHex(text);
  auto key = base::PublicKey::Decode(bytes.ok() ? *bytes : base::Bytes{});
  if (key.ok()) return key;
  return BadInput("an oracle of genesis", text, "a public key of 66 hex digits");
}

absl::StatusOr<pb::NetworkClass> ParseClass(const std::string& text) {
  if (text == "test") return pb::NETWORK_CLASS_TEST;
  if (text == "main") return pb::NETWORK_CLASS_MAIN;
  return BadInput("genesis.class", text, "test or main");
}

absl::Status SetParams(const std::vector<std::string>& texts, pb::Genesis* genesis) {
  const std::vector<chain::ParamBound>& bounds = chain::Bounds(genesis->network_class());
  for (const std::string& text : texts) {
    std::pair<std::string, std::string> pair = absl::StrSplit(text, absl::MaxSplits('=', 1));
    bool known = std::any_of(bounds.begin(), bounds.end(),
                             [&](const auto& bound) { return bound.name == pair.first; });
    if (!known)
      return BadInput("a parameter", text, "NAME=VALUE with a name of cairn.chain.v1.Params");
    ASSIGN_OR_RETURN(base::Amount value, base::Amount::FromString(pair.second));
    chain::SetParam(genesis->mutable_params(), pair.first, value);
  }
  return absl::OkStatus();
}

absl::StatusOr<pb::Genesis> BuildGenesis(const app::CommandLine& line,
                                         const base::PublicKey& engine_key) {
  const app::Config& config = line.config();
  base::SystemEntropy entropy;
  chain::GenesisOptions options;
  ASSIGN_OR_RETURN(options.network_class, ParseClass(config.Text("genesis.class")));
  options.network = config.Text("genesis.network");
  options.time = base::RealClock().Now();
  options.engine_key = engine_key;
  std::vector<std::string> accounts = config.List("genesis.accounts");
  for (const std::string& text : line.All("--account")) accounts.push_back(text);
  for (const std::string& text : accounts) {
    ASSIGN_OR_RETURN(pb::GenesisAccount account, ParseAccount(text));
    options.accounts.push_back(std::move(account));
  }
  std::sort(
      options.accounts.begin(), options.accounts.end(),
      [](const pb::GenesisAccount& a, const pb::GenesisAccount& b) { return a.id() < b.id(); });
  std::vector<std::string> oracles = config.List("genesis.oracles");
  for (const std::string& text : line.All("--oracle")) oracles.push_back(text);
  for (const std::string& text : oracles) {
    ASSIGN_OR_RETURN(base::PublicKey oracle, ParseOracle(text));
    options.oracles.push_back(oracle);
  }
  pb::Genesis genesis = chain::MakeGenesis(options, entropy);
  std::vector<std::string> params = config.List("genesis.params");
  for (const std::string& text : line.All("--param")) params.push_back(text);
  RETURN_IF_ERROR(SetParams(params, &genesis));
  RETURN_IF_ERROR(chain::CheckGenesis(genesis));
  return genesis;
}

void PrintResult(const app::CommandLine& line, const pb::Genesis& genesis,
                 const base::PublicKey& engine_key, const base::Digest& pin) {
  std::vector<std::pair<std::string, std::string>> rows = {
      {"chain_id", chain::ChainIdOf(genesis).ToHexString()},
      {"network", genesis.network()},
      {"engine_key", base::ToHex(engine_key.Encode())},
      {"tls_pin", pin.ToHexString()},
      {"oracles", absl::StrCat(genesis.oracles_size())},
      {"genesis", GenesisPath(line.config())}};
  std::string out;
  for (const auto& [name, value] : rows) {
    if (line.json()) {
      absl::StrAppend(&out, out.empty() ? "{" : ",", app::JsonQuote(name), ":",
                      app::JsonQuote(value));
    } else {
      absl::StrAppend(&out, name, std::string(12 - name.size(), ' '), value, "\n");
    }
  }
  std::cout << out << (line.json() ? "}\n" : "");
}

absl::Status Init(const app::CommandLine& line) {
  const app::Config& config = line.config();
  std::string folder = config.Text("node.data_dir");
  RETURN_IF_ERROR(app::MakeFolders(folder));
  if (app::ReadSmallFile(GenesisPath(config), 16 << 20).ok()) {
    return Error(absl::StatusCode::kAlreadyExists, "ALREADY_INITIALISED",
                 absl::StrCat(folder, " holds a ledger"),
                 "start it with `chaind`, or give another --node.data_dir", {{"folder", folder}});
  }
  base::SystemEntropy entropy;
  base::Secret<32> seed = entropy.DrawSecret<32>();
  base::SigningKey engine_key = base::SigningKey::FromSeed(seed);
  ASSIGN_OR_RETURN(pb::Genesis genesis, BuildGenesis(line, engine_key.public_key()));
  ASSIGN_OR_RETURN(rpc::NodeCertificate certificate,
                   rpc::LoadOrMakeNodeCertificate(folder, "chaind"));
  RETURN_IF_ERROR(app::WritePlainSeedFile(EngineKeyPath(config), seed));
  // Last: a folder with a genesis is complete.
  RETURN_IF_ERROR(app::WriteFileAtomically(GenesisPath(config), chain::Canonical(genesis), 0644));
  PrintResult(line, genesis, engine_key.public_key(), certificate.pin);
  return absl::OkStatus();
}

}  // namespace

app::Command InitCommand() {
  return {"init",
          "Make a new network: genesis, engine key and node certificate",
          {{"--account", "ACCOUNT=CRN[:USDC] that genesis credits", true},
           {"--oracle", "Public key that may sign prices; more than two thirds of them make one", true},
           {"--param", "NAME=VALUE of a parameter, in smallest units", true}},
          Init};
}

}  // namespace cairn::chaind
