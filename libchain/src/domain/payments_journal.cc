// Roots of providers' download journals: who read how much is kept by the provider, what it cannot change later is here.
#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::chain {
namespace {

constexpr int kKeptAnchors = 64;

}  // namespace

Verdict Validate(const pb::AnchorJournal& op) {
  if (op.root().size() != base::Digest::kSize) return Verdict::kBadDigest;
  return op.journals() != 0 && op.records() >= op.journals() ? Verdict::kOk : Verdict::kBadSize;
}

Verdict Check(const pb::AnchorJournal& op, const Context& context, const ReadView& view) {
  if (!view.Has(keys::Provider(context.signer))) return Verdict::kUnknownProvider;
  const uint64_t epoch = context.time_ms / context.params.journal_epoch_ms();
  // Only the epoch that runs: a root that may come later could leave out what its reader knows by then.
  if (op.epoch() != epoch) {
    return context.Refuse(Verdict::kWrongEpoch, absl::StrCat("of epoch ", op.epoch(), ", epoch ", epoch, " runs"));
  }
  const auto known = view.Find(keys::JournalAnchors(context.signer));
  if (!known || known->anchors_size() == 0) return Verdict::kOk;
  const pb::JournalAnchor& last = *known->anchors().rbegin();
  if (last.epoch() >= epoch) return Verdict::kEpochAnchored;
  if (op.records() >= last.records()) return Verdict::kOk;
  return context.Refuse(Verdict::kFewerRecords,
                        absl::StrCat(op.records(), " records, ", last.records(), " in epoch ", last.epoch()));
}

void Apply(const pb::AnchorJournal& op, const Context& context, Edits& edits) {
  auto& anchors = *edits.At(keys::JournalAnchors(context.signer)).mutable_anchors();
  if (anchors.size() >= kKeptAnchors) anchors.DeleteSubrange(0, anchors.size() - kKeptAnchors + 1);
  pb::JournalAnchor& anchor = *anchors.Add();
  anchor.set_epoch(op.epoch());
  anchor.set_root(op.root());
  anchor.set_journals(op.journals());
  anchor.set_records(op.records());
  anchor.set_height(context.height);
  context.Emit("journal.anchored", {{"provider", context.signer.ToHexString()},
                                    {"epoch", absl::StrCat(op.epoch())},
                                    {"root", base::ToHex(base::AsBytes(op.root()))},
                                    {"journals", absl::StrCat(op.journals())},
                                    {"records", absl::StrCat(op.records())}});
}

}  // namespace cairn::chain
