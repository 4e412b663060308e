#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/storage/erasure.h"
#include "erasure/unit_check.h"

namespace cairn::storage {
namespace {

class Replication final : public Coder {
 public:
  explicit Replication(uint32_t copies) : copies_(copies) {}
  uint32_t data() const override { return 1; }
  uint32_t parity() const override { return copies_ - 1; }

  void Encode(absl::Span<const base::ByteView> data,
              absl::Span<const base::MutableByteView> parity) const override {
    for (const base::MutableByteView& copy : parity) {
      std::copy(data[0].begin(), data[0].end(), copy.begin());
    }
  }

  absl::Status Reconstruct(absl::Span<const Unit> have,
                           absl::Span<const Missing> missing) const override {
    RETURN_IF_ERROR(CheckUnits(1, parity(), have, missing));
    for (const Missing& copy : missing) {
      std::copy(have[0].bytes.begin(), have[0].bytes.end(), copy.bytes.begin());
    }
    return absl::OkStatus();
  }

 private:
  const uint32_t copies_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Coder>> NewReplication(uint32_t copies) {
  if (copies == 0 || copies > kMaxShards) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_POLICY",
                       absl::StrCat(copies, " copies; 1 to ", kMaxShards, " are possible"));
  }
  return std::make_unique<Replication>(copies);
}

}  // namespace cairn::storage
