// The keys of a private bucket: who can read it, since when, and how a version's key is found.
//
// A bucket has *epochs*; each has a random epoch key. A version key is wrapped under the epoch key
// current when the version was written; the epoch key and the bucket's name key are wrapped
// together, once, to each member's X25519 key. Revoking a member starts a new epoch: what was
// readable stays readable unless re-keyed, what comes later is not. Every wrap is bound to the
// chain, the bucket (by the nonce its creator drew, because its id exists only afterwards) and the
// epoch. Layout tables: libstorage/FORMATS.md. Pure functions; safe from any thread.
#pragma once

#include "cairn/base/entropy.h"
#include "cairn/base/key.h"
#include "cairn/storage/seal.h"

namespace cairn::storage {

// Where a key belongs.
struct KeyScope {
  base::ChainId chain;
  base::Nonce16 bucket;  // the nonce of the bucket's create operation
  uint64_t epoch = 0;
};

// What a member of a bucket holds. The name key stays the same through all epochs: names stay
// readable.
struct BucketKeys {
  base::Secret<32> epoch_key;
  base::Secret<32> name_key;

  static BucketKeys Draw(base::Entropy& entropy);
  // The keys of the next epoch.
  BucketKeys Next(base::Entropy& entropy) const;
  BucketKeys Clone() const;
};

inline constexpr size_t kWrappedBucketKeysBytes = 64 + 48;
inline constexpr size_t kWrappedVersionKeyBytes = 32 + 16;

// HPKE to one member; 112 bytes.
absl::StatusOr<base::Bytes> WrapBucketKeys(base::Entropy& entropy, const KeyScope& scope,
                                           const BucketKeys& keys,
                                           const base::WrapPublicKey& member);
// PermissionDenied (reason WRONG_KEY) when the wrap is for another member, bucket, epoch or chain,
// or damaged.
absl::StatusOr<BucketKeys> UnwrapBucketKeys(const KeyScope& scope, base::ByteView wrapped,
                                            const base::WrapKey& member);

// AES-256-GCM-SIV under the epoch key, bound to the scope and the key's id; 48 bytes.
base::Bytes WrapVersionKey(const KeyScope& scope, const base::Secret<32>& epoch_key,
                           const VersionKey& key);
// PermissionDenied (reason WRONG_KEY) when anything differs; also when the key found is not the one
// `key_id` names.
absl::StatusOr<VersionKey> UnwrapVersionKey(const KeyScope& scope,
                                            const base::Secret<32>& epoch_key, const KeyId& key_id,
                                            base::ByteView wrapped);

}  // namespace cairn::storage
