// Multiplication by a constant of GF(2^8) is linear over bits, so one instruction (vgf2p8affineqb) with an 8 x 8 bit
// matrix does it for 64 bytes at once. Up to eight output rows are summed in registers while their inputs stream past.
#include "cairn/storage/erasure.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "erasure/gf256.h"

// Only for functions of this file: inline functions of headers must not be compiled for a machine that may be absent.
#define CAIRN_GFNI __attribute__((target("gfni,avx512f,avx512bw"))) inline

namespace cairn::storage {
namespace {

constexpr uint32_t kGroupRows = 8;  // outputs of one pass
constexpr size_t kMatrixBytes = 8;  // one coefficient
constexpr size_t kVector = 64;
constexpr int kXorOfThree = 0x96;

// Bit i of the product is the parity of x and byte 7 - i.
uint64_t BitMatrix(uint8_t factor) {
  uint64_t matrix = 0;
  for (unsigned j = 0; j < 8; ++j) {
    const uint8_t column = GfMultiply(factor, static_cast<uint8_t>(1u << j));
    for (unsigned i = 0; i < 8; ++i) {
      if (column >> i & 1) matrix |= uint64_t{1} << (8 * (7 - i) + j);
    }
  }
  return matrix;
}

// Which input comes n-th. Units mostly lie at equal distances in memory, and a processor that sees one load step by the
// same distance again and again fetches ahead what lies behind the last unit. So both loads of a pair of inputs go from
// both ends inwards.
constexpr uint32_t Turn(uint32_t n, uint32_t columns) {
  const uint32_t step = n / 2 + (n % 2 == 0 ? 0 : (columns + 1) / 2);
  return step % 2 == 0 ? step / 2 : columns - 1 - step / 2;
}

// A few rows need more bytes in flight to keep the units busy; many rows need the registers.
constexpr size_t LanesFor(uint32_t rows) { return rows <= 4 ? 4 : 2; }

// The index-th coefficient, in every place.
CAIRN_GFNI __m512i Factor(const uint8_t* matrix, size_t index) {
  uint64_t coefficient;
  std::memcpy(&coefficient, matrix + index * kMatrixBytes, sizeof coefficient);
  return _mm512_set1_epi64(static_cast<long long>(coefficient));
}

// `kRows` outputs of kLanes * 64 bytes at `at`. `matrix` holds the group's coefficients column by column; columns and
// inputs are in the order of their turns.
template <uint32_t kRows, size_t kLanes>
CAIRN_GFNI void Tile(const uint8_t* matrix, uint32_t columns, const uint8_t* const* in,
                     uint8_t* const* out, size_t at) {
  __m512i sum[kRows][kLanes];
#pragma GCC unroll 8
  for (uint32_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t l = 0; l < kLanes; ++l) sum[r][l] = _mm512_setzero_si512();
  }
  uint32_t c = 0;
  for (; c + 2 <= columns; c += 2, matrix += 2 * kRows * kMatrixBytes) {
    __m512i x[kLanes], y[kLanes];
#pragma GCC unroll 4
    for (size_t l = 0; l < kLanes; ++l) {
      x[l] = _mm512_loadu_si512(in[c] + at + l * kVector);
      y[l] = _mm512_loadu_si512(in[c + 1] + at + l * kVector);
    }
#pragma GCC unroll 8
    for (uint32_t r = 0; r < kRows; ++r) {
      const __m512i one = Factor(matrix, r);
      const __m512i two = Factor(matrix, kRows + r);
#pragma GCC unroll 4
      for (size_t l = 0; l < kLanes; ++l) {
        sum[r][l] = _mm512_ternarylogic_epi64(sum[r][l], _mm512_gf2p8affine_epi64_epi8(x[l], one, 0),
                                              _mm512_gf2p8affine_epi64_epi8(y[l], two, 0), kXorOfThree);
      }
    }
  }
  if (c < columns) {
#pragma GCC unroll 8
    for (uint32_t r = 0; r < kRows; ++r) {
      const __m512i factor = Factor(matrix, r);
#pragma GCC unroll 4
      for (size_t l = 0; l < kLanes; ++l) {
        const __m512i x = _mm512_loadu_si512(in[c] + at + l * kVector);
        sum[r][l] = _mm512_xor_si512(sum[r][l], _mm512_gf2p8affine_epi64_epi8(x, factor, 0));
      }
    }
  }
#pragma GCC unroll 8
  for (uint32_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t l = 0; l < kLanes; ++l) {
      _mm512_storeu_si512(out[r] + at + l * kVector, sum[r][l]);
    }
  }
}

// The bytes behind the last whole tile, at most one vector at a time.
template <uint32_t kRows>
CAIRN_GFNI void Rest(const uint8_t* matrix, uint32_t columns, const uint8_t* const* in,
                     uint8_t* const* out, size_t at, size_t length) {
  const __mmask64 mask = length >= kVector ? ~__mmask64{0} : (__mmask64{1} << length) - 1;
  __m512i sum[kRows];
#pragma GCC unroll 8
  for (uint32_t r = 0; r < kRows; ++r) sum[r] = _mm512_setzero_si512();
  for (uint32_t c = 0; c < columns; ++c, matrix += kRows * kMatrixBytes) {
    const __m512i x = _mm512_maskz_loadu_epi8(mask, in[c] + at);
#pragma GCC unroll 8
    for (uint32_t r = 0; r < kRows; ++r) {
      sum[r] =
          _mm512_xor_si512(sum[r], _mm512_gf2p8affine_epi64_epi8(x, Factor(matrix, r), 0));
    }
  }
#pragma GCC unroll 8
  for (uint32_t r = 0; r < kRows; ++r) _mm512_mask_storeu_epi8(out[r] + at, mask, sum[r]);
}

using GroupFn = void (*)(const uint8_t*, uint32_t, const uint8_t* const*, uint8_t* const*, size_t);

// One group of rows over `length` bytes.
template <uint32_t kRows>
CAIRN_GFNI void Group(const uint8_t* matrix, uint32_t columns, const uint8_t* const* in,
                      uint8_t* const* out, size_t length) {
  constexpr size_t kTile = LanesFor(kRows) * kVector;
  size_t at = 0;
  for (; length - at >= kTile; at += kTile) {
    Tile<kRows, LanesFor(kRows)>(matrix, columns, in, out, at);
  }
  for (; at < length; at += kVector) Rest<kRows>(matrix, columns, in, out, at, length - at);
}

template <uint32_t... kRows>
constexpr std::array<GroupFn, sizeof...(kRows)> GroupTable(
    std::integer_sequence<uint32_t, kRows...>) {
  return {&Group<kRows + 1>...};
}
constexpr auto kGroups = GroupTable(std::make_integer_sequence<uint32_t, kGroupRows>());

class Gfni final : public ErasureKernel {
 public:
  const char* name() const override { return "gfni"; }

  // Groups of rows; in a group column by column in the order of their turns, as `Tile` reads them.
  base::Bytes Prepare(base::ByteView matrix, uint32_t rows, uint32_t columns) const override {
    base::Bytes prepared(kMatrixBytes * rows * columns);
    uint8_t* next = prepared.data();
    for (uint32_t first = 0; first < rows; first += kGroupRows) {
      const uint32_t past = std::min(rows, first + kGroupRows);
      for (uint32_t c = 0; c < columns; ++c) {
        for (uint32_t r = first; r < past; ++r) {
          const uint64_t bits = BitMatrix(matrix[r * columns + Turn(c, columns)]);
          std::memcpy(next, &bits, sizeof bits);
          next += sizeof bits;
        }
      }
    }
    return prepared;
  }

  void Multiply(base::ByteView prepared, uint32_t rows, uint32_t columns, const uint8_t* const* in,
                uint8_t* const* out, size_t length) const override {
    // Several groups read the same inputs: a strip of all of them stays in the first cache.
    const size_t strip = rows <= kGroupRows ? length : StripFor(columns);
    std::array<const uint8_t*, kMaxShards> from;
    std::array<uint8_t*, kMaxShards> to;
    for (size_t at = 0; at < length; at += strip) {
      const size_t n = std::min(strip, length - at);
      for (uint32_t c = 0; c < columns; ++c) from[c] = in[Turn(c, columns)] + at;
      for (uint32_t r = 0; r < rows; ++r) to[r] = out[r] + at;
      const uint8_t* matrix = prepared.data();
      for (uint32_t first = 0; first < rows; first += kGroupRows) {
        const uint32_t count = std::min(kGroupRows, rows - first);
        kGroups[count - 1](matrix, columns, from.data(), &to[first], n);
        matrix += kMatrixBytes * count * columns;
      }
    }
  }

 private:
  static size_t StripFor(uint32_t columns) {
    constexpr size_t kFirstCache = 32 * 1024;
    return std::max<size_t>(kFirstCache / columns / 256 * 256, 256);
  }
};

}  // namespace

const ErasureKernel* GfniKernel() {
  static const Gfni kernel;
  static const bool present = __builtin_cpu_supports("gfni") && __builtin_cpu_supports("avx512f") &&
                              __builtin_cpu_supports("avx512bw");
  return present ? &kernel : nullptr;
}

}  // namespace cairn::storage

#else

namespace cairn::storage {
const ErasureKernel* GfniKernel() { return nullptr; }
}  // namespace cairn::storage

#endif
