#include "cairn/base/codec.h"

#include "cairn/base/id.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "vectors.h"

namespace cairn::base {
namespace {

Bytes Sample() {
  Writer writer;
  writer.U8(0x01);
  writer.U16(0x0302);
  writer.U32(0x07060504);
  writer.U64(0x0f0e0d0c0b0a0908);
  writer.Raw(Bytes(16, 0xaa));
  writer.Var("cairn");
  return std::move(writer).Take();
}

TEST_CASE("integers are little endian and byte strings carry a u32 length") {
  CheckVector("base/codec.hex", Sample());
}

TEST_CASE("what was written is read") {
  const Bytes bytes = Sample();
  Reader reader(bytes);
  CHECK(reader.U8() == 0x01);
  CHECK(reader.U16() == 0x0302);
  CHECK(reader.U32() == 0x07060504);
  CHECK(reader.U64() == 0x0f0e0d0c0b0a0908);
  CHECK(reader.Fixed<ObjectId>().value[15] == 0xaa);
  CHECK(reader.Text(5) == "cairn");
  CHECK(reader.remaining() == 0);
  CHECK(reader.Finish().ok());
}

TEST_CASE("every truncation is refused, and the failure sticks") {
  const Bytes bytes = Sample();
  for (size_t length = 0; length < bytes.size(); ++length) {
    Reader reader(ByteView(bytes).subspan(0, length));
    reader.U8();
    reader.U16();
    reader.U32();
    reader.U64();
    reader.Fixed<ObjectId>();
    reader.Text(5);
    CHECK(reader.U64() == 0);
    CHECK(reader.remaining() == 0);
    CHECK(ReasonOf(reader.Finish()) == "MALFORMED");
  }
}

TEST_CASE("trailing bytes are refused") {
  const Bytes bytes = {1, 2};
  Reader reader(bytes);
  reader.U8();
  CHECK(reader.ok());
  CHECK(ReasonOf(reader.Finish()) == "MALFORMED");
}

TEST_CASE("a length above the limit or above what is left is refused before it is used") {
  Writer writer;
  writer.Var("12345");
  {
    Reader reader(writer.view());
    CHECK(reader.Var(4).empty());
    CHECK_FALSE(reader.ok());
  }
  const Bytes lying = {0xff, 0xff, 0xff, 0xff, 'x'};
  Reader reader(lying);
  CHECK(reader.Text(SIZE_MAX).empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("the first failure is the one reported") {
  const Bytes bytes = {9};
  Reader reader(bytes);
  reader.Fail("no such version");
  reader.U64();
  CHECK(reader.Finish().message() == "no such version");
}

}  // namespace
}  // namespace cairn::base
