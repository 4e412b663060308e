// The configuration of storaged: the table of its keys, and the values in the types that the parts
// take.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apps/common/config.h"
#include "apps/rpc/tls.h"
#include "cairn/base/amount.h"
#include "cairn/base/id.h"

namespace cairn::storaged {

// Prices in the units of the ledger.
struct Prices {
  base::Price primary_storage;
  base::Price holder_storage;
  base::Price egress;
  base::Price ingress;
  base::Price package;
};

struct Settings {
  std::string name;
  std::string data_dir;
  std::string store_path;
  std::string listen;
  std::string advertise;   // what the ledger tells others; `listen` when not given
  std::string admin_listen;
  std::string http_listen;

  uint64_t store_bytes = 0;
  uint64_t reserve_bytes = 0;

  std::string account_key_file;
  std::string node_key_file;
  std::string passphrase_file;
  std::string passphrase_credential;
  std::string passphrase_command;

  std::string chain_endpoint;
  rpc::PeerPin chain_pin = rpc::PeerPin::Plaintext();
  std::optional<base::ChainId> chain_id;  // hash of the genesis record; absent: the chain met first

  std::string operator_account;  // text; empty: our own account
  std::string network;
  std::string region;
  Prices prices;
  base::Amount deposit;
  bool accept = true;
  uint64_t max_object_bytes = 0;

  uint64_t scrub_bytes_per_second = 0;
  absl::Duration scrub_interval;
  absl::Duration repair_interval;
  absl::Duration repair_grace;
  absl::Duration gc_interval;
  bool clear_unpaid = true;
  uint64_t journal_records = 1'000'000;
  absl::Duration journal_keep = absl::Hours(24) * 90;
  int uploads = 0;
  int reads = 0;
  uint64_t memory_bytes = 0;
};

const std::vector<app::ConfigKey>& SettingKeys();
// InvalidArgument (BAD_CONFIG_VALUE, or the reason of the value's own parser) names the key.
absl::StatusOr<Settings> ReadSettings(const app::Config& config);

}  // namespace cairn::storaged
