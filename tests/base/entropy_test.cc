#include "cairn/base/entropy.h"

#include "catch.h"

namespace cairn::base {
namespace {

TEST_CASE("equal seeds give equal streams, other seeds other streams") {
  SeededEntropy a(1), b(1), c(2);
  Digest first = a.Draw<Digest>();
  CHECK(first == b.Draw<Digest>());
  CHECK(first != c.Draw<Digest>());
  CHECK(a.Draw<Digest>() != first);
}

TEST_CASE("a draw does not depend on the length of the draws before it") {
  SeededEntropy a(1), b(1);
  Bytes shorter(3), longer(300);
  a.Fill(MutableByteView(shorter));
  b.Fill(MutableByteView(longer));
  CHECK(a.DrawNumber() == b.DrawNumber());
}

TEST_CASE("the system's generator fills every byte") {
  SystemEntropy entropy;
  // Of 64 draws no position stays zero, except with probability 2^-512.
  Bytes seen(100), draw(100);
  for (int i = 0; i < 64; ++i) {
    entropy.Fill(MutableByteView(draw));
    for (size_t j = 0; j < seen.size(); ++j) seen[j] |= draw[j];
  }
  CHECK(std::count(seen.begin(), seen.end(), 0) == 0);
  CHECK(entropy.Draw<Digest>() != entropy.Draw<Digest>());
}

}  // namespace
}  // namespace cairn::base
