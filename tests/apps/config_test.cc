#include "apps/common/config.h"

#include <fstream>

#include "cairn/base/status.h"
#include "catch.h"
#include "support/temp_dir.h"

namespace cairn::app {
namespace {

const std::vector<ConfigKey>& Keys() {
  static const auto& keys = *new std::vector<ConfigKey>{
      {"net.listen", ValueType::kText, "127.0.0.1:1", "Where it listens."},
      {"net.max-calls", ValueType::kNumber, "5", "How many at once.", true},
      {"store.size", ValueType::kBytes, "1GB", "How much it keeps."},
      {"store.sync", ValueType::kBool, "true", "Whether it syncs."},
      {"store.paths", ValueType::kList, "a,b", "Where it keeps it."},
      {"stop.after", ValueType::kDuration, "10s", "How long a stop takes."},
      {"wallet.token_file", ValueType::kText, "", "A secret's place.", false, true},
  };
  return keys;
}

std::string Write(const TempDir& folder, const std::string& text) {
  std::string path = folder.path() + "/x.toml";
  std::ofstream(path) << text;
  return path;
}

absl::Status LoadStatus(const ConfigInputs& inputs) {
  return Config::Load("storaged", Keys(), inputs).status();
}

}  // namespace

TEST_CASE("flags win over the environment, it over the file, the file over what is built in") {
  TempDir folder;
  ConfigInputs inputs;
  inputs.file = Write(
      folder,
      "[net]\nlisten = \"file:1\"\nmax-calls = 7\n[store]\nsize = \"2MiB\"\npaths = [\"x\"]\n");
  inputs.environment = {{"CAIRN_STORAGED__NET__LISTEN", "env:1"},
                        {"CAIRN_STORAGED__NET__MAX_CALLS", "8"},
                        {"CAIRN_CHAIND__NET__NOTHING", "not ours"}};
  inputs.flags = {{"net.listen", "flag:1"}};
  auto config = Config::Load("storaged", Keys(), inputs);
  REQUIRE(config.ok());
  CHECK(config->Text("net.listen") == "flag:1");
  CHECK(config->Number("net.max-calls") == 8);
  CHECK(config->Bytes("store.size") == 2u << 20);
  CHECK(config->List("store.paths") == std::vector<std::string>{"x"});
  CHECK(config->Bool("store.sync"));
  CHECK(config->Duration("stop.after") == absl::Seconds(10));
  CHECK(config->Source("net.listen") == ConfigSource::kFlag);
  CHECK(config->Source("store.size") == ConfigSource::kFile);
  CHECK(config->Source("store.sync") == ConfigSource::kBuiltIn);
}

TEST_CASE("an unknown key is one error that names the nearest key and where it stood") {
  TempDir folder;
  absl::Status file =
      LoadStatus({.flags = {}, .file = Write(folder, "[net]\nlistn = \"x\"\n"), .environment = {}});
  CHECK(base::ReasonOf(file) == "UNKNOWN_CONFIG_KEY");
  CHECK(base::DetailOf(file).hint == "did you mean \"net.listen\"?");
  CHECK(base::DetailOf(file).evidence[1].second == folder.path() + "/x.toml:2");
  absl::Status flag = LoadStatus({.flags = {{"store.sise", "1"}}, .file = "", .environment = {}});
  CHECK(base::DetailOf(flag).hint == "did you mean \"store.size\"?");
  absl::Status variable = LoadStatus(
      {.flags = {}, .file = "", .environment = {{"CAIRN_STORAGED__STORE__SINC", "true"}}});
  CHECK(base::ReasonOf(variable) == "UNKNOWN_CONFIG_KEY");
  CHECK(base::DetailOf(variable).hint == "did you mean \"store.sync\"?");
}

TEST_CASE("a value of the wrong type is refused with what was expected") {
  struct Wrong {
    const char* key;
    const char* value;
  };
  for (Wrong wrong :
       {Wrong{"net.max-calls", "many"}, Wrong{"store.size", "1XB"}, Wrong{"store.size", "-1"},
        Wrong{"store.size", "99999999999999999999"}, Wrong{"store.sync", "yes"},
        Wrong{"stop.after", "10"}, Wrong{"stop.after", "-1s"}}) {
    absl::Status status =
        LoadStatus({.flags = {{wrong.key, wrong.value}}, .file = "", .environment = {}});
    INFO(wrong.key << " = " << wrong.value);
    CHECK(base::ReasonOf(status) == "BAD_CONFIG_VALUE");
  }
  TempDir folder;
  for (const char* text :
       {"[store]\npaths = \"no list\"\n", "[net]\nlisten = [\"x\"]\n", "[store]\nsync = 1.5\n"}) {
    CHECK(
        base::ReasonOf(LoadStatus({.flags = {}, .file = Write(folder, text), .environment = {}})) ==
        "BAD_CONFIG_VALUE");
  }
  CHECK(base::ReasonOf(
            LoadStatus({.flags = {}, .file = Write(folder, "[net\n"), .environment = {}})) ==
        "BAD_CONFIG_FILE");
  CHECK(base::ReasonOf(
            LoadStatus({.flags = {}, .file = folder.path() + "/none", .environment = {}})) ==
        "NO_CONFIG_FILE");
}

TEST_CASE("the printed default file loads, and means what is built in") {
  TempDir folder;
  auto config = Config::Load("storaged", Keys(),
                             {.flags = {},
                              .file = Write(folder, Config::PrintDefault("storaged", Keys())),
                              .environment = {}});
  REQUIRE(config.ok());
  CHECK(config->List("store.paths") == std::vector<std::string>{"a", "b"});
  CHECK(config->Number("net.max-calls") == 5);
  CHECK(config->Source("store.size") == ConfigSource::kFile);
}

TEST_CASE("explain says value, origin, default and environment name, and hides what is secret") {
  auto config = Config::Load("storaged", Keys(),
                             {.flags = {{"net.max-calls", "9"}, {"wallet.token_file", "/secret"}},
                              .file = "",
                              .environment = {}});
  REQUIRE(config.ok());
  CHECK(*config->Explain("net.max-calls") ==
        "net.max-calls = 9\n"
        "  from      flag (--net.max-calls)\n"
        "  built-in  5\n"
        "  reload    taken up on SIGHUP\n"
        "  set by    --net.max-calls, CAIRN_STORAGED__NET__MAX_CALLS\n"
        "  How many at once.\n");
  CHECK(config->Explain("wallet.token_file")->find("/secret") == std::string::npos);
  CHECK(base::ReasonOf(config->Explain("net.listne").status()) == "UNKNOWN_CONFIG_KEY");
}

TEST_CASE("a reload names the changed keys that need a restart") {
  auto before = Config::Load("storaged", Keys(), {});
  auto after = Config::Load(
      "storaged", Keys(),
      {.flags = {{"net.listen", "x"}, {"net.max-calls", "6"}}, .file = "", .environment = {}});
  CHECK(Config::NotReloadable(*before, *after) == std::vector<std::string>{"net.listen"});
}

}  // namespace cairn::app
