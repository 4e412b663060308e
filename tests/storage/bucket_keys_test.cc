#include "cairn/storage/bucket_keys.h"

#include "base/vectors.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::SeededEntropy;
using base::WrapKey;

KeyScope Scope(uint8_t chain, uint8_t bucket, uint64_t epoch) {
  KeyScope scope;
  scope.chain.value[0] = chain;
  scope.bucket.value[0] = bucket;
  scope.epoch = epoch;
  return scope;
}

TEST_CASE("a member unwraps the keys of a bucket; nobody else, for nothing else") {
  SeededEntropy entropy(5);
  const WrapKey member = WrapKey::FromSeed(entropy.DrawSecret<32>());
  const WrapKey stranger = WrapKey::FromSeed(entropy.DrawSecret<32>());
  const BucketKeys keys = BucketKeys::Draw(entropy);
  const KeyScope scope = Scope(1, 2, 3);
  const auto wrapped = WrapBucketKeys(entropy, scope, keys, member.public_key()).value();
  REQUIRE(wrapped.size() == kWrappedBucketKeysBytes);

  const BucketKeys back = UnwrapBucketKeys(scope, wrapped, member).value();
  CHECK(back.epoch_key.Reveal() == keys.epoch_key.Reveal());
  CHECK(back.name_key.Reveal() == keys.name_key.Reveal());

  auto refused = [&](const KeyScope& at, base::ByteView bytes, const WrapKey& key) {
    return base::ReasonOf(UnwrapBucketKeys(at, bytes, key).status()) == "WRONG_KEY";
  };
  CHECK(refused(scope, wrapped, stranger));
  CHECK(refused(Scope(9, 2, 3), wrapped, member));
  CHECK(refused(Scope(1, 9, 3), wrapped, member));
  CHECK(refused(Scope(1, 2, 9), wrapped, member));
  CHECK(refused(scope, base::ByteView(wrapped).first(111), member));
  for (size_t i = 0; i < wrapped.size(); ++i) {
    base::Bytes flipped = wrapped;
    flipped[i] ^= 1;
    if (!refused(scope, flipped, member)) FAIL("byte " << i);
  }
}

TEST_CASE("a version key opens under its bucket's key of its epoch alone") {
  SeededEntropy entropy(6);
  const BucketKeys keys = BucketKeys::Draw(entropy);
  const VersionKey version = TestKey();
  const KeyId id = KeyIdOf(version);
  const KeyScope scope = Scope(1, 2, 3);
  const base::Bytes wrapped = WrapVersionKey(scope, keys.epoch_key, version);
  REQUIRE(wrapped.size() == kWrappedVersionKeyBytes);
  CHECK(UnwrapVersionKey(scope, keys.epoch_key, id, wrapped)->Reveal() == version.Reveal());

  auto refused = [&](const KeyScope& at, const base::Secret<32>& key, const KeyId& named) {
    return base::ReasonOf(UnwrapVersionKey(at, key, named, wrapped).status()) == "WRONG_KEY";
  };
  CHECK(refused(scope, keys.Next(entropy).epoch_key, id));
  CHECK(refused(scope, keys.epoch_key, KeyIdOf(TestKey(2))));
  CHECK(refused(Scope(1, 2, 4), keys.epoch_key, id));
  CHECK(refused(Scope(1, 3, 3), keys.epoch_key, id));
}

TEST_CASE("the wrap of a bucket's keys stays what it is: golden file") {
  SeededEntropy entropy(42);
  const WrapKey member = WrapKey::FromSeed(entropy.DrawSecret<32>());
  const BucketKeys keys = BucketKeys::Draw(entropy);
  const KeyScope scope = Scope(1, 2, 3);
  base::CheckVector("storage/bucket_keys.hex", WrapBucketKeys(entropy, scope, keys, member.public_key()).value());
  const BucketKeys back = UnwrapBucketKeys(scope, base::ReadVector("storage/bucket_keys.hex"), member).value();
  CHECK(back.epoch_key.Reveal() == keys.epoch_key.Reveal());
  CHECK(back.name_key.Reveal() == keys.name_key.Reveal());
}

TEST_CASE("a new epoch has a new key and the same names") {
  SeededEntropy entropy(7);
  const BucketKeys first = BucketKeys::Draw(entropy);
  const BucketKeys second = first.Next(entropy);
  CHECK(second.epoch_key.Reveal() != first.epoch_key.Reveal());
  CHECK(second.name_key.Reveal() == first.name_key.Reveal());
}

}  // namespace
}  // namespace cairn::storage
