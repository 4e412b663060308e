#include "cairn/base/utf8.h"

#include "catch.h"

namespace cairn::base {
namespace {

TEST_CASE("well-formed UTF-8 is told from overlong forms, surrogates, and what is cut off") {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x9c\x81", "\xf4\x8f\xbf\xbf"}) {
    CHECK(IsUtf8(good));
    CHECK(ToUtf8(good) == good);
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x9c", "\xff"}) {
    CHECK_FALSE(IsUtf8(bad));
    CHECK(IsUtf8(ToUtf8(bad)));
    CHECK(Utf8SequenceLength(bad) == 0);
  }
}

TEST_CASE("each byte that belongs to no character becomes one replacement, the rest stays") {
  CHECK(ToUtf8("a\xc5PIN\xe2\x82z") == "a\xef\xbf\xbdPIN\xef\xbf\xbd\xef\xbf\xbdz");
}

}  // namespace
}  // namespace cairn::base
