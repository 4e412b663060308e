// A manifest from a stranger, public or sealed under a key the target knows. What is read is written back to the same
// bytes, and the head alone is the head of the whole.
#include "cairn/storage/manifest.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  static const storage::VersionKey key;
  auto head = storage::DecodeManifestHead(input);
  const storage::VersionKey* with = head.ok() && head->seal ? &key : nullptr;
  auto manifest = storage::DecodeManifest(input, with);
  if (!manifest.ok()) return;
  FUZZ_CHECK(head.ok() && *head == manifest->head);
  auto encoded = storage::EncodeManifest(*manifest, with);
  FUZZ_CHECK(encoded.ok() && base::ByteView(*encoded) == input);
}

}  // namespace cairn
