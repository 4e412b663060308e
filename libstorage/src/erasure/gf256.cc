#include "erasure/gf256.h"

#include <array>

namespace cairn::storage {
namespace {

struct Tables {
  std::array<uint8_t, 256> log{};
  // Twice the cycle, so that a sum of two logarithms needs no remainder.
  std::array<uint8_t, 510> exp{};
};

constexpr Tables MakeTables() {
  Tables t;
  unsigned x = 1;
  for (unsigned i = 0; i < 255; ++i) {
    t.exp[i] = t.exp[i + 255] = static_cast<uint8_t>(x);
    t.log[x] = static_cast<uint8_t>(i);
    x <<= 1;
    if (x & 0x100) x ^= 0x11d;
  }
  return t;
}

constexpr Tables kTables = MakeTables();

// row[target] ^= factor * row[source]
void AddRow(base::Bytes& matrix, uint32_t n, uint32_t target, uint32_t source, uint8_t factor) {
  for (uint32_t c = 0; c < n; ++c) {
    matrix[target * n + c] ^= GfMultiply(factor, matrix[source * n + c]);
  }
}

void ScaleRow(base::Bytes& matrix, uint32_t n, uint32_t row, uint8_t factor) {
  for (uint32_t c = 0; c < n; ++c) matrix[row * n + c] = GfMultiply(factor, matrix[row * n + c]);
}

}  // namespace

uint8_t GfMultiply(uint8_t a, uint8_t b) {
  if (a == 0 || b == 0) return 0;
  return kTables.exp[kTables.log[a] + kTables.log[b]];
}

uint8_t GfInverse(uint8_t a) { return kTables.exp[255 - kTables.log[a]]; }

std::optional<base::Bytes> GfInvert(base::ByteView matrix, uint32_t n) {
  base::Bytes work = base::ToBytes(matrix);
  base::Bytes inverse(size_t{n} * n);
  for (uint32_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  for (uint32_t i = 0; i < n; ++i) {
    uint32_t pivot = i;
    while (pivot < n && work[pivot * n + i] == 0) ++pivot;
    if (pivot == n) return std::nullopt;
    if (pivot != i) {
      // Does what a swap would: the diagonal becomes non-zero.
      AddRow(work, n, i, pivot, 1);
      AddRow(inverse, n, i, pivot, 1);
    }
    const uint8_t scale = GfInverse(work[i * n + i]);
    ScaleRow(work, n, i, scale);
    ScaleRow(inverse, n, i, scale);
    for (uint32_t r = 0; r < n; ++r) {
      const uint8_t factor = work[r * n + i];
      if (r == i || factor == 0) continue;
      AddRow(work, n, r, i, factor);
      AddRow(inverse, n, r, i, factor);
    }
  }
  return inverse;
}

}  // namespace cairn::storage
