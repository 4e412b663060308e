// What a download journal is made of, as a damaged disk or a lying provider may hand it over. The first byte says which:
// r a record, b a bucket's counters, a an anchored head, p a pending root, t totals, o an object's share.
#include "apps/storaged/read_journal.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  if (input.empty()) return;
  const base::ByteView bytes = input.subspan(1);
  const auto same = [&](const std::string& again) { FUZZ_CHECK(base::AsBytes(again) == bytes); };
  if (input[0] == 'r') {
    if (auto record = payment::DecodeReadRecord(bytes); record.ok()) {
      same(base::ToString(payment::Encode(*record)));
      FUZZ_CHECK(!payment::CheckSignature({}, *record));
    }
  } else if (input[0] == 'b') {
    if (auto reads = storaged::DecodeBucketReads({1}, bytes); reads.ok()) same(storaged::EncodeBucketReads(*reads));
  } else if (input[0] == 'a') {
    if (auto head = storaged::DecodeAnchoredHead({1}, 2, bytes); head.ok()) {
      same(storaged::EncodeAnchoredHead(*head));
      (void)payment::CheckJournalPath({}, head->head, head->index, head->count, head->path);
    }
  } else if (input[0] == 'p') {
    if (auto pending = storaged::DecodePendingAnchor(bytes); pending.ok()) same(storaged::EncodePendingAnchor(*pending));
  } else if (input[0] == 't') {
    if (auto totals = storaged::DecodeJournalTotals(bytes); totals.ok())
      same(storaged::EncodeJournalTotals(totals->first, totals->second));
  } else if (input[0] == 'o') {
    if (auto object = storaged::DecodeObjectReads(bytes); object.ok())
      same(storaged::EncodeObjectReads(object->first, object->second));
  }
}

}  // namespace cairn
