// What of a provider lies on the disk: keys, certificate, index, store. Made by `init`, opened by
// everything else.
#pragma once

#include <memory>

#include "apps/rpc/tls.h"
#include "apps/storaged/settings.h"
#include "cairn/base/key.h"
#include "cairn/base/kv.h"
#include "cairn/storage/disk_blob_store.h"

namespace cairn::storaged {

struct NodeKeys {
  base::SigningKey account;
  base::SigningKey node;
};

struct InitOptions {
  bool plain_keys = false;  // key files without a passphrase, readable by their owner alone
  int work_factor = 0;      // of the key files; 0: the usual
};

// Makes what is missing and keeps what is there. Errors of the key files, ALREADY_INITIALISED
// never.
absl::Status InitNode(const Settings& settings, const InitOptions& options, base::Entropy& entropy);

// NotFound (NO_KEY_FILE) before init, PermissionDenied (WRONG_PASSPHRASE).
absl::StatusOr<NodeKeys> LoadKeys(const Settings& settings);
absl::StatusOr<rpc::NodeCertificate> LoadCertificate(const Settings& settings);
absl::StatusOr<std::unique_ptr<base::Kv>> OpenIndex(const Settings& settings);
// What the claim store is in: money, so in a store of its own.
absl::StatusOr<std::unique_ptr<base::Kv>> OpenClaims(const Settings& settings);
absl::StatusOr<std::unique_ptr<storage::DiskBlobStore>> OpenStore(const Settings& settings,
                                                                  base::Entropy& entropy,
                                                                  base::Observer& observer);

}  // namespace cairn::storaged
