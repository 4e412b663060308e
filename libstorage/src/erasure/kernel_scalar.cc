#include <algorithm>
#include <array>

#include "cairn/storage/erasure.h"
#include "erasure/gf256.h"

namespace cairn::storage {
namespace {

class Scalar final : public ErasureKernel {
 public:
  const char* name() const override { return "scalar"; }

  base::Bytes Prepare(base::ByteView matrix, uint32_t, uint32_t) const override {
    return base::ToBytes(matrix);
  }

  void Multiply(base::ByteView matrix, uint32_t rows, uint32_t columns, const uint8_t* const* in,
                uint8_t* const* out, size_t length) const override {
    for (uint32_t r = 0; r < rows; ++r) {
      std::fill_n(out[r], length, uint8_t{0});
      for (uint32_t c = 0; c < columns; ++c) {
        AddProduct(matrix[r * columns + c], in[c], out[r], length);
      }
    }
  }

 private:
  static void AddProduct(uint8_t factor, const uint8_t* in, uint8_t* out, size_t length) {
    std::array<uint8_t, 256> product;
    for (unsigned x = 0; x < 256; ++x) product[x] = GfMultiply(factor, static_cast<uint8_t>(x));
    for (size_t i = 0; i < length; ++i) out[i] ^= product[in[i]];
  }
};

}  // namespace

const ErasureKernel& ScalarKernel() {
  static const Scalar kernel;
  return kernel;
}

}  // namespace cairn::storage
