#include "domain/approvals.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/claim.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::chain {

Verdict ValidateApproval(const pb::Approval& approval) {
  if (approval.provider().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  if (approval.nonce().size() != base::Nonce16::kSize) return Verdict::kBadNonce;
  return approval.signature().size() == base::Signature::kSize ? Verdict::kOk : Verdict::kBadSignatureField;
}

Verdict CheckApproval(const pb::Approval& approval, const pb::Provider& provider, const Context& context,
                      const ReadView& view) {
  if (approval.provider() != provider.account()) {
    return context.Refuse(Verdict::kWrongApprover,
                          absl::StrCat("needs provider ", base::ToHex(base::AsBytes(provider.account()))));
  }
  if (context.time_ms >= approval.expires_ms()) return Verdict::kApprovalExpired;
  // A used one is kept until its expiry, which must therefore be near.
  if (approval.expires_ms() - context.time_ms > context.params.max_approval_ms()) return Verdict::kApprovalTooLong;
  base::ApprovalClaim claim;
  claim.chain = context.chain;
  claim.provider = AccountOf(approval.provider());
  claim.nonce = Trusted<base::Nonce16>(approval.nonce());
  claim.expires_ms = approval.expires_ms();
  claim.request = ApprovalRequest(*context.operation, context.signer);
  if (view.Has(keys::UsedApproval(claim.provider, approval.nonce()))) return Verdict::kApprovalUsed;
  const auto key = base::PublicKey::Decode(base::AsBytes(provider.node_key()));
  const bool valid = key.ok() && key->Verify(base::SigningDigest(claim), Trusted<base::Signature>(approval.signature()));
  return valid ? Verdict::kOk : Verdict::kBadApproval;
}

void UseApproval(const pb::Approval& approval, Edits& edits) {
  edits.At(keys::UsedApproval(AccountOf(approval.provider()), approval.nonce())).set_expires_ms(approval.expires_ms());
  AddDue(edits, approval.expires_ms(), DueKind::kApproval, approval.provider() + approval.nonce());
}

void ApprovalExpired(const std::string& id, Edits& edits) {
  if (id.size() != base::AccountId::kSize + base::Nonce16::kSize) return;
  edits.Drop(keys::UsedApproval(AccountOf(id.substr(0, base::AccountId::kSize)), id.substr(base::AccountId::kSize)));
}

}  // namespace cairn::chain
