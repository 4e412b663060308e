#include "cairn/base/channel.h"

#include <algorithm>

namespace cairn::base {
namespace {

constexpr uint32_t kMillion = 1'000'000;

ChannelId Truncated(const Digest& digest) {
  ChannelId id;
  std::copy_n(digest.value.begin(), ChannelId::kSize, id.value.begin());
  return id;
}

Hasher& Add(Hasher& hasher, Amount amount) {
  return hasher.Field(amount.high()).Field(amount.low());
}

Hasher& Add(Hasher& hasher, const PublicKey& key) {
  return hasher.Field(static_cast<uint64_t>(key.type)).Field(key.bytes.view());
}

}  // namespace

absl::string_view NameOf(Asset asset) { return asset == Asset::kUsdc ? "usdc" : "crn"; }
int DecimalsOf(Asset asset) { return asset == Asset::kUsdc ? kUsdcDecimals : kCrnDecimals; }

ChannelId ChannelIdFor(const ChainId& chain, uint64_t number) {
  return Truncated(
      Hasher::DeriveKey("cairn v1 channel id").Field(chain.view()).Field(number).Finish());
}

ChannelId PoolIdFor(const ChainId& chain, uint64_t number) {
  return Truncated(
      Hasher::DeriveKey("cairn v1 pool id").Field(chain.view()).Field(number).Finish());
}

ChannelId LaneIdFor(const ChainId& chain, const ChannelId& pool, const PublicKey& signer,
                    const AccountId& payee) {
  Hasher hasher = Hasher::DeriveKey("cairn v1 lane id");
  hasher.Field(chain.view()).Field(pool.view());
  Add(hasher, signer).Field(payee.view());
  return Truncated(hasher.Finish());
}

Digest SigningDigest(const TowerAppointment& appointment) {
  return Hasher::DeriveKey("cairn v1 tower appointment")
      .Field(appointment.chain.view())
      .Field(appointment.channel.view())
      .Field(appointment.tower.view())
      .Field(appointment.expires_ms)
      .Finish();
}

Digest SigningDigest(const CooperativeClose& close) {
  Hasher hasher = Hasher::DeriveKey("cairn v1 cooperative close");
  hasher.Field(close.chain.view()).Field(close.channel.view());
  return Add(hasher, close.amount).Field(close.expires_ms).Finish();
}

Digest SigningDigest(const PoolCapability& capability) {
  Hasher hasher = Hasher::DeriveKey("cairn v1 pool capability");
  hasher.Field(capability.chain.view()).Field(capability.pool.view());
  Add(hasher, capability.signer);
  return Add(hasher, capability.spending_cap).Field(capability.expires_ms).Finish();
}

FeeSplit SplitFees(Asset asset, Amount amount, uint32_t treasury_ppm, uint32_t burn_ppm) {
  const uint32_t most = kMillion - kOperatorFloorPpm;
  const uint32_t treasury_share = std::min(treasury_ppm, most);
  const uint32_t burn_share = asset == Asset::kCrn ? std::min(burn_ppm, most - treasury_share) : 0;
  FeeSplit split;
  split.treasury = amount.MulDiv(treasury_share, kMillion).value();
  split.burnt = amount.MulDiv(burn_share, kMillion).value();
  split.operator_part = amount.MinusOrZero(split.treasury).MinusOrZero(split.burnt);
  return split;
}

Amount PenaltyFor(Amount amount, uint32_t ppm, Amount least) {
  return std::max(amount.MulDivCeil(ppm, kMillion).value_or(Amount::Max()), least);
}

bool MeetsFloor(Amount amount, uint64_t bytes, Price floor) {
  constexpr absl::uint128 kUnit = uint64_t{1} << 20;
  // 2^128 x 2^64 over almost 2^80 always fits.
  return amount >= floor.per_unit_e18.MulDivCeil(bytes, kUnit * kPriceScale).value();
}

}  // namespace cairn::base
