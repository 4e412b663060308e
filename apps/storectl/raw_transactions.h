// Signed transactions as files: taken out of a block, handed in as they are.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "apps/storectl/context.h"
#include "cairn/chain/pb.h"

namespace CLI {
class App;
}

namespace cairn::storectl {

// NotFound (reason NO_SUCH_TRANSACTION). `hash` in hexadecimal.
absl::StatusOr<chain::pb::TransactionReceipt> FindReceipt(Context& context,
                                                          const std::string& hash);

// `save` and `submit`, below `chain tx`.
void AddRawTransactionCommands(CLI::App& tx, Context& context);

}  // namespace cairn::storectl
