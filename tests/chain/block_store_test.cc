// Blocks in the store, on their own: larger than one value, read back as they were, gone without a trace.
#include "engine/block_store.h"

#include "catch.h"

namespace cairn::chain {
namespace {

constexpr size_t kValueBytes = 8 << 20;  // of one piece of a block

// A block that is stored in exactly so many bytes: one transaction of `size` less what is around it.
pb::Block BlockOf(size_t size) {
  pb::Block block;
  // Around it are the sum, and twice a tag and a length of four bytes.
  block.add_transactions()->set_body(std::string(size - 8 - 2 * 5, 't'));
  REQUIRE(block.ByteSizeLong() + 8 == size);
  return block;
}

size_t KeysIn(const base::Kv& kv) {
  const auto snapshot = kv.Snapshot();
  const auto cursor = snapshot->NewCursor();
  size_t keys = 0;
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) ++keys;
  return keys;
}

}  // namespace

TEST_CASE("a block of any size is read back, and goes without leaving a piece") {
  for (const size_t size : {kValueBytes - 1, kValueBytes, kValueBytes + 1, kValueBytes + 8, 2 * kValueBytes + 1}) {
    INFO(size << " bytes");
    const auto kv = base::NewMemoryKv();
    const pb::Block block = BlockOf(size);
    base::KvBatch put;
    PutBlock(put, block, BlockResult(), 7);
    REQUIRE(kv->Commit(put).ok());
    const auto read = GetBlock(*kv->Snapshot(), 7);
    REQUIRE(read.ok());
    CHECK(read->transactions(0).body() == block.transactions(0).body());
    CHECK(KeysIn(*kv) == 1 + (size + kValueBytes - 1) / kValueBytes);  // the head, and the pieces
    base::KvBatch drop;
    DropBlock(drop, *read, 7);
    REQUIRE(kv->Commit(drop).ok());
    CHECK(KeysIn(*kv) == 1);
  }
}

TEST_CASE("a block of which a byte has changed, or a piece is missing, is not read as another") {
  const auto kv = base::NewMemoryKv();
  base::KvBatch put;
  PutBlock(put, BlockOf(kValueBytes + 100), BlockResult(), 7);
  REQUIRE(kv->Commit(put).ok());
  std::vector<std::pair<std::string, std::string>> pieces;
  {
    const auto snapshot = kv->Snapshot();
    const auto cursor = snapshot->NewCursor();
    for (cursor->Seek("b"); cursor->Valid() && cursor->key()[0] == 'b'; cursor->Next()) {
      pieces.emplace_back(std::string(cursor->key()), std::string(cursor->value()));
    }
  }
  REQUIRE(pieces.size() == 2);
  const auto read_with = [&](size_t piece, const std::optional<std::string>& value) {
    base::KvBatch change, back;
    value ? change.Put(pieces[piece].first, *value) : change.Delete(pieces[piece].first);
    back.Put(pieces[piece].first, pieces[piece].second);
    REQUIRE(kv->Commit(change).ok());
    const absl::StatusCode code = GetBlock(*kv->Snapshot(), 7).status().code();
    REQUIRE(kv->Commit(back).ok());
    return code;
  };
  CHECK(GetBlock(*kv->Snapshot(), 7).ok());
  CHECK(GetBlock(*kv->Snapshot(), 8).status().code() == absl::StatusCode::kNotFound);
  for (const size_t piece : {0, 1}) {
    std::string changed = pieces[piece].second;
    changed[50] ^= 1;
    CHECK(read_with(piece, changed) == absl::StatusCode::kDataLoss);
  }
  CHECK(read_with(1, std::nullopt) == absl::StatusCode::kDataLoss);
}

}  // namespace cairn::chain
