#include <isa-l/erasure_code.h>

#include <algorithm>

#include "cairn/storage/erasure.h"

namespace cairn::storage {
namespace {

constexpr size_t kTableBytes = 32;  // ISA-L's expansion of one coefficient

class Isal final : public ErasureKernel {
 public:
  const char* name() const override { return "isa-l"; }

  base::Bytes Prepare(base::ByteView matrix, uint32_t rows, uint32_t columns) const override {
    base::Bytes coefficients = base::ToBytes(matrix);
    base::Bytes tables(kTableBytes * rows * columns);
    ec_init_tables(static_cast<int>(columns), static_cast<int>(rows), coefficients.data(),
                   tables.data());
    return tables;
  }

  // ISA-L takes int lengths and pointers without const; it does not write through its inputs.
  void Multiply(base::ByteView prepared, uint32_t rows, uint32_t columns, const uint8_t* const* in,
                uint8_t* const* out, size_t length) const override {
    ec_encode_data(static_cast<int>(length), static_cast<int>(columns), static_cast<int>(rows),
                   const_cast<uint8_t*>(prepared.data()), const_cast<uint8_t**>(in),
                   const_cast<uint8_t**>(out));
  }
};

}  // namespace

const ErasureKernel& IsalKernel() {
  static const Isal kernel;
  return kernel;
}

}  // namespace cairn::storage
