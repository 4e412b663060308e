// A recovery phrase as somebody typed it: what is accepted is the phrase of its seed but for case and white space.
#include "absl/strings/ascii.h"
#include "cairn/base/phrase.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  std::string text(base::AsText(input));
  auto seed = base::SeedFromPhrase(text);
  if (!seed.ok()) return;
  absl::AsciiStrToLower(&text);
  absl::RemoveExtraAsciiWhitespace(&text);
  for (char& c : text) c = absl::ascii_isspace(static_cast<unsigned char>(c)) ? ' ' : c;
  FUZZ_CHECK(base::PhraseFromSeed(*seed).Reveal() == text);
}

}  // namespace cairn
