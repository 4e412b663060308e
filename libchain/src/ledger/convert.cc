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

base::Asset FromProto(pb::Asset asset) {
  return asset == pb::ASSET_CRN ? base::Asset::kCrn : base::Asset::kUsdc;
}

pb::Asset ToProto(base::Asset asset) { return asset == base::Asset::kCrn ? pb::ASSET_CRN : pb::ASSET_USDC; }

pb::Claim ToProto(const base::Claim& claim) {
  const base::Voucher& from = claim.voucher;
  pb::Claim out;
  pb::Voucher& voucher = *out.mutable_voucher();
  voucher.set_epoch(ToField(from.epoch));
  *voucher.mutable_rate() = ToProto(from.rate);
  voucher.set_base_bytes(from.base_bytes);
  *voucher.mutable_base_amount() = ToProto(from.base_amount);
  voucher.set_bytes(from.bytes);
  if (from.ticks != 0) voucher.set_tip(ToField(from.tip));
  voucher.set_ticks(from.ticks);
  voucher.set_signature(ToField(from.signature));
  out.set_tick(claim.tick);
  if (claim.tick != 0) out.set_preimage(ToField(claim.preimage));
  return out;
}

std::optional<base::Claim> FromProto(const pb::Claim& claim, const base::ChainId& chain,
                                     const base::ChannelId& channel, pb::Asset asset) {
  const pb::Voucher& from = claim.voucher();
  const auto epoch = FromField<base::Nonce16>(from.epoch());
  const auto signature = FromField<base::Signature>(from.signature());
  const auto tip = from.ticks() == 0 ? std::optional(base::Tick()) : FromField<base::Tick>(from.tip());
  const auto preimage = claim.tick() == 0 ? tip : FromField<base::Tick>(claim.preimage());
  if (!epoch || !signature || !tip || !preimage) return std::nullopt;
  if ((from.ticks() == 0 && !from.tip().empty()) || (claim.tick() == 0 && !claim.preimage().empty())) return std::nullopt;
  base::Claim out;
  out.voucher = {.chain = chain,
                 .channel = channel,
                 .epoch = *epoch,
                 .asset = FromProto(asset),
                 .rate = FromProto(from.rate()),
                 .base_bytes = from.base_bytes(),
                 .base_amount = FromProto(from.base_amount()),
                 .bytes = from.bytes(),
                 .tip = *tip,
                 .ticks = from.ticks(),
                 .signature = *signature};
  out.tick = claim.tick();
  out.preimage = *preimage;
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
