#include "cairn/chain/domain/accounts.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/key.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "domain/money.h"

namespace cairn::chain {
namespace {

constexpr size_t kMaxPointerBytes = 512;
constexpr uint32_t kMaxLane = 65'535;
// What was spent of an allowance is kept until it expires, so it may not last for ever.
constexpr uint64_t kMaxAllowanceMs = uint64_t{366} * 24 * 3600 * 1000;

base::Amount FeeOf(const pb::TransactionBody& body, const pb::Params& params) {
  return FromProto(params.fee_per_weight()).Times(Weight(body)).value_or(base::Amount::Max());
}

// The account of a sponsor's key; nullopt when the key is malformed.
std::optional<base::AccountId> SponsorAccount(const pb::FeeAllowance& allowance) {
  const auto key = base::PublicKey::Decode(base::AsBytes(allowance.sponsor_key()));
  if (!key.ok()) return std::nullopt;
  return key->Account();
}

Verdict CheckSponsor(const pb::FeeAllowance& allowance, base::Amount fee, const Context& context,
                     const ReadView& view) {
  const auto key = base::PublicKey::Decode(base::AsBytes(allowance.sponsor_key()));
  const auto signature = FromField<base::Signature>(allowance.signature());
  if (!key.ok() || !signature || allowance.nonce().size() != base::Nonce16::kSize) return Verdict::kBadSponsor;
  if (allowance.beneficiary() != ToField(context.signer)) {
    return context.Refuse(Verdict::kBadSponsor, "the allowance names another beneficiary");
  }
  if (context.time_ms >= allowance.expires_ms()) return Verdict::kSponsorExpired;
  if (allowance.expires_ms() - context.time_ms > kMaxAllowanceMs) {
    return context.Refuse(Verdict::kBadSponsor, "the allowance lasts more than a year");
  }
  // After everything that costs nothing: so far nobody has paid for being heard.
  if (!key->Verify(AllowanceDigest(context.chain, allowance), *signature)) return Verdict::kBadSponsor;
  const base::AccountId sponsor = key->Account();
  // By sponsor and nonce alone: allowances that share a nonce share what is left of it.
  const auto use = view.Find(keys::Allowance(sponsor, allowance.nonce()));
  const base::Amount spent = use ? FromProto(use->spent()) : base::Amount();
  const auto total = spent.Plus(fee);
  if (!total || *total > FromProto(allowance.limit())) {
    return context.Refuse(Verdict::kSponsorExhausted,
                          absl::StrCat("spent ", spent.ToString(), " of ", FromProto(allowance.limit()).ToString()));
  }
  const base::Amount balance = FreeBalance(view, sponsor);
  if (balance < fee) {
    return context.Refuse(Verdict::kNoFeeFunds,
                          absl::StrCat("the sponsor has ", balance.ToString(), ", the fee is ", fee.ToString()));
  }
  return Verdict::kOk;
}

Verdict CheckLane(const pb::TransactionBody& body, const Found<pb::Lane>& lane, const pb::Account& account,
                  const Context& context) {
  const uint64_t expected = (lane ? lane->last_number() : 0) + 1;
  if (body.number() != expected) {
    return context.Refuse(Verdict::kBadSequence,
                          absl::StrCat("lane ", body.lane(), " expects ", expected, ", found ", body.number()));
  }
  if (!lane && account.lanes() >= context.params.max_lanes_per_account()) return Verdict::kTooManyLanes;
  return Verdict::kOk;
}

}  // namespace

Verdict Validate(const pb::Transfer& op) {
  if (op.to().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  if (op.asset() != pb::ASSET_CRN && op.asset() != pb::ASSET_USDC) return Verdict::kBadAmount;
  return FromProto(op.amount()).zero() ? Verdict::kBadAmount : Verdict::kOk;
}

Verdict Check(const pb::Transfer& op, const Context& context, const ReadView& view) {
  if (op.asset() != pb::ASSET_CRN && view.Has(keys::PaymentAccount(AccountOf(op.to())))) return Verdict::kWrongAsset;
  const base::Amount balance = FreeBalance(view, context.signer, op.asset());
  const base::Amount amount = FromProto(op.amount());
  if (amount <= balance) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("has ", balance.ToString(), ", sends ", amount.ToString()));
}

void Apply(const pb::Transfer& op, const Context& context, Edits& edits) {
  MoveFree(edits, context, context.signer, AccountOf(op.to()), op.asset(), FromProto(op.amount()));
  context.Emit("account.transferred", {{"from", context.signer.ToHexString()},
                                       {"to", base::ToHex(base::AsBytes(op.to()))},
                                       {"asset", op.asset() == pb::ASSET_CRN ? "crn" : "usdc"},
                                       {"amount", FromProto(op.amount()).ToString()}});
}

Verdict Validate(const pb::SetWrapKey& op) {
  return op.wrap_key().size() == base::WrapPublicKey::kSize ? Verdict::kOk : Verdict::kBadKey;
}

Verdict Check(const pb::SetWrapKey&, const Context&, const ReadView&) { return Verdict::kOk; }

void Apply(const pb::SetWrapKey& op, const Context& context, Edits& edits) {
  edits.At(keys::Account(context.signer)).set_wrap_key(op.wrap_key());
  context.Emit("account.wrap_key_set", {{"account", context.signer.ToHexString()}});
}

Verdict Validate(const pb::SetRootPointer& op) {
  return op.pointer().size() <= kMaxPointerBytes ? Verdict::kOk : Verdict::kBadSize;
}

Verdict Check(const pb::SetRootPointer&, const Context&, const ReadView&) { return Verdict::kOk; }

void Apply(const pb::SetRootPointer& op, const Context& context, Edits& edits) {
  edits.At(keys::Account(context.signer)).set_root_pointer(op.pointer());
  context.Emit("account.root_pointer_set", {{"account", context.signer.ToHexString()}});
}

Verdict Validate(const pb::DropLane& op) {
  return op.lane() >= 1 && op.lane() <= kMaxLane ? Verdict::kOk : Verdict::kBadLane;
}

Verdict Check(const pb::DropLane& op, const Context& context, const ReadView& view) {
  const auto lane = view.Find(keys::Lane(context.signer, op.lane()));
  if (!lane) return Verdict::kUnknownLane;
  if (context.time_ms >= lane->keep_until_ms()) return Verdict::kOk;
  return context.Refuse(Verdict::kLaneInUse, absl::StrCat("kept until ", lane->keep_until_ms()));
}

void Apply(const pb::DropLane& op, const Context& context, Edits& edits) {
  const auto key = keys::Lane(context.signer, op.lane());
  const base::Amount bond = FromProto(edits.At(key).bond());
  edits.Drop(key);
  pb::Account& account = edits.At(keys::Account(context.signer));
  account.set_lanes(account.lanes() - 1);
  GiveBack(edits, context, context.signer, bond);
}

Verdict CheckAdmission(const pb::TransactionBody& body, const Context& context, const ReadView& view) {
  const auto account = view.Find(keys::Account(context.signer));
  if (!account) return Verdict::kUnknownAccount;
  if (context.time_ms >= body.valid_until_ms()) return Verdict::kExpired;
  // A lane is kept for as long as it admitted anything: that must not be for years.
  if (body.valid_until_ms() - context.time_ms > context.params.max_valid_ms()) return Verdict::kValidTooLong;
  const auto lane = view.Find(keys::Lane(context.signer, body.lane()));
  const Verdict sequence = CheckLane(body, lane, *account, context);
  if (sequence != Verdict::kOk) return sequence;

  const base::Amount fee = FeeOf(body, context.params);
  base::Amount due;  // from the signer
  if (!lane && body.lane() != 0) due = FromProto(context.params.lane_bond());
  if (body.has_sponsor()) {
    const Verdict sponsor = CheckSponsor(body.sponsor(), fee, context, view);
    if (sponsor != Verdict::kOk) return sponsor;
    // A sponsor that is the signer pays both from one balance.
    if (SponsorAccount(body.sponsor()) == context.signer) due = due.Plus(fee).value_or(base::Amount::Max());
  } else {
    due = due.Plus(fee).value_or(base::Amount::Max());
  }
  const base::Amount balance = FromProto(account->crn());
  if (due <= balance) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFeeFunds, absl::StrCat("has ", balance.ToString(), ", needs ", due.ToString()));
}

base::Amount ApplyAdmission(const pb::TransactionBody& body, const Context& context, Edits& edits) {
  const base::Amount fee = FeeOf(body, context.params);
  base::AccountId payer = context.signer;
  if (body.has_sponsor()) {
    payer = SponsorAccount(body.sponsor()).value_or(payer);
    const auto key = keys::Allowance(payer, body.sponsor().nonce());
    pb::FeeAllowanceUse& use = edits.At(key);
    if (use.expires_ms() == 0) {
      use.set_expires_ms(body.sponsor().expires_ms());
      AddDue(edits, use.expires_ms(), DueKind::kAllowance, ToField(payer) + body.sponsor().nonce());
    }
    AddTo(use.mutable_spent(), fee);
  }
  PayTreasury(edits, payer, fee);

  pb::Lane& lane = edits.At(keys::Lane(context.signer, body.lane()));
  if (lane.last_number() == 0) {
    pb::Account& account = edits.At(keys::Account(context.signer));
    account.set_lanes(account.lanes() + 1);
    if (body.lane() != 0) {
      *lane.mutable_bond() = context.params.lane_bond();
      Lock(edits, context.signer, FromProto(lane.bond()));
    }
  }
  lane.set_last_number(body.number());
  // The record must outlive every transaction it ever admitted: a lane begun anew would take them a second time.
  lane.set_keep_until_ms(std::max<uint64_t>(lane.keep_until_ms(), body.valid_until_ms()));
  return fee;
}

void AllowanceExpired(const std::string& id, const Context&, Edits& edits) {
  if (id.size() != base::AccountId::kSize + base::Nonce16::kSize) return;
  edits.Drop(keys::Allowance(AccountOf(id.substr(0, base::AccountId::kSize)), id.substr(base::AccountId::kSize)));
}

}  // namespace cairn::chain
