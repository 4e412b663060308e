#include "cairn/base/layout.h"

#include <random>
#include <set>

#include "cairn/base/status.h"
#include "catch.h"
#include "vectors.h"

namespace cairn::base {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

std::vector<ContentId> Leaves(size_t count) {
  std::vector<ContentId> leaves;
  for (size_t i = 0; i < count; ++i) {
    leaves.push_back(ContentId::Of(AsBytes(std::to_string(i))));
  }
  return leaves;
}

Redundancy Policy(absl::string_view text) {
  const auto policy = Redundancy::Parse(text);
  REQUIRE(policy.ok());
  return *policy;
}

TEST_CASE("a policy is written as it is read") {
  for (const char* text : {"rs:4+2", "rs:1+1", "rs:39+1", "rs:4+2+primary", "replicate:2",
                           "replicate:40", "replicate:3+primary"}) {
    CHECK(Policy(text).ToText() == text);
  }
  const Redundancy rs = Policy("rs:4+2+primary");
  CHECK(rs == Redundancy{LayoutKind::kShards, 4, 2, 0, true});
  CHECK(rs.width() == 6);
  CHECK(Policy("replicate:3") == Redundancy{LayoutKind::kCopies, 0, 0, 3, false});
}

TEST_CASE("a policy outside the limits, or spelt otherwise, is refused") {
  for (const char* text : {"",
                           "rs:",
                           "rs:4",
                           "rs:0+2",
                           "rs:4+0",
                           "rs:39+2",
                           "rs:4+2+",
                           "rs:4+2+2",
                           "rs:04+2",
                           "rs:4 +2",
                           "rs:-4+2",
                           "RS:4+2",
                           "rs:4294967295+2",
                           "rs:4294967296+1",
                           "rs:4+2+secondary",
                           "rs:4+2+primary+primary",
                           "replicate:1",
                           "replicate:0",
                           "replicate:41",
                           "replicate:",
                           "replicate:3x",
                           "replicate:+3",
                           "+primary",
                           "mirror:3"}) {
    INFO(text);
    CHECK(ReasonOf(Redundancy::Parse(text).status()) == "BAD_POLICY");
  }
}

TEST_CASE("objects below 256 KiB are kept as whole copies") {
  const Redundancy rs = Policy("rs:4+2");
  CHECK(LayoutFor(rs, 0) == LayoutKind::kCopies);
  CHECK(LayoutFor(rs, 256 * kKiB - 1) == LayoutKind::kCopies);
  CHECK(LayoutFor(rs, 256 * kKiB) == LayoutKind::kShards);
  CHECK(LayoutFor(Policy("replicate:3"), kMiB) == LayoutKind::kCopies);
}

TEST_CASE("every leaf's path leads to the layout root, and only at its own place") {
  for (uint32_t count = 1; count <= 11; ++count) {
    const auto leaves = Leaves(count);
    const Digest root = LayoutRoot(leaves);
    for (uint32_t index = 0; index < count; ++index) {
      auto path = LayoutPath(leaves, index);
      INFO(index << " of " << count);
      REQUIRE(CheckLayoutPath(root, leaves[index], index, count, path));
      REQUIRE_FALSE(CheckLayoutPath(root, ContentId::Of(AsBytes("x")), index, count, path));
      for (uint32_t other = 0; other < count + 2; ++other) {
        if (other == index) continue;
        REQUIRE_FALSE(CheckLayoutPath(root, leaves[index], other, count, path));
      }
      path.push_back(Digest{});
      REQUIRE_FALSE(CheckLayoutPath(root, leaves[index], index, count, path));
      path.pop_back();
      for (Digest& sibling : path) {
        sibling.value[31] ^= 1;
        REQUIRE_FALSE(CheckLayoutPath(root, leaves[index], index, count, path));
        sibling.value[31] ^= 1;
      }
      if (path.empty()) continue;
      path.pop_back();
      REQUIRE_FALSE(CheckLayoutPath(root, leaves[index], index, count, path));
    }
  }
}

TEST_CASE("the layout root fixes the number and the order of the leaves") {
  std::set<Digest> roots;
  for (size_t count = 0; count <= 12; ++count) roots.insert(LayoutRoot(Leaves(count)));
  CHECK(roots.size() == 13);
  auto leaves = Leaves(6);
  std::swap(leaves[0], leaves[1]);
  CHECK(LayoutRoot(leaves) != LayoutRoot(Leaves(6)));
  CHECK(LayoutRoot({}).empty());
}

TEST_CASE("the layout root of six leaves is the tree of the format table") {
  const auto leaves = Leaves(6);
  const auto leaf = [&](size_t i) {
    return Hasher::DeriveKey("cairn v1 layout leaf").Field(leaves[i].digest.view()).Finish();
  };
  const auto node = [](const Digest& a, const Digest& b) {
    return Hasher::DeriveKey("cairn v1 layout node").Field(a.view()).Field(b.view()).Finish();
  };
  const Digest expected =
      node(node(node(leaf(0), leaf(1)), node(leaf(2), leaf(3))), node(leaf(4), leaf(5)));
  CHECK(LayoutRoot(leaves) == expected);
  CheckVector("base/layout_root.hex", expected.view());
}

TEST_CASE("a stripe unit is a multiple of 16 KiB and k of them fill at most 1 MiB") {
  CHECK(StripeUnit(1) == kMiB);
  CHECK(StripeUnit(3) == 336 * kKiB);
  CHECK(StripeUnit(4) == 256 * kKiB);
  CHECK(StripeUnit(40) == 16 * kKiB);
  CHECK(StripeUnit(255) == 16 * kKiB);
  for (uint32_t k = 1; k <= 64; ++k) {
    CHECK(StripeUnit(k) % (16 * kKiB) == 0);
    CHECK(StripeUnit(k) * k <= kMiB);
    CHECK((StripeUnit(k) + 16 * kKiB) * k > kMiB);
  }
}

TEST_CASE("a shard holds its unit of every stripe, the last one rounded up to 64 bytes") {
  CHECK(ShardSize(0, 4) == 0);
  CHECK(ShardSize(1, 4) == 64);
  CHECK(ShardSize(256, 4) == 64);
  CHECK(ShardSize(257, 4) == 128);
  CHECK(ShardSize(kMiB - 1, 4) == 256 * kKiB);
  CHECK(ShardSize(kMiB, 4) == 256 * kKiB);
  CHECK(ShardSize(kMiB + 1, 4) == 256 * kKiB + 64);
  CHECK(ShardSize(10 * kMiB, 4) == 2560 * kKiB);
  CHECK(ShardSize(1008 * kKiB, 3) == 336 * kKiB);
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t size = random() >> (random() % 60);
    const uint32_t k = 1 + random() % 40;
    REQUIRE(absl::uint128(ShardSize(size, k)) * k >= size);  // nothing is cut off
    REQUIRE(ShardSize(size, k) - size / k <= 64 + 64);       // and little is padded
  }
}

std::vector<AccountId> Operators(absl::string_view names) {
  std::vector<AccountId> operators(names.size());
  for (size_t i = 0; i < names.size(); ++i) operators[i].value[0] = static_cast<uint8_t>(names[i]);
  return operators;
}

ObjectId ObjectAt(uint64_t h) {
  ObjectId id;
  for (int i = 0; i < 8; ++i) id.value[i] = static_cast<uint8_t>(h >> (8 * i));
  return id;
}

TEST_CASE("copies go to consecutive positions from the object's own start") {
  CHECK(CopyPositions(ObjectAt(1), 3, Operators("ABCDEF")) == std::vector<uint32_t>{1, 2, 3});
  CHECK(CopyPositions(ObjectAt(10), 3, Operators("ABCDEF")) == std::vector<uint32_t>{0, 4, 5});
  CHECK(CopyPositions(ObjectAt(2), 9, Operators("ABC")) == std::vector<uint32_t>{0, 1, 2});
  CHECK(CopyPositions(ObjectAt(2), 1, Operators("AAB")) == std::vector<uint32_t>{2});
  CHECK(CopyPositions(ObjectAt(2), 3, {}).empty());
}

TEST_CASE("positions are skipped until the copies cover two operators, when there are two") {
  CHECK(CopyPositions(ObjectAt(0), 3, Operators("AAAABB")) == std::vector<uint32_t>{0, 1, 4});
  CHECK(CopyPositions(ObjectAt(1), 3, Operators("BAAAAA")) == std::vector<uint32_t>{0, 1, 2});
  CHECK(CopyPositions(ObjectAt(0), 3, Operators("AAAAAA")) == std::vector<uint32_t>{0, 1, 2});
  for (uint64_t h = 0; h < 40; ++h) {
    for (const char* group : {"AABBCC", "AAAAAB", "BAAAAA", "AB", "ABABAB"}) {
      const auto operators = Operators(group);
      for (uint32_t copies = 2; copies <= operators.size(); ++copies) {
        const auto positions = CopyPositions(ObjectAt(h), copies, operators);
        std::set<AccountId> covered;
        for (uint32_t position : positions) covered.insert(operators[position]);
        INFO(group << " h " << h << " copies " << copies);
        REQUIRE(positions.size() == copies);
        REQUIRE(std::is_sorted(positions.begin(), positions.end()));
        REQUIRE(covered.size() >= 2);
      }
    }
  }
}

TEST_CASE("the seal quorum is k + ceil(m/2) shards, or more than half of the copies") {
  const auto shards = [](absl::string_view text) {
    return SealQuorum(Policy(text), LayoutKind::kShards, 0);
  };
  CHECK(shards("rs:4+2") == 5);
  CHECK(shards("rs:4+3") == 6);
  CHECK(shards("rs:1+1") == 2);
  const Redundancy rs = Policy("rs:4+2");
  const uint32_t expected[] = {1, 2, 2, 3, 3, 4};
  for (uint32_t c = 1; c <= 6; ++c) {
    CHECK(SealQuorum(rs, LayoutKind::kCopies, c) == expected[c - 1]);
  }
}

}  // namespace
}  // namespace cairn::base
