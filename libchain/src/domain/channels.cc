// Opening a channel, and what may be done while it is open.
#include "cairn/chain/domain/channels.h"

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "domain/channel_records.h"
#include "domain/money.h"

namespace cairn::chain {
namespace {

base::Amount MinPenalty(pb::Asset asset, const pb::Params& params) {
  return FromProto(asset == pb::ASSET_CRN ? params.channel_min_penalty_crn() : params.channel_min_penalty_usdc());
}

// What the reserve of a channel with this deposit is: the worst penalty.
base::Amount ReserveFor(base::Amount deposit, uint32_t penalty_ppm, base::Amount least) {
  return base::PenaltyFor(deposit, penalty_ppm, least);
}

Verdict CheckCovered(const std::vector<base::Amount>& parts, pb::Asset asset, const Context& context,
                     const ReadView& view) {
  std::optional<base::Amount> due = base::Amount();
  for (const base::Amount part : parts) due = due ? due->Plus(part) : due;
  const base::Amount balance = FreeBalance(view, context.signer, asset);
  if (due && *due <= balance) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("has ", balance.ToString(), " ", AssetName(asset), ", needs ",
                                                        due ? due->ToString() : "more than any amount"));
}

// The open channel that `party` of it may change.
Verdict CheckParty(const Found<pb::Channel>& channel, bool payer, const Context& context) {
  if (!channel) return Verdict::kUnknownChannel;
  const std::string& party = payer ? channel->payer() : channel->payee();
  if (party != ToField(context.signer)) return Verdict::kNotParty;
  return channel->state() == pb::CHANNEL_STATE_OPEN ? Verdict::kOk : Verdict::kChannelNotOpen;
}

base::Amount AddedReserve(const pb::Channel& channel, base::Amount deposit) {
  return ReserveFor(deposit, channel.penalty_ppm(), FromProto(channel.min_penalty()))
      .MinusOrZero(FromProto(channel.reserve()));
}

}  // namespace

Verdict Validate(const pb::OpenChannel& op) {
  if (op.payee().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  if (!AssetValid(op.asset()) || FromProto(op.deposit()).zero()) return Verdict::kBadAmount;
  return base::PublicKey::Decode(base::AsBytes(op.signer())).ok() ? Verdict::kOk : Verdict::kBadKey;
}

Verdict Check(const pb::OpenChannel& op, const Context& context, const ReadView& view) {
  if (op.payee() == ToField(context.signer)) return Verdict::kSelfPayment;
  const uint64_t earliest = context.time_ms + context.params.channel_window_ms();
  const uint64_t latest = context.time_ms + context.params.channel_max_ms();
  if (op.expires_ms() < earliest || op.expires_ms() > latest) {
    return context.Refuse(Verdict::kBadExpiry,
                          absl::StrCat("expires ", op.expires_ms(), ", may be from ", earliest, " to ", latest));
  }
  const pb::Asset asset = Pinned(op.asset());
  const bool to_payment_account = view.Has(keys::PaymentAccount(AccountOf(op.payee())));
  if (asset != pb::ASSET_CRN && to_payment_account) return Verdict::kWrongAsset;
  const base::Amount deposit = FromProto(op.deposit());
  const base::Amount reserve =
      ReserveFor(deposit, context.params.channel_penalty_ppm(), MinPenalty(asset, context.params));
  return CheckCovered({deposit, reserve, OpenFee(asset, context.params)}, asset, context, view);
}

void Apply(const pb::OpenChannel& op, const Context& context, Edits& edits) {
  pb::Counters& counters = edits.At(keys::Counters());
  counters.set_last_channel(counters.last_channel() + 1);
  const std::string id = ToField(base::ChannelIdFor(context.chain, counters.last_channel()));
  const pb::Asset asset = Pinned(op.asset());
  const base::Amount deposit = FromProto(op.deposit());

  pb::Channel& channel = edits.At(keys::Channel(id));
  channel.set_id(id);
  channel.set_payer(ToField(context.signer));
  channel.set_payee(op.payee());
  channel.set_signer(op.signer());
  channel.set_asset(asset);
  *channel.mutable_deposit() = op.deposit();
  channel.set_penalty_ppm(context.params.channel_penalty_ppm());
  *channel.mutable_min_penalty() = ToProto(MinPenalty(asset, context.params));
  const base::Amount reserve = AddedReserve(channel, deposit);
  *channel.mutable_reserve() = ToProto(reserve);
  *channel.mutable_open_fee() = ToProto(OpenFee(asset, context.params));
  channel.set_state(pb::CHANNEL_STATE_OPEN);
  channel.set_opened_ms(context.time_ms);
  channel.set_expires_ms(op.expires_ms());
  edits.PutRaw(keys::ChannelOfPayer(context.signer, id), "c");
  edits.PutRaw(keys::ChannelOfPayee(AccountOf(op.payee()), id), "c");

  SetAside(edits, context.signer, asset, *Sum(deposit, reserve));
  PayOpenFee(edits, context.signer, asset, FromProto(channel.open_fee()));
  context.Created(id);
  context.Emit("channel.opened", {{"channel", base::ToHex(base::AsBytes(id))},
                                  {"payer", context.signer.ToHexString()},
                                  {"payee", base::ToHex(base::AsBytes(op.payee()))},
                                  {"asset", AssetName(asset)},
                                  {"deposit", deposit.ToString()},
                                  {"reserve", reserve.ToString()},
                                  {"fee", FromProto(channel.open_fee()).ToString()},
                                  {"expires_ms", absl::StrCat(op.expires_ms())}});
}

Verdict Validate(const pb::TopUpChannel& op) {
  if (!ChannelIdValid(op.channel())) return Verdict::kBadChannelId;
  return FromProto(op.amount()).zero() ? Verdict::kBadAmount : Verdict::kOk;
}

Verdict Check(const pb::TopUpChannel& op, const Context& context, const ReadView& view) {
  const auto channel = view.Find(keys::Channel(op.channel()));
  const Verdict party = CheckParty(channel, true, context);
  if (party != Verdict::kOk) return party;
  const auto deposit = FromProto(channel->deposit()).Plus(FromProto(op.amount()));
  if (!deposit) return Verdict::kNoFunds;
  return CheckCovered({FromProto(op.amount()), AddedReserve(*channel, *deposit)}, channel->asset(), context, view);
}

void Apply(const pb::TopUpChannel& op, const Context& context, Edits& edits) {
  pb::Channel& channel = edits.At(keys::Channel(op.channel()));
  AddTo(channel.mutable_deposit(), FromProto(op.amount()));
  const base::Amount reserve = AddedReserve(channel, FromProto(channel.deposit()));
  // What a stale close could hide grew with the deposit.
  AddTo(channel.mutable_reserve(), reserve);
  SetAside(edits, context.signer, channel.asset(), *Sum(FromProto(op.amount()), reserve));
  context.Emit("channel.topped_up", {{"channel", base::ToHex(base::AsBytes(op.channel()))},
                                     {"payer", context.signer.ToHexString()},
                                     {"payee", base::ToHex(base::AsBytes(channel.payee()))},
                                     {"asset", AssetName(channel.asset())},
                                     {"reserve", reserve.ToString()},
                                     {"amount", FromProto(op.amount()).ToString()},
                                     {"deposit", FromProto(channel.deposit()).ToString()}});
}

Verdict Validate(const pb::WithdrawChannel& op) {
  return ChannelIdValid(op.channel()) ? ValidateClaim(op.claim()) : Verdict::kBadChannelId;
}

Verdict Check(const pb::WithdrawChannel& op, const Context& context, const ReadView& view) {
  const auto channel = view.Find(keys::Channel(op.channel()));
  const Verdict party = CheckParty(channel, false, context);
  if (party != Verdict::kOk) return party;
  base::Amount worth;
  const Verdict claim = CheckClaim(op.claim(), op.channel(), channel->asset(), channel->signer(), context, &worth);
  if (claim != Verdict::kOk) return claim;
  if (worth > FromProto(channel->deposit())) {
    return context.Refuse(Verdict::kClaimAboveDeposit, absl::StrCat("worth ", worth.ToString(), ", deposit ",
                                                                    FromProto(channel->deposit()).ToString()));
  }
  if (worth > FromProto(channel->withdrawn())) return Verdict::kOk;
  return context.Refuse(Verdict::kClaimNotHigher, absl::StrCat("worth ", worth.ToString(), ", withdrawn ",
                                                               FromProto(channel->withdrawn()).ToString()));
}

void Apply(const pb::WithdrawChannel& op, const Context& context, Edits& edits) {
  pb::Channel& channel = edits.At(keys::Channel(op.channel()));
  const base::Amount worth = WorthOf(op.claim());
  const base::Amount more = worth.MinusOrZero(FromProto(channel.withdrawn()));
  *channel.mutable_withdrawn() = ToProto(worth);
  *channel.mutable_claimed() = ToProto(worth);
  const base::FeeSplit split = Route(edits, context, context.signer, channel.asset(), more);
  context.Emit("channel.withdrawn", {{"channel", base::ToHex(base::AsBytes(op.channel()))},
                                     {"payer", base::ToHex(base::AsBytes(channel.payer()))},
                                     {"payee", base::ToHex(base::AsBytes(channel.payee()))},
                                     {"asset", AssetName(channel.asset())},
                                     {"amount", more.ToString()},
                                     {"operator", split.operator_part.ToString()},
                                     {"treasury", split.treasury.ToString()},
                                     {"burnt", split.burnt.ToString()}});
}

}  // namespace cairn::chain
