// Dropping what nobody pays for: once its payer is clearable, after the ledger's notice, the primary may. [GF-89]
//
// The ledger decides whether it may, and drops the object for all holders; here stands only whether this provider wants
// to. One thread; blocks on the ledger.
#pragma once

#include <functional>

#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "apps/storaged/submitter.h"

namespace cairn::storaged {

class UnpaidClearer {
 public:
  // References must outlive it.
  UnpaidClearer(const Identity& identity, Ledger& ledger, Submitter& lane)
      : identity_(identity), ledger_(ledger), lane_(lane) {}

  // Looks at every sealed object of the groups whose primary we are. Returns how many were cleared.
  absl::StatusOr<uint64_t> RunOnce(const std::function<bool()>& stopping);

 private:
  absl::StatusOr<bool> Clearable(const pb::Object& object);
  absl::Status Clear(const std::vector<std::string>& objects);

  const Identity& identity_;
  Ledger& ledger_;
  Submitter& lane_;
};

}  // namespace cairn::storaged
