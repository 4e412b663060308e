#include "cairn/payment/read_audit.h"

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/payment/quota.h"

namespace cairn::payment {
namespace {

// A call lives at most five minutes; a clock may be a little behind the other.
constexpr uint64_t kCallLifeMs = 5 * 60'000;
constexpr uint64_t kClockSlackMs = 5'000;

struct FaultText {
  ReadFault fault;
  const char* name;
  const char* text;
};
constexpr FaultText kFaults[] = {
    {ReadFault::kMalformed, "MALFORMED", "bytes that are no record"},
    {ReadFault::kWrongSequence, "WRONG_SEQUENCE", "of another journal, or not the next number"},
    {ReadFault::kForgedSignature, "FORGED_SIGNATURE", "neither the reader nor the provider signed it"},
    {ReadFault::kOtherRequest, "OTHER_REQUEST", "the reader signed another read"},
    {ReadFault::kRepeatedCall, "REPEATED_CALL", "the reader's one signature stands in two records"},
    {ReadFault::kUnsignedPrivate, "UNSIGNED_PRIVATE", "nobody signed a read of a private bucket"},
    {ReadFault::kWrongCount, "WRONG_COUNT", "its bytes do not add up"},
    {ReadFault::kOutsideTime, "OUTSIDE_TIME", "the reader's signature did not hold at that time"},
    {ReadFault::kBrokenChain, "BROKEN_CHAIN", "the records do not lead to this head"},
    {ReadFault::kUnknownAnchor, "UNKNOWN_ANCHOR", "the ledger does not have that root"},
    {ReadFault::kAboveQuota, "ABOVE_QUOTA", "more than the quota of the month"},
    {ReadFault::kCounterDiffers, "COUNTER_DIFFERS", "the provider counts otherwise than its records"},
};

const FaultText* Find(ReadFault fault) {
  for (const FaultText& entry : kFaults) {
    if (entry.fault == fault) return &entry;
  }
  return nullptr;
}

}  // namespace

absl::string_view Name(ReadFault fault) {
  const FaultText* entry = Find(fault);
  return entry == nullptr ? "UNKNOWN" : entry->name;
}

absl::string_view Explain(ReadFault fault) {
  const FaultText* entry = Find(fault);
  return entry == nullptr ? "unknown" : entry->text;
}

ReadAudit::ReadAudit(Facts facts, const JournalHead& start) : facts_(std::move(facts)), head_(start) {}

void ReadAudit::Report(ReadFault fault, uint64_t sequence, std::string detail) {
  ++faults_;
  if (findings_.size() < kMaxFindings) findings_.push_back({fault, sequence, std::move(detail)});
}

std::optional<ReadRecord> ReadAudit::Add(base::ByteView bytes) {
  ++head_.sequence;
  head_.hash = NextHead(head_.hash, bytes);
  auto record = DecodeReadRecord(bytes);
  if (!record.ok()) {
    Report(ReadFault::kMalformed, head_.sequence, std::string(record.status().message()));
    return std::nullopt;
  }
  if (record->bucket != facts_.bucket || record->sequence != head_.sequence) {
    Report(ReadFault::kWrongSequence, head_.sequence,
           absl::StrCat("says bucket ", record->bucket.value, ", number ", record->sequence));
  }
  if (!CheckSignature(facts_.owner, *record)) Report(ReadFault::kForgedSignature, head_.sequence, "");
  if (record->call.has_value()) {
    CheckCall(*record);
  } else if (!facts_.public_read) {
    Report(ReadFault::kUnsignedPrivate, head_.sequence, "");
  }
  CheckCounts(*record);
  Count(*record);
  return *std::move(record);
}

void ReadAudit::CheckCall(const ReadRecord& record) {
  const SignedRead& call = *record.call;
  // One signed call is one read: counted twice it would be paid twice.
  if (!calls_.insert(call.signature).second) Report(ReadFault::kRepeatedCall, head_.sequence, "");
  const auto asked = facts_.request(call.request);
  if (!asked || asked->object != record.object || asked->part != record.part || asked->offset != record.offset ||
      asked->length < record.length || (record.payer == ReadPayer::kChannel && asked->channel != record.channel)) {
    Report(ReadFault::kOtherRequest, head_.sequence, "");
  }
  const bool late = record.time_ms > call.expires_ms + kClockSlackMs;
  if (late || record.time_ms + kCallLifeMs + kClockSlackMs < call.expires_ms) {
    Report(ReadFault::kOutsideTime, head_.sequence,
           absl::StrCat("at ", record.time_ms, " ms, signed until ", call.expires_ms));
  }
}

void ReadAudit::CheckCounts(const ReadRecord& record) {
  const bool quota = record.payer == ReadPayer::kQuota;
  const absl::uint128 counted = quota ? absl::uint128(record.sent) * record.weight : 0;
  const absl::uint128 taken = absl::uint128(record.free_bytes) + record.package_bytes;
  const bool weighed = record.weight == 1 || record.weight == facts_.max_weight;
  if (record.sent > record.length || !weighed || taken != counted ||
      (record.payer == ReadPayer::kChannel) == record.channel.empty()) {
    Report(ReadFault::kWrongCount, head_.sequence,
           absl::StrCat(record.sent, " of ", record.length, " bytes sent, weight ", record.weight, ", ",
                        record.free_bytes, " free and ", record.package_bytes, " of the package"));
  }
}

void ReadAudit::Count(const ReadRecord& record) {
  ReadMonth& month = months_[MonthOf(absl::FromUnixMillis(static_cast<int64_t>(record.time_ms)))];
  ++month.records;
  month.sent += record.sent;
  month.free_bytes += record.free_bytes;
  month.package_bytes += record.package_bytes;
  if (record.payer == ReadPayer::kChannel) month.channel_bytes += record.sent;
  if (record.payer == ReadPayer::kRepair || record.payer == ReadPayer::kGift) month.unpaid_bytes += record.sent;
}

void ReadAudit::CheckAnchor(const JournalHead& anchored) {
  if (anchored == head_) return;
  Report(ReadFault::kBrokenChain, anchored.sequence,
         absl::StrCat("the ledger's root holds ", anchored.hash.ToHexString(), ", the records give ",
                      head_.hash.ToHexString()));
}

void ReadAudit::Finish(const JournalHead& head, const base::Signature& signature) {
  if (head == head_ && facts_.owner.node_key.Verify(SigningDigest(facts_.owner, head), signature)) return;
  Report(ReadFault::kBrokenChain, 0,
         absl::StrCat("the provider's head is record ", head.sequence, ", the records end at ", head_.sequence));
}

void ReadAudit::CheckQuota(int64_t month, uint64_t free_bytes, uint64_t package_bytes, uint64_t free_used,
                           uint64_t package_used) {
  const auto found = months_.find(month);
  const ReadMonth sums = found == months_.end() ? ReadMonth() : found->second;
  if (sums.free_bytes > free_bytes || sums.package_bytes > package_bytes) {
    Report(ReadFault::kAboveQuota, 0,
           absl::StrCat(sums.free_bytes, " of ", free_bytes, " free and ", sums.package_bytes, " of ", package_bytes,
                        " of the package"));
  }
  if (sums.free_bytes != free_used || sums.package_bytes != package_used) {
    Report(ReadFault::kCounterDiffers, 0,
           absl::StrCat("the provider says ", free_used, " free and ", package_used, " of the package, its records ",
                        sums.free_bytes, " and ", sums.package_bytes));
  }
}

}  // namespace cairn::payment
