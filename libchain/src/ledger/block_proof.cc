// What a block's header says of the transactions and receipts in it.
#include "cairn/chain/convert.h"
#include "cairn/chain/proof.h"
#include "cairn/chain/transaction.h"
#include "ledger/bad_proof.h"

namespace cairn::chain {
namespace {

// Root over hashes in order; the zero digest for none.
base::Digest MerkleRoot(absl::string_view context, std::vector<base::Digest> level) {
  if (level.empty()) return {};
  while (level.size() > 1) {
    std::vector<base::Digest> next;
    for (size_t i = 0; i + 1 < level.size(); i += 2) {
      next.push_back(base::Hasher::DeriveKey(context).Field(level[i].view()).Field(level[i + 1].view()).Finish());
    }
    // Not paired with itself: two lists would then have one root.
    if (level.size() % 2 != 0) next.push_back(level.back());
    level = std::move(next);
  }
  return level.front();
}

base::Digest ReceiptHash(const pb::TransactionReceipt& receipt) {
  const base::Amount fee = FromProto(receipt.fee());
  return base::Hasher::DeriveKey("cairn v1 receipt leaf")
      .Field(receipt.transaction())
      .Field(uint64_t{receipt.verdict()})
      .Field(uint64_t{receipt.operation()})
      .Field(fee.high())
      .Field(fee.low())
      .Finish();
}

}  // namespace

base::Digest TransactionsRoot(std::vector<base::Digest> hashes) {
  return MerkleRoot("cairn v1 block transactions", std::move(hashes));
}

base::Digest ReceiptsRoot(const pb::Block& block) {
  std::vector<base::Digest> hashes;
  hashes.reserve(block.receipts_size());
  for (const pb::TransactionReceipt& receipt : block.receipts()) hashes.push_back(ReceiptHash(receipt));
  return MerkleRoot("cairn v1 block receipts", std::move(hashes));
}

absl::StatusOr<pb::BlockHeader> VerifyBlock(const base::ChainId& chain, const base::PublicKey& engine_key,
                                            const pb::Block& block) {
  ASSIGN_OR_RETURN(pb::BlockHeader header, VerifyHeader(chain, engine_key, block.header(), block.signature()));
  if (block.transactions_size() != block.receipts_size()) return BadProof("a block has one receipt per transaction");
  std::vector<base::Digest> hashes;
  hashes.reserve(block.transactions_size());
  for (int i = 0; i < block.transactions_size(); ++i) {
    hashes.push_back(TransactionHash(block.transactions(i)));
    if (block.receipts(i).transaction() != ToField(hashes.back())) return BadProof("a receipt is of another transaction");
  }
  if (header.transactions_root() != ToField(TransactionsRoot(std::move(hashes)))) {
    return BadProof("the transactions do not lead to the header's root");
  }
  if (header.receipts_root() != ToField(ReceiptsRoot(block))) {
    return BadProof("the receipts do not lead to the header's root");
  }
  return header;
}

}  // namespace cairn::chain
