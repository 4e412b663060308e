// The text of a content id, and hexadecimal text. What is accepted is exactly what is printed.
#include "cairn/base/id.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  absl::string_view text = base::AsText(input);
  auto id = base::ContentId::Parse(text);
  if (id.ok()) FUZZ_CHECK(id->ToText() == text);

  auto bytes = base::FromHex(text);
  if (bytes.ok()) FUZZ_CHECK(bytes->size() * 2 == text.size() && *base::FromHex(base::ToHex(*bytes)) == *bytes);
}

}  // namespace cairn
