#include "cairn/chain/convert.h"

namespace cairn::chain {

pb::Amount ToProto(base::Amount amount) {
  pb::Amount out;
  out.set_high(amount.high());
  out.set_low(amount.low());
  return out;
}

base::Amount FromProto(const pb::Amount& amount) {
  return base::Amount::Parts(amount.high(), amount.low());
}

pb::Price ToProto(const base::Price& price) {
  pb::Price out;
  *out.mutable_per_unit_e18() = ToProto(price.per_unit_e18);
  return out;
}

base::Price FromProto(const pb::Price& price) { return {FromProto(price.per_unit_e18())}; }

pb::LayoutKind ToProto(base::LayoutKind kind) {
  return kind == base::LayoutKind::kShards ? pb::LAYOUT_KIND_SHARDS : pb::LAYOUT_KIND_COPIES;
}

base::LayoutKind FromProto(pb::LayoutKind kind) {
  return kind == pb::LAYOUT_KIND_SHARDS ? base::LayoutKind::kShards : base::LayoutKind::kCopies;
}

pb::Redundancy ToProto(const base::Redundancy& policy) {
  pb::Redundancy out;
  out.set_kind(ToProto(policy.kind));
  out.set_data(policy.data);
  out.set_parity(policy.parity);
  out.set_copies(policy.copies);
  out.set_whole_at_primary(policy.whole_at_primary);
  return out;
}

base::Redundancy FromProto(const pb::Redundancy& policy) {
  base::Redundancy out;
  out.kind = FromProto(policy.kind());
  out.data = policy.data();
  out.parity = policy.parity();
  out.copies = policy.copies();
  out.whole_at_primary = policy.whole_at_primary();
  return out;
}

std::string NumberField(uint64_t number) {
  std::string out(8, '\0');
  for (int i = 7; i >= 0; --i, number >>= 8) out[i] = static_cast<char>(number & 0xff);
  return out;
}

uint64_t NumberFromField(absl::string_view field) {
  if (field.size() != 8) return 0;
  uint64_t number = 0;
  for (char c : field) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

}  // namespace cairn::chain
