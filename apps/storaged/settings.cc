#include "apps/storaged/settings.h"

#include "absl/strings/str_cat.h"
#include "apps/rpc/server.h"
#include "cairn/base/layout.h"
#include "cairn/base/status.h"
#include "cairn/payment/rate_card.h"

namespace cairn::storaged {
namespace {

using app::ValueType;

absl::Status BadValue(absl::string_view key, const absl::Status& why) {
  return base::Annotate(why, key);
}

std::string Below(const std::string& folder, const std::string& path) {
  return path.empty() || path[0] == '/' ? path : absl::StrCat(folder, "/", path);
}

absl::Status ReadListeners(const app::Config& config, Settings& s) {
  s.listen = config.Text("net.listen");
  s.advertise = config.Text("net.advertise").empty() ? s.listen : config.Text("net.advertise");
  s.admin_listen = config.Text("admin.listen");
  s.http_listen = config.Text("http.listen") == "off" ? "" : config.Text("http.listen");
  for (const char* key : {"admin.listen", "http.listen"}) {
    const std::string& address = config.Text(key);
    if (address == "off" || rpc::IsLoopback(address)) continue;
    return base::Error(
        absl::StatusCode::kInvalidArgument, "ADMIN_NOT_LOOPBACK",
        absl::StrCat(key, " must be a loopback address: nothing there asks for a password"),
        "use 127.0.0.1 and a tunnel", {{key, address}});
  }
  return absl::OkStatus();
}

absl::Status ReadChain(const app::Config& config, Settings& s) {
  s.chain_endpoint = config.Text("chain.endpoint");
  auto pin = rpc::PeerPin::FromHex(config.Text("chain.pin"));
  if (!pin.ok()) return BadValue("chain.pin", pin.status());
  s.chain_pin = *pin;
  const std::string& text = config.Text("chain.id");
  if (text.empty()) return absl::OkStatus();
  auto bytes = base::FromHex(text);
  auto id = base::ChainId::From(bytes.ok() ? *bytes : base::Bytes{});
  if (!id.ok()) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG_VALUE",
                       "chain.id must be 64 hex digits", "chaind prints it: the chain id");
  }
  s.chain_id = *id;
  return absl::OkStatus();
}

absl::Status ReadPrices(const app::Config& config, Settings& s) {
  struct Line {
    const char* key;
    base::Price* price;
    absl::StatusOr<base::Price> (*parse)(absl::string_view);
  };
  for (const Line& line : {Line{"market.prices.primary", &s.prices.primary_storage, payment::ParseStoragePrice},
                           Line{"market.prices.holder", &s.prices.holder_storage, payment::ParseStoragePrice},
                           Line{"market.prices.egress", &s.prices.egress, payment::ParseTransferPrice},
                           Line{"market.prices.ingress", &s.prices.ingress, payment::ParseTransferPrice},
                           Line{"market.prices.package", &s.prices.package, payment::ParseStoragePrice}}) {
    auto price = line.parse(config.Text(line.key));
    if (!price.ok()) return BadValue(line.key, price.status());
    *line.price = *price;
  }
  return absl::OkStatus();
}

// Who the provider is to the market, and what it takes and asks there.
absl::Status ReadMarket(const app::Config& config, Settings& s) {
  s.operator_account = config.Text("provider.operator");
  if (!s.operator_account.empty()) {
    auto account = base::ParseAccountId(s.operator_account);
    if (!account.ok()) return BadValue("provider.operator", account.status());
  }
  s.network = config.Text("provider.network");
  s.region = config.Text("provider.region");
  s.accept = config.Bool("market.accept");
  s.max_object_bytes = std::min(config.Bytes("market.max_object"), base::kMaxObjectBytes);
  auto deposit = base::Amount::FromDecimal(config.Text("market.deposit"), base::kCrnDecimals);
  if (!deposit.ok()) return BadValue("market.deposit", deposit.status());
  s.deposit = *deposit;
  return ReadPrices(config, s);
}

absl::Status ReadPaidReads(const app::Config& config, Settings& s) {
  auto rate = payment::ParseReadPrice(config.Text("market.prices.read"));
  if (!rate.ok()) return BadValue("market.prices.read", rate.status());
  s.paid_reads.rate = *rate;
  for (const auto& [key, amount] : {std::pair{"channels.min_deposit", &s.paid_reads.min_deposit},
                                    std::pair{"channels.withdraw_from", &s.paid_reads.withdraw_from}}) {
    auto value = base::Amount::FromDecimal(config.Text(key), base::kUsdcDecimals);
    if (!value.ok()) return BadValue(key, value.status());
    *amount = *value;
  }
  s.paid_reads.settle_interval = config.Duration("channels.interval");
  s.paid_reads.towers = config.Number("channels.towers");
  return absl::OkStatus();
}

}  // namespace

const std::vector<app::ConfigKey>& SettingKeys() {
  static const auto& keys = *new std::vector<app::ConfigKey>{
      {"node.name", ValueType::kText, "storaged", "Name of this provider in logs, for people."},
      {"node.data_dir", ValueType::kText, "storaged-data",
       "Folder of keys, certificate, index and, by default, the store."},
      {"net.listen", ValueType::kText, "0.0.0.0:4856",
       "Where clients and other providers are served."},
      {"net.advertise", ValueType::kText, "",
       "host:port under which others reach us; net.listen when empty."},
      {"admin.listen", ValueType::kText, "127.0.0.1:4857",
       "Where the operator's calls are served; loopback only."},
      {"http.listen", ValueType::kText, "127.0.0.1:4858",
       "Status page, /metrics, /healthz and /readyz; off: none."},
      {"storage.path", ValueType::kText, "store",
       "Folder of the blob store; relative to node.data_dir."},
      {"storage.size", ValueType::kBytes, "100GB", "How much disk the store may take."},
      {"storage.reserve", ValueType::kBytes, "256MiB", "Free disk that the store leaves alone."},
      {"key.file", ValueType::kText, "account.key",
       "The account's key; relative to node.data_dir."},
      {"key.node_file", ValueType::kText, "node.key", "The node's key; relative to node.data_dir."},
      {"key.passphrase_file", ValueType::kText, "", "File whose first line opens the key files."},
      {"key.passphrase_credential", ValueType::kText, "",
       "systemd credential that opens the key files."},
      {"key.passphrase_command", ValueType::kText, "",
       "Command that prints the passphrase of the key files."},
      {"chain.endpoint", ValueType::kText, "127.0.0.1:4853", "host:port of a chaind."},
      {"chain.pin", ValueType::kText, "",
       "Pin of its certificate, 64 hex digits; empty: plaintext on loopback."},
      {"chain.id", ValueType::kText, "",
       "Hash of the network's genesis record, 64 hex digits, that every answer must prove; empty: the "
       "chain met first."},
      {"provider.operator", ValueType::kText, "",
       "Account of whoever runs this provider; our own when empty."},
      {"provider.network", ValueType::kText, "default",
       "Network that fails as one (autonomous system), for placement."},
      {"provider.region", ValueType::kText, "default", "Region, for placement."},
      {"market.accept", ValueType::kBool, "true", "Take new groups and objects."},
      {"market.max_object", ValueType::kBytes, "64GiB", "Largest object taken."},
      {"market.deposit", ValueType::kText, "1000", "crn that `register` locks."},
      {"market.prices.primary", ValueType::kText, "0.5",
       "crn per TB and 30 days, as a group's primary."},
      {"market.prices.holder", ValueType::kText, "2", "crn per TB and 30 days of what we hold."},
      {"market.prices.egress", ValueType::kText, "1", "crn per TB delivered."},
      {"market.prices.ingress", ValueType::kText, "0", "crn per TB received."},
      {"market.prices.package", ValueType::kText, "0.8",
       "crn per 30 days for each TB that a read package lets a bucket's readers take a month."},
      {"market.prices.read", ValueType::kText, "10",
       "usdc per TB read, when a channel pays for it."},
      {"channels.min_deposit", ValueType::kText, "0.01", "usdc; a smaller channel is not served."},
      {"channels.withdraw_from", ValueType::kText, "1",
       "usdc earned by a channel that are worth a transaction; what is less waits for the close."},
      {"channels.interval", ValueType::kDuration, "10s",
       "How often channels are compared with the ledger."},
      {"channels.towers", ValueType::kNumber, "2",
       "How many other providers watch over our channels."},
      {"scrub.rate", ValueType::kBytes, "20MB", "Bytes a second that scrubbing reads."},
      {"scrub.interval", ValueType::kDuration, "12h", "Pause between two rounds of scrubbing."},
      {"repair.interval", ValueType::kDuration, "10s", "How often missing parts are looked for."},
      {"repair.grace", ValueType::kDuration, "60s",
       "How long a client may take to deliver a sealed object's last parts."},
      {"gc.interval", ValueType::kDuration, "10m",
       "How often everything held is compared with the ledger."},
      {"market.clear_unpaid", ValueType::kBool, "true",
       "Drop, as a primary, what nobody pays for, once the ledger's notice is over."},
      {"journal.records", ValueType::kNumber, "1000000",
       "Most records of reads that are kept; about 400 bytes each."},
      {"journal.keep", ValueType::kDuration, "2160h",
       "How long records of reads are kept, once they are anchored."},
      {"limits.uploads", ValueType::kNumber, "48", "Uploads at a time."},
      {"limits.reads", ValueType::kNumber, "64", "Reads at a time."},
      {"limits.memory", ValueType::kBytes, "512MiB", "For bytes on their way in and out; beyond it calls are ended."},
  };
  return keys;
}

absl::StatusOr<Settings> ReadSettings(const app::Config& config) {
  Settings s;
  s.name = config.Text("node.name");
  s.data_dir = config.Text("node.data_dir");
  RETURN_IF_ERROR(ReadListeners(config, s));
  s.store_path = Below(s.data_dir, config.Text("storage.path"));
  s.store_bytes = config.Bytes("storage.size");
  s.reserve_bytes = config.Bytes("storage.reserve");
  s.account_key_file = Below(s.data_dir, config.Text("key.file"));
  s.node_key_file = Below(s.data_dir, config.Text("key.node_file"));
  s.passphrase_file = config.Text("key.passphrase_file");
  s.passphrase_credential = config.Text("key.passphrase_credential");
  s.passphrase_command = config.Text("key.passphrase_command");
  RETURN_IF_ERROR(ReadChain(config, s));
  RETURN_IF_ERROR(ReadMarket(config, s));
  RETURN_IF_ERROR(ReadPaidReads(config, s));
  s.scrub_bytes_per_second = config.Bytes("scrub.rate");
  s.scrub_interval = config.Duration("scrub.interval");
  s.repair_interval = config.Duration("repair.interval");
  s.repair_grace = config.Duration("repair.grace");
  s.gc_interval = config.Duration("gc.interval");
  s.clear_unpaid = config.Bool("market.clear_unpaid");
  s.journal_records = std::max<uint64_t>(config.Number("journal.records"), 1);
  s.journal_keep = config.Duration("journal.keep");
  s.uploads = static_cast<int>(config.Number("limits.uploads"));
  s.reads = static_cast<int>(config.Number("limits.reads"));
  s.memory_bytes = config.Bytes("limits.memory");
  RETURN_IF_ERROR(rpc::CheckMemoryLimit("limits.memory", s.memory_bytes));
  return s;
}

}  // namespace cairn::storaged
