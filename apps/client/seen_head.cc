#include "apps/client/seen_head.h"

#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "apps/common/key_file.h"

namespace cairn::client {

chain::SeenHead LoadSeenHead(const std::string& path) {
  const auto text = app::ReadSmallFile(path);
  if (!text.ok()) return {};
  const std::vector<absl::string_view> parts = absl::StrSplit(absl::StripAsciiWhitespace(*text), ' ');
  chain::SeenHead seen;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &seen.height) || !absl::SimpleAtoi(parts[1], &seen.time_ms)) {
    return {};
  }
  const auto bytes = base::FromHex(parts[2]);
  const auto header = base::Digest::From(bytes.ok() ? *bytes : base::Bytes{});
  if (!header.ok()) return {};
  seen.header = *header;
  return seen;
}

void SaveSeenHead(const std::string& path, const chain::SeenHead& seen) {
  const chain::SeenHead kept = LoadSeenHead(path);
  const bool news = seen.height > kept.height || (seen.height == kept.height && kept.header.empty());
  if (!news || !app::MakeFolders(std::filesystem::path(path).parent_path()).ok()) return;
  (void)app::WriteFileAtomically(
      path, absl::StrCat(seen.height, " ", seen.time_ms, " ", seen.header.ToHexString(), "\n"), 0644);
}

}  // namespace cairn::client
