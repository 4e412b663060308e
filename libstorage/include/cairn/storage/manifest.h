// Manifests: all that is needed to read a version, given the key of its bucket.
//
// The *head* can be read by anyone (providers need it for repair): layout, ids, the wrapped version
// key, the history. The *body* (plaintext size, content type, modification time, user metadata) is
// encrypted under the version key in a private bucket, with the head as associated data. A manifest
// of a 4+2 object with few metadata stays below kInlineManifestBytes and travels inside the
// ledger's record; a larger one is a blob of its own. Canonical: decoding and encoding again gives
// the same bytes. Layout table: libstorage/FORMATS.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cairn/storage/seal.h"
#include "cairn/storage/stripe.h"

namespace cairn::storage {

inline constexpr size_t kInlineManifestBytes = 512;
inline constexpr size_t kMaxManifestBytes = 64 * 1024;
inline constexpr size_t kMaxContentTypeBytes = 256;
inline constexpr size_t kMaxMetadataBytes = 2048;  // keys and values together
inline constexpr size_t kMaxHistory = 256;

// How the version's key is found: under the bucket's key of that epoch.
struct SealInfo {
  KeyId key_id;
  uint64_t epoch = 0;
  base::Bytes wrapped_key;  // kWrappedVersionKeyBytes
  friend bool operator==(const SealInfo&, const SealInfo&) = default;
};

// Points at an earlier version's manifest, kept as a blob.
struct PastVersion {
  uint64_t version = 0;
  base::ContentId manifest;
  friend bool operator==(const PastVersion&, const PastVersion&) = default;
};

struct ManifestHead {
  VersionLayout stored;
  std::optional<SealInfo> seal;      // absent in public buckets
  std::vector<PastVersion> history;  // newest first, versions strictly falling
  friend bool operator==(const ManifestHead&, const ManifestHead&) = default;
};

struct Manifest {
  ManifestHead head;
  uint64_t plaintext_size = 0;
  std::string content_type;
  int64_t mtime_ms = 0;  // Unix milliseconds
  std::optional<base::Digest> plaintext_hash;
  std::map<std::string, std::string> metadata;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// `key` is the version key of a sealed manifest and null for a public one. InvalidArgument (reason
// BAD_MANIFEST, or METADATA_TOO_LARGE) when a field is out of bounds or the parts do not fit each
// other.
absl::StatusOr<base::Bytes> EncodeManifest(const Manifest& manifest, const VersionKey* key);

// The head alone, without any key. InvalidArgument (reason BAD_MANIFEST) for anything
// EncodeManifest would not write.
absl::StatusOr<ManifestHead> DecodeManifestHead(base::ByteView encoded);
// All of it. PermissionDenied (reason WRONG_KEY) when `key` is not the version's or missing,
// DataLoss when the body is damaged.
absl::StatusOr<Manifest> DecodeManifest(base::ByteView encoded, const VersionKey* key);

// Does the manifest describe the object that the ledger records? DataLoss (reason
// MANIFEST_MISMATCH) names the field.
absl::Status CheckAgainstLedger(const ManifestHead& head, const base::ContentId& content_id,
                                const base::Digest& layout_root, uint64_t stored_size);

}  // namespace cairn::storage
