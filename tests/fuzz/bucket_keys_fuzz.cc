// Key wraps from the ledger: u8 kind (0: a bucket's keys, 1: a version's key), then the wrap. Kinds 2 and 3 are edits of
// a true wrap, u8 place and u8 mask each. Nothing opens but what was wrapped.
#include "cairn/base/codec.h"
#include "cairn/base/entropy.h"
#include "cairn/storage/bucket_keys.h"
#include "fuzz.h"

namespace cairn {
namespace {

struct Member {
  base::SeededEntropy entropy{42};
  base::WrapKey key = base::WrapKey::FromSeed(entropy.DrawSecret<32>());
  storage::KeyScope scope{entropy.Draw<base::ChainId>(), entropy.Draw<base::Nonce16>(), 3};
  storage::BucketKeys keys = storage::BucketKeys::Draw(entropy);
  storage::VersionKey version = entropy.DrawSecret<32>();
  base::Bytes wrapped_keys = *storage::WrapBucketKeys(entropy, scope, keys, key.public_key());
  base::Bytes wrapped_version = storage::WrapVersionKey(scope, keys.epoch_key, version);
};

base::Bytes Edited(base::Bytes bytes, base::ByteView edits) {
  base::Reader reader(edits);
  while (reader.remaining() >= 2) {
    const size_t at = reader.U8() % bytes.size();
    bytes[at] = static_cast<uint8_t>(bytes[at] ^ reader.U8());
  }
  return bytes;
}

}  // namespace

void FuzzOne(base::ByteView input) {
  static const Member member;
  if (input.empty()) return;
  const uint8_t kind = input[0] % 4;
  const base::Bytes& real = kind % 2 == 0 ? member.wrapped_keys : member.wrapped_version;
  const base::Bytes wrapped = kind < 2 ? base::ToBytes(input.subspan(1)) : Edited(real, input.subspan(1));
  bool opened = false;
  if (kind % 2 == 0) {
    auto keys = storage::UnwrapBucketKeys(member.scope, wrapped, member.key);
    opened = keys.ok();
    if (opened) FUZZ_CHECK(keys->epoch_key.Reveal() == member.keys.epoch_key.Reveal());
  } else {
    auto key = storage::UnwrapVersionKey(member.scope, member.keys.epoch_key,
                                         storage::KeyIdOf(member.version), wrapped);
    opened = key.ok();
    if (opened) FUZZ_CHECK(key->Reveal() == member.version.Reveal());
  }
  FUZZ_CHECK(opened == (wrapped == real));
}

}  // namespace cairn
