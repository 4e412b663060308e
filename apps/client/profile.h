// Where a user's things are, and what a client needs to know of a network before it trusts a word
// of it.
//
//   configuration  $CAIRN_HOME, else $XDG_CONFIG_HOME/cairn   profiles/NAME.toml, storectl.toml
//   data           $CAIRN_HOME, else $XDG_DATA_HOME/cairn     keys/NAME.age
//   state          $CAIRN_HOME, else $XDG_STATE_HOME/cairn    transfers/, lanes/, ledgers/
//
// A profile names the ledger's endpoint, the pin of its certificate, the genesis hash (which is the
// chain id) and the engine's key. Values are plain; the functions touch the disk and are safe from
// several processes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/key.h"

namespace cairn::client {

struct Paths {
  std::string config;
  std::string data;
  std::string state;

  // `home` wins over the environment.
  static Paths Find(const std::string& home);
  std::string Profile(const std::string& name) const {
    return config + "/profiles/" + name + ".toml";
  }
  std::string Settings() const { return config + "/storectl.toml"; }
  std::string Key(const std::string& name) const { return data + "/keys/" + name + ".age"; }
  std::string Keys() const { return data + "/keys"; }
  std::string Transfers() const { return state + "/transfers"; }
  // The newest header believed of a ledger.
  std::string SeenHead(const std::string& chain_hex) const { return state + "/ledgers/" + chain_hex; }
  std::string Lanes() const { return state + "/lanes"; }
};

struct Profile {
  std::string name;
  std::string chain_endpoint;  // host:port
  base::Digest
      chain_tls_pin;  // BLAKE3 of the certificate's SubjectPublicKeyInfo; zero: loopback, plaintext
  base::ChainId chain_id;      // hash of the genesis record
  base::PublicKey engine_key;  // signs headers
};

// InvalidArgument (reason BAD_PROFILE_NAME) unless it is 1 to 63 characters a-z 0-9 - _ . and does
// not begin with '.'.
absl::Status CheckProfileName(absl::string_view name);
// NotFound (reason NO_PROFILE) with the profiles there are.
absl::StatusOr<Profile> LoadProfile(const Paths& paths, const std::string& name);
// A profile by what its network's operator publishes (`chaind init` prints it), in hex. An empty pin is plaintext on
// loopback; without the engine's key it is taken from the genesis record, which the chain id is the hash of.
// InvalidArgument (reason BAD_PROFILE, BAD_PROFILE_NAME).
struct ProfileText {
  std::string name;
  std::string chain_endpoint;
  std::string chain_tls_pin;
  std::string chain_id;
  std::string engine_key;
};
absl::StatusOr<Profile> ParseProfile(const ProfileText& text);
absl::Status SaveProfile(const Paths& paths, const Profile& profile);
absl::Status RemoveProfile(const Paths& paths, const std::string& name);
std::vector<std::string> ListProfiles(const Paths& paths);

// What `storectl config set` remembers: every one is also a flag. Unset values are empty.
struct Settings {
  std::string profile;
  std::string key;
  std::string output;
  std::string max_cost;
  std::string passphrase_file;
  std::string passphrase_command;
  std::string progress;
  std::string wait;
  std::string timeout;

  static const std::vector<std::string>& Names();
  // InvalidArgument (reason UNKNOWN_SETTING) names the nearest.
  absl::StatusOr<std::string*> Find(absl::string_view name);
};
absl::StatusOr<Settings> LoadSettings(const Paths& paths);
absl::Status SaveSettings(const Paths& paths, const Settings& settings);

}  // namespace cairn::client
