#include "cairn/storage/manifest.h"

#include <functional>
#include <random>

#include "base/vectors.h"
#include "cairn/base/status.h"
#include "cairn/storage/bucket_keys.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::Bytes;
using base::ByteView;

constexpr uint64_t kMiB = 1 << 20;

Manifest Sample(absl::string_view policy, uint64_t plaintext_size, const VersionKey* key) {
  Manifest m;
  VersionLayout& stored = m.head.stored;
  stored.policy = Policy(policy);
  stored.stored_size = key ? SealedSize(plaintext_size) : plaintext_size;
  stored.layout = base::LayoutFor(stored.policy, stored.stored_size);
  stored.content_id = base::ContentId::Of(base::AsBytes("content"));
  if (stored.layout == base::LayoutKind::kShards) {
    for (uint32_t i = 0; i < stored.policy.width(); ++i) {
      stored.shard_ids.push_back(base::ContentId::Of(RandomBytes(8, i)));
    }
  }
  if (key != nullptr) {
    KeyScope scope;
    scope.epoch = 3;
    m.head.seal = SealInfo{KeyIdOf(*key), 3, WrapVersionKey(scope, TestKey(9), *key)};
  }
  m.plaintext_size = plaintext_size;
  m.content_type = "application/octet-stream";
  m.mtime_ms = 1'700'000'000'123;
  return m;
}

TEST_CASE("a manifest comes back, and encodes to the same bytes again") {
  const VersionKey key = TestKey();
  for (const VersionKey* with : {&key, static_cast<const VersionKey*>(nullptr)}) {
    for (uint64_t size : {uint64_t{0}, uint64_t{1}, kMiB, 300 * kMiB}) {
      for (const char* policy : {"rs:4+2", "rs:20+20", "replicate:3", "rs:4+2+primary"}) {
        Manifest m = Sample(policy, size, with);
        m.metadata = {{"author", "nobody"}, {"empty", ""}};
        m.plaintext_hash = base::Blake3(base::AsBytes("x"));
        m.mtime_ms = -5;
        m.head.history = {{7, base::ContentId::Of({})}, {2, m.head.stored.content_id}};
        const Bytes encoded = EncodeManifest(m, with).value();
        CHECK(DecodeManifest(encoded, with).value() == m);
        CHECK(DecodeManifestHead(encoded).value() == m.head);
        CHECK(EncodeManifest(DecodeManifest(encoded, with).value(), with).value() == encoded);
      }
    }
  }
}

TEST_CASE("the manifest of a 4+2 object fits into the ledger's record") {
  const VersionKey key = TestKey();
  CHECK(EncodeManifest(Sample("rs:4+2", 300 * kMiB, &key), &key).value().size() <=
        kInlineManifestBytes);
  CHECK(EncodeManifest(Sample("replicate:3", 5, nullptr), nullptr).value().size() <= 128);
}

TEST_CASE("providers read the head of a private manifest and nothing more", "[CS-25]") {
  const VersionKey key = TestKey(), other = TestKey(2);
  Manifest m = Sample("rs:4+2", 5 * kMiB, &key);
  m.metadata = {{"subject", "a very secret subject"}};
  const Bytes encoded = EncodeManifest(m, &key).value();
  CHECK(base::ToString(encoded).find("secret") == std::string::npos);
  CHECK(base::ToString(encoded).find("octet") == std::string::npos);
  CHECK(DecodeManifestHead(encoded).value() == m.head);
  CHECK(base::ReasonOf(DecodeManifest(encoded, nullptr).status()) == "WRONG_KEY");
  CHECK(base::ReasonOf(DecodeManifest(encoded, &other).status()) == "WRONG_KEY");
}

TEST_CASE("a manifest that anyone changed is refused, or is another valid public one") {
  const VersionKey key = TestKey();
  const Bytes sealed = EncodeManifest(Sample("rs:4+2", kMiB, &key), &key).value();
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes flipped = sealed;
    flipped[i] ^= 1;
    if (DecodeManifest(flipped, &key).ok()) FAIL("byte " << i);
    if (DecodeManifest(ByteView(sealed).first(i), &key).ok()) FAIL("cut at " << i);
  }
  Bytes longer = sealed;
  longer.push_back(0);
  CHECK(base::ReasonOf(DecodeManifestHead(longer).status()) == "BAD_MANIFEST");
  // Public manifests have no tag; what decodes must at least be canonical.
  const Bytes open = EncodeManifest(Sample("rs:4+2", kMiB, nullptr), nullptr).value();
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    Bytes mutated = open;
    for (int n = random() % 4 + 1; n > 0; --n) mutated[random() % mutated.size()] = random();
    auto decoded = DecodeManifest(mutated, nullptr);
    if (decoded.ok() && EncodeManifest(*decoded, nullptr).value() != mutated) FAIL("round " << i);
  }
}

TEST_CASE("what does not fit together is not written") {
  const VersionKey key = TestKey(), other = TestKey(2);
  auto reason = [](const Manifest& m, const VersionKey* with) {
    return base::ReasonOf(EncodeManifest(m, with).status());
  };
  Manifest m = Sample("rs:4+2", kMiB, &key);
  CHECK(reason(m, nullptr) == "BAD_MANIFEST");
  CHECK(reason(m, &other) == "BAD_MANIFEST");
  Manifest wrong = m;
  wrong.plaintext_size += 1;
  CHECK(reason(wrong, &key) == "BAD_MANIFEST");
  wrong = m;
  wrong.head.stored.shard_ids.pop_back();
  CHECK(reason(wrong, &key) == "BAD_LAYOUT");
  wrong = m;
  wrong.head.stored.layout = base::LayoutKind::kCopies;
  CHECK(reason(wrong, &key) == "BAD_LAYOUT");
  wrong = m;
  wrong.metadata["k"] = std::string(kMaxMetadataBytes, 'x');
  CHECK(reason(wrong, &key) == "METADATA_TOO_LARGE");
  wrong = m;
  wrong.content_type = "text/plain\r\nX-Evil: 1";
  CHECK(reason(wrong, &key) == "BAD_MANIFEST");
  wrong = m;
  wrong.head.history = {{2, {}}, {2, {}}};
  CHECK(reason(wrong, &key) == "BAD_MANIFEST");
}

TEST_CASE("the parts of a manifest have limits, which hold at them and not one beyond") {
  const VersionKey key = TestKey();
  const auto reason = [&](const std::function<void(Manifest&)>& change) {
    Manifest m = Sample("rs:4+2", 100, &key);
    change(m);
    return base::ReasonOf(EncodeManifest(m, &key).status());
  };
  for (const size_t beyond : {0, 1}) {
    CHECK(reason([&](Manifest& m) { m.content_type = std::string(kMaxContentTypeBytes + beyond, 'x'); }) ==
          (beyond == 0 ? "OK" : "BAD_MANIFEST"));
    CHECK(reason([&](Manifest& m) { m.metadata["k"] = std::string(kMaxMetadataBytes - 1 + beyond, 'x'); }) ==
          (beyond == 0 ? "OK" : "METADATA_TOO_LARGE"));
    CHECK(reason([&](Manifest& m) {
            for (size_t i = 0; i < kMaxHistory + beyond; ++i) m.head.history.push_back({1000 - i, {}});
          }) == (beyond == 0 ? "OK" : "BAD_MANIFEST"));
    CHECK(reason([&](Manifest& m) { m.head.seal->wrapped_key.resize(kWrappedVersionKeyBytes + beyond); }) ==
          (beyond == 0 ? "OK" : "BAD_MANIFEST"));
  }
  CHECK(reason([](Manifest& m) { m.head.seal->wrapped_key.pop_back(); }) == "BAD_MANIFEST");
  CHECK(reason([](Manifest& m) { m.head.stored.stored_size = kSealHeaderBytes; }) == "BAD_MANIFEST");
  CHECK(reason([](Manifest& m) { m.metadata[""] = "x"; }) == "BAD_MANIFEST");
  for (const char* text : {"a\nb", "a\x1f", "a\x7f"}) {
    CHECK(reason([&](Manifest& m) { m.metadata[text] = "x"; }) == "BAD_MANIFEST");
    CHECK(reason([&](Manifest& m) { m.metadata["k"] = text; }) == "BAD_MANIFEST");
    CHECK(reason([&](Manifest& m) { m.content_type = text; }) == "BAD_MANIFEST");
  }
  CHECK(reason([](Manifest& m) { m.metadata["k"] = "n\xc3\xa4me"; }) == "OK");
  CHECK(reason([](Manifest& m) { m.metadata["n\xc3\xa4me"] = "x"; }) == "BAD_MANIFEST");
}

TEST_CASE("a manifest is held against the ledger's record") {
  const ManifestHead head = Sample("rs:4+2", kMiB, nullptr).head;
  const base::ContentId id = head.stored.content_id;
  const base::Digest root = head.stored.LayoutRoot();
  CHECK(CheckAgainstLedger(head, id, root, kMiB).ok());
  CHECK(base::ReasonOf(CheckAgainstLedger(head, id, root, kMiB + 1)) == "MANIFEST_MISMATCH");
  CHECK_FALSE(CheckAgainstLedger(head, base::ContentId::Of({}), root, kMiB).ok());
  CHECK_FALSE(CheckAgainstLedger(head, id, base::Digest(), kMiB).ok());
}

TEST_CASE("the manifest's form stays what it is: golden file") {
  const VersionKey key = TestKey(42);
  Manifest m = Sample("rs:4+2", kMiB, &key);
  m.metadata = {{"author", "nobody"}};
  m.head.history = {{1, base::ContentId::Of({})}};
  base::CheckVector("storage/manifest.hex", EncodeManifest(m, &key).value());
}

}  // namespace
}  // namespace cairn::storage
