// The text of an account id: what is accepted differs from what is printed in case at most.
#include "absl/strings/ascii.h"
#include "cairn/base/id.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  absl::string_view text = base::AsText(input);
  auto id = base::ParseAccountId(text);
  if (!id.ok()) return;
  FUZZ_CHECK(base::ToText(*id) == absl::AsciiStrToLower(text));
  FUZZ_CHECK(text == absl::AsciiStrToLower(text) || text == absl::AsciiStrToUpper(text));
}

}  // namespace cairn
