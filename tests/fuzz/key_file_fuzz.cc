// A daemon's key file: the first byte picks its mode, the rest is the file. Only the one line that is written is read, in
// either case of its digits, and never from a file that others may read.
#include "absl/strings/ascii.h"
#include "apps/common/key_file.h"
#include "memory_file.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  if (input.empty()) return;
  const bool open = input[0] == 1;
  const base::ByteView content = input.subspan(1);
  const MemoryFile file(content, open ? 0640 : 0600);
  auto seed = app::ReadPlainSeedFile(file.path());
  if (seed.ok()) {
    FUZZ_CHECK(!open);
    const std::string line = "cairn-seed-v1 " + base::ToHex(seed->Reveal());
    const std::string text = absl::AsciiStrToLower(base::AsText(content));
    FUZZ_CHECK(text == line || text == line + "\n");
  }
  static const base::SecretString passphrase("open");
  auto sealed = app::ReadSeedFile(file.path(), passphrase);
  FUZZ_CHECK(!sealed.ok());  // nothing here was sealed under this passphrase
  FUZZ_CHECK(absl::IsNotFound(app::ReadPlainSeedFile(file.path() + ".none").status()));
  auto small = app::ReadSmallFile(file.path(), 64);
  FUZZ_CHECK(small.ok() == (content.size() <= 64));
}

}  // namespace cairn
