// A blob store that forgets: for tests and simulations. Keeps every promise of BlobStore except
// surviving its process.
#pragma once

#include <memory>

#include "cairn/storage/blob_store.h"

namespace cairn::storage {

// `quota_bytes` limits the bytes held, partial blobs included.
std::unique_ptr<BlobStore> NewMemoryBlobStore(const base::StoreId& id,
                                              uint64_t quota_bytes = uint64_t{1} << 40);

}  // namespace cairn::storage
