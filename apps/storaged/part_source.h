// What other providers are asked for: bytes of parts that they keep, and to watch over a channel of ours.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "apps/rpc/provider_client.h"
#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storaged {

// Thread-safe.
class PartSource {
 public:
  virtual ~PartSource() = default;
  // Hands over the range of a part that `provider` keeps for `object`, proven against the part's
  // id, in order. DataLoss (HASH_MISMATCH) from the first byte on that does not fit.
  virtual absl::Status Fetch(const base::AccountId& provider, const base::ObjectId& object,
                             const base::ContentId& part, base::ByteRange range,
                             const storage::ByteSink& sink) = 0;
  // Gives a tower the best claim of a channel of ours. Unimplemented where nobody watches.
  virtual absl::Status Watch(const base::AccountId& tower, const rpc::v1::WatchRequest& request);
  // Ends running fetches, and every later one, with Cancelled.
  virtual void Stop() {}
};

// Over gRPC, signed with our account: holders of one group read each other's parts.
class PeerParts final : public PartSource {
 public:
  // References must outlive it.
  PeerParts(const Identity& identity, Ledger& ledger, const base::Clock& clock)
      : identity_(identity), ledger_(ledger), clock_(clock) {}
  absl::Status Fetch(const base::AccountId& provider, const base::ObjectId& object,
                     const base::ContentId& part, base::ByteRange range,
                     const storage::ByteSink& sink) override;
  absl::Status Watch(const base::AccountId& tower, const rpc::v1::WatchRequest& request) override;
  void Stop() override;

 private:
  struct Peer {
    std::string endpoint;
    std::string pin;
    std::shared_ptr<rpc::ProviderClient> client;
  };
  absl::StatusOr<std::shared_ptr<rpc::ProviderClient>> ClientOf(const base::AccountId& provider);

  const Identity& identity_;
  Ledger& ledger_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<base::AccountId, Peer> peers_;
  std::map<rpc::CallControl*, std::shared_ptr<rpc::CallControl>> running_;
  bool stopping_ = false;
};

}  // namespace cairn::storaged
