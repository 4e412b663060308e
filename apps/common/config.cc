#include "apps/common/config.h"

#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "apps/common/errors.h"
#include "cairn/base/status.h"

extern char** environ;

namespace cairn::app {
namespace {

using base::Error;

constexpr size_t kMaxConfigFileBytes = 1 << 20;

const char* TypeName(ValueType type) {
  switch (type) {
    case ValueType::kText:
      return "a text";
    case ValueType::kNumber:
      return "a number";
    case ValueType::kBool:
      return "true or false";
    case ValueType::kBytes:
      return "a size such as \"500MB\" or \"2TiB\"";
    case ValueType::kDuration:
      return "a duration such as \"10s\" or \"24h\"";
    case ValueType::kList:
      return "a list";
  }
  return "";
}

const char* SourceName(ConfigSource source) {
  switch (source) {
    case ConfigSource::kBuiltIn:
      return "built-in";
    case ConfigSource::kFile:
      return "file";
    case ConfigSource::kEnvironment:
      return "environment";
    case ConfigSource::kFlag:
      return "flag";
  }
  return "";
}

bool Fits(ValueType type, const std::string& value) {
  switch (type) {
    case ValueType::kText:
    case ValueType::kList:
      return true;
    case ValueType::kBool:
      return value == "true" || value == "false";
    case ValueType::kBytes:
      return ParseByteSize(value).ok();
    case ValueType::kNumber: {
      int64_t number;
      return absl::SimpleAtoi(value, &number);
    }
    case ValueType::kDuration: {
      absl::Duration duration;
      return absl::ParseDuration(value, &duration) && duration >= absl::ZeroDuration();
    }
  }
  return false;
}

// A TOML value as a flag would say it.
std::optional<std::string> AsText(const toml::node& node) {
  if (auto v = node.value_exact<std::string>()) return *v;
  if (auto v = node.value_exact<int64_t>()) return absl::StrCat(*v);
  if (auto v = node.value_exact<bool>()) return *v ? "true" : "false";
  if (const toml::array* array = node.as_array()) {
    std::vector<std::string> items;
    for (const toml::node& item : *array) {
      auto text = item.is_array() ? std::nullopt : AsText(item);
      if (!text) return std::nullopt;
      items.push_back(*text);
    }
    return absl::StrJoin(items, ",");
  }
  return std::nullopt;
}

std::string EnvironmentPrefix(absl::string_view daemon) {
  return absl::StrCat("CAIRN_", absl::AsciiStrToUpper(absl::StrReplaceAll(daemon, {{"-", "_"}})),
                      "__");
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string TomlValue(ValueType type, const std::string& value) {
  if (type == ValueType::kNumber || type == ValueType::kBool) return value;
  if (type != ValueType::kList) return JsonQuote(value);
  std::vector<std::string> items;
  for (absl::string_view item : absl::StrSplit(value, ',', absl::SkipEmpty()))
    items.push_back(JsonQuote(item));
  return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
}

[[noreturn]] void Undeclared(absl::string_view key) {
  std::fprintf(stderr, "program error: configuration key \"%s\" is not declared with this type\n",
               std::string(key).c_str());
  std::abort();
}

}  // namespace

std::map<std::string, std::string> ProcessEnvironment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::pair<std::string, std::string> pair = absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    if (absl::StartsWith(pair.first, "CAIRN_")) out.insert(std::move(pair));
  }
  return out;
}

absl::StatusOr<uint64_t> ParseByteSize(absl::string_view text) {
  static constexpr struct {
    const char* suffix;
    uint64_t factor;
  } kUnits[] = {{"kib", 1ULL << 10},
                {"mib", 1ULL << 20},
                {"gib", 1ULL << 30},
                {"tib", 1ULL << 40},
                {"pib", 1ULL << 50},
                {"kb", 1000},
                {"mb", 1000'000},
                {"gb", 1000'000'000},
                {"tb", 1000'000'000'000},
                {"pb", 1000'000'000'000'000},
                {"b", 1}};
  std::string rest = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
  uint64_t factor = 1;
  for (const auto& unit : kUnits) {
    if (!absl::EndsWith(rest, unit.suffix)) continue;
    factor = unit.factor;
    rest = std::string(absl::StripAsciiWhitespace(absl::StripSuffix(rest, unit.suffix)));
    break;
  }
  uint64_t number = 0;
  bool digits = !rest.empty() && std::all_of(rest.begin(), rest.end(), absl::ascii_isdigit);
  uint64_t product = 0;
  if (!digits || !absl::SimpleAtoi(rest, &number) ||
      __builtin_mul_overflow(number, factor, &product)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_SIZE",
                 absl::StrCat("\"", text, "\" is no size in bytes"),
                 "write a whole number with a unit, such as 500MB or 2TiB");
  }
  return product;
}

std::string Nearest(absl::string_view word, absl::Span<const std::string> candidates) {
  size_t best = std::max<size_t>(2, word.size() / 2) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    size_t distance = EditDistance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

absl::StatusOr<Config> Config::Load(absl::string_view daemon, absl::Span<const ConfigKey> keys,
                                    const ConfigInputs& inputs) {
  Config config;
  config.daemon_ = std::string(daemon);
  for (const ConfigKey& key : keys) {
    if (!Fits(key.type, key.built_in)) Undeclared(key.name);
    config.entries_[key.name] = Entry{key, key.built_in, ConfigSource::kBuiltIn, "built-in"};
  }
  if (!inputs.file.empty()) RETURN_IF_ERROR(config.LoadFile(inputs.file));
  RETURN_IF_ERROR(config.LoadEnvironment(inputs.environment));
  for (const auto& [name, value] : inputs.flags) {
    RETURN_IF_ERROR(config.Set(name, value, ConfigSource::kFlag, absl::StrCat("--", name)));
  }
  return config;
}

absl::Status Config::Set(absl::string_view name, std::string value, ConfigSource source,
                         std::string where) {
  auto found = entries_.find(std::string(name));
  if (found == entries_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, entry] : entries_) names.push_back(known);
    std::string nearest = Nearest(name, names);
    return Error(absl::StatusCode::kInvalidArgument, "UNKNOWN_CONFIG_KEY",
                 absl::StrCat("unknown configuration key \"", name, "\""),
                 nearest.empty()
                     ? absl::StrCat("see `", daemon_, " config print-default` for all keys")
                     : absl::StrCat("did you mean \"", nearest, "\"?"),
                 {{"key", std::string(name)}, {"where", where}});
  }
  Entry& entry = found->second;
  if (!Fits(entry.key.type, value)) {
    base::Evidence evidence = {{"key", std::string(name)}, {"where", where}};
    if (!entry.key.secret) evidence.emplace_back("value", value);
    return Error(
        absl::StatusCode::kInvalidArgument, "BAD_CONFIG_VALUE",
        absl::StrCat(name, " must be ", TypeName(entry.key.type)),
        absl::StrCat("the built-in value is ", TomlValue(entry.key.type, entry.key.built_in)),
        std::move(evidence));
  }
  entry.value = std::move(value);
  entry.source = source;
  entry.where = std::move(where);
  return absl::OkStatus();
}

absl::Status Config::LoadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Error(absl::StatusCode::kNotFound, "NO_CONFIG_FILE", absl::StrCat("cannot read ", path),
                 "check the path given with --config", {{"file", path}});
  }
  std::string text(kMaxConfigFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  auto bad_file = [&](absl::string_view why, size_t line) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG_FILE",
                 absl::StrCat(path, " is no TOML: ", why), "correct the line named",
                 {{"where", absl::StrCat(path, ":", line)}});
  };
  if (text.size() > kMaxConfigFileBytes) return bad_file("longer than 1 MiB", 1);
  toml::table parsed;
  try {
    parsed = toml::parse(std::string_view(text), std::string_view(path));
  } catch (const toml::parse_error& error) {
    auto why = error.description();
    return bad_file(absl::string_view(why.data(), why.size()), error.source().begin.line);
  }
  // Tables are walked with an explicit stack: depth comes from the file.
  std::vector<std::pair<std::string, const toml::table*>> open = {{"", &parsed}};
  while (!open.empty()) {
    auto [prefix, table] = open.back();
    open.pop_back();
    for (const auto& [key, node] : *table) {
      std::string name = absl::StrCat(prefix, std::string(key.str()));
      if (node.is_table()) {
        open.emplace_back(name + ".", node.as_table());
        continue;
      }
      std::string where = absl::StrCat(path, ":", node.source().begin.line);
      std::optional<std::string> value = AsText(node);
      auto declared = entries_.find(name);
      bool list = declared != entries_.end() && declared->second.key.type == ValueType::kList;
      if (!value || (declared != entries_.end() && node.is_array() != list))
        value = "\n";  // fits no typed key
      if (*value == "\n" && declared != entries_.end()) {
        return Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG_VALUE",
                     absl::StrCat(name, " must be ", TypeName(declared->second.key.type)),
                     "correct the line named", {{"key", name}, {"where", where}});
      }
      RETURN_IF_ERROR(Set(name, *value, ConfigSource::kFile, where));
    }
  }
  return absl::OkStatus();
}

absl::Status Config::LoadEnvironment(const std::map<std::string, std::string>& environment) {
  std::string prefix = EnvironmentPrefix(daemon_);
  std::map<std::string, std::string> known;  // environment name -> key
  for (const auto& [name, entry] : entries_) {
    known[prefix + absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{".", "__"}, {"-", "_"}}))] =
        name;
  }
  for (const auto& [variable, value] : environment) {
    if (!absl::StartsWith(variable, prefix)) continue;
    auto key = known.find(variable);
    std::string name = key != known.end() ? key->second
                                          : absl::AsciiStrToLower(absl::StrReplaceAll(
                                                variable.substr(prefix.size()), {{"__", "."}}));
    RETURN_IF_ERROR(Set(name, value, ConfigSource::kEnvironment, variable));
  }
  return absl::OkStatus();
}

const Config::Entry& Config::Find(absl::string_view key, ValueType type) const {
  auto found = entries_.find(std::string(key));
  if (found == entries_.end() || found->second.key.type != type) Undeclared(key);
  return found->second;
}

const std::string& Config::Text(absl::string_view key) const {
  return Find(key, ValueType::kText).value;
}

int64_t Config::Number(absl::string_view key) const {
  int64_t number = 0;
  (void)absl::SimpleAtoi(Find(key, ValueType::kNumber).value, &number);
  return number;
}

bool Config::Bool(absl::string_view key) const {
  return Find(key, ValueType::kBool).value == "true";
}

uint64_t Config::Bytes(absl::string_view key) const {
  return ParseByteSize(Find(key, ValueType::kBytes).value).value_or(0);
}

absl::Duration Config::Duration(absl::string_view key) const {
  absl::Duration duration;
  (void)absl::ParseDuration(Find(key, ValueType::kDuration).value, &duration);
  return duration;
}

std::vector<std::string> Config::List(absl::string_view key) const {
  return absl::StrSplit(Find(key, ValueType::kList).value, ',', absl::SkipEmpty());
}

ConfigSource Config::Source(absl::string_view key) const {
  auto found = entries_.find(std::string(key));
  if (found == entries_.end()) Undeclared(key);
  return found->second.source;
}

absl::StatusOr<std::string> Config::Explain(absl::string_view key) const {
  auto found = entries_.find(std::string(key));
  if (found == entries_.end()) {
    return Config(*this).Set(key, "", ConfigSource::kFlag, "config explain");
  }
  const Entry& entry = found->second;
  auto shown = [&](const std::string& value) {
    return entry.key.secret && !value.empty() ? std::string("(hidden)")
                                              : TomlValue(entry.key.type, value);
  };
  std::string variable =
      EnvironmentPrefix(daemon_) +
      absl::AsciiStrToUpper(absl::StrReplaceAll(entry.key.name, {{".", "__"}, {"-", "_"}}));
  return absl::StrCat(
      entry.key.name, " = ", shown(entry.value), "\n  from      ", SourceName(entry.source),
      entry.source == ConfigSource::kBuiltIn ? "" : absl::StrCat(" (", entry.where, ")"),
      "\n  built-in  ", shown(entry.key.built_in), "\n  reload    ",
      entry.key.reloadable ? "taken up on SIGHUP" : "needs a restart", "\n  set by    --",
      entry.key.name, ", ", variable, "\n  ", entry.key.doc, "\n");
}

std::string Config::PrintDefault(absl::string_view daemon, absl::Span<const ConfigKey> keys) {
  std::vector<ConfigKey> sorted(keys.begin(), keys.end());
  auto section = [](const ConfigKey& key) {
    size_t dot = key.name.rfind('.');
    return dot == std::string::npos ? std::string() : key.name.substr(0, dot);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const ConfigKey& a, const ConfigKey& b) { return section(a) < section(b); });
  std::string out = absl::StrCat("# ", daemon, ".toml: every key with its built-in value\n");
  std::string open;
  for (const ConfigKey& key : sorted) {
    std::string in = section(key);
    if (in != open) absl::StrAppend(&out, "\n[", in, "]\n");
    open = in;
    absl::StrAppend(&out, "# ", key.doc, key.reloadable ? " Taken up on SIGHUP." : "", "\n",
                    in.empty() ? key.name : key.name.substr(in.size() + 1), " = ",
                    TomlValue(key.type, key.built_in), "\n");
  }
  return out;
}

std::vector<std::string> Config::NotReloadable(const Config& before, const Config& after) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : after.entries_) {
    auto old = before.entries_.find(name);
    if (!entry.key.reloadable && old != before.entries_.end() && old->second.value != entry.value) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace cairn::app
