#include "apps/client/profile.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "apps/common/config.h"
#include "apps/common/errors.h"
#include "apps/common/key_file.h"
#include "cairn/base/status.h"

namespace cairn::client {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Folder(const char* variable, const char* below_home) {
  std::string base = Environment(variable);
  if (base.empty()) base = Environment("HOME") + "/" + below_home;
  return base + "/cairn";
}

app::ConfigKey Key(std::string name, std::string doc) {
  app::ConfigKey key;
  key.name = std::move(name);
  key.doc = std::move(doc);
  return key;
}

app::ConfigInputs FromFile(const std::string& path) {
  app::ConfigInputs inputs;
  inputs.file = path;
  return inputs;
}

const std::vector<app::ConfigKey>& ProfileKeys() {
  static const std::vector<app::ConfigKey> keys = {
      Key("chain.endpoint", "host:port of the ledger's gRPC listener"),
      Key("chain.tls_pin",
          "BLAKE3 of its certificate's public key, hex; empty: plaintext on loopback"),
      Key("chain.id", "hash of the genesis record, hex"),
      Key("chain.engine_key", "public key that signs block headers, hex"),
  };
  return keys;
}

absl::Status BadProfile(const std::string& name, absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_PROFILE",
                     absl::StrCat("the profile \"", name, "\" cannot be: ", what),
                     "`storectl config profile add` takes what the network's operator publishes; `storectl dev up` "
                     "writes its own");
}

struct SettingField {
  const char* name;
  std::string Settings::*field;
};
constexpr SettingField kSettings[] = {
    {"profile", &Settings::profile},
    {"key", &Settings::key},
    {"output", &Settings::output},
    {"max_cost", &Settings::max_cost},
    {"passphrase_file", &Settings::passphrase_file},
    {"passphrase_command", &Settings::passphrase_command},
    {"progress", &Settings::progress},
    {"wait", &Settings::wait},
    {"timeout", &Settings::timeout},
};

}  // namespace

Paths Paths::Find(const std::string& home) {
  const std::string all = home.empty() ? Environment("CAIRN_HOME") : home;
  if (!all.empty()) return {.config = all, .data = all, .state = all};
  return {.config = Folder("XDG_CONFIG_HOME", ".config"),
          .data = Folder("XDG_DATA_HOME", ".local/share"),
          .state = Folder("XDG_STATE_HOME", ".local/state")};
}

absl::Status CheckProfileName(absl::string_view name) {
  bool sound = !name.empty() && name.size() <= 63 && name.front() != '.';
  for (char c : name) {
    sound = sound &&
            ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
  }
  if (sound) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_PROFILE_NAME",
                     absl::StrCat("\"", name.substr(0, 64), "\" names no profile or key"),
                     "use 1 to 63 characters a-z 0-9 - _ .");
}

absl::StatusOr<Profile> LoadProfile(const Paths& paths, const std::string& name) {
  RETURN_IF_ERROR(CheckProfileName(name));
  const std::string path = paths.Profile(name);
  if (access(path.c_str(), F_OK) != 0) {
    const std::vector<std::string> there = ListProfiles(paths);
    return base::Error(absl::StatusCode::kNotFound, "NO_PROFILE",
                       absl::StrCat("no profile \"", name, "\""),
                       there.empty() ? "start a network of your own: storectl dev up"
                                     : absl::StrCat("--profile ", absl::StrJoin(there, " | ")),
                       {{"path", path}});
  }
  ASSIGN_OR_RETURN(app::Config config, app::Config::Load("profile", ProfileKeys(), FromFile(path)));
  ProfileText text{.name = name,
                   .chain_endpoint = config.Text("chain.endpoint"),
                   .chain_tls_pin = config.Text("chain.tls_pin"),
                   .chain_id = config.Text("chain.id"),
                   .engine_key = config.Text("chain.engine_key")};
  return ParseProfile(text);
}

absl::StatusOr<Profile> ParseProfile(const ProfileText& text) {
  RETURN_IF_ERROR(CheckProfileName(text.name));
  Profile out;
  out.name = text.name;
  out.chain_endpoint = text.chain_endpoint;
  if (!absl::StrContains(text.chain_endpoint, ':')) return BadProfile(text.name, "its endpoint must be host:port");
  auto id = base::FromHex(text.chain_id);
  auto chain_id = base::ChainId::From(id.ok() ? *id : base::Bytes{});
  if (!chain_id.ok()) return BadProfile(text.name, "its chain id must be 64 hex digits");
  out.chain_id = *chain_id;
  if (!text.chain_tls_pin.empty()) {
    auto bytes = base::FromHex(text.chain_tls_pin);
    auto digest = base::Digest::From(bytes.ok() ? *bytes : base::Bytes{});
    if (!digest.ok()) return BadProfile(text.name, "its pin must be 64 hex digits");
    out.chain_tls_pin = *digest;
  }
  if (!text.engine_key.empty()) {
    auto bytes = base::FromHex(text.engine_key);
    auto engine = base::PublicKey::Decode(bytes.ok() ? *bytes : base::Bytes{});
    if (!engine.ok()) return BadProfile(text.name, "its engine key must be 66 hex digits");
    out.engine_key = *engine;
  }
  return out;
}

absl::Status SaveProfile(const Paths& paths, const Profile& profile) {
  RETURN_IF_ERROR(CheckProfileName(profile.name));
  RETURN_IF_ERROR(app::MakeFolders(paths.config + "/profiles"));
  const std::string text = absl::StrCat(
      "# A network as this client knows it; trust in everything else follows from "
      "here.\n[chain]\nendpoint = ",
      app::JsonQuote(profile.chain_endpoint), "\ntls_pin = \"",
      profile.chain_tls_pin.empty() ? "" : profile.chain_tls_pin.ToHexString(), "\"\nid = \"",
      profile.chain_id.ToHexString(), "\"\nengine_key = \"",
      base::ToHex(profile.engine_key.Encode()), "\"\n");
  return app::WriteFileAtomically(paths.Profile(profile.name), text, 0644);
}

absl::Status RemoveProfile(const Paths& paths, const std::string& name) {
  RETURN_IF_ERROR(CheckProfileName(name));
  if (unlink(paths.Profile(name).c_str()) == 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kNotFound, "NO_PROFILE",
                     absl::StrCat("no profile \"", name, "\""));
}

std::vector<std::string> ListProfiles(const Paths& paths) {
  std::vector<std::string> out;
  DIR* folder = opendir((paths.config + "/profiles").c_str());
  if (folder == nullptr) return out;
  while (dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (absl::EndsWith(name, ".toml") && name.front() != '.')
      out.push_back(name.substr(0, name.size() - 5));
  }
  closedir(folder);
  std::sort(out.begin(), out.end());
  return out;
}

const std::vector<std::string>& Settings::Names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const SettingField& field : kSettings) out.push_back(field.name);
    return out;
  }();
  return names;
}

absl::StatusOr<std::string*> Settings::Find(absl::string_view name) {
  for (const SettingField& field : kSettings) {
    if (name == field.name) return &(this->*field.field);
  }
  const std::string near = app::Nearest(name, Names());
  return base::Error(
      absl::StatusCode::kInvalidArgument, "UNKNOWN_SETTING",
      absl::StrCat("no setting \"", name.substr(0, 64), "\""),
      near.empty() ? absl::StrJoin(Names(), ", ") : absl::StrCat("did you mean ", near, "?"));
}

absl::StatusOr<Settings> LoadSettings(const Paths& paths) {
  Settings out;
  if (access(paths.Settings().c_str(), F_OK) != 0) return out;
  std::vector<app::ConfigKey> keys;
  for (const std::string& name : Settings::Names()) keys.push_back(Key(name, "see storectl help"));
  ASSIGN_OR_RETURN(app::Config config,
                   app::Config::Load("storectl", keys, FromFile(paths.Settings())));
  for (const SettingField& field : kSettings) out.*field.field = config.Text(field.name);
  return out;
}

absl::Status SaveSettings(const Paths& paths, const Settings& settings) {
  RETURN_IF_ERROR(app::MakeFolders(paths.config));
  std::string text =
      "# What storectl assumes when no flag says otherwise: storectl config set NAME VALUE\n";
  for (const SettingField& field : kSettings) {
    const std::string& value = settings.*field.field;
    if (!value.empty()) absl::StrAppend(&text, field.name, " = ", app::JsonQuote(value), "\n");
  }
  return app::WriteFileAtomically(paths.Settings(), text, 0644);
}

}  // namespace cairn::client
