// The identifiers of Cairn and their text forms.
//
//   ContentId   BLAKE3-256 of the stored bytes; text: CIDv1, base32 (multicodec raw 0x55, multihash blake3 0x1e)
//   AccountId   20 bytes: first 20 of BLAKE3(key type | public key); text: bech32m, "cairn1..."
//   ChainId     32 bytes: hash of the genesis record; text: hex
//   ObjectId    16 bytes: see ObjectIdFor; text: hex
//   StoreId     16 random bytes that a provider draws for each new, empty blob store; text: hex
//   BucketId, GroupId   numbers the ledger hands out, never reused
#pragma once

#include "cairn/base/hash.h"

namespace cairn::base {

using ChainId = FixedBytes<struct ChainIdTag, 32>;
using AccountId = FixedBytes<struct AccountIdTag, 20>;
using ObjectId = FixedBytes<struct ObjectIdTag, 16>;
using StoreId = FixedBytes<struct StoreIdTag, 16>;
using Nonce16 = FixedBytes<struct Nonce16Tag, 16>;
using BucketId = StrongId<struct BucketIdTag>;
using GroupId = StrongId<struct GroupIdTag>;

struct ContentId {
  Digest digest;

  static ContentId Of(ByteView bytes) { return {Blake3(bytes)}; }
  // "bafk...": multibase base32 lower case of 01 55 1e 20 | digest. 59 characters.
  std::string ToText() const;
  // Accepts exactly what ToText prints. InvalidArgument (reason BAD_CONTENT_ID) otherwise.
  static absl::StatusOr<ContentId> Parse(absl::string_view text);
  bool empty() const { return digest.empty(); }
  friend bool operator==(const ContentId&, const ContentId&) = default;
  friend auto operator<=>(const ContentId&, const ContentId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ContentId& c) {
    return H::combine(std::move(h), c.digest);
  }
};

// bech32m with the human-readable part "cairn". Parse refuses mixed case and a wrong checksum (reason BAD_ACCOUNT_ID).
std::string ToText(const AccountId& id);
absl::StatusOr<AccountId> ParseAccountId(absl::string_view text);

// First 16 bytes of the hash of (chain, bucket, nonce, index): known to the client before it asks, unique because an
// approval's nonce is used once; `index` counts the objects of one batch.
ObjectId ObjectIdFor(const ChainId& chain, BucketId bucket, const Nonce16& nonce, uint32_t index);

}  // namespace cairn::base
