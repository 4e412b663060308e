#include "cairn/base/secret.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "cairn/base/hash.h"
#include "catch.h"

namespace cairn::base {
namespace {

bool AllZero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

Secret<32> Filled(uint8_t byte) {
  Secret<32> out;
  std::fill(out.Fill().begin(), out.Fill().end(), byte);
  return out;
}

TEST_CASE("a moved-from secret is zero") {
  Secret<32> first = Filled(7);
  Secret<32> second = std::move(first);
  CHECK(AllZero(first.Reveal()));
  CHECK(second.Reveal()[31] == 7);
  Secret<32> third;
  third = std::move(second);
  CHECK(AllZero(second.Reveal()));
  CHECK(third.Reveal()[0] == 7);
}

TEST_CASE("a destroyed secret leaves nothing in its memory") {
  alignas(Secret<32>) std::array<uint8_t, sizeof(Secret<32>)> memory;
  auto* secret = new (memory.data()) Secret<32>(Filled(9));
  REQUIRE(memory[5] == 9);
  secret->~Secret<32>();
  CHECK(AllZero(ByteView(memory)));
}

TEST_CASE("a clone of a secret is independent of it") {
  Secret<32> first = Filled(7);
  Secret<32> copy = first.Clone();
  copy.Fill()[0] = 1;
  CHECK(first.Reveal()[0] == 7);
}

TEST_CASE("a secret is made from exactly its length") {
  CHECK(Secret<4>::From(AsBytes("abcd")).ok());
  CHECK_FALSE(Secret<4>::From(AsBytes("abc")).ok());
  CHECK_FALSE(Secret<4>::From(AsBytes("abcde")).ok());
}

TEST_CASE("a short secret string is wiped where it was when it moves away") {
  alignas(SecretString) std::array<uint8_t, sizeof(SecretString)> memory{};
  auto* first = new (memory.data()) SecretString("hunter2!");
  auto holds = [&] { return AsText(ByteView(memory)).find("unter2") != absl::string_view::npos; };
  REQUIRE(holds());
  SecretString second = std::move(*first);
  CHECK(second.Reveal() == "hunter2!");
  CHECK(first->empty());
  CHECK_FALSE(holds());
  first->~SecretString();
}

TEST_CASE("a hasher leaves nothing of a secret in the memory that it gives back") {
  const auto given_back = [](bool hash) {
    if (hash) Hasher::DeriveKey("cairn test").Field(Filled(0xa7).Reveal()).Finish();
    // Memory of the same size is handed out again as it came.
    std::vector<std::unique_ptr<uint8_t[]>> again;
    int found = 0;
    for (size_t size = 1024; size <= 2048; size += 16) {
      again.emplace_back(new uint8_t[size]);
      const volatile uint8_t* bytes = again.back().get();
      int run = 0;
      for (size_t i = 0; i < size; ++i) {
        run = bytes[i] == 0xa7 ? run + 1 : 0;
        found += run == Secret<32>::kSize;
      }
    }
    return found;
  };
  REQUIRE(given_back(false) == 0);
  CHECK(given_back(true) == 0);
}

}  // namespace
}  // namespace cairn::base
