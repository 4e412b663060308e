// Encoding and decoding: what goes in comes out, from any k shards.
#include "cairn/storage/encode.h"

#include "cairn/base/status.h"
#include "cairn/storage/decode.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::ByteRange;
using base::Bytes;
using base::ByteView;

constexpr uint64_t kMiB = 1 << 20;
constexpr ByteRange kAll{0, ~uint64_t{0}};

std::vector<uint32_t> Without(uint32_t width, uint32_t a, uint32_t b) {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < width; ++i) {
    if (i != a && i != b) out.push_back(i);
  }
  return out;
}

TEST_CASE("every size comes back with every pair of shards lost", "[GF-40][MP-08]") {
  const VersionKey key = TestKey();
  const auto sealed = GENERATE(true, false);
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{65'535}, uint64_t{65'536}, kMiB - 1,
                        kMiB, kMiB + 1, 16 * kMiB + 1}) {
    INFO("size " << size << (sealed ? ", sealed" : ""));
    const Bytes plaintext = RandomBytes(size, size);
    const Encoded encoded =
        EncodeAll({.policy = Policy("rs:4+2"), .key = sealed ? &key : nullptr}, plaintext).value();
    REQUIRE(encoded.object.stored.Check().ok());
    const bool shards = encoded.object.stored.layout == base::LayoutKind::kShards;
    CHECK(shards == (encoded.object.stored.stored_size >= base::kSmallObjectBytes));
    if (!shards) {
      CHECK(ReadBack(encoded, sealed ? &key : nullptr, kAll, {0}).value() == plaintext);
      continue;
    }
    for (uint32_t a = 0; a < 6; ++a) {
      for (uint32_t b = a + 1; b < 6; ++b) {
        if (ReadBack(encoded, sealed ? &key : nullptr, kAll, Without(6, a, b)).value() !=
            plaintext) {
          FAIL("without " << a << " and " << b);
        }
      }
    }
    CHECK_FALSE(ReadBack(encoded, sealed ? &key : nullptr, kAll, {0, 1, 5}).ok());
  }
}

TEST_CASE("ids are hashes of what the holders get", "[GF-94]") {
  const VersionKey key = TestKey();
  for (const char* policy : {"rs:4+2", "rs:3+2", "rs:10+4", "rs:20+20", "replicate:3"}) {
    INFO(policy);
    const Bytes plaintext = RandomBytes(3 * kMiB + 12'345, 1);
    EncodeOptions options{.policy = Policy(policy), .key = &key};
    options.keep_outboards = true;
    options.hash_plaintext = true;
    const Encoded encoded = EncodeAll(options, plaintext).value();
    const EncodedObject& object = encoded.object;
    CHECK(object.plaintext_hash == base::Blake3(plaintext));
    CHECK(object.layout_root == object.stored.LayoutRoot());
    REQUIRE(encoded.blobs.size() == object.stored.blobs());
    for (uint32_t i = 0; i < encoded.blobs.size(); ++i) {
      CHECK(encoded.blobs[i].size() == object.shard_size);
      CHECK(object.stored.blob(i) == base::ContentId::Of(encoded.blobs[i]));
      CHECK(object.outboards[i].size() == base::OutboardSize(object.shard_size));
    }
    Bytes stored;
    for (uint64_t i = 0; i < StripeMap(object.stored).count(); ++i) {
      const StripeMap::Stripe stripe = StripeMap(object.stored).At(i);
      for (uint32_t j = 0; j < object.stored.data(); ++j) {
        ByteView unit = ByteView(encoded.blobs[j]).subspan(stripe.shard_offset, stripe.unit);
        stored.insert(stored.end(), unit.begin(), unit.end());
      }
      stored.resize(stripe.stored_offset + stripe.stored_bytes);
    }
    CHECK(object.stored.content_id == base::ContentId::Of(stored));
    CHECK(ReadBack(encoded, &key, kAll, Without(object.stored.blobs(), 99, 99)).value() ==
          plaintext);
  }
}

TEST_CASE("a public object's id is the hash of the file") {
  const Bytes plaintext = RandomBytes(2 * kMiB + 1, 5);
  const Encoded encoded = EncodeAll({.policy = Policy("rs:4+2")}, plaintext).value();
  CHECK(encoded.object.stored.content_id == base::ContentId::Of(plaintext));
}

TEST_CASE("the result depends on plaintext, key and policy, not on how it is fed") {
  const VersionKey key = TestKey();
  const Bytes plaintext = RandomBytes(2 * kMiB + 777, 2);
  for (const VersionKey* with : {&key, static_cast<const VersionKey*>(nullptr)}) {
    const EncodeOptions options{.policy = Policy("rs:4+2"), .key = with};
    const Encoded once = EncodeAll(options, plaintext, plaintext.size()).value();
    for (size_t piece : {1000, 65'536, 65'537, 1'048'576, 1'500'000}) {
      CHECK(EncodeAll(options, plaintext, piece).value().blobs == once.blobs);
    }
  }
  const VersionKey other = TestKey(2);
  CHECK(EncodeAll({.policy = Policy("rs:4+2"), .key = &other}, plaintext).value().blobs[0] !=
        EncodeAll({.policy = Policy("rs:4+2"), .key = &key}, plaintext).value().blobs[0]);
}

TEST_CASE("a resumed pass gives the rest of the same shards") {
  const VersionKey key = TestKey();
  const Bytes plaintext = RandomBytes(5 * kMiB + 99, 3);
  for (const char* policy : {"rs:4+2", "rs:3+1", "replicate:2"}) {
    for (const VersionKey* with : {&key, static_cast<const VersionKey*>(nullptr)}) {
      EncodeOptions options{.policy = Policy(policy), .key = with};
      const Encoded first = EncodeAll(options, plaintext).value();
      const StripeMap map(first.object.stored);
      options.expected_tags = with ? &first.object.frame_tags : nullptr;
      for (uint64_t stripe = 0; stripe < map.count(); ++stripe) {
        options.first_stripe = stripe;
        const Encoded again = EncodeAll(options, plaintext).value();
        for (size_t i = 0; i < first.blobs.size(); ++i) {
          if (ByteView(again.blobs[i]) != ByteView(first.blobs[i]).subspan(stripe * map.unit())) {
            FAIL(policy << " from stripe " << stripe);
          }
        }
      }
    }
  }
}

TEST_CASE("a source that changed is stopped before a byte sealed anew leaves") {
  const VersionKey key = TestKey();
  Bytes plaintext = RandomBytes(3 * kMiB, 4);
  EncodeOptions options{.policy = Policy("rs:4+2"), .key = &key};
  const Encoded first = EncodeAll(options, plaintext).value();
  options.expected_tags = &first.object.frame_tags;
  plaintext[kMiB + 5] ^= 1;  // in the frame that ends the second stripe's first frames
  uint64_t sent = 0;
  auto encoder = ObjectEncoder::Create(options, plaintext.size(), [&](uint32_t shard, ByteView b) {
                   CHECK(b == ByteView(first.blobs[shard]).subspan(sent, b.size()));
                   if (shard == 5) sent += b.size();
                   return absl::OkStatus();
                 }).value();
  CHECK(base::ReasonOf(encoder->Feed(plaintext)) == "SOURCE_CHANGED");
  CHECK(sent == kMiB / 4);
}

TEST_CASE("more or fewer bytes than declared end the encoding") {
  auto sink = [](uint32_t, ByteView) { return absl::OkStatus(); };
  auto encoder = ObjectEncoder::Create({.policy = Policy("rs:4+2")}, 100, sink).value();
  CHECK(encoder->Feed(Bytes(60)).ok());
  CHECK(base::ReasonOf(encoder->Finish().status()) == "SOURCE_CHANGED");
  CHECK(base::ReasonOf(encoder->Feed(Bytes(41))) == "SOURCE_CHANGED");
  CHECK(base::ReasonOf(
            ObjectEncoder::Create({.policy = Policy("rs:4+2")}, base::kMaxObjectBytes + 1, sink)
                .status()) == "OBJECT_TOO_LARGE");
  // What counts is what is stored: a seal takes some room.
  const VersionKey key = TestKey();
  CHECK(ObjectEncoder::Create({.policy = Policy("rs:4+2")}, base::kMaxObjectBytes, sink).ok());
  CHECK(base::ReasonOf(ObjectEncoder::Create({.policy = Policy("rs:4+2"), .key = &key}, base::kMaxObjectBytes, sink)
                           .status()) == "OBJECT_TOO_LARGE");
  // A pass begins at a stripe that is there.
  EncodeOptions options{.policy = Policy("rs:4+2")};
  options.first_stripe = 2;
  CHECK(ObjectEncoder::Create(options, 2 * kMiB + 1, sink).ok());
  CHECK(base::ReasonOf(ObjectEncoder::Create(options, 2 * kMiB, sink).status()) == "BAD_STRIPE");
}

TEST_CASE("an error of the sink ends the encoding with that error") {
  auto sink = [](uint32_t, ByteView) { return absl::UnavailableError("gone"); };
  auto encoder = ObjectEncoder::Create({.policy = Policy("rs:4+2")}, 2 * kMiB, sink).value();
  CHECK(encoder->Feed(Bytes(2 * kMiB)).code() == absl::StatusCode::kUnavailable);
  CHECK(encoder->Finish().status().code() == absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace cairn::storage
