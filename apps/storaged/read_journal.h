// This provider's download journals: one for each bucket, hash-chained, with the bucket's quota.
//
// A read takes from its bucket's quota when it is admitted, gives back what was not sent, and leaves a record when it
// ends; the record and the counters it moves go into the index in one batch. So the counters that a restart finds are
// the sums of the records: what was under way is nobody's. Records are written without a sync of their own (they
// survive the process, and every durable write of the index takes them along); nothing is shown or anchored that is not
// durable, so a chain that anybody has seen never changes. Kept for `keep`, and at most `max_records` of them; only
// anchored ones are dropped, up to an anchored head, so that what is left begins at a proven place. Layout:
// apps/storaged/FORMATS.md. Thread-safe. Rules: GF-47, GF-69, GF-73, GF-74.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "apps/storaged/identity.h"
#include "cairn/base/clock.h"
#include "cairn/base/kv.h"
#include "cairn/payment/quota.h"
#include "cairn/payment/read_record.h"

namespace cairn::storaged {

struct ReadJournalOptions {
  uint64_t max_records = 1'000'000;
  absl::Duration keep = absl::Hours(24) * 90;
};

// What a bucket's journal and quota have come to.
struct BucketReads {
  payment::JournalHead head;
  payment::JournalHead start;     // the record before the first kept one
  payment::JournalHead anchored;  // the newest head under a root on the ledger
  int64_t month = 0;
  uint64_t free_used = 0;         // of the month, by records
  uint64_t package_used = 0;
};
// The same with the counters of the month that `now` is in.
BucketReads InMonth(BucketReads reads, absl::Time now);
// A head, and its place under the root of an epoch.
struct AnchoredHead {
  uint64_t epoch = 0;
  payment::JournalHead head;
  uint32_t index = 0;
  uint32_t count = 0;
  std::vector<base::Digest> path;
  friend bool operator==(const AnchoredHead&, const AnchoredHead&) = default;
};
// A root on its way to the ledger.
struct PendingAnchor {
  uint64_t epoch = 0;
  base::Digest root;
  uint32_t journals = 0;
  uint64_t records = 0;
  friend bool operator==(const PendingAnchor&, const PendingAnchor&) = default;
};

// The values of the index's tables; InvalidArgument for bytes that are none.
std::string EncodeBucketReads(const BucketReads& reads);
absl::StatusOr<BucketReads> DecodeBucketReads(base::BucketId bucket, base::ByteView value);
std::string EncodeAnchoredHead(const AnchoredHead& anchored);
absl::StatusOr<AnchoredHead> DecodeAnchoredHead(base::BucketId bucket, uint64_t sequence, base::ByteView value);
// Records ever, records kept.
std::string EncodeJournalTotals(uint64_t total, uint64_t kept);
absl::StatusOr<std::pair<uint64_t, uint64_t>> DecodeJournalTotals(base::ByteView value);
// Of one object under a cap: the month, free bytes in it.
std::string EncodeObjectReads(int64_t month, uint64_t free_used);
absl::StatusOr<std::pair<int64_t, uint64_t>> DecodeObjectReads(base::ByteView value);
std::string EncodePendingAnchor(const PendingAnchor& pending);
absl::StatusOr<PendingAnchor> DecodePendingAnchor(base::ByteView value);

class ReadJournal {
 public:
  // References must outlive it.
  ReadJournal(const Identity& identity, base::Kv& kv, const base::Clock& clock, const ReadJournalOptions& options = {})
      : identity_(identity), kv_(kv), clock_(clock), options_(options) {}

  // What the last run left.
  absl::Status Load();
  const payment::JournalOwner& owner() const { return owner_; }

  // Each signed call is good for one read: AlreadyExists (READ_REPEATED). Unavailable (JOURNAL_FULL) while there is no
  // room for one more record.
  absl::Status Admit(const std::optional<payment::SignedRead>& call);
  // As payment::Quota: takes all or nothing.
  absl::StatusOr<payment::QuotaShare> Take(base::BucketId bucket, const payment::QuotaTerms& terms,
                                           const base::ObjectId& object, uint64_t bytes, absl::Time now);
  void GiveBack(base::BucketId bucket, const payment::QuotaShare& share, const base::ObjectId& object, uint64_t unsent,
                absl::Time taken);
  // Numbers and chains the record, signs it when nobody did. An error is the store's; the record stays for a later try.
  absl::Status Append(payment::ReadRecord record);

  // ---- what is durable ----
  struct Page {
    BucketReads reads;
    payment::JournalHead before;  // of the first record below
    std::vector<std::string> records;
    std::vector<AnchoredHead> anchors;  // of heads from `before` to the last record
  };
  // Records after `sequence` (or after the start, when that is later), at most `limit`.
  absl::StatusOr<Page> List(base::BucketId bucket, uint64_t sequence, size_t limit);
  absl::StatusOr<BucketReads> Reads(base::BucketId bucket, absl::Time now);
  uint64_t ObjectUsed(base::BucketId bucket, const base::ObjectId& object);

  // ---- anchors: one at a time ----
  // Heads that grew since the last root, sorted by bucket; and how many records there were in all.
  absl::StatusOr<std::vector<payment::JournalHead>> Grown();
  uint64_t records() const;
  absl::Status KeepPending(const PendingAnchor& pending, const std::vector<AnchoredHead>& heads);
  absl::StatusOr<std::optional<PendingAnchor>> Pending() const;
  // The ledger has the pending root, or never will.
  absl::Status ResolvePending(bool anchored);

  // Drops what is too old or too much. How many records went.
  absl::StatusOr<uint64_t> Prune();
  uint64_t kept() const;

 private:
  struct Bucket {
    BucketReads reads;
    payment::Quota quota;
  };
  // With the lock held.
  absl::StatusOr<Bucket*> Find(base::BucketId id);
  absl::Status LoadObjects(base::BucketId id, Bucket& bucket);
  void CountRecord(Bucket& bucket, const payment::ReadRecord& record, base::KvBatch& batch);
  absl::Status WriteStaged(std::unique_lock<std::mutex>& lock);
  // What has ended so far, durable.
  absl::StatusOr<std::unique_ptr<base::KvSnapshot>> DurableView();

  absl::Status LoadCalls(const base::KvSnapshot& view);
  void RotateCalls(absl::Time now);
  absl::StatusOr<std::optional<AnchoredHead>> AnchorAfter(const base::KvSnapshot& view, base::BucketId bucket,
                                                          uint64_t sequence) const;
  absl::StatusOr<uint64_t> DropUpTo(const base::KvSnapshot& view, base::BucketId bucket,
                                    const payment::JournalHead& head);

  const Identity& identity_;
  base::Kv& kv_;
  const base::Clock& clock_;
  const ReadJournalOptions options_;
  payment::JournalOwner owner_;

  std::mutex syncing_;  // before mutex_: one thread makes durable, the others wait for it
  mutable std::mutex mutex_;
  std::condition_variable written_;
  absl::flat_hash_map<base::BucketId, std::unique_ptr<Bucket>> buckets_;
  base::KvBatch staged_;  // of ended reads, not yet in the index
  size_t staged_records_ = 0;
  bool writing_ = false;
  bool dirty_ = false;       // written, not synced
  uint64_t total_ = 0;       // records ever
  uint64_t kept_ = 0;
  using Calls = absl::flat_hash_set<base::Signature>;
  Calls young_calls_, old_calls_;
  absl::Time rotated_ = absl::InfinitePast();
};

}  // namespace cairn::storaged
