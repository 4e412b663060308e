#include "domain/channel_records.h"

#include "cairn/chain/convert.h"
#include "domain/money.h"

namespace cairn::chain {

bool AssetValid(pb::Asset asset) {
  return asset == pb::ASSET_UNSPECIFIED || asset == pb::ASSET_CRN || asset == pb::ASSET_USDC;
}

const char* AssetName(pb::Asset asset) { return asset == pb::ASSET_CRN ? "crn" : "usdc"; }

Verdict ValidateClaim(const pb::Claim& claim) {
  const auto parsed = FromProto(claim, {}, {}, pb::ASSET_USDC);
  if (!parsed || base::CheckShape(*parsed) != base::ClaimFault::kNone) return Verdict::kBadClaim;
  return Verdict::kOk;
}

Verdict CheckClaim(const pb::Claim& claim, const std::string& channel, pb::Asset asset, const std::string& signer,
                   const Context& context, base::Amount* worth) {
  const auto key = base::PublicKey::Decode(base::AsBytes(signer));
  const auto parsed = FromProto(claim, context.chain, Trusted<base::ChannelId>(channel), asset);
  if (!key.ok() || !parsed) return Verdict::kBadVoucher;
  switch (base::CheckClaim(*parsed, *key)) {
    case base::ClaimFault::kNone:
      *worth = *base::WorthOf(*parsed);
      return Verdict::kOk;
    case base::ClaimFault::kTickChain:
      return context.Refuse(Verdict::kBadVoucher, "the tick does not lead to the voucher's tip");
    default:
      return context.Refuse(Verdict::kBadVoucher, "the signature is not the signer's for this channel, chain and asset");
  }
}

base::Amount WorthOf(const pb::Claim& claim) {
  const auto parsed = FromProto(claim, {}, {}, pb::ASSET_USDC);
  return parsed ? base::WorthOf(*parsed).value_or(base::Amount()) : base::Amount();
}

void SetAside(Edits& edits, const base::AccountId& from, pb::Asset asset, base::Amount amount) {
  if (amount.zero()) return;
  DebitFree(edits, from, asset, amount);
  pb::Supply& supply = edits.At(keys::Supply(asset));
  TakeFrom(supply.mutable_free(), amount);
  AddTo(supply.mutable_channels(), amount);
}

void Release(Edits& edits, const Context& context, const base::AccountId& to, pb::Asset asset, base::Amount amount) {
  if (amount.zero()) return;
  pb::Supply& supply = edits.At(keys::Supply(asset));
  TakeFrom(supply.mutable_channels(), amount);
  AddTo(supply.mutable_free(), amount);
  CreditFree(edits, context, to, asset, amount);
}

base::FeeSplit Route(Edits& edits, const Context& context, const base::AccountId& to, pb::Asset asset,
                     base::Amount amount) {
  const base::FeeSplit split = base::SplitFees(FromProto(asset), amount, context.params.channel_treasury_ppm(),
                                               context.params.channel_burn_ppm());
  Release(edits, context, to, asset, split.operator_part);
  pb::Supply& supply = edits.At(keys::Supply(asset));
  TakeFrom(supply.mutable_channels(), split.treasury);
  AddTo(supply.mutable_treasury(), split.treasury);
  TakeFrom(supply.mutable_channels(), split.burnt);
  AddTo(supply.mutable_burnt(), split.burnt);
  return split;
}

base::Amount OpenFee(pb::Asset asset, const pb::Params& params) {
  return FromProto(asset == pb::ASSET_CRN ? params.channel_open_fee_crn() : params.channel_open_fee_usdc());
}

void PayOpenFee(Edits& edits, const base::AccountId& from, pb::Asset asset, base::Amount amount) {
  if (amount.zero()) return;
  DebitFree(edits, from, asset, amount);
  pb::Supply& supply = edits.At(keys::Supply(asset));
  TakeFrom(supply.mutable_free(), amount);
  AddTo(supply.mutable_treasury(), amount);
}

}  // namespace cairn::chain
