// What others see of the journals, what goes to the ledger, and what is dropped: all of it durable.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/storaged/read_journal.h"
#include "apps/storaged/read_journal_tables.h"
#include "cairn/base/status.h"

namespace cairn::storaged {
namespace {

absl::Status Damaged(absl::string_view what) {
  return base::Error(absl::StatusCode::kDataLoss, "JOURNAL_DAMAGED",
                     absl::StrCat("the download journal lacks ", what), "restore the index from a backup");
}

bool InTable(const base::KvCursor& cursor, absl::string_view prefix) {
  return cursor.Valid() && cursor.key().substr(0, prefix.size()) == prefix;
}

// The head before record `sequence + 1`: hashes from a known head on.
absl::StatusOr<payment::JournalHead> HeadAt(const base::KvSnapshot& view, payment::JournalHead from, uint64_t sequence) {
  while (from.sequence < sequence) {
    ++from.sequence;
    ASSIGN_OR_RETURN(auto value, view.Get(RecordKey(from.bucket, from.sequence)));
    if (!value.has_value()) return Damaged("a record");
    from.hash = payment::NextHead(from.hash, base::AsBytes(*value));
  }
  return from;
}

}  // namespace

absl::StatusOr<ReadJournal::Page> ReadJournal::List(base::BucketId bucket, uint64_t sequence, size_t limit) {
  ASSIGN_OR_RETURN(std::unique_ptr<base::KvSnapshot> view, DurableView());
  Page page;
  ASSIGN_OR_RETURN(auto value, view->Get(ReadsKey(bucket)));
  if (!value.has_value()) {
    const payment::JournalHead empty{bucket, 0, payment::EmptyJournal(owner_, bucket)};
    page.reads.head = page.reads.start = page.reads.anchored = page.before = empty;
    return page;
  }
  ASSIGN_OR_RETURN(page.reads, DecodeBucketReads(bucket, base::AsBytes(*value)));
  const uint64_t from = std::min(std::max(sequence, page.reads.start.sequence), page.reads.head.sequence);
  payment::JournalHead known = page.reads.start;  // the anchor nearest before spares hashing everything
  auto anchors = view->NewCursor();
  anchors->SeekBefore(AnchorKey(bucket, from + 1));
  if (InTable(*anchors, "a" + BigEndian(bucket.value))) {
    const uint64_t at = FromBigEndian(anchors->key().substr(9));
    ASSIGN_OR_RETURN(AnchoredHead nearest, DecodeAnchoredHead(bucket, at, base::AsBytes(anchors->value())));
    if (at >= known.sequence) known = nearest.head;
  }
  ASSIGN_OR_RETURN(page.before, HeadAt(*view, known, from));
  auto cursor = view->NewCursor();
  for (cursor->Seek(RecordKey(bucket, from + 1));
       InTable(*cursor, "j" + BigEndian(bucket.value)) && page.records.size() < limit; cursor->Next()) {
    page.records.emplace_back(cursor->value());
  }
  RETURN_IF_ERROR(cursor->status());
  const uint64_t last = from + page.records.size();
  for (anchors->Seek(AnchorKey(bucket, from)); InTable(*anchors, "a" + BigEndian(bucket.value)); anchors->Next()) {
    const uint64_t at = FromBigEndian(anchors->key().substr(9));
    if (at > last) break;
    ASSIGN_OR_RETURN(AnchoredHead anchored, DecodeAnchoredHead(bucket, at, base::AsBytes(anchors->value())));
    if (at <= page.reads.anchored.sequence) page.anchors.push_back(std::move(anchored));
  }
  RETURN_IF_ERROR(anchors->status());
  return page;
}

absl::StatusOr<BucketReads> ReadJournal::Reads(base::BucketId bucket, absl::Time now) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Bucket * found, Find(bucket));
  return InMonth(found->reads, now);
}

absl::StatusOr<std::vector<payment::JournalHead>> ReadJournal::Grown() {
  ASSIGN_OR_RETURN(std::unique_ptr<base::KvSnapshot> view, DurableView());
  std::vector<payment::JournalHead> grown;
  auto cursor = view->NewCursor();
  for (cursor->Seek("b"); InTable(*cursor, "b"); cursor->Next()) {
    const base::BucketId bucket{FromBigEndian(cursor->key().substr(1))};
    ASSIGN_OR_RETURN(BucketReads reads, DecodeBucketReads(bucket, base::AsBytes(cursor->value())));
    if (reads.head.sequence > reads.anchored.sequence) grown.push_back(reads.head);
  }
  RETURN_IF_ERROR(cursor->status());
  return grown;
}

absl::Status ReadJournal::KeepPending(const PendingAnchor& pending, const std::vector<AnchoredHead>& heads) {
  base::KvBatch batch;
  batch.Put(kJournalPending, EncodePendingAnchor(pending));
  for (const AnchoredHead& head : heads)
    batch.Put(AnchorKey(head.head.bucket, head.head.sequence), EncodeAnchoredHead(head));
  return kv_.Commit(batch);
}

absl::StatusOr<std::optional<PendingAnchor>> ReadJournal::Pending() const {
  auto view = kv_.Snapshot();
  ASSIGN_OR_RETURN(auto value, view->Get(kJournalPending));
  if (!value.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(PendingAnchor pending, DecodePendingAnchor(base::AsBytes(*value)));
  return pending;
}

absl::Status ReadJournal::ResolvePending(bool anchored) {
  ASSIGN_OR_RETURN(std::optional<PendingAnchor> pending, Pending());
  if (!pending.has_value()) return absl::OkStatus();
  std::unique_lock lock(mutex_);
  RETURN_IF_ERROR(WriteStaged(lock));
  auto view = kv_.Snapshot();
  auto cursor = view->NewCursor();
  for (cursor->Seek("a"); InTable(*cursor, "a"); cursor->Next()) {
    const base::BucketId bucket{FromBigEndian(cursor->key().substr(1))};
    const uint64_t sequence = FromBigEndian(cursor->key().substr(9));
    ASSIGN_OR_RETURN(Bucket * found, Find(bucket));
    if (sequence <= found->reads.anchored.sequence) continue;
    if (!anchored) {
      staged_.Delete(cursor->key());
      continue;
    }
    ASSIGN_OR_RETURN(AnchoredHead head, DecodeAnchoredHead(bucket, sequence, base::AsBytes(cursor->value())));
    found->reads.anchored = head.head;
    staged_.Put(ReadsKey(bucket), EncodeBucketReads(found->reads));
  }
  RETURN_IF_ERROR(cursor->status());
  staged_.Delete(kJournalPending);
  return WriteStaged(lock);
}

absl::StatusOr<std::optional<AnchoredHead>> ReadJournal::AnchorAfter(const base::KvSnapshot& view,
                                                                     base::BucketId bucket, uint64_t sequence) const {
  auto cursor = view.NewCursor();
  cursor->Seek(AnchorKey(bucket, sequence));
  RETURN_IF_ERROR(cursor->status());
  if (!InTable(*cursor, "a" + BigEndian(bucket.value))) return std::nullopt;
  const uint64_t at = FromBigEndian(cursor->key().substr(9));
  ASSIGN_OR_RETURN(AnchoredHead head, DecodeAnchoredHead(bucket, at, base::AsBytes(cursor->value())));
  return head;
}

absl::StatusOr<uint64_t> ReadJournal::DropUpTo(const base::KvSnapshot& view, base::BucketId bucket,
                                               const payment::JournalHead& head) {
  ASSIGN_OR_RETURN(Bucket * found, Find(bucket));
  uint64_t dropped = 0;
  for (uint64_t at = found->reads.start.sequence + 1; at <= head.sequence; ++at) {
    ASSIGN_OR_RETURN(auto value, view.Get(RecordKey(bucket, at)));
    if (!value.has_value()) return Damaged("a record");
    auto record = payment::DecodeReadRecord(base::AsBytes(*value));
    if (!record.ok()) return Damaged("a sound record");
    staged_.Delete(RecordKey(bucket, at));
    staged_.Delete(TimeKey(record->time_ms, bucket, at));
    ++dropped;
  }
  auto cursor = view.NewCursor();  // anchors inside what goes prove nothing any more; the last one proves the start
  for (cursor->Seek(AnchorKey(bucket, 0)); InTable(*cursor, "a" + BigEndian(bucket.value)); cursor->Next()) {
    if (FromBigEndian(cursor->key().substr(9)) >= head.sequence) break;
    staged_.Delete(cursor->key());
  }
  found->reads.start = head;
  staged_.Put(ReadsKey(bucket), EncodeBucketReads(found->reads));
  kept_ -= dropped;
  return dropped;
}

absl::StatusOr<uint64_t> ReadJournal::Prune() {
  std::unique_lock lock(mutex_);
  RETURN_IF_ERROR(WriteStaged(lock));
  auto view = kv_.Snapshot();
  const auto since = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixMillis(clock_.Now() - options_.keep)));
  uint64_t dropped = 0;
  auto cursor = view->NewCursor();
  for (cursor->Seek("t"); InTable(*cursor, "t"); cursor->Next()) {
    if (FromBigEndian(cursor->key().substr(1)) >= since && kept_ <= options_.max_records) break;
    const base::BucketId bucket{FromBigEndian(cursor->key().substr(9))};
    const uint64_t sequence = FromBigEndian(cursor->key().substr(17));
    ASSIGN_OR_RETURN(Bucket * found, Find(bucket));
    if (sequence <= found->reads.start.sequence || sequence > found->reads.anchored.sequence) continue;
    ASSIGN_OR_RETURN(std::optional<AnchoredHead> anchor, AnchorAfter(*view, bucket, sequence));
    if (!anchor.has_value()) continue;
    ASSIGN_OR_RETURN(uint64_t records, DropUpTo(*view, bucket, anchor->head));
    dropped += records;
  }
  RETURN_IF_ERROR(cursor->status());
  if (dropped != 0) staged_.Put(kJournalTotals, EncodeJournalTotals(total_, kept_));
  RETURN_IF_ERROR(WriteStaged(lock));
  return dropped;
}

}  // namespace cairn::storaged
