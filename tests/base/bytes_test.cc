#include "cairn/base/bytes.h"

#include "cairn/base/id.h"
#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base {
namespace {

TEST_CASE("hex is printed in lower case and read in either") {
  const Bytes bytes = {0x00, 0x7f, 0xab, 0xff};
  CHECK(ToHex(bytes) == "007fabff");
  CHECK(*FromHex("007FaBff") == bytes);
  CHECK(FromHex("")->empty());
}

TEST_CASE("hex of odd length or with another character is refused") {
  for (const char* text : {"0", "abc", "0g", "g0", " 0", "0x"}) {
    INFO(text);
    CHECK(ReasonOf(FromHex(text).status()) == "BAD_HEX");
  }
}

TEST_CASE("constant-time equality agrees with equality, also in the last bit") {
  Bytes a(33, 7), b(33, 7);
  CHECK(ConstantTimeEqual(a, b));
  b[32] ^= 0x80;
  CHECK_FALSE(ConstantTimeEqual(a, b));
  CHECK_FALSE(ConstantTimeEqual(a, ByteView(a).subspan(1)));
  CHECK(ConstantTimeEqual({}, {}));
}

TEST_CASE("a fixed byte string takes its own length only") {
  CHECK(ObjectId::From(Bytes(16, 1)).ok());
  CHECK_FALSE(ObjectId::From(Bytes(15)).ok());
  CHECK_FALSE(ObjectId::From(Bytes(17)).ok());
  CHECK(ObjectId{}.empty());
  CHECK_FALSE(ObjectId::From(Bytes(16, 1))->empty());
}

}  // namespace
}  // namespace cairn::base
