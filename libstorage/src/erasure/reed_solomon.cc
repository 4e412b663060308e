#include <algorithm>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/storage/erasure.h"
#include "erasure/gf256.h"
#include "erasure/unit_check.h"

namespace cairn::storage {
namespace {

// Patterns of loss change rarely within one transfer; a full cache starts over.
constexpr size_t kMaxCachedPatterns = 128;

class ReedSolomon final : public Coder {
 public:
  ReedSolomon(uint32_t data, uint32_t parity, const ErasureKernel& kernel)
      : data_(data), parity_(parity), kernel_(kernel), matrix_(Cauchy(data, parity)) {
    encode_ = kernel_.Prepare(base::ByteView(matrix_).subspan(size_t{data} * data), parity, data);
  }

  uint32_t data() const override { return data_; }
  uint32_t parity() const override { return parity_; }

  void Encode(absl::Span<const base::ByteView> data,
              absl::Span<const base::MutableByteView> parity) const override {
    if (parity_ == 0) return;
    std::array<const uint8_t*, kMaxShards> in;
    std::array<uint8_t*, kMaxShards> out;
    for (uint32_t i = 0; i < data_; ++i) in[i] = data[i].data();
    for (uint32_t i = 0; i < parity_; ++i) out[i] = parity[i].data();
    kernel_.Multiply(encode_, parity_, data_, in.data(), out.data(), data[0].size());
  }

  absl::Status Reconstruct(absl::Span<const Unit> have,
                           absl::Span<const Missing> missing) const override {
    RETURN_IF_ERROR(CheckUnits(data_, parity_, have, missing));
    if (missing.empty()) return absl::OkStatus();
    std::string pattern;  // indices, one a byte
    std::array<const uint8_t*, kMaxShards> in;
    std::array<uint8_t*, kMaxShards> out;
    for (uint32_t i = 0; i < data_; ++i) {
      pattern.push_back(static_cast<char>(have[i].index));
      in[i] = have[i].bytes.data();
    }
    for (size_t i = 0; i < missing.size(); ++i) {
      pattern.push_back(static_cast<char>(missing[i].index));
      out[i] = missing[i].bytes.data();
    }
    ASSIGN_OR_RETURN(std::shared_ptr<const base::Bytes> tables, TablesFor(pattern));
    kernel_.Multiply(*tables, static_cast<uint32_t>(missing.size()), data_, in.data(), out.data(),
                     have[0].bytes.size());
    return absl::OkStatus();
  }

 private:
  // Identity above, Cauchy rows below: any `data` rows of it are independent.
  static base::Bytes Cauchy(uint32_t data, uint32_t parity) {
    base::Bytes matrix(size_t{data + parity} * data);
    for (uint32_t i = 0; i < data; ++i) matrix[i * data + i] = 1;
    for (uint32_t r = data; r < data + parity; ++r) {
      for (uint32_t c = 0; c < data; ++c) {
        matrix[r * data + c] = GfInverse(static_cast<uint8_t>(r ^ c));
      }
    }
    return matrix;
  }

  // Rows that turn the units pattern[0 .. data) into the units pattern[data ..).
  absl::StatusOr<base::Bytes> DecodeMatrix(absl::string_view pattern) const {
    base::Bytes kept;
    for (uint32_t i = 0; i < data_; ++i) {
      const uint8_t* row = &matrix_[static_cast<uint8_t>(pattern[i]) * size_t{data_}];
      kept.insert(kept.end(), row, row + data_);
    }
    std::optional<base::Bytes> inverse = GfInvert(kept, data_);
    if (!inverse) return absl::InternalError("a singular decode matrix");
    base::Bytes rows;
    for (size_t m = data_; m < pattern.size(); ++m) {
      const uint8_t* wanted = &matrix_[static_cast<uint8_t>(pattern[m]) * size_t{data_}];
      for (uint32_t c = 0; c < data_; ++c) {
        uint8_t sum = 0;
        for (uint32_t i = 0; i < data_; ++i)
          sum ^= GfMultiply(wanted[i], (*inverse)[i * data_ + c]);
        rows.push_back(sum);
      }
    }
    return rows;
  }

  absl::StatusOr<std::shared_ptr<const base::Bytes>> TablesFor(const std::string& pattern) const {
    // Inverted under the lock: who comes meanwhile mostly wants the same pattern.
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = cache_.find(pattern);
    if (found != cache_.end()) return found->second;
    ASSIGN_OR_RETURN(base::Bytes matrix, DecodeMatrix(pattern));
    auto tables = std::make_shared<const base::Bytes>(
        kernel_.Prepare(matrix, static_cast<uint32_t>(pattern.size()) - data_, data_));
    if (cache_.size() >= kMaxCachedPatterns) cache_.clear();
    cache_[pattern] = tables;
    return std::shared_ptr<const base::Bytes>(tables);
  }

  const uint32_t data_;
  const uint32_t parity_;
  const ErasureKernel& kernel_;
  const base::Bytes matrix_;  // (data + parity) x data
  base::Bytes encode_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const base::Bytes>> cache_;
};

}  // namespace

const ErasureKernel& BestKernel() {
  const ErasureKernel* gfni = GfniKernel();
  return gfni != nullptr ? *gfni : IsalKernel();
}

absl::StatusOr<std::unique_ptr<Coder>> NewReedSolomon(uint32_t data, uint32_t parity,
                                                      const ErasureKernel& kernel) {
  if (data == 0 || data > kMaxShards || parity > kMaxShards - data) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_POLICY",
                       absl::StrCat("no code with ", data, " + ", parity, " units; at most ",
                                    kMaxShards, " in all"));
  }
  return std::make_unique<ReedSolomon>(data, parity, kernel);
}

absl::StatusOr<std::unique_ptr<Coder>> NewCoder(const base::Redundancy& policy,
                                                base::LayoutKind layout) {
  if (layout == base::LayoutKind::kShards) return NewReedSolomon(policy.data, policy.parity);
  return NewReplication(policy.copy_count());
}

}  // namespace cairn::storage
