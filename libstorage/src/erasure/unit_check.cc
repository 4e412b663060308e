#include "erasure/unit_check.h"

#include <bitset>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

absl::Status BadUnit(absl::string_view why) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_UNIT", why);
}

}  // namespace

absl::Status CheckUnits(uint32_t data, uint32_t parity, absl::Span<const Coder::Unit> have,
                        absl::Span<const Coder::Missing> missing) {
  std::bitset<kMaxShards> seen;
  auto check = [&](uint32_t index, size_t size) {
    if (index >= data + parity) return BadUnit("a unit beyond the code's width");
    if (seen[index]) return BadUnit("a unit given twice");
    if (size != have[0].bytes.size()) return BadUnit("units of unequal length");
    seen.set(index);
    return absl::OkStatus();
  };
  if (have.size() < data) {
    return base::Error(absl::StatusCode::kDataLoss, "NOT_ENOUGH_SHARDS",
                       absl::StrCat(have.size(), " units are left, ", data, " are needed"));
  }
  for (const Coder::Unit& unit : have) RETURN_IF_ERROR(check(unit.index, unit.bytes.size()));
  for (const Coder::Missing& unit : missing) RETURN_IF_ERROR(check(unit.index, unit.bytes.size()));
  return absl::OkStatus();
}

}  // namespace cairn::storage
