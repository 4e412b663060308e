// Buckets: made with a placement over live providers, opened with the owner's key, listed, deleted.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/session.h"
#include "cairn/base/layout.h"
#include "cairn/storage/bucket_keys.h"
#include "cairn/storage/names.h"
#include "cairn/storage/placement.h"

namespace cairn::client {

struct CreateBucketOptions {
  std::optional<base::Redundancy> policy = {};  // default: rs:4+2, or replicate:3 when public
  bool public_read = false;
  uint64_t byte_cap = 0;  // of the holder group; 0: what the smallest holder has free
  uint32_t keep_versions = 1;
};

struct BucketCreated {
  base::BucketId id;
  storage::Placement placement;
};

// FailedPrecondition: NOT_ENOUGH_PROVIDERS or NOT_ENOUGH_OPERATORS; AlreadyExists: BUCKET_EXISTS.
absl::StatusOr<BucketCreated> CreateBucket(Client& client, const std::string& name,
                                           const CreateBucketOptions& options);

// A bucket with its keys: encrypts and decrypts names, wraps and unwraps version keys. Thread-safe.
class Bucket {
 public:
  ~Bucket();
  const chain::v1::Bucket& record() const { return *record_; }
  base::BucketId id() const;
  bool sealed() const { return keys_.has_value(); }
  base::Redundancy policy() const;
  // Of the current epoch. The bucket is sealed.
  storage::KeyScope scope() const;
  const storage::BucketKeys& keys() const { return *keys_; }

  absl::StatusOr<std::string> StoredName(absl::string_view name) const;
  absl::StatusOr<std::string> PlainName(absl::string_view stored) const;
  absl::StatusOr<storage::ListPrefix> Prefix(absl::string_view prefix) const;
  absl::StatusOr<storage::VersionKey> OpenVersionKey(uint64_t epoch, const storage::KeyId& key_id,
                                                     base::ByteView wrapped) const;

 private:
  friend absl::StatusOr<std::shared_ptr<Bucket>> OpenBucket(Client&, const std::string&);
  Bucket();
  std::unique_ptr<chain::v1::Bucket> record_;
  base::ChainId chain_;
  std::optional<storage::BucketKeys> keys_;
  mutable std::mutex mutex_;
  mutable std::optional<storage::NameCipher> cipher_;
};

// The account's bucket of that name. NotFound (NO_SUCH_BUCKET), PermissionDenied (NO_BUCKET_KEY,
// WRONG_KEY).
absl::StatusOr<std::shared_ptr<Bucket>> OpenBucket(Client& client, const std::string& name);
// Asks the ledger for the record alone.
absl::StatusOr<chain::v1::Bucket> FindBucket(Client& client, const std::string& name);
absl::StatusOr<std::vector<chain::v1::Bucket>> ListBuckets(Client& client);
// FailedPrecondition (reason BUCKET_NOT_EMPTY) unless empty.
absl::Status DeleteBucket(Client& client, const std::string& name);

// Live providers as placement wants them: asked at once, those that do not answer in `timeout` are
// not live.
absl::StatusOr<std::vector<storage::Candidate>> FindCandidates(Client& client,
                                                               absl::Duration timeout);

base::Redundancy PolicyOf(const chain::v1::Group& group);

}  // namespace cairn::client
