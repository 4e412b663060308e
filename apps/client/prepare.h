// From plaintext to what the ledger records: the first pass over a source. Internal.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "apps/client/put.h"
#include "cairn/chain/pb.h"
#include "cairn/storage/encode.h"
#include "cairn/storage/manifest.h"

namespace cairn::client {

// An object ready to be created. `object` lacks name and version.
struct Prepared {
  chain::pb::NewObject object;
  storage::VersionLayout layout;
  base::Bytes manifest;
  base::Bytes stored;      // small objects only
  base::Bytes frame_tags;  // of a sealed one
  uint64_t plaintext_size = 0;
};

// What is read: plaintext, or bytes sealed already (a pipe's spool).
struct Input {
  Source* source = nullptr;
  std::optional<storage::VersionKey> key;  // private buckets
  bool sealed_already = false;
  // Of the plaintext, when it was sealed already.
  uint64_t plaintext_size = 0;
  base::Digest plaintext_hash;
  std::string content_type;
  std::map<std::string, std::string> metadata;
};

// Would an object of this plaintext size travel in a batch?
bool IsSmall(const Bucket& bucket, uint64_t plaintext_size);
uint64_t StoredSize(const Bucket& bucket, uint64_t plaintext_size);

// A first pass with a fresh key where the bucket wants one; small objects keep their stored bytes.
absl::StatusOr<Prepared> PrepareSmall(Client& client, const Bucket& bucket, Source& source,
                                      const PutOptions& options);
absl::StatusOr<Prepared> PrepareLarge(Client& client, const Bucket& bucket, Input& input,
                                      const std::string& item);

// One pass from a stripe on, as UploadParcel wants it. With `prepared` of a pass before: stops with
// SOURCE_CHANGED before other bytes leave.
absl::Status RunPass(Client& client, const Bucket& bucket, Input& input, const Prepared* prepared,
                     uint64_t first_stripe, const storage::ShardSink& sink,
                     storage::EncodedObject* result,
                     const std::function<void(uint64_t done)>& progress);

}  // namespace cairn::client
