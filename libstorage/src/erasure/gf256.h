// Arithmetic in GF(2^8) with polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), and matrices over it.
#pragma once

#include <cstdint>
#include <optional>

#include "cairn/base/bytes.h"

namespace cairn::storage {

uint8_t GfMultiply(uint8_t a, uint8_t b);
uint8_t GfInverse(uint8_t a);  // a != 0

// The inverse of an n x n matrix, row by row; nullopt when it has none.
std::optional<base::Bytes> GfInvert(base::ByteView matrix, uint32_t n);

}  // namespace cairn::storage
