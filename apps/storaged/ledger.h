// What this provider knows of the ledger: records behind a cache that the follower keeps fresh.
//
// A record is taken from the cache for at most `lifetime`; events drop it earlier (Forget). `Fresh`
// asks anew, for a decision that must not rest on an old record. Many objects are asked for in one
// query. Absence is never cached. Errors: NotFound (NO_SUCH_OBJECT, NO_SUCH_GROUP, NO_SUCH_BUCKET,
// NO_SUCH_PROVIDER), otherwise those of the client. Thread-safe; blocks on the network.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "apps/client/pool_facts.h"
#include "cairn/base/channel.h"
#include "cairn/base/clock.h"
#include "cairn/base/id.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"

namespace cairn::storaged {

namespace pb = ::cairn::chain::v1;

template <class R>
using Record = std::shared_ptr<const R>;

enum class Freshness { kCached, kFresh };

// A bounded map of records, oldest out first (in two generations).
template <class K, class R>
class RecordCache {
 public:
  explicit RecordCache(size_t capacity) : half_(capacity / 2 + 1) {}

  Record<R> Find(const K& key, absl::Duration now, absl::Duration lifetime) {
    auto it = young_.find(key);
    if (it == young_.end()) {
      it = old_.find(key);
      if (it == old_.end()) return nullptr;
    }
    return now - it->second.second <= lifetime ? it->second.first : nullptr;
  }
  void Put(const K& key, Record<R> record, absl::Duration now) {
    if (young_.size() >= half_) {
      old_ = std::move(young_);
      young_.clear();
    }
    young_[key] = {std::move(record), now};
  }
  void Forget(const K& key) {
    young_.erase(key);
    old_.erase(key);
  }
  void Clear() {
    young_.clear();
    old_.clear();
  }

 private:
  using Map = absl::flat_hash_map<K, std::pair<Record<R>, absl::Duration>>;
  size_t half_;
  Map young_;
  Map old_;
};

struct LedgerOptions {
  absl::Duration lifetime = absl::Seconds(5);
  size_t objects = 16384;  // cached records
  size_t others = 4096;    // of each other kind
};

class Ledger {
 public:
  // Both must outlive it.
  Ledger(chain::Client& client, const base::Clock& clock, const LedgerOptions& options = {});

  absl::StatusOr<Record<pb::Object>> Object(const base::ObjectId& id,
                                            Freshness freshness = Freshness::kCached);
  // In the order asked; null for one that the ledger does not have. At most 1,000.
  absl::StatusOr<std::vector<Record<pb::Object>>> Objects(absl::Span<const base::ObjectId> ids,
                                                          Freshness freshness = Freshness::kCached);
  absl::StatusOr<Record<pb::Group>> Group(base::GroupId id,
                                          Freshness freshness = Freshness::kCached);
  absl::StatusOr<Record<pb::Bucket>> Bucket(base::BucketId id,
                                            Freshness freshness = Freshness::kCached);
  absl::StatusOr<Record<pb::Provider>> Provider(const base::AccountId& id,
                                                Freshness freshness = Freshness::kCached);
  // How far an account has run out of money; a record of zeros when it has no streams.
  absl::StatusOr<Record<pb::StreamAccount>> Stream(const base::AccountId& account,
                                                   Freshness freshness = Freshness::kCached);
  // What was asked last, however long ago; null when it was never asked or has changed since. Does not block.
  Record<pb::StreamAccount> KnownStream(const base::AccountId& account);
  // All of them, never cached.
  absl::StatusOr<std::vector<pb::Provider>> Providers();
  absl::StatusOr<Record<pb::Params>> Params();
  // Roots of our download journals.
  absl::StatusOr<pb::JournalAnchors> JournalAnchors(const base::AccountId& provider);
  absl::StatusOr<pb::ChainStatus> Status();

  // Never cached: what it says decides about money. NotFound (NO_SUCH_CHANNEL).
  absl::StatusOr<pb::Channel> Channel(const base::ChannelId& id);
  absl::StatusOr<std::vector<pb::Channel>> ChannelsOfPayee(const base::AccountId& payee);
  // As these. What a pool has, and what one signer's lane to a payee took of it. NotFound (NO_SUCH_POOL).
  absl::StatusOr<client::PoolRecords> Pool(const base::ChannelId& pool, const std::string& signer,
                                           const base::AccountId& payee);

  // All groups that name the provider.
  absl::StatusOr<std::vector<pb::Group>> GroupsOf(const base::AccountId& provider);
  // One page of the objects of a group whose part at `position` is not receipted (-1: all).
  // `cursor` moves on and is empty after the last page.
  absl::StatusOr<std::vector<pb::Object>> GroupObjects(base::GroupId group, int32_t position,
                                                       std::string& cursor);

  void Forget(const base::ObjectId& id);
  void Forget(base::GroupId id);
  void Forget(base::BucketId id);
  void Forget(const base::AccountId& provider);
  void ForgetStream(const base::AccountId& account);
  void ForgetAll();

  chain::Client& client() { return client_; }

 private:
  template <class K, class R, class Ask>
  absl::StatusOr<Record<R>> Get(RecordCache<K, R>& cache, const K& key, Freshness freshness,
                                Ask ask);

  chain::Client& client_;
  const base::Clock& clock_;
  LedgerOptions options_;
  std::mutex mutex_;
  uint64_t forgotten_ = 0;  // how often something was
  RecordCache<base::ObjectId, pb::Object> objects_;
  RecordCache<base::GroupId, pb::Group> groups_;
  RecordCache<base::BucketId, pb::Bucket> buckets_;
  RecordCache<base::AccountId, pb::Provider> providers_;
  RecordCache<base::AccountId, pb::StreamAccount> streams_;
  RecordCache<int, pb::Params> params_;
};

}  // namespace cairn::storaged
