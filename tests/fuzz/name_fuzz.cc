// A name as a user may type it, and a stored name as a ledger may return it.
#include "cairn/base/entropy.h"
#include "cairn/storage/names.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  static const auto key = base::SeededEntropy(42).DrawSecret<32>();
  base::Nonce16 bucket;
  bucket.value[0] = 7;
  storage::NameCipher cipher(key, bucket);
  absl::string_view text = base::AsText(input);

  auto stored = cipher.Encrypt(text);
  FUZZ_CHECK(stored.ok() == storage::CheckName(text).ok());
  if (stored.ok()) {
    FUZZ_CHECK(stored->size() <= storage::kMaxStoredNameBytes);
    FUZZ_CHECK(*cipher.Decrypt(*stored) == std::string(text));
  }
  auto name = cipher.Decrypt(text);
  if (name.ok()) FUZZ_CHECK(*cipher.Encrypt(*name) == std::string(text));
  auto prefix = cipher.Prefix(text);
  if (prefix.ok() && stored.ok())
    FUZZ_CHECK(stored->compare(0, prefix->stored.size(), prefix->stored) == 0);
}

}  // namespace cairn
