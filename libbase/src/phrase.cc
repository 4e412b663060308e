#include "cairn/base/phrase.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::base {
namespace {

// A word's 11 bits, most significant first: consonant (4), vowel (2), consonant (4), vowel (1).
constexpr absl::string_view kConsonants = "bdfghjklmnprstvz";
constexpr absl::string_view kVowels = "aiou";
constexpr absl::string_view kLastVowels = "ao";
constexpr size_t kLetters = 4;
constexpr int kBitsPerWord = 11;

// The seed and its checksum: 264 bits.
using Coded = Secret<33>;

uint8_t Checksum(ByteView seed) {
  return Hasher::DeriveKey("cairn v1 phrase checksum").Field(seed).Finish().value[0];
}

uint32_t BitsAt(ByteView bytes, int first) {
  uint32_t out = 0;
  for (int bit = first; bit < first + kBitsPerWord; ++bit) out = out << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1);
  return out;
}

void SetBitsAt(MutableByteView bytes, int first, uint32_t value) {
  for (int i = 0; i < kBitsPerWord; ++i) {
    int bit = first + i;
    bytes[bit / 8] |= static_cast<uint8_t>((value >> (kBitsPerWord - 1 - i) & 1) << (7 - bit % 8));
  }
}

// -1 when it is no word.
int WordValue(absl::string_view word) {
  if (word.size() != kLetters) return -1;
  auto find = [&](absl::string_view alphabet, size_t i) { return alphabet.find(absl::ascii_tolower(word[i])); };
  size_t a = find(kConsonants, 0), b = find(kVowels, 1), c = find(kConsonants, 2), d = find(kLastVowels, 3);
  constexpr size_t kNone = absl::string_view::npos;
  if (a == kNone || b == kNone || c == kNone || d == kNone) return -1;
  return static_cast<int>(a << 7 | b << 5 | c << 1 | d);
}

absl::Status BadPhrase(absl::string_view message, Evidence evidence = {}) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_PHRASE", message,
               "compare the words with the phrase as it was written down", std::move(evidence));
}

// Takes the next word off `text`; empty at the end.
absl::string_view NextWord(absl::string_view& text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  size_t end = 0;
  while (end < text.size() && !absl::ascii_isspace(static_cast<unsigned char>(text[end]))) ++end;
  absl::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

}  // namespace

SecretString PhraseFromSeed(const Secret<32>& seed) {
  Coded coded;
  std::copy_n(seed.Reveal().begin(), seed.kSize, coded.Fill().begin());
  coded.Fill()[seed.kSize] = Checksum(seed.Reveal());
  std::string text;
  text.reserve(kPhraseWords * (kLetters + 1));  // never moved while it grows
  for (int i = 0; i < kPhraseWords; ++i) {
    uint32_t bits = BitsAt(coded.Reveal(), i * kBitsPerWord);
    if (i > 0) text += ' ';
    text += kConsonants[bits >> 7];
    text += kVowels[bits >> 5 & 3];
    text += kConsonants[bits >> 1 & 15];
    text += kLastVowels[bits & 1];
  }
  return SecretString(std::move(text));
}

absl::StatusOr<Secret<32>> SeedFromPhrase(absl::string_view phrase) {
  Coded coded;
  int count = 0;
  for (absl::string_view word = NextWord(phrase); !word.empty(); word = NextWord(phrase), ++count) {
    int value = WordValue(word);
    if (value < 0) {
      return BadPhrase(absl::StrCat("word ", count + 1, " is not a word of a recovery phrase"),
                       {{"position", absl::StrCat(count + 1)}});
    }
    if (count < kPhraseWords) SetBitsAt(coded.Fill(), count * kBitsPerWord, static_cast<uint32_t>(value));
  }
  if (count != kPhraseWords) {
    return BadPhrase(absl::StrCat("a recovery phrase has ", kPhraseWords, " words, not ", count));
  }
  ByteView seed = coded.Reveal().subspan(0, Secret<32>::kSize);
  if (coded.Reveal()[seed.size()] != Checksum(seed)) {
    return BadPhrase("the checksum of the recovery phrase is wrong: a word is mistaken or out of its place");
  }
  return Secret<32>::From(seed);
}

AccountKeys AccountKeys::FromSeed(const Secret<32>& seed) {
  return {.signing = SigningKey::FromSeed(DeriveSecret("cairn v1 account signing key", seed)),
          .wrap = WrapKey::FromSeed(DeriveSecret("cairn v1 account wrap key", seed))};
}

}  // namespace cairn::base
