// A profile and a settings file, separated by a zero byte. What loads is saved and loads as the same.
#include <sys/stat.h>

#include "absl/strings/str_split.h"
#include "apps/client/profile.h"
#include "apps/common/key_file.h"
#include "fuzz.h"
#include "support/temp_dir.h"

namespace cairn {
namespace {

struct Home {
  Home() : paths(client::Paths::Find(folder.path())) {
    FUZZ_CHECK(app::MakeFolders(paths.config + "/profiles").ok());
  }
  void Write(const std::string& path, const std::string& text) {
    FILE* file = std::fopen(path.c_str(), "wb");
    FUZZ_CHECK(file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size());
    std::fclose(file);
  }
  TempDir folder;
  client::Paths paths;
};

bool Same(const client::Profile& a, const client::Profile& b) {
  return a.chain_endpoint == b.chain_endpoint && a.chain_tls_pin == b.chain_tls_pin &&
         a.chain_id == b.chain_id && a.engine_key == b.engine_key;
}

}  // namespace

void FuzzOne(base::ByteView input) {
  static Home home;
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(base::ToString(input), absl::MaxSplits('\0', 1));
  home.Write(home.paths.Profile("a"), parts.first);
  home.Write(home.paths.Settings(), parts.second);
  FUZZ_CHECK(absl::IsNotFound(client::LoadProfile(home.paths, "c").status()));
  auto profile = client::LoadProfile(home.paths, "a");
  if (profile.ok()) {
    client::Profile copy = *profile;
    copy.name = "b";
    FUZZ_CHECK(client::SaveProfile(home.paths, copy).ok());
    auto again = client::LoadProfile(home.paths, "b");
    FUZZ_CHECK(again.ok() && Same(*profile, *again));
  }
  auto settings = client::LoadSettings(home.paths);
  if (!settings.ok()) return;
  FUZZ_CHECK(client::SaveSettings(home.paths, *settings).ok());
  auto again = client::LoadSettings(home.paths);
  FUZZ_CHECK(again.ok());
  for (const std::string& name : client::Settings::Names()) {
    FUZZ_CHECK(**again->Find(name) == **settings->Find(name));
  }
}

}  // namespace cairn
