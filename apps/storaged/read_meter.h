// Every read's way past the meter: who pays, how fast, and what is written down.
//
// `Begin` finds the payer (read_billing.h says in which order) and takes from the quota; `Admit` is asked before each
// piece and waits where a channel's window or a payer without funds says so; `End` gives back what was not sent and
// writes the journal's record. A bucket whose payer is out of funds is read at the ledger's published limits, until the
// block in which money comes. Thread-safe; one read belongs to one thread. Rules: GF-47 to GF-49, GF-73, GF-74, GF-87.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "apps/storaged/faults.h"
#include "apps/storaged/ledger.h"
#include "apps/storaged/part_index.h"
#include "apps/storaged/read_billing.h"
#include "apps/storaged/read_journal.h"
#include "apps/storaged/throttle.h"

namespace cairn::rpc::v1 {
class GetRequest;
class ListReadsRequest;
class ListReadsResponse;
}  // namespace cairn::rpc::v1

namespace cairn::storaged {

// What a byte of the part counts in quotas: k for shards.
uint32_t WeightOf(const Part& part, const pb::Group& group);
// What a bucket may have of this month's reads.
payment::QuotaTerms TermsOf(const pb::Bucket& bucket, const pb::Params& params);

// Whose funds pay for what is stored: the object's own payer (pin, may be empty), or the bucket's.
base::AccountId FundsOf(const pb::Bucket& bucket, const std::string& pin);

class ReadMeter {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    ReadJournal& journal;
    const base::Clock& clock;
    Throttle& throttle;
    PaidReads* paid = nullptr;       // absent: no channel pays us
    const Faults* faults = nullptr;  // of test networks
    uint32_t max_throttled = 16;     // reads of payers without funds, of all buckets together
  };
  explicit ReadMeter(const Environment& environment) : env_(environment) {}

  class Read {
   public:
    Read(ReadMeter& meter, ReadFacts facts, payment::ReadRecord record, base::AccountId payer);
    ~Read();
    Read(const Read&) = delete;

    // Before a piece with so many content bytes leaves. Cancelled soon after `gone`.
    absl::Status Admit(uint64_t bytes, const std::function<bool()>& gone);
    void Sent(uint64_t bytes);
    // Pieces leave one by one: what is gathered must not wait for more.
    bool paced() const { return slow_ || paid_ != nullptr; }
    // `whole`: everything asked for was sent. An error is the journal's.
    absl::Status End(bool whole);
    const ReadFacts& facts() const { return facts_; }

   private:
    friend class ReadMeter;
    bool Throttled() const;
    void Forge();

    ReadMeter& meter_;
    const ReadFacts facts_;
    payment::ReadRecord record_;
    const base::AccountId funds_;  // whose funds decide how fast
    payment::QuotaShare share_;
    std::unique_ptr<PaidRead> paid_;
    std::optional<Throttle::Place> place_;
    bool slow_ = false;
    bool ended_ = false;
  };

  // Access was checked. Errors: those of the journal's Admit, of the channel, of the ledger; ResourceExhausted
  // (READ_QUOTA_SPENT), Unavailable (THROTTLED: the connections of a bucket without funds are taken).
  absl::StatusOr<std::unique_ptr<Read>> Begin(const rpc::Caller& caller, const rpc::v1::GetRequest& request,
                                              const Part& part);
  // To the bucket's owner alone: PermissionDenied (ACCESS_DENIED).
  absl::Status List(const rpc::Caller& caller, const rpc::v1::ListReadsRequest& request,
                    rpc::v1::ListReadsResponse& response);

  uint32_t throttled_reads() const { return throttled_; }

 private:
  absl::Status Charge(Read& read, const pb::Object& object);
  absl::StatusOr<bool> TakeQuota(Read& read, const pb::Object& object, Freshness freshness);
  absl::Status Slow(Read& read);
  absl::Status QuotaSpent(const Read& read);

  const Environment env_;
  std::atomic<uint32_t> throttled_{0};
};

}  // namespace cairn::storaged
