#include "cairn/base/age_file.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base {
namespace {

std::string Seal(const std::string& text, const char* passphrase = "correct horse") {
  SeededEntropy entropy(3);
  auto sealed = AgeSeal(AsBytes(text), SecretString(passphrase), 5, entropy);
  REQUIRE(sealed.ok());
  return *sealed;
}

std::string ReasonOfOpen(const std::string& file, const char* passphrase = "correct horse") {
  auto opened = AgeOpen(file, SecretString(passphrase));
  return opened.ok() ? "OK" : ReasonOf(opened.status());
}

// The same file without its armor.
std::string Binary(const std::string& armored) {
  std::vector<std::string> lines = absl::StrSplit(armored, '\n', absl::SkipEmpty());
  std::string joined, binary;
  for (size_t i = 1; i + 1 < lines.size(); ++i) joined += lines[i];
  REQUIRE(absl::Base64Unescape(joined, &binary));
  return binary;
}

std::string Vector(const std::string& name) {
  std::ifstream in(std::string(CAIRN_VECTORS) + "/base/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a sealed file opens under its passphrase, whatever its length") {
  for (size_t size : {0u, 1u, 65'535u, 65'536u, 65'537u, 131'072u, 200'000u}) {
    std::string text(size, 'k');
    std::string sealed = Seal(text);
    CHECK(absl::StartsWith(sealed, "-----BEGIN AGE ENCRYPTED FILE-----\n"));
    auto opened = AgeOpen(sealed, SecretString("correct horse"));
    REQUIRE(opened.ok());
    CHECK(opened->Reveal() == text);
  }
}

TEST_CASE("files that age wrote open here, and the golden file is what we write") {
  for (const char* name : {"age_file.age", "age_file_binary.age"}) {
    auto opened = AgeOpen(Vector(name), SecretString("correct horse"));
    REQUIRE(opened.ok());
    CHECK(opened->Reveal() == "CAIRN-SEED-V1 by age itself\n");
  }
  if (std::getenv("CAIRN_WRITE_VECTORS") != nullptr) {
    std::ofstream(std::string(CAIRN_VECTORS) + "/base/age_file_golden.age") << Seal("golden\n");
  }
  CHECK(Seal("golden\n") == Vector("age_file_golden.age"));
}

TEST_CASE("a wrong passphrase is told from a damaged file") {
  std::string sealed = Seal("secret");
  CHECK(ReasonOfOpen(sealed, "wrong horse") == "WRONG_PASSPHRASE");
  CHECK(ReasonOfOpen("") == "BAD_AGE_FILE");
  CHECK(ReasonOfOpen("age-encryption.org/v2\n") == "BAD_AGE_FILE");
  CHECK(ReasonOfOpen(sealed.substr(0, sealed.size() / 2)) == "BAD_AGE_FILE");
  std::string binary = Binary(sealed);
  CHECK(ReasonOfOpen(binary) == "OK");
  for (size_t cut = 0; cut < binary.size(); cut += 7) {
    CHECK(ReasonOfOpen(binary.substr(0, cut)) == "BAD_AGE_FILE");
  }
  for (size_t at :
       {binary.find("---") + 6, binary.size() - 1, binary.size() - 20, binary.size() - 40}) {
    std::string changed = binary;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    CHECK(ReasonOfOpen(changed) == "BAD_AGE_FILE");
  }
  CHECK(ReasonOfOpen(binary + "x") == "BAD_AGE_FILE");
}

TEST_CASE("the work an opener may be made to do is bounded") {
  std::string binary = "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 20\n" +
                       std::string(43, 'A') + "\n--- " + std::string(43, 'A') + "\n";
  CHECK(ReasonOfOpen(binary) == "WORK_FACTOR_TOO_HIGH");
  CHECK(ReasonOfOpen(absl::StrReplaceAll(binary, {{" 20\n", " 05\n"}})) == "BAD_AGE_FILE");
  CHECK(ReasonOfOpen(absl::StrReplaceAll(binary, {{" 20\n", " 0\n"}})) == "BAD_AGE_FILE");
  CHECK(ReasonOfOpen(absl::StrReplaceAll(binary, {{"scrypt", "X25519"}})) == "BAD_AGE_FILE");
  SeededEntropy entropy(1);
  CHECK_FALSE(AgeSeal({}, SecretString("p"), 20, entropy).ok());
  CHECK_FALSE(AgeSeal({}, SecretString(""), 5, entropy).ok());
}

}  // namespace cairn::base
