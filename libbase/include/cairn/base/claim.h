// The signed statements that parties exchange and the ledger checks: who says what, over which bytes.
//
// Each is a digest under a context of its own over length-prefixed fields, beginning with the chain id. Whoever makes,
// relays or checks one uses these functions, so there is one definition. Layout table: libbase/FORMATS.md.
#pragma once

#include "absl/time/time.h"
#include "cairn/base/key.h"
#include "cairn/base/layout.h"

namespace cairn::base {

// A primary's consent to one create (or batch): single use by (provider, nonce), until `expires_ms` of ledger time.
// `request` is the hash of the operation's bytes with the approval's signature field empty.
struct ApprovalClaim {
  ChainId chain;
  AccountId provider;
  Nonce16 nonce;
  uint64_t expires_ms = 0;
  Digest request;
};
Digest SigningDigest(const ApprovalClaim& claim);

// One object as a receipt names it.
struct ReceiptEntry {
  ObjectId object;
  uint64_t version = 0;
  Digest layout_root;
  uint64_t stored_size = 0;
  friend bool operator==(const ReceiptEntry&, const ReceiptEntry&) = default;
};

// A holder's statement that it keeps, durably, its part (given by the position) of every entry. Entries are sorted by
// object id; no expiry: it names the group's epoch and the holder's store instead.
struct HolderReceipt {
  ChainId chain;
  GroupId group;
  uint64_t group_epoch = 0;
  uint32_t position = 0;
  StoreId store;
  std::vector<ReceiptEntry> entries;
};
Digest SigningDigest(const HolderReceipt& receipt);

// The primary's statement to the client: "uploaded", it has the receipts it needs and owes a seal by the deadline.
struct UploadReceipt {
  ChainId chain;
  AccountId primary;
  std::vector<ReceiptEntry> entries;
};
Digest SigningDigest(const UploadReceipt& receipt);

// A signed read: who asks which server for what, until when. `request` hashes method and message bytes.
struct CallClaim {
  ChainId chain;
  AccountId caller;
  PublicKey server;
  uint64_t expires_ms = 0;
  Digest request;
};
Digest SigningDigest(const CallClaim& claim);
Digest CallRequestHash(absl::string_view method, ByteView message);

// A holder's scrub digest: what its last complete scrub found. Counts as its proof of being live.
struct ScrubClaim {
  ChainId chain;
  AccountId provider;
  StoreId store;
  uint64_t finished_ms = 0;
  uint64_t blobs = 0;
  uint64_t bytes = 0;
  uint64_t damaged = 0;
};
Digest SigningDigest(const ScrubClaim& claim);

}  // namespace cairn::base
