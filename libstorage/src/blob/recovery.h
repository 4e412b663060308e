// Opening the packs: whose they are, what a crash has torn, and what the index has yet to learn.
#pragma once

#include <memory>

#include "blob/pack_log.h"

namespace cairn::storage {

struct Identity {
  StoreFile file;
  bool lost = false;  // there was a store here, and its packs are gone
};

// The identity is in every pack; the `store` file remembers that there was a store when no pack is
// left. Draws a new identity for a new or a lost store, and creates its first pack.
absl::StatusOr<Identity> LoadIdentity(const DiskBlobStore::Environment& environment);

struct Head {
  uint32_t pack = 0;
  std::shared_ptr<base::File> file;
  uint64_t size = 0;
};

// Brings the catalog up to the end of the packs: from where it stopped or, when it does not fit to
// the packs, from the first record on. Only the newest pack can be torn: what nobody was promised
// there is cut off or covered.
absl::StatusOr<Head> Recover(StoreParts& parts);

}  // namespace cairn::storage
