// An encoded public key (33 bytes), a signature (64) and a digest (32) from a stranger, then a wrap.
// Under the one key whose secret the target knows, nothing verifies but the signature that the secret makes.
#include "cairn/base/codec.h"
#include "cairn/base/key.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  static const base::SigningKey known = base::SigningKey::FromSeed(base::Secret<32>());
  static const base::WrapKey wrap_key = base::WrapKey::FromSeed(base::Secret<32>());
  base::Reader reader(input);
  base::ByteView encoded = reader.Raw(33);
  base::Signature signature = reader.Fixed<base::Signature>();
  base::Digest digest = reader.Fixed<base::Digest>();
  base::ByteView wrapped = reader.Raw(reader.remaining());

  auto key = base::PublicKey::Decode(encoded);
  if (key.ok()) {
    FUZZ_CHECK(base::ByteView(key->Encode()) == encoded);
    bool good = key->Verify(digest, signature);
    if (*key == known.public_key()) FUZZ_CHECK(good == (known.Sign(digest) == signature));
  }
  auto opened = base::HpkeOpen(wrap_key, base::AsBytes("info"), base::AsBytes("aad"), wrapped);
  if (opened.ok()) FUZZ_CHECK(opened->size() + 48 == wrapped.size());
}

}  // namespace cairn
