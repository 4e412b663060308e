// A transaction's body as a stranger may send it.
#include "cairn/chain/ledger.h"
#include "cairn/chain/transaction.h"
#include "quiet_protobuf.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  chain::pb::SignedTransaction transaction;
  transaction.set_body(base::ToString(input));
  transaction.set_signature(std::string(base::Signature::kSize, 's'));
  const chain::PreparedTransaction prepared = chain::Prepare(transaction);
  FUZZ_CHECK(!prepared.signature_valid);
  FUZZ_CHECK(prepared.bytes == chain::Verdict::kOk || !chain::Included(prepared.bytes));
  FUZZ_CHECK(chain::DecodeBody(transaction).ok() == (prepared.bytes == chain::Verdict::kOk));
  if (prepared.bytes != chain::Verdict::kOk) return;
  FUZZ_CHECK(chain::Canonical(prepared.body) == transaction.body());
  FUZZ_CHECK(chain::Weight(prepared.body) > 0);
  for (const auto& operation : prepared.body.operations()) {
    FUZZ_CHECK(chain::ApprovalRequest(operation) == chain::ApprovalRequest(operation));
  }
}

}  // namespace cairn
