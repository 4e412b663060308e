#include "engine/block_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::chain {
namespace {

// Below the store's limit for one value.
constexpr size_t kChunkBytes = 8 << 20;

std::string BlockKey(uint64_t height, uint64_t chunk) {
  return absl::StrCat("b", NumberField(height), NumberField(chunk));
}
std::string TransactionKey(absl::string_view hash) { return absl::StrCat("x", hash); }
constexpr absl::string_view kHeadKey = "mhead";

absl::string_view KeyOf(Mark mark) {
  switch (mark) {
    case Mark::kEarliestHeight:
      return "mearliest";
    case Mark::kAliveMs:
      return "malive";
    case Mark::kAdvancedMs:
      return "madvanced";
  }
  return "";
}

absl::Status Broken(absl::string_view what) {
  return base::Error(absl::StatusCode::kDataLoss, "LEDGER_STORE_BROKEN", absl::StrCat("cannot read ", what),
                     "restore the ledger's store from a copy");
}

}  // namespace

void PutChanges(base::KvBatch& batch, absl::string_view prefix, const ChangeSet& changes) {
  for (const auto& [key, value] : changes) {
    if (value) {
      batch.Put(absl::StrCat(prefix, key), *value);
    } else {
      batch.Delete(absl::StrCat(prefix, key));
    }
  }
}

void PutBlock(base::KvBatch& batch, const pb::Block& block, uint64_t height) {
  const std::string bytes = block.SerializeAsString();
  for (size_t at = 0, chunk = 0; at < bytes.size(); at += kChunkBytes, ++chunk) {
    batch.Put(BlockKey(height, chunk), absl::string_view(bytes).substr(at, kChunkBytes));
  }
  for (const pb::TransactionReceipt& receipt : block.receipts()) {
    batch.Put(TransactionKey(receipt.transaction()), absl::StrCat(NumberField(height), NumberField(receipt.index())));
  }
  pb::Block head;
  head.set_header(block.header());
  head.set_signature(block.signature());
  batch.Put(kHeadKey, head.SerializeAsString());
}

void DropBlock(base::KvBatch& batch, const pb::Block& block, uint64_t height) {
  const size_t size = block.ByteSizeLong();
  for (size_t at = 0, chunk = 0; at < size; at += kChunkBytes, ++chunk) batch.Delete(BlockKey(height, chunk));
  for (const pb::TransactionReceipt& receipt : block.receipts()) batch.Delete(TransactionKey(receipt.transaction()));
}

absl::StatusOr<pb::Block> GetBlock(const base::KvSnapshot& snapshot, uint64_t height) {
  std::string bytes;
  for (uint64_t chunk = 0;; ++chunk) {
    ASSIGN_OR_RETURN(const std::optional<absl::string_view> piece, snapshot.Get(BlockKey(height, chunk)));
    if (!piece) break;
    bytes.append(piece->data(), piece->size());
    if (piece->size() < kChunkBytes) break;
  }
  if (bytes.empty()) {
    return base::Error(absl::StatusCode::kNotFound, "NOT_FOUND", absl::StrCat("no block ", height),
                       "ask for a height within the history that is kept");
  }
  pb::Block block;
  if (!block.ParseFromString(bytes)) return Broken(absl::StrCat("block ", height));
  return block;
}

absl::StatusOr<std::optional<Head>> GetHead(const base::KvSnapshot& snapshot) {
  ASSIGN_OR_RETURN(const std::optional<absl::string_view> bytes, snapshot.Get(kHeadKey));
  if (!bytes) return std::optional<Head>();
  pb::Block block;
  Head head;
  if (!block.ParseFromString(std::string(*bytes)) || !head.header.ParseFromString(block.header())) {
    return Broken("the newest block's header");
  }
  head.header_bytes = block.header();
  head.signature = block.signature();
  return std::optional<Head>(std::move(head));
}

absl::StatusOr<std::optional<Location>> FindTransaction(const base::KvSnapshot& snapshot, absl::string_view hash) {
  ASSIGN_OR_RETURN(const std::optional<absl::string_view> bytes, snapshot.Get(TransactionKey(hash)));
  if (!bytes) return std::optional<Location>();
  if (bytes->size() != 16) return Broken("a transaction's place");
  Location location;
  location.height = NumberFromField(bytes->substr(0, 8));
  location.index = static_cast<uint32_t>(NumberFromField(bytes->substr(8)));
  return std::optional<Location>(location);
}

void PutMark(base::KvBatch& batch, Mark mark, uint64_t value) { batch.Put(KeyOf(mark), NumberField(value)); }

absl::StatusOr<uint64_t> GetMark(const base::KvSnapshot& snapshot, Mark mark) {
  ASSIGN_OR_RETURN(const std::optional<absl::string_view> bytes, snapshot.Get(KeyOf(mark)));
  return bytes ? NumberFromField(*bytes) : 0;
}

}  // namespace cairn::chain
