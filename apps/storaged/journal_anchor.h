// Puts one root of our download journals on the ledger in every epoch in which somebody read.
//
// What goes to the ledger is kept first, with the place of every head under it; what became of it is asked of the
// ledger, so a crash in between neither loses an anchor nor shows one that is not there. One thread. [GF-73]
#pragma once

#include "apps/storaged/ledger.h"
#include "apps/storaged/read_journal.h"
#include "apps/storaged/submitter.h"

namespace cairn::storaged {

class JournalAnchor {
 public:
  // References must outlive it.
  JournalAnchor(const Identity& identity, Ledger& ledger, ReadJournal& journal, Submitter& lane)
      : identity_(identity), ledger_(ledger), journal_(journal), lane_(lane) {}

  // True when a root was anchored. Blocks until the ledger has answered.
  absl::StatusOr<bool> RunOnce();

 private:
  // What became of the root that was under way. True: it is on the ledger.
  absl::StatusOr<bool> Resolve(const PendingAnchor& pending, uint64_t epoch);
  absl::Status Submit(const PendingAnchor& pending);

  const Identity& identity_;
  Ledger& ledger_;
  ReadJournal& journal_;
  Submitter& lane_;
};

}  // namespace cairn::storaged
