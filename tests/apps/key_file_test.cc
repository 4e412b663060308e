#include "apps/common/key_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "apps/common/passphrase.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "support/temp_dir.h"

namespace cairn::app {

TEST_CASE(
    "a seed under a passphrase comes back under it alone, in a file that only its owner may read") {
  TempDir folder;
  std::string path = folder.path() + "/alice.age";
  base::SeededEntropy entropy(4);
  base::Secret<32> seed = entropy.DrawSecret<32>();
  base::SecretString passphrase("four words of it");
  REQUIRE(WriteSeedFile(path, seed, passphrase, 5, entropy).ok());
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  auto back = ReadSeedFile(path, passphrase);
  REQUIRE(back.ok());
  CHECK(back->Reveal() == seed.Reveal());
  CHECK(base::ReasonOf(ReadSeedFile(path, base::SecretString("other")).status()) ==
        "WRONG_PASSPHRASE");
  CHECK(base::ReasonOf(ReadSeedFile(path + "x", passphrase).status()) == "NO_KEY_FILE");
  CHECK_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_CASE("a plain key file that others may read is refused") {
  TempDir folder;
  std::string path = folder.path() + "/engine.key";
  base::SeededEntropy entropy(4);
  base::Secret<32> seed = entropy.DrawSecret<32>();
  REQUIRE(WritePlainSeedFile(path, seed).ok());
  CHECK(ReadPlainSeedFile(path)->Reveal() == seed.Reveal());
  chmod(path.c_str(), 0640);
  CHECK(base::ReasonOf(ReadPlainSeedFile(path).status()) == "KEY_FILE_OPEN");
  std::ofstream(path) << "CAIRN-SEED-V1 abc\n";
  chmod(path.c_str(), 0600);
  CHECK(base::ReasonOf(ReadPlainSeedFile(path).status()) == "BAD_KEY_FILE");
}

TEST_CASE("a passphrase comes from a credential, a file or a command, in this order") {
  TempDir folder;
  std::ofstream(folder.path() + "/wallet") << "from credential\nsecond line\n";
  std::ofstream(folder.path() + "/file") << "from file\r\n";
  std::ofstream(folder.path() + "/empty") << "\n";
  PassphraseSources sources{.credential = "wallet",
                            .file = folder.path() + "/file",
                            .command = "echo from command",
                            .prompt = "",
                            .confirm = false};
  CHECK(ReadPassphrase(sources)->Reveal() == "from file");
  setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
  CHECK(ReadPassphrase(sources)->Reveal() == "from credential");
  unsetenv("CREDENTIALS_DIRECTORY");
  sources.file.clear();
  CHECK(ReadPassphrase(sources)->Reveal() == "from command");
  sources.command = "exit 3";
  CHECK(base::ReasonOf(ReadPassphrase(sources).status()) == "NO_PASSPHRASE");
  sources.command.clear();
  CHECK(base::ReasonOf(ReadPassphrase(sources).status()) == "NO_PASSPHRASE");
  sources.file = folder.path() + "/empty";
  CHECK(base::ReasonOf(ReadPassphrase(sources).status()) == "EMPTY_PASSPHRASE");
}

}  // namespace cairn::app
