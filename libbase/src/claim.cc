#include "cairn/base/claim.h"

namespace cairn::base {
namespace {

void AddEntries(Hasher& hasher, absl::Span<const ReceiptEntry> entries) {
  hasher.Field(uint64_t{entries.size()});
  for (const ReceiptEntry& entry : entries) {
    hasher.Field(entry.object.view())
        .Field(entry.version)
        .Field(entry.layout_root.view())
        .Field(entry.stored_size);
  }
}

}  // namespace

Digest SigningDigest(const ApprovalClaim& claim) {
  return Hasher::DeriveKey("cairn v1 approval")
      .Field(claim.chain.view())
      .Field(claim.provider.view())
      .Field(claim.nonce.view())
      .Field(claim.expires_ms)
      .Field(claim.request.view())
      .Finish();
}

Digest SigningDigest(const HolderReceipt& receipt) {
  Hasher hasher = Hasher::DeriveKey("cairn v1 holder receipt");
  hasher.Field(receipt.chain.view())
      .Field(receipt.group.value)
      .Field(receipt.group_epoch)
      .Field(uint64_t{receipt.position})
      .Field(receipt.store.view());
  AddEntries(hasher, receipt.entries);
  return hasher.Finish();
}

Digest SigningDigest(const UploadReceipt& receipt) {
  Hasher hasher = Hasher::DeriveKey("cairn v1 upload receipt");
  hasher.Field(receipt.chain.view()).Field(receipt.primary.view());
  AddEntries(hasher, receipt.entries);
  return hasher.Finish();
}

Digest SigningDigest(const CallClaim& claim) {
  return Hasher::DeriveKey("cairn v1 call")
      .Field(claim.chain.view())
      .Field(claim.caller.view())
      .Field(static_cast<uint64_t>(claim.server.type))
      .Field(claim.server.bytes.view())
      .Field(claim.expires_ms)
      .Field(claim.request.view())
      .Finish();
}

Digest CallRequestHash(absl::string_view method, ByteView message) {
  return Hasher::DeriveKey("cairn v1 call request").Field(method).Field(message).Finish();
}

Digest SigningDigest(const ScrubClaim& claim) {
  return Hasher::DeriveKey("cairn v1 scrub")
      .Field(claim.chain.view())
      .Field(claim.provider.view())
      .Field(claim.store.view())
      .Field(claim.finished_ms)
      .Field(claim.blobs)
      .Field(claim.bytes)
      .Field(claim.damaged)
      .Finish();
}

}  // namespace cairn::base
