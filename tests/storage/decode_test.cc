#include "cairn/storage/decode.h"

#include <random>

#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::ByteRange;
using base::Bytes;
using base::ByteView;

constexpr uint64_t kMiB = 1 << 20;

TEST_CASE("any range reads back from any k shards", "[GF-40][GF-42]") {
  const VersionKey key = TestKey();
  const Bytes plaintext = RandomBytes(3 * kMiB + 4321, 6);
  std::mt19937_64 random(8);
  for (const char* policy : {"rs:4+2", "rs:3+2", "replicate:2"}) {
    for (const VersionKey* with : {&key, static_cast<const VersionKey*>(nullptr)}) {
      const Encoded encoded = EncodeAll({.policy = Policy(policy), .key = with}, plaintext).value();
      const uint32_t k = encoded.object.stored.data();
      std::vector<uint32_t> shards;
      for (uint32_t i = 0; i < k; ++i) shards.push_back(encoded.object.stored.blobs() - 1 - i);
      for (int i = 0; i < 60; ++i) {
        const uint64_t from = random() % plaintext.size();
        const uint64_t length = random() % (i % 2 ? 1000 : plaintext.size()) + 1;
        Bytes got = ReadBack(encoded, with, {from, length}, shards).value();
        if (ByteView(got) != ByteView(plaintext).subspan(from, length)) {
          FAIL(policy << " " << from << " + " << length);
        }
      }
    }
  }
}

TEST_CASE("a small range needs one shard and its frames alone", "[GF-42]") {
  const VersionKey key = TestKey();
  const Encoded encoded =
      EncodeAll({.policy = Policy("rs:4+2"), .key = &key}, Bytes(8 * kMiB)).value();
  const ReadPlan plan =
      PlanRead(encoded.object.stored, true, {3 * kMiB + 5 * 65'536, 4096}).value();
  REQUIRE(plan.stripe_count == 1);
  CHECK(plan.At(0).unit_count == 1);
  CHECK(plan.At(0).shard.length == kSealedFrameBytes);
  const uint32_t unit = plan.At(0).first_unit;
  CHECK(ReadBack(encoded, &key, {3 * kMiB + 5 * 65'536, 4096}, {unit}).value() == Bytes(4096));
  CHECK_FALSE(ReadBack(encoded, &key, {3 * kMiB + 5 * 65'536, 4096}, {(unit + 1) % 4}).ok());
}

TEST_CASE("ranges at and past the end", "[GF-42]") {
  const Encoded encoded = EncodeAll({.policy = Policy("rs:4+2")}, Bytes(10)).value();
  CHECK(ReadBack(encoded, nullptr, {8, 100}, {0}).value().size() == 2);
  CHECK(ReadBack(encoded, nullptr, {10, 1}, {}).value().empty());
  CHECK(ReadBack(encoded, nullptr, {3, 0}, {}).value().empty());
  CHECK(base::ReasonOf(ReadBack(encoded, nullptr, {11, 1}, {}).status()) ==
        "RANGE_NOT_SATISFIABLE");
  CHECK(ReadBack(encoded, nullptr, {8, ~uint64_t{0}}, {0}).value().size() == 2);
}

TEST_CASE("shards that are not those of the object are found by a whole read") {
  Encoded encoded = EncodeAll({.policy = Policy("rs:4+2")}, RandomBytes(2 * kMiB, 1)).value();
  encoded.object.stored.content_id = base::ContentId::Of({});
  absl::Status failed = ReadBack(encoded, nullptr, {0, 2 * kMiB}, {0, 1, 2, 3}).status();
  CHECK(failed.code() == absl::StatusCode::kDataLoss);
  CHECK(base::ReasonOf(failed) == "CONTENT_MISMATCH");
}

TEST_CASE("a key that is not the version's opens nothing", "[CS-25]") {
  const VersionKey key = TestKey(1), other = TestKey(2);
  const Encoded encoded = EncodeAll({.policy = Policy("rs:4+2"), .key = &key}, Bytes(100)).value();
  CHECK(base::ReasonOf(ReadBack(encoded, &other, {0, 100}, {0}).status()) == "WRONG_KEY");
  SealedWith lied{&other, KeyIdOf(key)};
  auto sink = [](ByteView) { return absl::OkStatus(); };
  CHECK(
      base::ReasonOf(ObjectReader::Create(encoded.object.stored, &lied, {0, 100}, sink).status()) ==
      "WRONG_KEY");
}

TEST_CASE("pieces may come in any order of shards, repeated, and of any size") {
  const Bytes plaintext = RandomBytes(6 * kMiB + 11, 12);
  const Encoded encoded = EncodeAll({.policy = Policy("rs:4+2")}, plaintext).value();
  std::mt19937_64 random(3);
  Bytes out;
  auto reader =
      ObjectReader::Create(encoded.object.stored, nullptr, {0, plaintext.size()}, [&](ByteView b) {
        out.insert(out.end(), b.begin(), b.end());
        return absl::OkStatus();
      }).value();
  std::vector<uint64_t> at(6, 0);
  while (reader->stripes_done() < reader->plan().stripe_count) {
    const uint32_t shard = random() % 6;
    if (shard == 1 || at[shard] == encoded.object.shard_size) continue;
    const uint64_t n =
        std::min<uint64_t>(random() % 300'000, encoded.object.shard_size - at[shard]);
    REQUIRE(
        reader->Add(shard, at[shard], ByteView(encoded.blobs[shard]).subspan(at[shard], n)).ok());
    at[shard] += n - std::min<uint64_t>(n, random() % 3 == 0 ? n / 2 : 0);  // some come again
  }
  CHECK(reader->Finish().ok());
  CHECK(reader->buffered_bytes() == 0);
  CHECK(out == plaintext);
}

TEST_CASE("bytes outside the shards, or with a gap, are refused") {
  const Encoded encoded = EncodeAll({.policy = Policy("rs:4+2")}, Bytes(2 * kMiB)).value();
  auto reader = ObjectReader::Create(encoded.object.stored, nullptr, {0, 2 * kMiB}, [](ByteView) {
                  return absl::OkStatus();
                }).value();
  CHECK_FALSE(reader->Add(6, 0, Bytes(1)).ok());
  CHECK_FALSE(reader->Add(0, encoded.object.shard_size, Bytes(1)).ok());
  CHECK(base::ReasonOf(reader->Add(0, 5, Bytes(10))) == "GAP");
  CHECK(base::ReasonOf(reader->Finish()) != "OK");
}

}  // namespace
}  // namespace cairn::storage
