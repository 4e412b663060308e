// Checking a provider's download journal: does it follow from what readers signed, is it what the ledger has anchored,
// and do its records add up to the quota that the provider says was used?
//
// Fed with one journal's records in order, as the provider hands them out, and with what the ledger knows. Every record
// that cannot be is named with its number and why; the first one that breaks the chain ends what the chain proves, and
// the sums go on. No I/O; one thread. Rules: GF-74, GF-75.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cairn/payment/read_record.h"

namespace cairn::payment {

enum class ReadFault : uint8_t {
  kMalformed = 1,          // bytes that are no record
  kWrongSequence = 2,      // of another journal, or not the next number
  kForgedSignature = 3,    // nobody signed it: neither the reader nor the provider
  kOtherRequest = 4,       // the reader signed another read than the record says
  kRepeatedCall = 5,       // one signature of a reader stands in two records
  kUnsignedPrivate = 6,    // a read of a private bucket that nobody signed
  kWrongCount = 7,         // more sent than asked for, or quotas that do not add up to it
  kOutsideTime = 8,        // admitted when the reader's signature did not hold
  kBrokenChain = 9,        // the records do not lead to the signed head, or not to the root on the ledger
  kUnknownAnchor = 10,     // the provider names a root that the ledger does not have
  kAboveQuota = 11,        // more of the free quota, or of packages, than there was in that month
  kCounterDiffers = 12,    // the provider says that another amount of the quota is used
};
// "FORGED_SIGNATURE": stable.
absl::string_view Name(ReadFault fault);
absl::string_view Explain(ReadFault fault);

struct ReadFinding {
  ReadFault fault{};
  uint64_t sequence = 0;  // 0: of the journal as a whole
  std::string detail;
};

// What the signed bytes of a call ask for.
struct RequestedRead {
  base::ObjectId object{};
  base::ContentId part{};
  uint64_t offset = 0;
  uint64_t length = 0;
  std::string channel;
};
// nullopt: it is no read.
using RequestReader = std::function<std::optional<RequestedRead>(absl::string_view request)>;

// Sums of one month (payment::MonthOf), in bytes.
struct ReadMonth {
  uint64_t records = 0;
  uint64_t sent = 0;            // content bytes, whoever pays
  uint64_t free_bytes = 0;      // as quotas count
  uint64_t package_bytes = 0;
  uint64_t channel_bytes = 0;   // content bytes that channels paid
  uint64_t unpaid_bytes = 0;    // content bytes of repair and gifts
  friend bool operator==(const ReadMonth&, const ReadMonth&) = default;
};

class ReadAudit {
 public:
  struct Facts {
    JournalOwner owner;
    base::BucketId bucket{};
    bool public_read = false;
    uint32_t max_weight = 1;       // k of the bucket's policy
    RequestReader request;
  };
  // The journal from the record after `start`, the newest head that is known to be right (or the empty journal's).
  ReadAudit(Facts facts, const JournalHead& start);

  // One record. Its decoded form, unless it is none.
  std::optional<ReadRecord> Add(base::ByteView record);
  // An anchor's head; call when the record with its sequence was added.
  void CheckAnchor(const JournalHead& anchored);
  // The head that the provider signed, after the last record.
  void Finish(const JournalHead& head, const base::Signature& signature);
  void CheckQuota(int64_t month, uint64_t free_bytes, uint64_t package_bytes, uint64_t free_used,
                  uint64_t package_used);
  // Of what only the caller can know.
  void Report(ReadFault fault, uint64_t sequence, std::string detail);

  const JournalHead& head() const { return head_; }
  const std::map<int64_t, ReadMonth>& months() const { return months_; }
  // In the order found; at most kMaxFindings are kept, the rest is counted.
  const std::vector<ReadFinding>& findings() const { return findings_; }
  uint64_t faults() const { return faults_; }
  static constexpr size_t kMaxFindings = 1000;

 private:
  void CheckCall(const ReadRecord& record);
  void CheckCounts(const ReadRecord& record);
  void Count(const ReadRecord& record);

  Facts facts_;
  JournalHead head_;
  std::set<base::Signature> calls_;
  std::map<int64_t, ReadMonth> months_;
  std::vector<ReadFinding> findings_;
  uint64_t faults_ = 0;
};

}  // namespace cairn::payment
