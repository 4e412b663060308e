// The steps of a payer that runs out of money: when each comes, who is told, and the way back.
#pragma once

#include <optional>

#include "cairn/base/stream.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

// An event about a payer: its state, since when, and the rate it should pay.
void TellPayer(const char* type, const pb::StreamAccount& stream, const Context& context, Attributes more = {});

// Is its reserve short, so that every credit goes there first?
bool Owes(const pb::StreamAccount& stream, const Context& context);
// Back up the steps, as far as the filled reserve carries. Not for frozen payers.
void Improve(pb::StreamAccount& stream, const base::StreamBalance& balance, const Context& context);
// One step down, or the warning of one, when its second has come. True: the flows must be frozen now.
[[nodiscard]] bool Worsen(pb::StreamAccount& stream, const Context& context);
// The second at which something about the payer changes next.
std::optional<uint64_t> NextStep(const pb::StreamAccount& stream, base::Amount free, const Context& context);

}  // namespace cairn::chain
