// A reference or a range as a user may type it: what is accepted prints as it was read.
#include "apps/client/profile.h"
#include "apps/client/reference.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  const absl::string_view text = base::AsText(input);
  auto reference = client::ParseReference(text);
  FUZZ_CHECK(client::BaseName(text).size() <= text.size());
  if (client::CheckProfileName(text).ok()) {
    FUZZ_CHECK(text.find('/') == absl::string_view::npos && text.front() != '.');
  }
  if (const auto range = client::ParseByteRange(text); range.ok()) FUZZ_CHECK(range->length > 0);
  if (!reference.ok()) return;
  FUZZ_CHECK(client::IsReference(text) && client::CheckBucketName(reference->bucket).ok());
  FUZZ_CHECK(reference->ToText() == text || reference->ToText() == std::string(text) + "/");
  FUZZ_CHECK(*client::ParseReference(reference->ToText()) == *reference);
  FUZZ_CHECK(!reference->Child("x").folder());
}

}  // namespace cairn
