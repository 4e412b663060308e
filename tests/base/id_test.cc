#include "cairn/base/id.h"

#include <cctype>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base {
namespace {

AccountId Counting() {
  AccountId id;
  for (size_t i = 0; i < id.value.size(); ++i) id.value[i] = static_cast<uint8_t>(i);
  return id;
}

TEST_CASE("a content id is the CIDv1 of the plain hash") {
  CHECK(ContentId::Of({}).ToText() ==
        "bafkr4ifpcne3t5pzugtkaqcn5i3nzskjtpfslsnnyejlpte2spfoihzsmi");
  CHECK(ContentId::Of(AsBytes("abc")).ToText() ==
        "bafkr4ideg6z2yocgkez77nr3outtvdnvjdcvqrs5phnqh7jvtrwnlpm5qu");
  CHECK(*ContentId::Parse(ContentId::Of(AsBytes("abc")).ToText()) == ContentId::Of(AsBytes("abc")));
}

TEST_CASE("any other spelling of a content id is refused") {
  const std::string good = ContentId::Of(AsBytes("abc")).ToText();
  std::string upper = good;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  std::string padding = good;  // the last character carries two bits that must be zero
  padding.back() = static_cast<char>(padding.back() + 1);
  std::string codec = good;
  codec[3] = 'y';
  std::string space = good;
  space[20] = ' ';
  for (const std::string& bad :
       {upper, padding, codec, space, good + "a", good.substr(0, 58), std::string(59, 'b'),
        std::string(), absl::StrCat("z", good.substr(1))}) {
    INFO(bad);
    CHECK(ReasonOf(ContentId::Parse(bad).status()) == "BAD_CONTENT_ID");
  }
}

TEST_CASE("an account id is bech32m under the prefix cairn") {
  CHECK(ToText(AccountId{}) == "cairn1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqhtryn0");
  CHECK(ToText(Counting()) == "cairn1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn87jp9t");
  CHECK(*ParseAccountId("cairn1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn87jp9t") == Counting());
  CHECK(*ParseAccountId("CAIRN1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSN87JP9T") == Counting());
}

TEST_CASE("an account id with any one character changed is refused") {
  const std::string good = ToText(Counting());
  for (size_t i = 0; i < good.size(); ++i) {
    for (char c : {'q', 'p', 'l', 'b', '1', 'Q'}) {
      std::string bad = good;
      if (bad[i] == c) continue;
      bad[i] = c;
      INFO(bad);
      CHECK(ReasonOf(ParseAccountId(bad).status()) == "BAD_ACCOUNT_ID");
    }
  }
  for (const char* bad : {"", "cairn1", "cairn1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn87jp9",
                          "cairn1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn87jp9tt",
                          "cosmo1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn87jp9t"}) {
    INFO(bad);
    CHECK(ReasonOf(ParseAccountId(bad).status()) == "BAD_ACCOUNT_ID");
  }
}

TEST_CASE("object ids differ by chain, bucket, nonce and index") {
  ChainId other_chain;
  other_chain.value[0] = 1;
  Nonce16 other_nonce;
  other_nonce.value[15] = 1;
  const std::set<ObjectId> ids = {
      ObjectIdFor({}, BucketId{1}, {}, 0), ObjectIdFor({}, BucketId{1}, {}, 1),
      ObjectIdFor({}, BucketId{2}, {}, 0), ObjectIdFor({}, BucketId{1}, other_nonce, 0),
      ObjectIdFor(other_chain, BucketId{1}, {}, 0)};
  CHECK(ids.size() == 5);
  CHECK(ObjectIdFor({}, BucketId{1}, {}, 7) == ObjectIdFor({}, BucketId{1}, {}, 7));
}

}  // namespace
}  // namespace cairn::base
