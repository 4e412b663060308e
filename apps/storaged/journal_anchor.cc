#include "apps/storaged/journal_anchor.h"

#include <algorithm>

#include "cairn/chain/convert.h"

namespace cairn::storaged {

absl::StatusOr<bool> JournalAnchor::RunOnce() {
  ASSIGN_OR_RETURN(std::optional<PendingAnchor> pending, journal_.Pending());
  ASSIGN_OR_RETURN(std::vector<payment::JournalHead> heads, journal_.Grown());
  if (!pending.has_value() && heads.empty()) return false;
  ASSIGN_OR_RETURN(Record<pb::Params> params, ledger_.Params());
  ASSIGN_OR_RETURN(pb::ChainStatus status, ledger_.Status());
  const uint64_t epoch = status.time_ms() / std::max<uint64_t>(params->journal_epoch_ms(), 1);
  if (pending.has_value()) return Resolve(*pending, epoch);

  ASSIGN_OR_RETURN(pb::JournalAnchors known, ledger_.JournalAnchors(identity_.id()));
  if (known.anchors_size() != 0 && known.anchors().rbegin()->epoch() >= epoch) return false;
  const uint64_t counted = known.anchors_size() == 0 ? 0 : known.anchors().rbegin()->records();
  const payment::JournalTree tree(heads);
  // A provider that lost its index counts on from what it had told.
  const PendingAnchor wanted{epoch, tree.root(), static_cast<uint32_t>(heads.size()),
                             std::max(journal_.records(), counted)};
  std::vector<AnchoredHead> anchored;
  for (uint32_t i = 0; i < heads.size(); ++i) anchored.push_back({epoch, heads[i], i, wanted.journals, tree.Path(i)});
  // On our disk before it is on the ledger: whatever happens in between, we know which heads the root has.
  RETURN_IF_ERROR(journal_.KeepPending(wanted, anchored));
  RETURN_IF_ERROR(Submit(wanted));
  RETURN_IF_ERROR(journal_.ResolvePending(true));
  return true;
}

absl::Status JournalAnchor::Submit(const PendingAnchor& pending) {
  pb::Operation operation;
  pb::AnchorJournal& anchor = *operation.mutable_anchor_journal();
  anchor.set_epoch(pending.epoch);
  anchor.set_root(chain::ToField(pending.root));
  anchor.set_journals(pending.journals);
  anchor.set_records(pending.records);
  return lane_.Run(std::move(operation)).status();
}

absl::StatusOr<bool> JournalAnchor::Resolve(const PendingAnchor& pending, uint64_t epoch) {
  ASSIGN_OR_RETURN(pb::JournalAnchors known, ledger_.JournalAnchors(identity_.id()));
  for (const pb::JournalAnchor& anchor : known.anchors()) {
    if (anchor.epoch() != pending.epoch || anchor.root() != chain::ToField(pending.root)) continue;
    RETURN_IF_ERROR(journal_.ResolvePending(true));
    return true;
  }
  if (pending.epoch == epoch && Submit(pending).ok()) {
    RETURN_IF_ERROR(journal_.ResolvePending(true));
    return true;
  }
  // Its epoch is over without it; an unanswered transaction may still arrive, but the ledger refuses it then.
  if (pending.epoch < epoch) RETURN_IF_ERROR(journal_.ResolvePending(false));
  return false;
}

}  // namespace cairn::storaged
