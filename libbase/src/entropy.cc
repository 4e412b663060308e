#include "cairn/base/entropy.h"

#include <cerrno>

#include <sys/random.h>

#include "check.h"

namespace cairn::base {

uint64_t Entropy::DrawNumber() {
  std::array<uint8_t, 8> bytes;
  Fill(MutableByteView(bytes));
  uint64_t number = 0;
  for (size_t i = 0; i < bytes.size(); ++i) number |= uint64_t{bytes[i]} << (8 * i);
  return number;
}

void SystemEntropy::Fill(MutableByteView out) {
  while (!out.empty()) {
    ssize_t n = getrandom(out.data(), out.size(), 0);
    Require(n > 0 || (n < 0 && errno == EINTR));
    if (n > 0) out.remove_prefix(static_cast<size_t>(n));
  }
}

SeededEntropy::SeededEntropy(uint64_t seed)
    : key_(Hasher::DeriveKey("cairn v1 seeded entropy").Field(seed).Finish()) {}

// Each draw is the extendable output of its own number, so it never depends on how earlier draws were cut.
void SeededEntropy::Fill(MutableByteView out) {
  uint64_t draw;
  {
    std::lock_guard lock(mutex_);
    draw = counter_++;
  }
  Hasher::Keyed(key_).Field(draw).FinishXof(out);
}

}  // namespace cairn::base
