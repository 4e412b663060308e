// Erasure coding: k data units become k + m units, any k of which give the rest back. Replication
// is the case k = 1.
//
// Units of one call have equal length. Reed-Solomon works over GF(2^8) with polynomial 0x11d and a
// systematic Cauchy matrix (row k + r, column c: 1 / ((k + r) xor c)); it is byte-wise, so any
// sub-range of the units can be coded on its own. Thread-safe; decode matrices are cached by loss
// pattern.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/base/bytes.h"
#include "cairn/base/layout.h"

namespace cairn::storage {

inline constexpr uint32_t kMaxShards = 255;  // k + m; the ledger allows base::kMaxWidth

class Coder {
 public:
  struct Unit {
    uint32_t index = 0;
    base::ByteView bytes;
  };
  struct Missing {
    uint32_t index = 0;
    base::MutableByteView bytes;
  };

  virtual ~Coder() = default;
  virtual uint32_t data() const = 0;
  virtual uint32_t parity() const = 0;
  // data.size() == data(), parity.size() == parity(), all of one length.
  virtual void Encode(absl::Span<const base::ByteView> data,
                      absl::Span<const base::MutableByteView> parity) const = 0;
  // Computes the units in `missing` from the first data() of `have`. DataLoss (reason
  // NOT_ENOUGH_SHARDS) when there are fewer; InvalidArgument for an index out of range or given
  // twice, or for unequal lengths.
  virtual absl::Status Reconstruct(absl::Span<const Unit> have,
                                   absl::Span<const Missing> missing) const = 0;
};

// The loop under Reed-Solomon: multiplies a matrix over GF(2^8) with vectors of bytes. Kernels give
// identical bytes.
class ErasureKernel {
 public:
  virtual ~ErasureKernel() = default;
  virtual const char* name() const = 0;
  // What `Multiply` wants in place of a matrix of rows x columns coefficients (row by row).
  virtual base::Bytes Prepare(base::ByteView matrix, uint32_t rows, uint32_t columns) const = 0;
  // out[r] = sum over c of matrix[r][c] * in[c], `length` bytes each.
  virtual void Multiply(base::ByteView prepared, uint32_t rows, uint32_t columns,
                        const uint8_t* const* in, uint8_t* const* out, size_t length) const = 0;
};
const ErasureKernel* GfniKernel();    // null on a machine without GFNI and AVX-512
const ErasureKernel& IsalKernel();    // runs everywhere, with what vector units there are
const ErasureKernel& ScalarKernel();  // plain C++; what the others are compared with
const ErasureKernel& BestKernel();    // the first of these that the machine has

// InvalidArgument (reason BAD_POLICY) unless 1 <= k, k + m <= kMaxShards.
absl::StatusOr<std::unique_ptr<Coder>> NewReedSolomon(uint32_t data, uint32_t parity,
                                                      const ErasureKernel& kernel = BestKernel());
// One data unit and copies - 1 equal ones.
absl::StatusOr<std::unique_ptr<Coder>> NewReplication(uint32_t copies);
// The coder of a layout: Reed-Solomon for shards, replication for copies.
absl::StatusOr<std::unique_ptr<Coder>> NewCoder(const base::Redundancy& policy,
                                                base::LayoutKind layout);

}  // namespace cairn::storage
