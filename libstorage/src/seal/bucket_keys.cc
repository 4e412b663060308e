#include "cairn/storage/bucket_keys.h"

#include "absl/algorithm/container.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr absl::string_view kWrapInfo = "cairn v1 bucket keys wrap";
// One (key, message) pair per nonce is not needed under GCM-SIV: equal keys give equal wraps,
// nothing else shows.
constexpr std::array<uint8_t, base::kAeadNonceBytes> kZeroNonce{};

base::Bytes ScopeBytes(const KeyScope& scope) {
  base::Writer w;
  w.Raw(scope.chain.view());
  w.Raw(scope.bucket.view());
  w.U64(scope.epoch);
  return std::move(w).Take();
}

base::Bytes VersionAad(const KeyScope& scope, const KeyId& key_id) {
  base::Bytes aad = ScopeBytes(scope);
  aad.insert(aad.end(), key_id.value.begin(), key_id.value.end());
  return aad;
}

base::Aead VersionWrapAead(const base::Secret<32>& epoch_key) {
  return base::Aead::GcmSiv(base::DeriveSecret("cairn v1 version key wrap", epoch_key));
}

absl::Status WrongKey(absl::string_view what) {
  return base::Error(absl::StatusCode::kPermissionDenied, "WRONG_KEY",
                     std::string(what) + " does not open with this key, bucket and epoch",
                     "Ask the bucket's owner for a grant.");
}

}  // namespace

BucketKeys BucketKeys::Draw(base::Entropy& entropy) {
  return {entropy.DrawSecret<32>(), entropy.DrawSecret<32>()};
}

BucketKeys BucketKeys::Next(base::Entropy& entropy) const {
  // Stored names stay as they are: a new name key would mean a new record for every object.
  return {entropy.DrawSecret<32>(), name_key.Clone()};
}

BucketKeys BucketKeys::Clone() const { return {epoch_key.Clone(), name_key.Clone()}; }

absl::StatusOr<base::Bytes> WrapBucketKeys(base::Entropy& entropy, const KeyScope& scope,
                                           const BucketKeys& keys,
                                           const base::WrapPublicKey& member) {
  base::Secret<64> payload;
  auto out = payload.Fill();
  absl::c_copy(keys.epoch_key.Reveal(), out.begin());
  absl::c_copy(keys.name_key.Reveal(), out.begin() + 32);
  return base::HpkeSeal(entropy, member, base::AsBytes(kWrapInfo), ScopeBytes(scope),
                        payload.Reveal());
}

absl::StatusOr<BucketKeys> UnwrapBucketKeys(const KeyScope& scope, base::ByteView wrapped,
                                            const base::WrapKey& member) {
  if (wrapped.size() != kWrappedBucketKeysBytes) return WrongKey("the wrap of the bucket's keys");
  ASSIGN_OR_RETURN(base::Bytes payload,
                   base::HpkeOpen(member, base::AsBytes(kWrapInfo), ScopeBytes(scope), wrapped));
  auto epoch_key = base::Secret<32>::From(base::ByteView(payload).first(32));
  auto name_key = base::Secret<32>::From(base::ByteView(payload).subspan(32));
  base::SecureWipe(payload.data(), payload.size());
  if (!epoch_key.ok() || !name_key.ok()) return WrongKey("the wrap of the bucket's keys");
  return BucketKeys{*std::move(epoch_key), *std::move(name_key)};
}

base::Bytes WrapVersionKey(const KeyScope& scope, const base::Secret<32>& epoch_key,
                           const VersionKey& key) {
  return VersionWrapAead(epoch_key).Seal(kZeroNonce, VersionAad(scope, KeyIdOf(key)), key.Reveal());
}

absl::StatusOr<VersionKey> UnwrapVersionKey(const KeyScope& scope,
                                            const base::Secret<32>& epoch_key, const KeyId& key_id,
                                            base::ByteView wrapped) {
  if (wrapped.size() != kWrappedVersionKeyBytes) return WrongKey("the wrapped version key");
  VersionKey key;
  absl::Status opened =
      VersionWrapAead(epoch_key).OpenTo(kZeroNonce, VersionAad(scope, key_id), wrapped, key.Fill());
  // The associated data bind the id; that the key has this id only its hash tells.
  if (!opened.ok() || KeyIdOf(key) != key_id) return WrongKey("the wrapped version key");
  return key;
}

}  // namespace cairn::storage
