// What a user types to name bytes.
#include "apps/client/reference.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::client {
namespace {

TEST_CASE("a range counts both its ends", "[client]") {
  const auto range = ParseByteRange("10-19");
  REQUIRE(range.ok());
  CHECK(*range == base::ByteRange{10, 10});
  CHECK(*ParseByteRange("7-7") == base::ByteRange{7, 1});
  CHECK(*ParseByteRange("1-18446744073709551615") == base::ByteRange{1, UINT64_MAX});
}

TEST_CASE("a range without a last byte goes to the end", "[client]") {
  for (const uint64_t first : {uint64_t{0}, uint64_t{1}, uint64_t{4096}, UINT64_MAX - 1}) {
    const auto range = ParseByteRange(absl::StrCat(first, "-"));
    REQUIRE(range.ok());
    CHECK(range->offset == first);
    CHECK(range->length >= UINT64_MAX - first);
  }
}

TEST_CASE("a range of all that 64 bits can count is not an empty one", "[client]") {
  const auto all = ParseByteRange("0-18446744073709551615");
  REQUIRE(all.ok());
  CHECK(*all == base::ByteRange{0, UINT64_MAX});
}

TEST_CASE("what is no range is refused by its reason", "[client]") {
  for (const char* text : {"", "-", "-5", "5", "9-3", "+1-2", " 1-2", "1- 2", "1-2-3", "0--1", "a-b",
                           "0-18446744073709551616", "18446744073709551616-"}) {
    INFO(text);
    const auto range = ParseByteRange(text);
    REQUIRE_FALSE(range.ok());
    CHECK(base::ReasonOf(range.status()) == "BAD_RANGE");
  }
}

}  // namespace
}  // namespace cairn::client
