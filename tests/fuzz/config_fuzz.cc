// A configuration file, an environment variable and a flag, separated by a zero byte each. Whatever loads can be read
// with the types that were declared, and says the same when its default page is loaded again.
#include <vector>

#include "absl/strings/str_split.h"
#include "apps/common/config.h"
#include "memory_file.h"

namespace cairn {
namespace {

using app::ValueType;

const std::vector<app::ConfigKey>& Keys() {
  static const std::vector<app::ConfigKey> keys = {
      {"net.listen", ValueType::kText, "127.0.0.1:1", "Where.", false, false},
      {"net.threads", ValueType::kNumber, "2", "How many.", true, false},
      {"net.peers", ValueType::kList, "a,b", "Who.", false, false},
      {"store.quota", ValueType::kBytes, "1GiB", "How much.", true, false},
      {"store.sync", ValueType::kBool, "true", "Whether.", false, false},
      {"store.every", ValueType::kDuration, "10s", "How often.", true, false},
      {"secret.token", ValueType::kText, "", "What.", false, true},
  };
  return keys;
}

void Read(const app::Config& config) {
  (void)config.Text("net.listen");
  (void)config.Number("net.threads");
  (void)config.List("net.peers");
  (void)config.Bytes("store.quota");
  (void)config.Bool("store.sync");
  FUZZ_CHECK(config.Duration("store.every") >= absl::ZeroDuration());
  for (const app::ConfigKey& key : Keys()) FUZZ_CHECK(config.Explain(key.name).ok());
  (void)config.Explain("net.lisen");
}

}  // namespace

void FuzzOne(base::ByteView input) {
  const std::string text = base::ToString(input);
  const std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('\0', 2));
  const MemoryFile file(base::AsBytes(parts[0]));
  app::ConfigInputs inputs;
  inputs.file = file.path();
  auto pair = [](absl::string_view assignment) {
    const std::pair<std::string, std::string> out = absl::StrSplit(assignment, absl::MaxSplits('=', 1));
    return out;
  };
  if (parts.size() > 1) inputs.environment.insert(pair(parts[1]));
  if (parts.size() > 2) inputs.flags.push_back(pair(parts[2]));
  auto config = app::Config::Load("fuzz", Keys(), inputs);
  if (config.ok()) {
    Read(*config);
    const app::Config plain = *app::Config::Load("fuzz", Keys(), {});
    (void)app::Config::NotReloadable(plain, *config);
  }
  auto size = app::ParseByteSize(parts.back());
  if (size.ok()) FUZZ_CHECK(*app::ParseByteSize(absl::StrCat(*size)) == *size);
  const std::vector<std::string> words = {"net.listen", "store"};
  (void)app::Nearest(parts.back().substr(0, 200), words);
}

}  // namespace cairn
