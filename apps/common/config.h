// Configuration of a daemon: a declared table of keys, filled from flags, environment, file and
// built-in defaults.
//
// Precedence: flags > environment > --config file (TOML) > built-in. A key has a dotted name
// ("net.listen"), which is also its flag (--net.listen=...) and its place in the file ([net] listen
// = ...); its environment name is CAIRN_<DAEMON>__NET__LISTEN. An unknown key or a value of the
// wrong type is one error that names the key, where it came from, and the nearest key that exists.
// Immutable after Load; thread-safe.
//
//   ASSIGN_OR_RETURN(Config config, Config::Load("storaged", kKeys, {.flags = {{"net.listen",
//   "127.0.0.1:0"}}})); Listen(config.Text("net.listen"));
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace cairn::app {

enum class ValueType {
  kText,
  kNumber,    // signed 64 bit
  kBool,      // true, false
  kBytes,     // "500MB", "2TiB", "4096"
  kDuration,  // "10s", "24h" (absl::ParseDuration)
  kList,      // of texts; comma separated in flags and environment, an array in the file
};

struct ConfigKey {
  std::string name;
  ValueType type = ValueType::kText;
  std::string built_in;  // as text, as a flag would say it
  std::string doc;       // one sentence
  bool reloadable = false;
  bool secret = false;  // never printed; secrets themselves do not belong here, their files do
};

enum class ConfigSource { kBuiltIn, kFile, kEnvironment, kFlag };

struct ConfigInputs {
  std::vector<std::pair<std::string, std::string>> flags = {};  // dotted name, value
  std::string file = {};                                        // path; empty: none
  std::map<std::string, std::string> environment =
      {};  // what getenv would say; other names are ignored
};
// The process's own environment.
std::map<std::string, std::string> ProcessEnvironment();

class Config {
 public:
  // InvalidArgument: UNKNOWN_CONFIG_KEY, BAD_CONFIG_VALUE, BAD_CONFIG_FILE. NotFound:
  // NO_CONFIG_FILE.
  static absl::StatusOr<Config> Load(absl::string_view daemon, absl::Span<const ConfigKey> keys,
                                     const ConfigInputs& inputs);

  // The key must be declared with that type: anything else is a mistake of the program and ends it.
  const std::string& Text(absl::string_view key) const;
  int64_t Number(absl::string_view key) const;
  bool Bool(absl::string_view key) const;
  uint64_t Bytes(absl::string_view key) const;
  absl::Duration Duration(absl::string_view key) const;
  std::vector<std::string> List(absl::string_view key) const;
  ConfigSource Source(absl::string_view key) const;

  // `config explain KEY`: value, where it comes from, default, whether a reload takes it up, what
  // it is for.
  absl::StatusOr<std::string> Explain(absl::string_view key) const;
  // `config print-default`: a complete, commented TOML file.
  static std::string PrintDefault(absl::string_view daemon, absl::Span<const ConfigKey> keys);
  // Names of the keys that differ between two loads and are not reloadable.
  static std::vector<std::string> NotReloadable(const Config& before, const Config& after);

 private:
  struct Entry {
    ConfigKey key;
    std::string value;
    ConfigSource source = ConfigSource::kBuiltIn;
    std::string where;  // "--net.listen", "CAIRN_CHAIND__NET__LISTEN", "chaind.toml:4"
  };
  const Entry& Find(absl::string_view key, ValueType type) const;
  absl::Status Set(absl::string_view name, std::string value, ConfigSource source,
                   std::string where);
  absl::Status LoadFile(const std::string& path);
  absl::Status LoadEnvironment(const std::map<std::string, std::string>& environment);

  std::string daemon_;
  std::map<std::string, Entry> entries_;
};

// "500MB" -> 500'000'000, "2GiB" -> 2'147'483'648. InvalidArgument (reason BAD_SIZE).
absl::StatusOr<uint64_t> ParseByteSize(absl::string_view text);
// The candidate with the smallest edit distance; empty when none is near.
std::string Nearest(absl::string_view word, absl::Span<const std::string> candidates);

}  // namespace cairn::app
