// What the payments rules and those of objects and groups use of streams. Everything here acts at context.stream_s and
// cannot refuse; checks come first (`Spendable`).
#pragma once

#include <vector>

#include "cairn/base/amount.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

struct FlowChange {
  base::AccountId receiver;
  base::Amount add;
  base::Amount remove;
};

// Changes what `payer` pays to each receiver from this second on. Freed reserve returns to the payer at once.
void ChangeFlows(const base::AccountId& payer, const std::vector<FlowChange>& changes, const Context& context,
                 Edits& edits);
// Charges and credits the account up to this second, fills its reserve, and lets it pay again where the money suffices.
void SettleAccount(const base::AccountId& id, const Context& context, Edits& edits);
// The account's state; kPaying when it has no streams.
pb::PayerState PayerStateOf(const ReadView& view, const base::AccountId& id);
inline bool Frozen(pb::PayerState state) { return state >= pb::PAYER_STATE_READ_ONLY; }

}  // namespace cairn::chain
