#include "cairn/base/phrase.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "vectors.h"

namespace cairn::base {
namespace {

Secret<32> Counting(uint8_t first) {
  Secret<32> out;
  for (size_t i = 0; i < 32; ++i) out.Fill()[i] = static_cast<uint8_t>(first + 7 * i);
  return out;
}

std::vector<std::string> WordsOf(const Secret<32>& seed) {
  return absl::StrSplit(PhraseFromSeed(seed).Reveal(), ' ');
}

absl::Status Refusal(const std::vector<std::string>& words) {
  return SeedFromPhrase(absl::StrJoin(words, " ")).status();
}

TEST_CASE("a phrase is 24 words of consonant, vowel, consonant, vowel, and gives back its seed") {
  SeededEntropy entropy(1);
  for (int i = 0; i < 200; ++i) {
    Secret<32> seed = entropy.DrawSecret<32>();
    std::vector<std::string> words = WordsOf(seed);
    REQUIRE(words.size() == kPhraseWords);
    for (const std::string& word : words) CHECK(word.size() == 4);
    auto back = SeedFromPhrase(PhraseFromSeed(seed).Reveal());
    REQUIRE(back.ok());
    CHECK(back->Reveal() == seed.Reveal());
  }
}

TEST_CASE("the words are those of the table in FORMATS.md") {
  Secret<32> zeros;
  std::vector<std::string> words = WordsOf(zeros);
  for (int i = 0; i < 23; ++i) CHECK(words[i] == "baba");
  Secret<32> ones;
  std::fill(ones.Fill().begin(), ones.Fill().end(), 0xff);
  words = WordsOf(ones);
  for (int i = 0; i < 23; ++i) CHECK(words[i] == "zuzo");
}

TEST_CASE("phrase and account keys of a known seed are those of the golden file") {
  SecretString phrase = PhraseFromSeed(Counting(1));
  AccountKeys keys = AccountKeys::FromSeed(Counting(1));
  Bytes all = ToBytes(AsBytes(phrase.Reveal()));
  Bytes account = keys.signing.public_key().Encode();
  all.insert(all.end(), account.begin(), account.end());
  ByteView wrap = keys.wrap.public_key().view();
  all.insert(all.end(), wrap.begin(), wrap.end());
  CheckVector("base/phrase.hex", all);
}

TEST_CASE("case and surplus white space do not matter in a phrase") {
  std::vector<std::string> words = WordsOf(Counting(1));
  std::string text = absl::StrCat("\n\t ", absl::AsciiStrToUpper(absl::StrJoin(words, " \r\n  ")), "  ");
  auto seed = SeedFromPhrase(text);
  REQUIRE(seed.ok());
  CHECK(seed->Reveal() == Counting(1).Reveal());
}

TEST_CASE("the first wrong word is named by its position and never shown") {
  std::vector<std::string> words = WordsOf(Counting(1));
  for (const char* wrong : {"aaaa", "bab", "babab", "babx", "b\xc3\xa1" "ba", "cafe", "1234"}) {
    std::vector<std::string> changed = words;
    changed[6] = wrong;
    changed[9] = "qqqq";
    absl::Status status = Refusal(changed);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(ReasonOf(status) == "BAD_PHRASE");
    CHECK(absl::StrContains(status.message(), "word 7 "));
    CHECK_FALSE(absl::StrContains(status.ToString(), wrong));
  }
}

TEST_CASE("a phrase with another number of words is refused") {
  std::vector<std::string> words = WordsOf(Counting(1));
  words.push_back("baba");
  CHECK(absl::StrContains(Refusal(words).message(), "25"));
  words.resize(23);
  CHECK(absl::StrContains(Refusal(words).message(), "23"));
  CHECK_FALSE(SeedFromPhrase("").ok());
}

TEST_CASE("the checksum notices mistaken and swapped words") {
  std::vector<std::string> words = WordsOf(Counting(1));
  int unnoticed = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    std::vector<std::string> changed = words;
    changed[i][0] = changed[i][0] == 'b' ? 'd' : 'b';
    unnoticed += Refusal(changed).ok();
    changed = words;
    std::swap(changed[i], changed[(i + 5) % words.size()]);
    unnoticed += Refusal(changed).ok();
  }
  CHECK(unnoticed <= 1);  // 48 chances of 1 in 256; the seed is fixed, so this never varies
}

TEST_CASE("the keys of an account are independent of each other and fixed by the seed") {
  AccountKeys keys = AccountKeys::FromSeed(Counting(1));
  CHECK(AccountKeys::FromSeed(Counting(1)).signing.public_key() == keys.signing.public_key());
  CHECK_FALSE(AccountKeys::FromSeed(Counting(2)).signing.public_key() == keys.signing.public_key());
  CHECK_FALSE(keys.signing.seed().Reveal() == keys.wrap.private_key().Reveal());
  CHECK_FALSE(keys.signing.seed().Reveal() == Counting(1).Reveal());
}

}  // namespace
}  // namespace cairn::base
