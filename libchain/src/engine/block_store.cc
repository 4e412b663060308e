#include "engine/block_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::chain {
namespace {

// Below the store's limit for one value.
constexpr size_t kChunkBytes = 8 << 20;
// The store has no checksums of its own.
constexpr size_t kSumBytes = 8;

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

void AddSum(std::string& bytes) {
  const base::Digest sum = base::Blake3(base::AsBytes(bytes));
  absl::StrAppend(&bytes, base::AsText(sum.view().subspan(0, kSumBytes)));
}
std::string WithSum(absl::string_view bytes) {
  std::string out(bytes);
  AddSum(out);
  return out;
}
// nullopt: these are not the bytes that were written.
std::optional<absl::string_view> WithoutSum(absl::string_view value) {
  if (value.size() < kSumBytes) return std::nullopt;
  const absl::string_view bytes = value.substr(0, value.size() - kSumBytes);
  if (WithSum(bytes) != value) return std::nullopt;
  return bytes;
}

absl::Status Broken(absl::string_view what) {
  return base::Error(absl::StatusCode::kDataLoss, "LEDGER_STORE_BROKEN", absl::StrCat("cannot read ", what),
                     "restore the ledger's store from a copy");
}

}  // namespace

void PutChanges(base::KvBatch& batch, absl::string_view prefix, const ChangeSet& changes) {
  for (const auto& [key, record] : changes) {
    if (record) {
      batch.Put(absl::StrCat(prefix, key), record->bytes());
    } else {
      batch.Delete(absl::StrCat(prefix, key));
    }
  }
}

void PutBlock(base::KvBatch& batch, const pb::Block& block, const BlockResult& result, uint64_t height) {
  pb::Block markers;
  markers.mutable_event_transactions()->Add(result.event_transactions.begin(), result.event_transactions.end());
  std::string bytes;
  bytes.reserve(block.ByteSizeLong() + result.events.bytes().size() + markers.ByteSizeLong() + kSumBytes);
  // Fields in the order of their numbers, as one message of all of them would be encoded.
  block.AppendToString(&bytes);
  bytes += result.events.bytes();
  markers.AppendToString(&bytes);
  AddSum(bytes);
  for (size_t at = 0, chunk = 0; at < bytes.size(); at += kChunkBytes, ++chunk) {
    batch.Put(BlockKey(height, chunk), absl::string_view(bytes).substr(at, kChunkBytes));
  }
  for (const pb::TransactionReceipt& receipt : block.receipts()) {
    const std::string place = absl::StrCat(NumberField(height), NumberField(receipt.index()));
    batch.Put(TransactionKey(receipt.transaction()), WithSum(place));
  }
  pb::Block head;
  head.set_header(block.header());
  head.set_signature(block.signature());
  batch.Put(kHeadKey, WithSum(head.SerializeAsString()));
}

void DropBlock(base::KvBatch& batch, const pb::Block& block, uint64_t height) {
  const size_t size = block.ByteSizeLong() + kSumBytes;
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
  const auto sound = WithoutSum(bytes);
  pb::Block block;
  if (!sound || !block.ParseFromString(std::string(*sound))) return Broken(absl::StrCat("block ", height));
  return block;
}

absl::StatusOr<std::optional<Head>> GetHead(const base::KvSnapshot& snapshot) {
  ASSIGN_OR_RETURN(const std::optional<absl::string_view> bytes, snapshot.Get(kHeadKey));
  if (!bytes) return std::optional<Head>();
  const auto sound = WithoutSum(*bytes);
  pb::Block block;
  Head head;
  if (!sound || !block.ParseFromString(std::string(*sound)) || !head.header.ParseFromString(block.header())) {
    return Broken("the newest block's header");
  }
  head.header_bytes = block.header();
  head.signature = block.signature();
  return std::optional<Head>(std::move(head));
}

absl::StatusOr<std::optional<pb::TransactionReceipt>> FindReceipt(const base::KvSnapshot& snapshot,
                                                                 absl::string_view hash) {
  return ReceiptReader(snapshot).Find(hash);
}

absl::StatusOr<std::optional<pb::TransactionReceipt>> ReceiptReader::Find(absl::string_view hash) {
  ASSIGN_OR_RETURN(const std::optional<Location> place, FindTransaction(snapshot_, hash));
  if (!place) return std::optional<pb::TransactionReceipt>();
  if (height_ != place->height) {
    height_.reset();
    ASSIGN_OR_RETURN(block_, GetBlock(snapshot_, place->height));
    height_ = place->height;
  }
  const bool there = place->index < static_cast<uint32_t>(block_.receipts_size());
  if (!there || block_.receipts(static_cast<int>(place->index)).transaction() != hash) {
    return Broken("a transaction's receipt");
  }
  return std::optional<pb::TransactionReceipt>(block_.receipts(static_cast<int>(place->index)));
}

absl::StatusOr<std::optional<Location>> FindTransaction(const base::KvSnapshot& snapshot, absl::string_view hash) {
  ASSIGN_OR_RETURN(const std::optional<absl::string_view> bytes, snapshot.Get(TransactionKey(hash)));
  if (!bytes) return std::optional<Location>();
  const auto sound = WithoutSum(*bytes);
  if (!sound || sound->size() != 16) return Broken("a transaction's place");
  Location location;
  location.height = NumberFromField(sound->substr(0, 8));
  location.index = static_cast<uint32_t>(NumberFromField(sound->substr(8)));
  return std::optional<Location>(location);
}

void PutMark(base::KvBatch& batch, Mark mark, uint64_t value) {
  batch.Put(KeyOf(mark), WithSum(NumberField(value)));
}

absl::StatusOr<uint64_t> GetMark(const base::KvSnapshot& snapshot, Mark mark) {
  ASSIGN_OR_RETURN(const std::optional<absl::string_view> bytes, snapshot.Get(KeyOf(mark)));
  if (!bytes) return 0;
  const auto sound = WithoutSum(*bytes);
  if (!sound || sound->size() != 8) return Broken("a mark of the engine");
  return NumberFromField(*sound);
}

}  // namespace cairn::chain
