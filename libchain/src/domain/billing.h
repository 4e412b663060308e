// Bills: what the objects of one bucket in one group cost, part by part, and the flows that follow from it.
#pragma once

#include "cairn/base/amount.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

// Who pays for the bucket; for the object.
base::AccountId PayerOf(const pb::Bucket& bucket);
base::AccountId PayerOf(const pb::Object& object, const ReadView& view);
// What somebody takes on with an object: so much a second, and so much once.
struct Cost {
  base::Amount rate;
  base::Amount once;
};
// May the payer take this on for the bucket: not frozen, and the consent of its owner goes that far?
Verdict CheckPayer(const base::AccountId& payer, const pb::Bucket& bucket, const Cost& cost, const Context& context,
                   const ReadView& view);
// The payer pays, or gets back, so much at once for the bucket: its consent says how far ahead that may go.
enum class Ahead { kPaid, kReturned };
void CountAhead(const base::AccountId& payer, uint64_t bucket, base::Amount amount, Ahead what, const Context& context,
                Edits& edits);
// Brings what is ahead to this second; before anything that it is worked off by changes.
void WorkOff(pb::PaymentConsent& consent, uint64_t stream_s);

// Counts a live object at its full rate (sign +1 when it enters, -1 when it leaves).
void CountInBill(const pb::Object& object, int sign, const Context& context, Edits& edits);
// The flows of a sealed object begin: primary, taxes, and each position receipted under its present generation.
void BeginBilling(const pb::Object& object, const Context& context, Edits& edits);
// They end. A deleted version pays the rest of its minimum term first and earns the rebate.
void EndBilling(const pb::Object& object, bool deleted, const Context& context, Edits& edits);
// A sealed object's position gave its receipt.
void BillPosition(const pb::Object& object, uint32_t position, const Context& context, Edits& edits);
// Nothing counts as receipted at the position any more; from now on `provider` keeps it.
void VoidPosition(uint64_t group, uint32_t position, const std::string& provider, const Context& context,
                  Edits& edits);
void BillNewPrimary(uint64_t group, const std::string& primary, const Context& context, Edits& edits);
// The bill's flows move to another payer.
void MoveBill(const Key<pb::Bill>& key, const base::AccountId& payer, const Context& context, Edits& edits);
// The bucket's read package costs so much from now on.
void BillPackage(const pb::Bucket& bucket, base::Amount rate, base::Amount tax, const Context& context, Edits& edits);
// What the bucket's bills that `payer` pays are committed to.
base::Amount CommittedTo(const base::AccountId& payer, const pb::Bucket& bucket, const ReadView& view);

}  // namespace cairn::chain
