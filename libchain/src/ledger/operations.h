// The one list of operations: what each costs and which rules are its own.
#pragma once

#include "cairn/chain/domain/context.h"

namespace cairn::chain {

struct OperationRules {
  pb::Operation::KindCase kind;
  uint64_t (*weight)(const pb::Operation&);
  Verdict (*validate)(const pb::Operation&);                                   // its bytes alone
  Verdict (*check)(const pb::Operation&, const Context&, const ReadView&);     // may read, never writes
  void (*apply)(const pb::Operation&, const Context&, Edits&);                 // cannot refuse any more
};

// Null when the kind is unknown or not set.
const OperationRules* RulesFor(pb::Operation::KindCase kind);

}  // namespace cairn::chain
