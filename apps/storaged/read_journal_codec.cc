// Values of the journal's tables.
#include "apps/storaged/read_journal.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::storaged {
namespace {

constexpr size_t kMaxPath = 64;

void WriteHead(base::Writer& out, const payment::JournalHead& head) {
  out.U64(head.sequence);
  out.Raw(head.hash.view());
}

payment::JournalHead ReadHead(base::Reader& in, base::BucketId bucket) {
  payment::JournalHead head;
  head.bucket = bucket;
  head.sequence = in.U64();
  head.hash = in.Fixed<base::Digest>();
  return head;
}

}  // namespace

std::string EncodeBucketReads(const BucketReads& reads) {
  base::Writer out;
  WriteHead(out, reads.head);
  WriteHead(out, reads.start);
  WriteHead(out, reads.anchored);
  out.U64(static_cast<uint64_t>(reads.month));
  out.U64(reads.free_used);
  out.U64(reads.package_used);
  return base::ToString(out.view());
}

absl::StatusOr<BucketReads> DecodeBucketReads(base::BucketId bucket, base::ByteView value) {
  base::Reader in(value);
  BucketReads reads;
  reads.head = ReadHead(in, bucket);
  reads.start = ReadHead(in, bucket);
  reads.anchored = ReadHead(in, bucket);
  reads.month = static_cast<int64_t>(in.U64());
  reads.free_used = in.U64();
  reads.package_used = in.U64();
  if (reads.start.sequence > reads.head.sequence || reads.anchored.sequence > reads.head.sequence)
    in.Fail("a journal that ends before it begins");
  RETURN_IF_ERROR(in.Finish());
  return reads;
}

std::string EncodeAnchoredHead(const AnchoredHead& anchored) {
  base::Writer out;
  out.U64(anchored.epoch);
  out.Raw(anchored.head.hash.view());
  out.U32(anchored.index);
  out.U32(anchored.count);
  out.U8(static_cast<uint8_t>(anchored.path.size()));
  for (const base::Digest& sibling : anchored.path) out.Raw(sibling.view());
  return base::ToString(out.view());
}

absl::StatusOr<AnchoredHead> DecodeAnchoredHead(base::BucketId bucket, uint64_t sequence, base::ByteView value) {
  base::Reader in(value);
  AnchoredHead anchored;
  anchored.epoch = in.U64();
  anchored.head = {bucket, sequence, in.Fixed<base::Digest>()};
  anchored.index = in.U32();
  anchored.count = in.U32();
  const size_t length = in.U8();
  if (length > kMaxPath) in.Fail("a path too long");
  for (size_t i = 0; i < length && in.ok(); ++i) anchored.path.push_back(in.Fixed<base::Digest>());
  RETURN_IF_ERROR(in.Finish());
  return anchored;
}

std::string EncodeJournalTotals(uint64_t total, uint64_t kept) {
  base::Writer out;
  out.U64(total);
  out.U64(kept);
  return base::ToString(out.view());
}

absl::StatusOr<std::pair<uint64_t, uint64_t>> DecodeJournalTotals(base::ByteView value) {
  base::Reader in(value);
  const uint64_t total = in.U64();
  const uint64_t kept = in.U64();
  if (kept > total) in.Fail("more kept than there were");
  RETURN_IF_ERROR(in.Finish());
  return std::make_pair(total, kept);
}

std::string EncodeObjectReads(int64_t month, uint64_t free_used) {
  base::Writer out;
  out.U64(static_cast<uint64_t>(month));
  out.U64(free_used);
  return base::ToString(out.view());
}

absl::StatusOr<std::pair<int64_t, uint64_t>> DecodeObjectReads(base::ByteView value) {
  base::Reader in(value);
  const auto month = static_cast<int64_t>(in.U64());
  const uint64_t free_used = in.U64();
  RETURN_IF_ERROR(in.Finish());
  return std::make_pair(month, free_used);
}

std::string EncodePendingAnchor(const PendingAnchor& pending) {
  base::Writer out;
  out.U64(pending.epoch);
  out.Raw(pending.root.view());
  out.U32(pending.journals);
  out.U64(pending.records);
  return base::ToString(out.view());
}

absl::StatusOr<PendingAnchor> DecodePendingAnchor(base::ByteView value) {
  base::Reader in(value);
  PendingAnchor pending;
  pending.epoch = in.U64();
  pending.root = in.Fixed<base::Digest>();
  pending.journals = in.U32();
  pending.records = in.U64();
  RETURN_IF_ERROR(in.Finish());
  return pending;
}

}  // namespace cairn::storaged
