// A manifest from a stranger: whatever decodes encodes to the same bytes, with a key or without.
#include "cairn/base/entropy.h"
#include "cairn/storage/manifest.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  static const storage::VersionKey key = base::SeededEntropy(42).DrawSecret<32>();
  auto head = storage::DecodeManifestHead(input);
  auto manifest = storage::DecodeManifest(input, &key);
  if (!manifest.ok()) return;
  FUZZ_CHECK(head.ok() && *head == manifest->head);
  auto again = storage::EncodeManifest(*manifest, manifest->head.seal ? &key : nullptr);
  FUZZ_CHECK(again.ok() && base::ByteView(*again) == input);
}

}  // namespace cairn
