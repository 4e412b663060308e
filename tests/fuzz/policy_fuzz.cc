// A redundancy policy as text, and a layout path from a stranger: u32 index, the leaf, the siblings.
// Only the leaf that stands at an index has a path from there.
#include "cairn/base/codec.h"
#include "cairn/base/layout.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  absl::string_view text = base::AsText(input);
  auto policy = base::Redundancy::Parse(text);
  if (policy.ok()) FUZZ_CHECK(*base::Redundancy::Parse(policy->ToText()) == *policy);

  static const std::vector<base::ContentId> leaves = [] {
    std::vector<base::ContentId> out;
    for (char c = '0'; c < '6'; ++c) out.push_back(base::ContentId::Of(base::AsBytes(absl::string_view(&c, 1))));
    return out;
  }();
  base::Reader reader(input);
  uint32_t index = reader.U32();
  base::ContentId leaf{reader.Fixed<base::Digest>()};
  std::vector<base::Digest> path;
  while (reader.ok() && reader.remaining() > 0) path.push_back(reader.Fixed<base::Digest>());
  if (!reader.ok()) return;
  if (base::CheckLayoutPath(base::LayoutRoot(leaves), leaf, index, 6, path)) {
    FUZZ_CHECK(index < 6 && leaf == leaves[index] && path == base::LayoutPath(leaves, index));
  }
}

}  // namespace cairn
