// Seals a text, cuts it into six shards, loses two, has them back, and asks what sending one costs.
#include <cstdio>
#include <string>
#include <vector>

#include "cairn/base/entropy.h"
#include "cairn/base/hash.h"
#include "cairn/payment/rate_card.h"
#include "cairn/storage/encode.h"
#include "cairn/storage/erasure.h"

namespace {

using cairn::base::Bytes;
using cairn::base::ByteView;

int Fail(const char* what) {
  std::fprintf(stderr, "keep: %s\n", what);
  return 1;
}

}  // namespace

int main() {
  const cairn::base::Redundancy policy = *cairn::base::Redundancy::Parse("rs:4+2");
  cairn::base::SystemEntropy entropy;
  const cairn::storage::VersionKey key = entropy.DrawSecret<32>();
  std::vector<Bytes> shards(policy.width());
  const std::string text(300'000, 'x');
  auto encoder = cairn::storage::ObjectEncoder::Create(
      {.policy = policy, .key = &key}, text.size(), [&](uint32_t shard, ByteView piece) {
        shards[shard].insert(shards[shard].end(), piece.begin(), piece.end());
        return absl::OkStatus();
      });
  if (!encoder.ok() || !(*encoder)->Feed(cairn::base::AsBytes(text)).ok()) return Fail("encode");
  auto object = (*encoder)->Finish();
  if (!object.ok()) return Fail("finish");
  auto coder = cairn::storage::NewReedSolomon(policy.data, policy.parity);
  Bytes first(shards[0].size()), fourth(shards[3].size());
  const cairn::storage::Coder::Unit have[] = {{1, shards[1]}, {2, shards[2]}, {4, shards[4]}, {5, shards[5]}};
  // Shards are coded stripe by stripe; this object has one.
  const cairn::storage::Coder::Missing missing[] = {{0, absl::MakeSpan(first)}, {3, absl::MakeSpan(fourth)}};
  if (!(*coder)->Reconstruct(have, missing).ok() || first != shards[0] || fourth != shards[3]) {
    return Fail("two losses were not survived");
  }
  if (cairn::base::Blake3(first) != object->stored.shard_ids[0].digest) return Fail("shard id");
  const cairn::base::Price price{cairn::base::Amount(cairn::base::kPriceScale)};
  if (cairn::payment::TransferCost(price, first.size()).zero()) return Fail("a transfer for nothing");
  std::printf("kept %s\n", object->stored.content_id.ToText().c_str());
  return 0;
}
