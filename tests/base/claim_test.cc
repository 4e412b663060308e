#include "cairn/base/claim.h"

#include <set>

#include "catch.h"
#include "vectors.h"

namespace cairn::base {
namespace {

template <class Fixed>
Fixed Filled(uint8_t byte) {
  Fixed out;
  out.value.fill(byte);
  return out;
}

const ChainId kChain = Filled<ChainId>(1);

ApprovalClaim Approval() {
  return {kChain, Filled<AccountId>(2), Filled<Nonce16>(3), 4, Filled<Digest>(5)};
}
ReceiptEntry Entry(uint8_t object) {
  return {Filled<ObjectId>(object), 2, Filled<Digest>(7), 1'000'000};
}
HolderReceipt Holder() {
  return {kChain, GroupId{2}, 3, 4, Filled<StoreId>(5), {Entry(6), Entry(8)}};
}
UploadReceipt Upload() { return {kChain, Filled<AccountId>(2), {Entry(6), Entry(8)}}; }
CallClaim Call() {
  CallClaim claim{kChain, Filled<AccountId>(2), {}, 4, Filled<Digest>(5)};
  claim.server.bytes.value.fill(3);
  return claim;
}
ScrubClaim Scrub() { return {kChain, Filled<AccountId>(2), Filled<StoreId>(3), 4, 5, 6, 7}; }

// The digest after one change, for each change.
template <class Claim, class... Changes>
std::set<Digest> Digests(const Claim& claim, Changes... changes) {
  std::set<Digest> digests = {SigningDigest(claim)};
  const auto changed = [&](auto change) {
    Claim copy = claim;
    change(copy);
    digests.insert(SigningDigest(copy));
  };
  (changed(changes), ...);
  return digests;
}

TEST_CASE("an approval binds chain, provider, nonce, expiry and request") {
  CHECK(Digests(
            Approval(), [](auto& c) { c.chain.value[0] ^= 1; },
            [](auto& c) { c.provider.value[0] ^= 1; }, [](auto& c) { c.nonce.value[0] ^= 1; },
            [](auto& c) { ++c.expires_ms; }, [](auto& c) { c.request.value[0] ^= 1; })
            .size() == 6);
}

TEST_CASE("a holder receipt binds group, epoch, position, store and every entry") {
  CHECK(Digests(
            Holder(), [](auto& c) { c.chain.value[0] ^= 1; }, [](auto& c) { ++c.group.value; },
            [](auto& c) { ++c.group_epoch; }, [](auto& c) { ++c.position; },
            [](auto& c) { c.store.value[0] ^= 1; }, [](auto& c) { c.entries.pop_back(); },
            [](auto& c) { std::swap(c.entries[0], c.entries[1]); },
            [](auto& c) { c.entries[1].object.value[0] ^= 1; },
            [](auto& c) { ++c.entries[1].version; },
            [](auto& c) { c.entries[1].layout_root.value[0] ^= 1; },
            [](auto& c) { ++c.entries[1].stored_size; })
            .size() == 12);
}

TEST_CASE("an upload receipt binds primary and every entry") {
  CHECK(Digests(
            Upload(), [](auto& c) { c.chain.value[0] ^= 1; },
            [](auto& c) { c.primary.value[0] ^= 1; }, [](auto& c) { c.entries.pop_back(); },
            [](auto& c) { ++c.entries[0].version; })
            .size() == 5);
}

TEST_CASE("a call binds caller, server, expiry and request") {
  CHECK(Digests(
            Call(), [](auto& c) { c.chain.value[0] ^= 1; }, [](auto& c) { c.caller.value[0] ^= 1; },
            [](auto& c) { c.server.bytes.value[0] ^= 1; },
            [](auto& c) { c.server.type = static_cast<KeyType>(2); },
            [](auto& c) { ++c.expires_ms; }, [](auto& c) { c.request.value[0] ^= 1; })
            .size() == 7);
  CHECK(CallRequestHash("ab", AsBytes("c")) != CallRequestHash("a", AsBytes("bc")));
}

TEST_CASE("a scrub digest binds every count") {
  CHECK(Digests(
            Scrub(), [](auto& c) { c.chain.value[0] ^= 1; },
            [](auto& c) { c.provider.value[0] ^= 1; }, [](auto& c) { c.store.value[0] ^= 1; },
            [](auto& c) { ++c.finished_ms; }, [](auto& c) { ++c.blobs; },
            [](auto& c) { ++c.bytes; }, [](auto& c) { ++c.damaged; })
            .size() == 8);
}

TEST_CASE("the digests of all claims are those of the format table") {
  Bytes all;
  for (const Digest& digest :
       {SigningDigest(Approval()), SigningDigest(Holder()), SigningDigest(Upload()),
        SigningDigest(Call()), CallRequestHash("method", AsBytes("message")),
        SigningDigest(Scrub())}) {
    all.insert(all.end(), digest.value.begin(), digest.value.end());
  }
  CheckVector("base/claims.hex", all);
}

TEST_CASE("an approval's digest is the derive-key hash of its fields in order") {
  Bytes wire;
  const auto field = [&](uint8_t length, uint8_t fill) {
    const Bytes prefix = {length, 0, 0, 0, 0, 0, 0, 0};
    wire.insert(wire.end(), prefix.begin(), prefix.end());
    wire.insert(wire.end(), length, fill);
  };
  field(32, 1);
  field(20, 2);
  field(16, 3);
  const Bytes expires = {4, 0, 0, 0, 0, 0, 0, 0};
  wire.insert(wire.end(), expires.begin(), expires.end());
  field(32, 5);
  CHECK(Hasher::DeriveKey("cairn v1 approval").Update(wire).Finish() == SigningDigest(Approval()));
}

}  // namespace
}  // namespace cairn::base
