// Between the fields of messages and the types of libbase.
//
// Messages carry identifiers and hashes as byte strings of a fixed length; `FromField` returns nullopt for any other
// length, so a caller cannot forget to look.
#pragma once

#include <optional>
#include <string>

#include "cairn/base/amount.h"
#include "cairn/base/key.h"
#include "cairn/base/layout.h"
#include "cairn/base/voucher.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

pb::Amount ToProto(base::Amount amount);
pb::Price ToProto(const base::Price& price);
pb::Redundancy ToProto(const base::Redundancy& policy);
pb::LayoutKind ToProto(base::LayoutKind kind);
base::Amount FromProto(const pb::Amount& amount);
base::Price FromProto(const pb::Price& price);
base::Redundancy FromProto(const pb::Redundancy& policy);
base::LayoutKind FromProto(pb::LayoutKind kind);

// A claim as operations carry it. What it is shown against gives the chain, channel and asset that its voucher was
// signed for; nullopt when a field has a wrong length, or is there though nothing belongs there.
pb::Claim ToProto(const base::Claim& claim);
std::optional<base::Claim> FromProto(const pb::Claim& claim, const base::ChainId& chain,
                                     const base::ChannelId& channel, pb::Asset asset);
// Unspecified means usdc, the asset of delivery.
base::Asset FromProto(pb::Asset asset);
pb::Asset ToProto(base::Asset asset);

template <class F>
std::string ToField(const F& fixed) {
  return base::ToString(fixed.view());
}
template <class F>
std::optional<F> FromField(const std::string& field) {
  auto parsed = F::From(base::AsBytes(field));
  if (!parsed.ok()) return std::nullopt;
  return *parsed;
}
// For fields whose length was checked before (records); zero bytes otherwise.
template <class F>
F Trusted(const std::string& field) {
  return FromField<F>(field).value_or(F{});
}
inline base::AccountId AccountOf(const std::string& field) { return Trusted<base::AccountId>(field); }

// 8 bytes, big endian: how numbers stand in keys and in TransactionReceipt.created.
std::string NumberField(uint64_t number);
uint64_t NumberFromField(absl::string_view field);  // 0 unless 8 bytes

}  // namespace cairn::chain
