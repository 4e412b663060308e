#include "cairn/storage/names.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/vectors.h"
#include "cairn/base/aead.h"
#include "cairn/base/codec.h"
#include "cairn/base/key.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

base::Nonce16 Bucket(uint8_t n) {
  base::Nonce16 bucket;
  bucket.value[0] = n;
  return bucket;
}

std::string Repeat(absl::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) absl::StrAppend(&out, text);
  return out;
}

TEST_CASE("names obey their rules") {
  for (std::string good :
       {"a", "a/b", "photos/2026/a b.jpg", "näme", "\xf0\x9f\x8f\x94.txt", "...", "a/.hidden"}) {
    INFO(good);
    CHECK(CheckName(good).ok());
  }
  CHECK(CheckName(std::string(1024, 'x')).ok());
  CHECK(CheckName(Repeat("x/", 63) + "x").ok());
  const std::vector<std::string> bad = {"",
                                        "/",
                                        "a/",
                                        "/a",
                                        "a//b",
                                        ".",
                                        "..",
                                        "a/../b",
                                        "a/.",
                                        std::string("a\0b", 3),
                                        "\xff",
                                        "\xc0\x80",
                                        "\xed\xa0\x80",
                                        "\xf5\x80\x80\x80",
                                        "ab\xc3",
                                        std::string(1025, 'x'),
                                        Repeat("x/", 64) + "x",
                                        std::string(10 << 20, 'x')};
  for (const std::string& name : bad) {
    INFO(base::ToHex(base::AsBytes(name.substr(0, 16))));
    CHECK(base::ReasonOf(CheckName(name)) == "BAD_NAME");
  }
}

TEST_CASE("a private name comes back, and shows nothing of itself", "[CS-26]") {
  NameCipher cipher(TestKey(), Bucket(1));
  for (std::string name : {std::string("a"), std::string("secret/plan.txt"), std::string(1024, 'x'),
                           Repeat("x/", 63) + "x"}) {
    const std::string stored = cipher.Encrypt(name).value();
    CHECK(stored.size() <= kMaxStoredNameBytes);
    CHECK(cipher.Decrypt(stored).value() == name);
    CHECK(cipher.Encrypt(name).value() == stored);
  }
  const std::string stored = cipher.Encrypt("secret/plan.txt").value();
  CHECK_FALSE(absl::StrContains(stored, "plan"));
  CHECK_FALSE(absl::StrContains(stored, "secret"));
  CHECK(NameCipher(TestKey(), Bucket(2)).Encrypt("secret/plan.txt").value() != stored);
  CHECK(NameCipher(TestKey(2), Bucket(1)).Encrypt("secret/plan.txt").value() != stored);
  CHECK(base::ReasonOf(cipher.Encrypt("a//b").status()) == "BAD_NAME");
}

TEST_CASE("equal components in different folders look different") {
  NameCipher cipher(TestKey(), Bucket(1));
  const std::string x = cipher.Encrypt("x/same").value();
  const std::string y = cipher.Encrypt("y/same").value();
  CHECK(x.substr(x.size() - 20) != y.substr(y.size() - 20));
}

TEST_CASE("a prefix lists on component boundaries and filters the rest") {
  NameCipher cipher(TestKey(), Bucket(1));
  const std::string stored = cipher.Encrypt("photos/2026/rome.jpg").value();
  for (std::string prefix : {"", "photos/", "photos/2026/", "photos/20", "photos/2026/ro", "ph"}) {
    INFO(prefix);
    ListPrefix list = cipher.Prefix(prefix).value();
    CHECK(absl::StartsWith(stored, list.stored));
    CHECK(absl::StartsWith(cipher.Decrypt(stored).value(), list.text));
  }
  CHECK(cipher.Prefix("photos/20").value().stored == cipher.Prefix("photos/").value().stored);
  CHECK_FALSE(absl::StartsWith(stored, cipher.Prefix("other/").value().stored));
  CHECK(PlainListPrefix("photos/20").value().stored == "photos/20");
  CHECK(base::ReasonOf(cipher.Prefix("a//b").status()) == "BAD_NAME");
  CHECK(base::ReasonOf(PlainListPrefix("../x/").status()) == "BAD_NAME");
}

TEST_CASE("a folder's key opens what is below it and nothing beside it") {
  NameCipher owner(TestKey(), Bucket(1));
  const std::string inside = owner.Encrypt("photos/2026/rome.jpg").value();
  const std::string beside = owner.Encrypt("taxes/2026.pdf").value();
  NameCipher guest(owner.FolderKey("photos").value(), Bucket(1));
  const std::string folder = owner.Prefix("photos/").value().stored;
  CHECK(guest.Decrypt(absl::string_view(inside).substr(folder.size())).value() == "2026/rome.jpg");
  CHECK_FALSE(guest.Decrypt(beside).ok());
  CHECK_FALSE(guest.Decrypt(inside).ok());
}

TEST_CASE("a damaged stored name is refused, never misread") {
  NameCipher cipher(TestKey(), Bucket(1));
  const std::string stored = cipher.Encrypt("photos/rome.jpg").value();
  for (size_t i = 0; i < stored.size(); ++i) {
    std::string flipped = stored;
    flipped[i] ^= 1;
    if (cipher.Decrypt(flipped).ok()) FAIL("byte " << i);
    auto cut = cipher.Decrypt(absl::string_view(stored).substr(0, i));
    if (cut.ok() && *cut != "photos") FAIL("cut at " << i);  // a whole component is a name
  }
  CHECK(base::ReasonOf(cipher.Decrypt(std::string(5000, 'x')).status()) == "DECRYPT_FAILED");
}

TEST_CASE("a component that breaks the rules of names is refused, whatever the whole looks like") {
  const base::Nonce16 bucket = Bucket(1);
  const base::Aead aead =
      base::Aead::GcmSiv(base::DeriveSecret("cairn v1 name cipher", TestKey(), bucket.view()));
  NameCipher cipher(TestKey(), bucket);
  for (absl::string_view component : {"photos", "photos/rome.jpg", "a/b/c", "..", ""}) {
    INFO(component);
    const base::Bytes sealed = aead.Seal(std::array<uint8_t, base::kAeadNonceBytes>{}, bucket.view(),
                                         base::AsBytes(component));
    base::Writer stored;
    stored.U16(static_cast<uint16_t>(sealed.size()));
    stored.Raw(sealed);
    CHECK(cipher.Decrypt(base::AsText(stored.view())).ok() == (component == "photos"));
  }
}

TEST_CASE("the form of a private name stays what it is: golden file") {
  NameCipher cipher(TestKey(42), Bucket(7));
  base::CheckVector("storage/name.hex", base::AsBytes(cipher.Encrypt("photos/rome.jpg").value()));
}

}  // namespace
}  // namespace cairn::storage
