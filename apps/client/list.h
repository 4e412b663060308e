// Finding: names as the user knows them, objects as the ledger and their manifests describe them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/buckets.h"
#include "apps/client/reference.h"
#include "cairn/storage/manifest.h"

namespace cairn::client {

enum class ObjectStatus { kUploading, kAvailable, kDurable, kDegraded };
absl::string_view ToText(ObjectStatus status);

struct ObjectInfo {
  Reference ref;
  base::ObjectId id;
  uint64_t version = 0;
  ObjectStatus status = ObjectStatus::kUploading;
  std::shared_ptr<const chain::v1::Object> record;
  std::optional<storage::Manifest> manifest;  // absent when it could not be opened yet
  std::optional<storage::VersionKey> key;     // of a sealed version, with the manifest
  // Positions that should keep a part and have not signed for it under the present generation.
  std::vector<uint32_t> missing;

  uint64_t size() const { return manifest ? manifest->plaintext_size : 0; }
};

// The current version of a name, or the one asked for. NotFound (reason NO_SUCH_OBJECT).
absl::StatusOr<ObjectInfo> FindObject(Client& client, const Bucket& bucket, const Reference& ref,
                                      uint64_t version = 0);

struct ListOptions {
  bool pending = false;
  bool versions = false;
  bool manifests = true;  // fetch those that are blobs of their own too
};
// Everything whose name begins with the reference's key, decrypted and sorted by name.
absl::StatusOr<std::vector<ObjectInfo>> ListObjects(Client& client, const Bucket& bucket,
                                                    absl::string_view prefix,
                                                    const ListOptions& options);

// From a record the caller has: checks manifest against ledger, opens the version key, computes the
// status.
absl::StatusOr<ObjectInfo> Describe(Client& client, const Bucket& bucket,
                                    const chain::v1::Object& record, const chain::v1::Group& group,
                                    bool fetch_manifest);

}  // namespace cairn::client
