// What the rules of channels and pools share: claims against records, and the money that both set aside.
#pragma once

#include "cairn/base/voucher.h"
#include "cairn/chain/domain/context.h"

namespace cairn::chain {

inline bool ChannelIdValid(const std::string& id) { return id.size() == base::ChannelId::kSize; }
bool AssetValid(pb::Asset asset);         // also unspecified
const char* AssetName(pb::Asset asset);
// The asset that a record pins for what an operation asks.
inline pb::Asset Pinned(pb::Asset asset) { return asset == pb::ASSET_UNSPECIFIED ? pb::ASSET_USDC : asset; }

// Lengths and limits of a claim, for Validate.
Verdict ValidateClaim(const pb::Claim& claim);
// One signature and at most 1,024 hashes. `worth` is set when kOk.
Verdict CheckClaim(const pb::Claim& claim, const std::string& channel, pb::Asset asset, const std::string& signer,
                   const Context& context, base::Amount* worth);
base::Amount WorthOf(const pb::Claim& claim);  // of one that CheckClaim accepted

// Free money of `from` goes into channels and pools, and comes out of them. All keep the running totals.
void SetAside(Edits& edits, const base::AccountId& from, pb::Asset asset, base::Amount amount);
void Release(Edits& edits, const Context& context, const base::AccountId& to, pb::Asset asset, base::Amount amount);
// Pays an operator: its part, the treasury's, the burnt one.
base::FeeSplit Route(Edits& edits, const Context& context, const base::AccountId& to, pb::Asset asset,
                     base::Amount amount);
// What opening a channel or pool costs beside the transaction's fee, and its way to the treasury.
base::Amount OpenFee(pb::Asset asset, const pb::Params& params);
void PayOpenFee(Edits& edits, const base::AccountId& from, pb::Asset asset, base::Amount amount);

}  // namespace cairn::chain
