// A passphrase file from a foreign disk: u8 kind, then 1: its bytes, 0: edits of a file of our own (u16 place and u8 mask
// each), 2: u16 length to cut the unarmored file to, then edits of it. A stranger cannot forge the rest, so whatever
// opens is what was sealed.
#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "cairn/base/age_file.h"
#include "cairn/base/codec.h"
#include "fuzz.h"

namespace cairn {
namespace {

constexpr char kPlaintext[] = "a key";

const base::SecretString& Passphrase() {
  static const base::SecretString passphrase("open");
  return passphrase;
}

const std::string& Ours() {
  static const std::string file = [] {
    base::SeededEntropy entropy(42);
    return *base::AgeSeal(base::AsBytes(kPlaintext), Passphrase(), 1, entropy);
  }();
  return file;
}

std::string Unarmored() {
  const absl::string_view armored = Ours();
  const size_t from = armored.find('\n') + 1;
  std::string binary;
  const std::string text = absl::StrReplaceAll(armored.substr(from, armored.rfind("\n-----END") - from), {{"\n", ""}});
  FUZZ_CHECK(absl::Base64Unescape(text, &binary));
  return binary;
}

void CheckOpen(absl::string_view file) {
  auto opened = base::AgeOpen(file, Passphrase());
  if (opened.ok()) FUZZ_CHECK(opened->Reveal() == kPlaintext);
}

// Work factors above a few cost too much time here; what comes of them is the same.
bool Costly(absl::string_view file) {
  const size_t end = file.find("\n--- ");
  const absl::string_view header = file.substr(0, end);
  for (size_t at = header.find(' '); at != absl::string_view::npos; at = header.find(' ', at + 1)) {
    const absl::string_view word = header.substr(at + 1, header.find_first_of(" \n", at + 1) - at - 1);
    if (word == "18" || word == "19" || (word.size() == 2 && word[0] == '1')) return true;
  }
  return false;
}

}  // namespace

void FuzzOne(base::ByteView input) {
  if (input.empty()) return;
  if (input[0] == 1) {
    const absl::string_view file = base::AsText(input.subspan(1));
    if (!Costly(file)) CheckOpen(file);
    return;
  }
  base::Reader edits(input.subspan(1));
  std::string file = input[0] == 0 ? Ours() : Unarmored();
  if (input[0] != 0) file.resize(std::min<size_t>(file.size(), edits.U16()));
  if (file.empty()) return;
  while (edits.remaining() >= 3) {
    const size_t at = edits.U16() % file.size();
    file[at] = static_cast<char>(file[at] ^ edits.U8());
  }
  if (!Costly(file)) CheckOpen(file);
}

}  // namespace cairn
