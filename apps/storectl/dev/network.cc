#include "apps/storectl/dev/network.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "apps/client/connect.h"
#include "apps/client/sender.h"
#include "apps/client/wallet.h"
#include "apps/common/key_file.h"
#include "apps/common/listen.h"
#include "apps/rpc/chain_client.h"
#include "apps/rpc/provider_service.h"
#include "apps/rpc/tls.h"
#include "apps/storectl/dev/pack_damage.h"
#include "apps/storectl/dev/process.h"
#include "cairn/base/entropy.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/v1/transaction.pb.h"
#include "cairn/rpc/v1/dev.pb.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storectl {
namespace {

namespace fs = std::filesystem;
using rpc::v1::DevProcess;
using rpc::v1::DevProvider;

constexpr int kOperators = 4;
constexpr int kRegions = 3;
constexpr const char* kRegionNames[kRegions] = {"eu", "us", "ap"};
constexpr absl::Duration kStartTimeout = absl::Seconds(15);
constexpr absl::Duration kStopGrace = absl::Seconds(5);
constexpr absl::Duration kAdminTimeout = absl::Seconds(120);
constexpr int kDevWorkFactor = 8;             // the keys of a dev network guard nothing
constexpr char kFreeQuota[] = "free_quota_bytes=1099511627776";  // 1 TiB a bucket and month
constexpr char kFaucetCrn[] = "1000000000";
constexpr char kUserCrn[] = "1000000";
constexpr char kProviderCrn[] = "100000";
constexpr int kChainPort = 4853;
constexpr int kChainHttpPort = 4854;
constexpr int kProviderPort = 4856;
constexpr int kAdminPort = 4857;
constexpr int kHttpPort = 4858;

absl::Status FileError(absl::string_view what, const std::error_code& code) {
  return base::Error(absl::StatusCode::kInternal, "LOCAL_DISK", absl::StrCat(what, ": ", code.message()),
                     "check space and permissions of the folder");
}

absl::Status Move(const std::string& from, const std::string& to) {
  std::error_code code;
  fs::rename(from, to, code);
  return code ? FileError(absl::StrCat("move ", from, " to ", to), code) : absl::OkStatus();
}

ProcessId IdOf(const DevProcess& process) { return {process.pid(), process.started_ticks()}; }

void Remember(const ProcessId& id, DevProcess& process) {
  process.set_pid(id.pid);
  process.set_started_ticks(id.started_ticks);
}

absl::StatusOr<std::string> Run(const std::vector<std::string>& arguments) {
  ASSIGN_OR_RETURN(ProgramResult result, RunProgram(arguments));
  if (result.exit_code == 0) return result.out;
  return base::Error(absl::StatusCode::kFailedPrecondition, "DEV_SETUP_FAILED",
                     absl::StrCat(arguments[0], " ", arguments[1], " ended with exit code ", result.exit_code),
                     "", {{"said", std::string(absl::StripAsciiWhitespace(result.err))}});
}

// The value behind `key` in lines of "key value" or "key=value".
std::string Field(absl::string_view text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, key) && !line.empty() && (line[0] == '=' || line[0] == ' ')) {
      line.remove_prefix(1);
      return std::string(absl::StripAsciiWhitespace(line));
    }
  }
  return "";
}

// Runs all at once and returns the first failure.
absl::Status RunTogether(std::vector<std::function<absl::Status()>> tasks) {
  std::vector<std::future<absl::Status>> running;
  for (auto& task : tasks) running.push_back(std::async(std::launch::async, std::move(task)));
  absl::Status first;
  for (auto& result : running) first.Update(result.get());
  return first;
}

}  // namespace

struct DevNetwork::State {
  client::Paths paths;
  std::string name;
  std::string directory;
  rpc::v1::DevNetwork record;
  int lock = -1;

  ~State() {
    if (lock >= 0) close(lock);
  }

  std::string Program(absl::string_view program) const { return absl::StrCat(ProgramFolder(), "/", program); }
  std::string StatePath() const { return directory + "/network.json"; }
  bool exists() const { return !record.directory().empty(); }

  absl::Status Save() const {
    std::string json;
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = true;
    options.preserve_proto_field_names = true;
    (void)google::protobuf::util::MessageToJsonString(record, &json, options);
    return app::WriteFileAtomically(StatePath(), json);
  }

  absl::Status Load() {
    auto text = app::ReadSmallFile(StatePath());
    if (absl::IsNotFound(text.status()) || !fs::exists(StatePath())) return absl::OkStatus();
    RETURN_IF_ERROR(text.status());
    if (!google::protobuf::util::JsonStringToMessage(*text, &record).ok()) {
      return base::Error(absl::StatusCode::kDataLoss, "BAD_DEV_STATE", StatePath() + " cannot be read",
                         "storectl dev reset starts over");
    }
    return absl::OkStatus();
  }

  absl::Status Lock() {
    RETURN_IF_ERROR(app::MakeFolders(directory));
    lock = open((directory + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
      return base::Error(absl::StatusCode::kFailedPrecondition, "NETWORK_BUSY",
                         absl::StrCat("another command works on the dev network ", name), "wait for it to end");
    }
    return absl::OkStatus();
  }

  absl::Status NeedNetwork() const {
    if (exists()) return absl::OkStatus();
    return base::Error(absl::StatusCode::kNotFound, "NO_DEV_NETWORK", absl::StrCat("there is no dev network ", name),
                       "storectl dev up");
  }

  absl::StatusOr<DevProvider*> Find(absl::string_view provider) {
    RETURN_IF_ERROR(NeedNetwork());
    std::vector<std::string> names;
    for (DevProvider& known : *record.mutable_providers()) {
      if (known.name() == provider) return &known;
      names.push_back(known.name());
    }
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_PROVIDER",
                       absl::StrCat("no provider ", provider, " in this dev network"),
                       absl::StrCat("one of ", absl::StrJoin(names, ", ")));
  }

  // ---- setting up ----

  std::vector<std::string> ProviderSettings(const DevProvider& provider) const {
    std::vector<std::string> settings = {absl::StrCat("--node.data_dir=", provider.directory()),
                                         absl::StrCat("--node.name=", provider.name()),
                                         absl::StrCat("--net.listen=", provider.endpoint()),
                                         absl::StrCat("--net.advertise=", provider.endpoint()),
                                         absl::StrCat("--admin.listen=", provider.admin()),
                                         absl::StrCat("--http.listen=", provider.http()),
                                         absl::StrCat("--provider.operator=", provider.operator_()),
                                         absl::StrCat("--provider.network=", provider.network()),
                                         absl::StrCat("--provider.region=", provider.region()),
                                         absl::StrCat("--storage.size=", record.provider_size()),
                                         "--repair.interval=2s"};
    // Keys come before the ledger, whose genesis names their accounts.
    if (!record.chain_pin().empty()) {
      settings.push_back(absl::StrCat("--chain.endpoint=", record.chain_endpoint()));
      settings.push_back(absl::StrCat("--chain.pin=", record.chain_pin()));
      settings.push_back(absl::StrCat("--chain.id=", record.chain_id()));
    }
    return settings;
  }

  absl::Status MakeProviderKeys(DevProvider& provider);
  absl::Status MakeWallet(std::string* user_account);
  absl::StatusOr<base::SecretString> Passphrase() const;
  absl::StatusOr<std::string> MakeOracle(const std::string& key) const;
  absl::Status MakeChain(const std::string& user_account, const DevOptions& options);
  absl::Status PortsAreFree() const;
  absl::Status StartChain();
  absl::Status StartProvider(DevProvider& provider);
  absl::Status Register(const DevProvider& provider);
  absl::StatusOr<client::Profile> MakeProfile() const;
  absl::Status SaveProfileAndSettings() const;
  absl::Status Create(const DevOptions& options);

};

absl::Status DevNetwork::State::MakeProviderKeys(DevProvider& provider) {
  std::vector<std::string> arguments = {Program("storaged"), "init", "--plain-keys"};
  for (const std::string& setting : ProviderSettings(provider)) arguments.push_back(setting);
  ASSIGN_OR_RETURN(std::string out, Run(arguments));
  provider.set_account(Field(out, "account"));
  return absl::OkStatus();
}

// The file may be older than the network: it outlives a reset.
absl::StatusOr<base::SecretString> DevNetwork::State::Passphrase() const {
  ASSIGN_OR_RETURN(const std::string line, app::ReadSmallFile(record.passphrase_file()));
  return base::SecretString(std::string(absl::StripTrailingAsciiWhitespace(line)));
}

absl::Status DevNetwork::State::MakeWallet(std::string* user_account) {
  base::SystemEntropy entropy;
  client::Wallet wallet(paths);
  record.set_passphrase_file(directory + "/passphrase");
  if (!fs::exists(record.passphrase_file())) {
    std::string drawn = base::ToHex(entropy.Draw<base::Nonce16>().view());
    RETURN_IF_ERROR(app::WriteFileAtomically(record.passphrase_file(), drawn + "\n"));
  }
  ASSIGN_OR_RETURN(const base::SecretString passphrase, Passphrase());
  auto known = wallet.Find("main");
  if (!known.ok()) {
    RETURN_IF_ERROR(
        wallet.Create("main", passphrase, entropy, kDevWorkFactor).status());
    known = wallet.Find("main");
  }
  RETURN_IF_ERROR(known.status());
  *user_account = base::ToText(known->account);
  return absl::OkStatus();
}

// Public key, in hex, of a wallet key behind the network's passphrase; made when it is not there.
absl::StatusOr<std::string> DevNetwork::State::MakeOracle(const std::string& key) const {
  base::SystemEntropy entropy;
  client::Wallet wallet(paths);
  ASSIGN_OR_RETURN(const base::SecretString passphrase, Passphrase());
  if (!wallet.Find(key).ok()) RETURN_IF_ERROR(wallet.Create(key, passphrase, entropy, kDevWorkFactor).status());
  ASSIGN_OR_RETURN(const base::AccountKeys keys, wallet.Open(key, passphrase));
  return base::ToHex(keys.signing.public_key().Encode());
}

absl::Status DevNetwork::State::MakeChain(const std::string& user_account, const DevOptions& options) {
  base::SystemEntropy entropy;
  base::Secret<32> seed = entropy.DrawSecret<32>();
  RETURN_IF_ERROR(app::WritePlainSeedFile(directory + "/faucet.seed", seed));
  record.set_faucet(base::ToText(base::SigningKey::FromSeed(seed).account()));
  std::vector<std::string> arguments = {Program("chaind"),
                                        "init",
                                        absl::StrCat("--node.data_dir=", directory, "/chain"),
                                        absl::StrCat("--genesis.network=", name),
                                        "--genesis.class=test"};
  auto give = [&](const std::string& account, const char* crn) {
    arguments.push_back("--account");
    arguments.push_back(absl::StrCat(account, "=", crn));
  };
  give(record.faucet(), kFaucetCrn);
  give(user_account, kUserCrn);
  for (const DevProvider& provider : record.providers()) give(provider.account(), kProviderCrn);
  // Generous: what is tried here is files, until somebody asks for the quota.
  arguments.insert(arguments.end(), {"--param", std::string(kFreeQuota)});
  for (const std::string& param : options.params) arguments.insert(arguments.end(), {"--param", param});
  for (int i = 1; i <= options.oracles; ++i) {
    ASSIGN_OR_RETURN(const std::string key, MakeOracle(absl::StrCat("oracle", i)));
    arguments.insert(arguments.end(), {"--oracle", key});
  }
  ASSIGN_OR_RETURN(std::string out, Run(arguments));
  record.set_chain_id(Field(out, "chain_id"));
  record.set_engine_key(Field(out, "engine_key"));
  record.set_chain_pin(Field(out, "tls_pin"));
  return absl::OkStatus();
}

// Of everything that is about to start: asked before anything does.
absl::Status DevNetwork::State::PortsAreFree() const {
  std::vector<std::string> wanted;
  if (!IsRunning(IdOf(record.chaind()))) wanted = {record.chain_endpoint(), record.chain_http()};
  for (const DevProvider& provider : record.providers()) {
    if (provider.failed() || IsRunning(IdOf(provider.process()))) continue;
    wanted.insert(wanted.end(), {provider.endpoint(), provider.admin(), provider.http()});
  }
  for (const std::string& endpoint : wanted) RETURN_IF_ERROR(app::CanListen(endpoint));
  return absl::OkStatus();
}

absl::Status DevNetwork::State::StartChain() {
  if (IsRunning(IdOf(record.chaind()))) return absl::OkStatus();
  DevProcess& process = *record.mutable_chaind();
  process.set_name("chaind");
  process.set_log(directory + "/chaind.log");
  ASSIGN_OR_RETURN(ProcessId id,
                   StartDaemon({Program("chaind"), "run", absl::StrCat("--node.data_dir=", directory, "/chain"),
                                absl::StrCat("--net.listen=", record.chain_endpoint()),
                                absl::StrCat("--http.listen=", record.chain_http())},
                               process.log(), kStartTimeout, nullptr));
  Remember(id, process);
  return absl::OkStatus();
}

absl::Status DevNetwork::State::Register(const DevProvider& provider) {
  std::vector<std::string> arguments = {Program("storaged"), "register"};
  for (const std::string& setting : ProviderSettings(provider)) arguments.push_back(setting);
  return Run(arguments).status();
}

absl::Status DevNetwork::State::StartProvider(DevProvider& provider) {
  if (provider.failed() || IsRunning(IdOf(provider.process()))) return absl::OkStatus();
  DevProcess& process = *provider.mutable_process();
  process.set_name(provider.name());
  process.set_log(absl::StrCat(directory, "/", provider.name(), ".log"));
  std::vector<std::string> arguments = {Program("storaged"), "run"};
  for (const std::string& setting : ProviderSettings(provider)) arguments.push_back(setting);
  ASSIGN_OR_RETURN(ProcessId id, StartDaemon(arguments, process.log(), kStartTimeout, nullptr));
  Remember(id, process);
  provider.clear_fault();
  return absl::OkStatus();
}

absl::StatusOr<client::Profile> DevNetwork::State::MakeProfile() const {
  client::Profile profile;
  profile.name = record.profile();
  profile.chain_endpoint = record.chain_endpoint();
  ASSIGN_OR_RETURN(base::Bytes pin, base::FromHex(record.chain_pin()));
  ASSIGN_OR_RETURN(profile.chain_tls_pin, base::Digest::From(pin));
  ASSIGN_OR_RETURN(base::Bytes chain_id, base::FromHex(record.chain_id()));
  ASSIGN_OR_RETURN(profile.chain_id, base::ChainId::From(chain_id));
  ASSIGN_OR_RETURN(base::Bytes engine_key, base::FromHex(record.engine_key()));
  ASSIGN_OR_RETURN(profile.engine_key, base::PublicKey::Decode(engine_key));
  return profile;
}

absl::Status DevNetwork::State::SaveProfileAndSettings() const {
  ASSIGN_OR_RETURN(const client::Profile profile, MakeProfile());
  RETURN_IF_ERROR(client::SaveProfile(paths, profile));
  ASSIGN_OR_RETURN(client::Settings settings, client::LoadSettings(paths));
  if (!settings.profile.empty() && settings.profile != profile.name) return absl::OkStatus();
  settings.profile = profile.name;
  if (settings.key.empty()) settings.key = "main";
  if (settings.passphrase_file.empty()) settings.passphrase_file = record.passphrase_file();
  return client::SaveSettings(paths, settings);
}

absl::Status DevNetwork::State::Create(const DevOptions& options) {
  record.set_name(name);
  record.set_directory(directory);
  record.set_profile(name);
  record.set_provider_size(options.provider_size);
  record.set_chain_endpoint(absl::StrCat("127.0.0.1:", kChainPort));
  record.set_chain_http(absl::StrCat("127.0.0.1:", kChainHttpPort));
  for (int i = 1; i <= options.providers; ++i) {
    DevProvider& provider = *record.add_providers();
    provider.set_name(absl::StrCat("p", i));
    provider.set_directory(absl::StrCat(directory, "/", provider.name()));
    provider.set_endpoint(absl::StrCat("127.0.", i, ".1:", kProviderPort));
    provider.set_admin(absl::StrCat("127.0.", i, ".1:", kAdminPort));
    provider.set_http(absl::StrCat("127.0.", i, ".1:", kHttpPort));
    base::AccountId operator_id;
    operator_id.value[0] = static_cast<uint8_t>(1 + (i - 1) % kOperators);
    provider.set_operator_(base::ToText(operator_id));
    provider.set_network(absl::StrCat("net", 1 + (i - 1) % kOperators));
    provider.set_region(kRegionNames[(i - 1) % kRegions]);
  }
  RETURN_IF_ERROR(PortsAreFree());
  std::string user_account;
  RETURN_IF_ERROR(MakeWallet(&user_account));
  std::vector<std::function<absl::Status()>> tasks;
  for (DevProvider& provider : *record.mutable_providers()) {
    tasks.push_back([this, &provider] { return MakeProviderKeys(provider); });
  }
  RETURN_IF_ERROR(RunTogether(std::move(tasks)));
  RETURN_IF_ERROR(MakeChain(user_account, options));
  RETURN_IF_ERROR(StartChain());
  RETURN_IF_ERROR(Save());
  tasks.clear();
  for (const DevProvider& provider : record.providers()) {
    tasks.push_back([this, &provider] { return Register(provider); });
  }
  RETURN_IF_ERROR(RunTogether(std::move(tasks)));
  return SaveProfileAndSettings();
}

DevNetwork::DevNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}
DevNetwork::~DevNetwork() = default;

absl::StatusOr<std::unique_ptr<DevNetwork>> DevNetwork::Open(const client::Paths& paths, const std::string& name) {
  RETURN_IF_ERROR(client::CheckProfileName(name));
  auto state = std::make_unique<State>();
  state->paths = paths;
  state->name = name;
  state->directory = absl::StrCat(paths.data, "/dev/", name);
  RETURN_IF_ERROR(state->Lock());
  RETURN_IF_ERROR(state->Load());
  return std::unique_ptr<DevNetwork>(new DevNetwork(std::move(state)));
}

absl::Status DevNetwork::Up(const DevOptions& options) {
  if (options.providers < 1 || options.providers > 254) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_PROVIDER_COUNT",
                       absl::StrCat("a dev network has 1 to 254 providers, not ", options.providers));
  }
  if (!state_->exists()) {
    absl::Status made = state_->Create(options);
    if (!made.ok()) {
      StopProcess(IdOf(state_->record.chaind()), kStopGrace);
      std::error_code ignored;
      fs::remove_all(state_->directory, ignored);
      return made;
    }
  }
  RETURN_IF_ERROR(state_->PortsAreFree());
  RETURN_IF_ERROR(state_->StartChain());
  std::vector<std::function<absl::Status()>> tasks;
  for (DevProvider& provider : *state_->record.mutable_providers()) {
    tasks.push_back([this, &provider] { return state_->StartProvider(provider); });
  }
  absl::Status started = RunTogether(std::move(tasks));
  RETURN_IF_ERROR(state_->Save());
  return started;
}

absl::Status DevNetwork::Down() {
  RETURN_IF_ERROR(state_->NeedNetwork());
  std::vector<std::function<absl::Status()>> tasks;
  for (DevProvider& provider : *state_->record.mutable_providers()) {
    tasks.push_back([&provider] {
      StopProcess(IdOf(provider.process()), kStopGrace);
      Remember({}, *provider.mutable_process());
      return absl::OkStatus();
    });
  }
  RETURN_IF_ERROR(RunTogether(std::move(tasks)));
  StopProcess(IdOf(state_->record.chaind()), kStopGrace);
  Remember({}, *state_->record.mutable_chaind());
  return state_->Save();
}

absl::Status DevNetwork::Reset() {
  RETURN_IF_ERROR(Down());
  // The wallet's key stays, so its passphrase does too.
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(state_->directory, code)) {
    if (entry.path().filename() != "passphrase") fs::remove_all(entry.path(), code);
    if (code) return FileError(absl::StrCat("remove ", entry.path().string()), code);
  }
  state_->record.Clear();
  return client::RemoveProfile(state_->paths, state_->name);
}

absl::StatusOr<rpc::v1::DevNetwork> DevNetwork::Status() const {
  RETURN_IF_ERROR(state_->NeedNetwork());
  rpc::v1::DevNetwork out = state_->record;
  auto note = [&](DevProcess& process) {
    process.set_running(IsRunning(IdOf(process)));
    if (process.running()) *out.add_processes() = process;
  };
  note(*out.mutable_chaind());
  for (DevProvider& provider : *out.mutable_providers()) {
    note(*provider.mutable_process());
    provider.set_running(provider.process().running());
  }
  return out;
}

absl::StatusOr<std::string> DevNetwork::Environment() const {
  RETURN_IF_ERROR(state_->NeedNetwork());
  return absl::StrCat("export STORECTL_PROFILE='", state_->record.profile(), "'\n",
                      "export STORECTL_PASSPHRASE_FILE='", state_->record.passphrase_file(), "'\n");
}

absl::Status DevNetwork::Fund(const base::AccountId& to, base::Amount amount) {
  RETURN_IF_ERROR(state_->NeedNetwork());
  ASSIGN_OR_RETURN(base::Secret<32> seed, app::ReadPlainSeedFile(state_->directory + "/faucet.seed"));
  base::SigningKey faucet = base::SigningKey::FromSeed(seed);
  ASSIGN_OR_RETURN(const client::Profile profile, state_->MakeProfile());
  ASSIGN_OR_RETURN(auto chain, client::ConnectChain(state_->paths, profile));
  base::RealClock clock;
  base::SystemEntropy entropy;
  client::SenderOptions options;
  options.chain_id = profile.chain_id;
  client::Sender sender(*chain, faucet, clock, entropy, options);
  chain::v1::Operation operation;
  auto& transfer = *operation.mutable_transfer();
  transfer.set_to(base::ToString(to.view()));
  transfer.set_asset(chain::v1::ASSET_CRN);
  transfer.mutable_amount()->set_high(amount.high());
  transfer.mutable_amount()->set_low(amount.low());
  return sender.Send({operation}).status();
}

absl::StatusOr<absl::Time> DevNetwork::Advance(absl::Duration by) {
  RETURN_IF_ERROR(state_->NeedNetwork());
  ASSIGN_OR_RETURN(rpc::PeerPin pin, rpc::PeerPin::FromHex(state_->record.chain_pin()));
  ASSIGN_OR_RETURN(absl::Time time, rpc::AdvanceChain(state_->record.chain_endpoint(), pin, by));
  for (const DevProvider& provider : state_->record.providers()) {
    if (!IsRunning(IdOf(provider.process()))) continue;
    ASSIGN_OR_RETURN(auto admin, rpc::ProviderAdminClient::Connect(provider.admin()));
    rpc::v1::DevAdvanceRequest request;
    request.set_milliseconds(static_cast<uint64_t>(absl::ToInt64Milliseconds(by)));
    RETURN_IF_ERROR(admin->Advance(request, kAdminTimeout).status());
  }
  return time;
}

absl::Status DevNetwork::Fail(absl::string_view name) {
  ASSIGN_OR_RETURN(DevProvider * provider, state_->Find(name));
  if (provider->failed()) return absl::OkStatus();
  KillProcess(IdOf(provider->process()));
  RETURN_IF_ERROR(Move(provider->directory(), provider->directory() + ".failed"));
  provider->set_failed(true);
  Remember({}, *provider->mutable_process());
  return state_->Save();
}

absl::Status DevNetwork::Heal(absl::string_view name, bool empty) {
  ASSIGN_OR_RETURN(DevProvider * provider, state_->Find(name));
  if (provider->failed()) {
    RETURN_IF_ERROR(Move(provider->directory() + ".failed", provider->directory()));
    provider->set_failed(false);
  }
  if (empty) {
    StopProcess(IdOf(provider->process()), kStopGrace);
    std::error_code code;
    fs::remove_all(provider->directory() + "/store/packs", code);
    if (code) return FileError("empty the store", code);
  }
  RETURN_IF_ERROR(state_->StartProvider(*provider));
  return state_->Save();
}

absl::StatusOr<std::string> DevNetwork::Corrupt(absl::string_view name, absl::string_view content_id) {
  ASSIGN_OR_RETURN(DevProvider * provider, state_->Find(name));
  base::ContentId wanted;
  if (content_id.empty()) {
    // Only the daemon knows which of the bytes in its packs count.
    ASSIGN_OR_RETURN(auto admin, rpc::ProviderAdminClient::Connect(provider->admin()));
    ASSIGN_OR_RETURN(rpc::v1::PickBlobResponse picked, admin->PickBlob(kAdminTimeout));
    ASSIGN_OR_RETURN(wanted.digest, base::Digest::From(base::AsBytes(picked.part())));
  } else {
    ASSIGN_OR_RETURN(wanted, base::ContentId::Parse(content_id));
  }
  ASSIGN_OR_RETURN(std::string where, FlipBit(provider->directory() + "/store/packs", wanted));
  return absl::StrCat("part ", wanted.ToText(), " in ", where);
}

absl::Status DevNetwork::Misbehave(absl::string_view name, absl::string_view fault, uint64_t parameter) {
  ASSIGN_OR_RETURN(DevProvider * provider, state_->Find(name));
  ASSIGN_OR_RETURN(auto admin, rpc::ProviderAdminClient::Connect(provider->admin()));
  rpc::v1::SetFaultRequest request;
  request.set_fault(std::string(fault));
  request.set_parameter(parameter);
  RETURN_IF_ERROR(admin->SetFault(request, kAdminTimeout));
  provider->set_fault(fault == "none" ? "" : std::string(fault));
  return state_->Save();
}

absl::StatusOr<std::vector<std::string>> DevNetwork::Scrub(absl::string_view name) {
  ASSIGN_OR_RETURN(DevProvider * provider, state_->Find(name));
  ASSIGN_OR_RETURN(auto admin, rpc::ProviderAdminClient::Connect(provider->admin()));
  ASSIGN_OR_RETURN(rpc::v1::ScrubResponse response, admin->Scrub(kAdminTimeout));
  return std::vector<std::string>(response.damaged().begin(), response.damaged().end());
}

absl::StatusOr<std::string> DevNetwork::LogPath(absl::string_view process) const {
  if (process == "chaind") {
    RETURN_IF_ERROR(state_->NeedNetwork());
    return state_->record.chaind().log();
  }
  ASSIGN_OR_RETURN(DevProvider * provider, state_->Find(process));
  return provider->process().log();
}

}  // namespace cairn::storectl
