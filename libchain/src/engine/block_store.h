// Blocks, receipts and the engine's own marks in the store, beside the state. Layout: libchain/FORMATS.md.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cairn/base/hash.h"
#include "cairn/base/kv.h"
#include "cairn/chain/ledger.h"
#include "cairn/chain/pb.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

inline constexpr char kStatePrefix[] = "s";
inline constexpr char kPagePrefix[] = "t";

// What the newest block says.
struct Head {
  pb::BlockHeader header;
  std::string header_bytes;
  std::string signature;
  uint64_t height() const { return header.height(); }
};

struct Location {
  uint64_t height = 0;
  uint32_t index = 0;
};

void PutChanges(base::KvBatch& batch, absl::string_view prefix, const ChangeSet& changes);
// A block, its receipts by hash, and the head. `block` has everything but its events, which come from `result`.
void PutBlock(base::KvBatch& batch, const pb::Block& block, const BlockResult& result, uint64_t height);
// Takes a block and the receipts of its transactions away.
void DropBlock(base::KvBatch& batch, const pb::Block& block, uint64_t height);
// NotFound when it is not there; DataLoss when it cannot be read.
absl::StatusOr<pb::Block> GetBlock(const base::KvSnapshot& snapshot, uint64_t height);
absl::StatusOr<std::optional<Head>> GetHead(const base::KvSnapshot& snapshot);
absl::StatusOr<std::optional<Location>> FindTransaction(const base::KvSnapshot& snapshot, absl::string_view hash);
// The receipt of a transaction that is in the history; nullopt when it is not.
absl::StatusOr<std::optional<pb::TransactionReceipt>> FindReceipt(const base::KvSnapshot& snapshot,
                                                                 absl::string_view hash);

// The same for many transactions; those of one block read it once.
class ReceiptReader {
 public:
  explicit ReceiptReader(const base::KvSnapshot& snapshot) : snapshot_(snapshot) {}
  absl::StatusOr<std::optional<pb::TransactionReceipt>> Find(absl::string_view hash);

 private:
  const base::KvSnapshot& snapshot_;
  std::optional<uint64_t> height_;
  pb::Block block_;  // at that height
};

// Numbers the engine keeps for itself.
enum class Mark { kEarliestHeight, kAliveMs, kAdvancedMs };
void PutMark(base::KvBatch& batch, Mark mark, uint64_t value);
absl::StatusOr<uint64_t> GetMark(const base::KvSnapshot& snapshot, Mark mark);  // 0 when never put

}  // namespace cairn::chain
