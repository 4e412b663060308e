// A bucket's bill: what its providers say was read, held against what readers signed and what the ledger knows.
//
// Every provider of the bucket's group is asked for its download journal; all of it is checked (payment::ReadAudit), its
// roots against the ledger's. The package's fee is counted from the ledger's blocks, second by second. Nothing is taken
// on anybody's word: what does not agree is a finding with its record. Rules: GF-73 to GF-75.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/client/session.h"
#include "cairn/base/amount.h"
#include "cairn/payment/read_audit.h"

namespace cairn::client {

struct ProviderReads {
  base::AccountId provider;
  std::string endpoint;
  absl::Status answer;                               // what is below holds as far as it came
  std::map<int64_t, payment::ReadMonth> months;      // payment::MonthOf
  std::vector<payment::ReadRecord> records;          // of the month asked for
  std::vector<payment::ReadFinding> findings;
  uint64_t faults = 0;
  uint64_t sequence = 0;                             // records ever
  uint64_t start = 0;                                // older ones were dropped
  uint64_t anchored = 0;                             // newest record under a root on the ledger
  uint64_t free_bytes = 0;                           // quota of this month, as the provider counts it
  uint64_t free_used = 0;
  uint64_t package_bytes = 0;
  uint64_t package_used = 0;
  std::string payer_state;
};

struct AuditOptions {
  int64_t month = 0;
  bool keep_records = false;
};

// Asks one provider of the bucket's group and checks what it says.
ProviderReads AuditProvider(Client& client, const chain::v1::Bucket& bucket, const chain::v1::Group& group,
                            const base::AccountId& provider, const AuditOptions& options);

// Seconds in which a package cost the same, of the streams' clock, `to` not included.
struct PackagePeriod {
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t bytes_per_month = 0;
  base::Amount rate;  // with the tax, a second
  base::Amount fee;
};
// What the bucket's package cost from `from` to `to`, as the ledger's events say; while its payer was frozen nothing
// flowed. `complete` false: blocks of that time were pruned.
struct PackageFee {
  std::vector<PackagePeriod> periods;
  base::Amount fee;
  bool complete = true;
};
absl::StatusOr<PackageFee> CountPackage(Client& client, const chain::v1::Bucket& bucket, absl::Time from, absl::Time to);

}  // namespace cairn::client
