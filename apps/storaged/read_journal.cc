#include "apps/storaged/read_journal.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "apps/storaged/read_journal_tables.h"
#include "cairn/base/status.h"

namespace cairn::storaged {
namespace {

constexpr absl::Duration kCallLife = absl::Minutes(6);  // longer than any signed call, by a margin for clocks
constexpr size_t kMaxCalls = size_t{1} << 20;
constexpr size_t kMaxStaged = 4096;

absl::Status Full(absl::string_view why) {
  return base::Error(absl::StatusCode::kUnavailable, "JOURNAL_FULL", why,
                     "read from another holder, or wait until the provider has anchored its journal");
}

absl::Time TimeOf(const payment::ReadRecord& record) {
  return absl::FromUnixMillis(static_cast<int64_t>(record.time_ms));
}

}  // namespace

BucketReads InMonth(BucketReads reads, absl::Time now) {
  if (reads.month == payment::MonthOf(now)) return reads;
  reads.month = payment::MonthOf(now);
  reads.free_used = reads.package_used = 0;
  return reads;
}

absl::Status ReadJournal::Load() {
  std::lock_guard lock(mutex_);
  owner_ = {identity_.chain, identity_.id(), identity_.node.public_key()};
  auto view = kv_.Snapshot();
  ASSIGN_OR_RETURN(auto totals, view->Get(kJournalTotals));
  if (totals.has_value()) {
    ASSIGN_OR_RETURN(std::tie(total_, kept_), DecodeJournalTotals(base::AsBytes(*totals)));
  }
  return LoadCalls(*view);
}

// The calls that may still be repeated stand in the newest records.
absl::Status ReadJournal::LoadCalls(const base::KvSnapshot& view) {
  const absl::Time now = clock_.Now();
  rotated_ = now;
  const auto since = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixMillis(now - kCallLife)));
  auto cursor = view.NewCursor();
  for (cursor->Seek("t" + BigEndian(since)); cursor->Valid() && cursor->key().substr(0, 1) == "t"; cursor->Next()) {
    const absl::string_view key = cursor->key();
    ASSIGN_OR_RETURN(auto value, view.Get("j" + std::string(key.substr(9))));
    if (!value.has_value()) continue;
    auto record = payment::DecodeReadRecord(base::AsBytes(*value));
    if (record.ok() && record->call.has_value()) young_calls_.insert(record->call->signature);
  }
  return cursor->status();
}

void ReadJournal::RotateCalls(absl::Time now) {
  if (now - rotated_ < kCallLife && now >= rotated_) return;
  old_calls_ = std::move(young_calls_);
  young_calls_.clear();
  rotated_ = now;
}

absl::Status ReadJournal::Admit(const std::optional<payment::SignedRead>& call) {
  std::lock_guard lock(mutex_);
  if (staged_records_ >= kMaxStaged) return Full("the provider cannot write down more reads now");
  // Only anchored records may go, and what cannot be anchored must not fill the disk.
  if (kept_ >= 2 * options_.max_records) return Full("the provider's download journal is full");
  if (!call.has_value()) return absl::OkStatus();
  RotateCalls(clock_.Now());
  if (young_calls_.size() >= kMaxCalls) return Full("the provider has too many reads to tell apart");
  // Before anybody is charged: of two calls with one signature only one may get any further.
  if (old_calls_.contains(call->signature) || !young_calls_.insert(call->signature).second) {
    return base::Error(absl::StatusCode::kAlreadyExists, "READ_REPEATED",
                       "this signed call was answered before, and pays for one read only",
                       "sign every read anew, with a fresh nonce");
  }
  return absl::OkStatus();
}

absl::StatusOr<ReadJournal::Bucket*> ReadJournal::Find(base::BucketId id) {
  auto& slot = buckets_[id];
  if (slot != nullptr) return slot.get();
  auto bucket = std::make_unique<Bucket>();
  auto view = kv_.Snapshot();
  ASSIGN_OR_RETURN(auto value, view->Get(ReadsKey(id)));
  if (value.has_value()) {
    ASSIGN_OR_RETURN(bucket->reads, DecodeBucketReads(id, base::AsBytes(*value)));
    bucket->quota.Restore(bucket->reads.month, bucket->reads.free_used, bucket->reads.package_used);
    RETURN_IF_ERROR(LoadObjects(id, *bucket));
  } else {
    const payment::JournalHead empty{id, 0, payment::EmptyJournal(owner_, id)};
    bucket->reads.head = bucket->reads.start = bucket->reads.anchored = empty;
  }
  slot = std::move(bucket);
  return slot.get();
}

absl::Status ReadJournal::LoadObjects(base::BucketId id, Bucket& bucket) {
  auto view = kv_.Snapshot();
  auto cursor = view->NewCursor();
  const std::string prefix = "q" + BigEndian(id.value);
  for (cursor->Seek(prefix); cursor->Valid() && cursor->key().substr(0, prefix.size()) == prefix; cursor->Next()) {
    ASSIGN_OR_RETURN(const auto read, DecodeObjectReads(base::AsBytes(cursor->value())));
    const auto& [month, used] = read;
    bucket.quota.RestoreObject(cursor->key().substr(prefix.size()), month, used);
    if (month != bucket.reads.month) staged_.Delete(cursor->key());
  }
  return cursor->status();
}

absl::StatusOr<payment::QuotaShare> ReadJournal::Take(base::BucketId bucket, const payment::QuotaTerms& terms,
                                                      const base::ObjectId& object, uint64_t bytes, absl::Time now) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Bucket * found, Find(bucket));
  return found->quota.Take(terms, base::ToString(object.view()), bytes, now);
}

void ReadJournal::GiveBack(base::BucketId bucket, const payment::QuotaShare& share, const base::ObjectId& object,
                           uint64_t unsent, absl::Time taken) {
  std::lock_guard lock(mutex_);
  auto found = Find(bucket);
  if (found.ok()) (*found)->quota.GiveBack(share, base::ToString(object.view()), unsent, payment::MonthOf(taken));
}

void ReadJournal::CountRecord(Bucket& bucket, const payment::ReadRecord& record, base::KvBatch& batch) {
  BucketReads& reads = bucket.reads;
  const int64_t month = payment::MonthOf(TimeOf(record));
  if (month > reads.month) {
    reads.month = month;
    reads.free_used = reads.package_used = 0;
  }
  if (month == reads.month) {  // one that began last month is of no counter any more
    reads.free_used += record.free_bytes;
    reads.package_used += record.package_bytes;
  }
  const uint64_t of_object = bucket.quota.object_used(base::ToString(record.object.view()));
  if (of_object != 0) batch.Put(ObjectKey(record.bucket, record.object), EncodeObjectReads(bucket.quota.month(), of_object));
}

absl::Status ReadJournal::Append(payment::ReadRecord record) {
  std::unique_lock lock(mutex_);
  ASSIGN_OR_RETURN(Bucket * bucket, Find(record.bucket));
  record.sequence = bucket->reads.head.sequence + 1;
  if (!record.call.has_value()) record.own = identity_.node.Sign(payment::OwnReadDigest(owner_, record));
  const base::Bytes bytes = payment::Encode(record);
  bucket->reads.head = {record.bucket, record.sequence, payment::NextHead(bucket->reads.head.hash, bytes)};
  CountRecord(*bucket, record, staged_);
  staged_.Put(RecordKey(record.bucket, record.sequence), base::ToString(bytes));
  staged_.Put(TimeKey(record.time_ms, record.bucket, record.sequence), "");
  staged_.Put(ReadsKey(record.bucket), EncodeBucketReads(bucket->reads));
  staged_.Put(kJournalTotals, EncodeJournalTotals(++total_, ++kept_));
  ++staged_records_;
  return writing_ ? absl::OkStatus() : WriteStaged(lock);
}

// One thread writes; what others stage meanwhile goes with its next batch.
absl::Status ReadJournal::WriteStaged(std::unique_lock<std::mutex>& lock) {
  written_.wait(lock, [&] { return !writing_; });
  absl::Status status;
  while (status.ok() && !staged_.empty()) {
    const base::KvBatch batch = std::exchange(staged_, base::KvBatch());
    const size_t records = std::exchange(staged_records_, 0);
    writing_ = true;
    lock.unlock();
    status = kv_.Commit(batch, /*durable=*/false);
    lock.lock();
    writing_ = false;
    dirty_ = true;
    if (!status.ok()) {  // before what came meanwhile
      base::KvBatch again = batch;
      for (const auto& [key, value] : staged_.changes()) {
        if (value.has_value()) {
          again.Put(key, *value);
        } else {
          again.Delete(key);
        }
      }
      staged_ = std::move(again);
      staged_records_ += records;
    }
  }
  written_.notify_all();
  return status;
}

// The view first, the sync after it: nothing in the view is missing from the disk.
absl::StatusOr<std::unique_ptr<base::KvSnapshot>> ReadJournal::DurableView() {
  std::lock_guard one(syncing_);
  std::unique_lock lock(mutex_);
  RETURN_IF_ERROR(WriteStaged(lock));
  std::unique_ptr<base::KvSnapshot> view = kv_.Snapshot();
  if (!std::exchange(dirty_, false)) return view;
  lock.unlock();
  absl::Status synced = kv_.Sync();
  if (synced.ok()) return view;
  lock.lock();
  dirty_ = true;
  return synced;
}

uint64_t ReadJournal::records() const {
  std::lock_guard lock(mutex_);
  return total_;
}

uint64_t ReadJournal::kept() const {
  std::lock_guard lock(mutex_);
  return kept_;
}

uint64_t ReadJournal::ObjectUsed(base::BucketId bucket, const base::ObjectId& object) {
  std::lock_guard lock(mutex_);
  auto found = Find(bucket);
  return found.ok() ? (*found)->quota.object_used(base::ToString(object.view())) : 0;
}

}  // namespace cairn::storaged
