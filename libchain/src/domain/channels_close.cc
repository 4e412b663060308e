// Closing a channel: the dispute window, and settlement.
#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/channels.h"
#include "domain/channel_records.h"
#include "domain/money.h"

namespace cairn::chain {
namespace {

std::string Hex(const std::string& bytes) { return base::ToHex(base::AsBytes(bytes)); }

const char* CloseName(pb::ChannelClose close) {
  switch (close) {
    case pb::CHANNEL_CLOSE_PAYER:
      return "payer";
    case pb::CHANNEL_CLOSE_PAYEE:
      return "payee";
    case pb::CHANNEL_CLOSE_EXPIRY:
      return "expiry";
    default:
      return "both";
  }
}

// A claim against a channel: genuine, and within the deposit.
Verdict CheckAgainst(const pb::Claim& claim, const pb::Channel& channel, const Context& context, base::Amount* worth) {
  const Verdict verdict = CheckClaim(claim, channel.id(), channel.asset(), channel.signer(), context, worth);
  if (verdict != Verdict::kOk) return verdict;
  if (*worth <= FromProto(channel.deposit())) return Verdict::kOk;
  return context.Refuse(Verdict::kClaimAboveDeposit, absl::StrCat("worth ", worth->ToString(), ", deposit ",
                                                                  FromProto(channel.deposit()).ToString()));
}

Verdict CheckHigher(base::Amount worth, const pb::Channel& channel, const Context& context) {
  const base::Amount claimed = FromProto(channel.claimed());
  if (worth > claimed) return Verdict::kOk;
  return context.Refuse(Verdict::kClaimNotHigher,
                        absl::StrCat("worth ", worth.ToString(), ", shown before ", claimed.ToString()));
}

Verdict CheckAppointment(const pb::TowerAppointment& appointment, const pb::Channel& channel, const Context& context) {
  const auto key = base::PublicKey::Decode(base::AsBytes(appointment.payee_key()));
  const auto signature = FromField<base::Signature>(appointment.signature());
  if (!key.ok() || !signature || ToField(key->Account()) != channel.payee()) {
    return context.Refuse(Verdict::kBadAppointment, "the key is not the payee's");
  }
  if (context.time_ms >= appointment.expires_ms()) {
    return context.Refuse(Verdict::kBadAppointment, absl::StrCat("expired at ", appointment.expires_ms()));
  }
  const base::TowerAppointment signed_terms{context.chain, Trusted<base::ChannelId>(channel.id()), context.signer,
                                            appointment.expires_ms()};
  return key->Verify(base::SigningDigest(signed_terms), *signature) ? Verdict::kOk : Verdict::kBadAppointment;
}

// Begins the dispute window with what is known to be claimed.
void BeginWindow(pb::Channel& channel, pb::ChannelClose close, const Context& context, Edits& edits) {
  channel.set_state(pb::CHANNEL_STATE_CLOSING);
  channel.set_close(close);
  *channel.mutable_closed_at() = channel.claimed();
  channel.set_due_ms(context.time_ms + context.params.channel_window_ms());
  AddDue(edits, channel.due_ms(), DueKind::kChannelDue, channel.id());
  context.Emit("channel.closing", {{"channel", Hex(channel.id())},
                                   {"payer", Hex(channel.payer())},
                                   {"payee", Hex(channel.payee())},
                                   {"by", CloseName(close)},
                                   {"claimed", FromProto(channel.claimed()).ToString()},
                                   {"until_ms", absl::StrCat(channel.due_ms())}});
}

base::Amount PenaltyOf(const pb::Channel& channel) {
  const auto hidden = FromProto(channel.claimed()).Minus(FromProto(channel.closed_at()));
  if (channel.close() != pb::CHANNEL_CLOSE_PAYER || !hidden || hidden->zero()) return {};
  return std::min(base::PenaltyFor(*hidden, channel.penalty_ppm(), FromProto(channel.min_penalty())),
                  FromProto(channel.reserve()));
}

// Pays the payee up to `claimed`, decides the penalty and gives the rest back. The record stays for a while.
void Settle(pb::Channel& channel, const Context& context, Edits& edits) {
  const base::AccountId payer = AccountOf(channel.payer());
  const base::AccountId payee = AccountOf(channel.payee());
  const base::Amount claimed = FromProto(channel.claimed());
  const base::Amount last = claimed.MinusOrZero(FromProto(channel.withdrawn()));
  const base::Amount penalty = PenaltyOf(channel);
  // Rounded down: the odd unit is the payee's.
  const base::Amount bounty = channel.tower().empty() ? base::Amount() : base::Amount(penalty.units() / 2);
  const base::Amount returned =
      *Sum(FromProto(channel.deposit()).MinusOrZero(claimed), FromProto(channel.reserve()).MinusOrZero(penalty));

  const base::FeeSplit split = Route(edits, context, payee, channel.asset(), last);
  if (!bounty.zero()) Release(edits, context, AccountOf(channel.tower()), channel.asset(), bounty);
  // Compensation and no earnings: no share of it is the network's.
  Release(edits, context, payee, channel.asset(), penalty.MinusOrZero(bounty));
  Release(edits, context, payer, channel.asset(), returned);

  channel.set_state(pb::CHANNEL_STATE_SETTLED);
  *channel.mutable_paid() = ToProto(claimed);
  *channel.mutable_penalty() = ToProto(penalty);
  *channel.mutable_bounty() = ToProto(bounty);
  *channel.mutable_returned() = ToProto(returned);
  channel.set_due_ms(context.time_ms + context.params.channel_keep_ms());
  AddDue(edits, channel.due_ms(), DueKind::kChannelDue, channel.id());
  context.Emit("channel.settled", {{"channel", Hex(channel.id())},
                                   {"payer", Hex(channel.payer())},
                                   {"payee", Hex(channel.payee())},
                                   {"tower", Hex(bounty.zero() ? std::string() : channel.tower())},
                                   {"asset", AssetName(channel.asset())},
                                   {"compensation", penalty.MinusOrZero(bounty).ToString()},
                                   {"by", CloseName(channel.close())},
                                   {"paid", claimed.ToString()},
                                   {"last", last.ToString()},
                                   {"operator", split.operator_part.ToString()},
                                   {"treasury", split.treasury.ToString()},
                                   {"burnt", split.burnt.ToString()},
                                   {"penalty", penalty.ToString()},
                                   {"bounty", bounty.ToString()},
                                   {"returned", returned.ToString()}});
}

}  // namespace

Verdict Validate(const pb::CloseChannel& op) {
  if (!ChannelIdValid(op.channel())) return Verdict::kBadChannelId;
  return op.has_claim() ? ValidateClaim(op.claim()) : Verdict::kOk;
}

Verdict Check(const pb::CloseChannel& op, const Context& context, const ReadView& view) {
  const auto channel = view.Find(keys::Channel(op.channel()));
  if (!channel) return Verdict::kUnknownChannel;
  const std::string signer = ToField(context.signer);
  if (signer != channel->payer() && signer != channel->payee()) return Verdict::kNotParty;
  if (channel->state() != pb::CHANNEL_STATE_OPEN) return Verdict::kChannelNotOpen;
  base::Amount worth;
  return op.has_claim() ? CheckAgainst(op.claim(), *channel, context, &worth) : Verdict::kOk;
}

void Apply(const pb::CloseChannel& op, const Context& context, Edits& edits) {
  pb::Channel& channel = edits.At(keys::Channel(op.channel()));
  if (op.has_claim()) {
    *channel.mutable_claimed() = ToProto(std::max(WorthOf(op.claim()), FromProto(channel.claimed())));
  }
  const bool payer = channel.payer() == ToField(context.signer);
  BeginWindow(channel, payer ? pb::CHANNEL_CLOSE_PAYER : pb::CHANNEL_CLOSE_PAYEE, context, edits);
}

Verdict Validate(const pb::DisputeChannel& op) {
  if (!ChannelIdValid(op.channel())) return Verdict::kBadChannelId;
  if (op.has_appointment() && op.appointment().signature().size() != base::Signature::kSize) {
    return Verdict::kBadSignatureField;
  }
  return ValidateClaim(op.claim());
}

Verdict Check(const pb::DisputeChannel& op, const Context& context, const ReadView& view) {
  const auto channel = view.Find(keys::Channel(op.channel()));
  if (!channel) return Verdict::kUnknownChannel;
  if (channel->state() != pb::CHANNEL_STATE_CLOSING) return Verdict::kChannelNotClosing;
  if (context.time_ms >= channel->due_ms()) return Verdict::kDisputeTooLate;
  base::Amount worth;
  const Verdict claim = CheckAgainst(op.claim(), *channel, context, &worth);
  if (claim != Verdict::kOk) return claim;
  const Verdict higher = CheckHigher(worth, *channel, context);
  if (higher != Verdict::kOk) return higher;
  return op.has_appointment() ? CheckAppointment(op.appointment(), *channel, context) : Verdict::kOk;
}

void Apply(const pb::DisputeChannel& op, const Context& context, Edits& edits) {
  pb::Channel& channel = edits.At(keys::Channel(op.channel()));
  *channel.mutable_claimed() = ToProto(WorthOf(op.claim()));
  // The bounty is for the claim that counts in the end, so a higher one without a tower takes it from the tower before.
  channel.set_tower(op.has_appointment() ? ToField(context.signer) : "");
  context.Emit("channel.disputed", {{"channel", Hex(op.channel())},
                                    {"payer", Hex(channel.payer())},
                                    {"payee", Hex(channel.payee())},
                                    {"by", context.signer.ToHexString()},
                                    {"claimed", FromProto(channel.claimed()).ToString()},
                                    {"closed_at", FromProto(channel.closed_at()).ToString()}});
}

Verdict Validate(const pb::CloseTogether& op) {
  if (!ChannelIdValid(op.channel())) return Verdict::kBadChannelId;
  const bool sized = op.signer_signature().size() == base::Signature::kSize &&
                     op.payee_signature().size() == base::Signature::kSize;
  if (!sized) return Verdict::kBadSignatureField;
  return base::PublicKey::Decode(base::AsBytes(op.payee_key())).ok() ? Verdict::kOk : Verdict::kBadKey;
}

Verdict Check(const pb::CloseTogether& op, const Context& context, const ReadView& view) {
  const auto channel = view.Find(keys::Channel(op.channel()));
  if (!channel) return Verdict::kUnknownChannel;
  if (channel->state() == pb::CHANNEL_STATE_SETTLED) return Verdict::kChannelNotOpen;
  if (context.time_ms >= op.expires_ms()) {
    return context.Refuse(Verdict::kBadClosing, absl::StrCat("the terms expired at ", op.expires_ms()));
  }
  const base::Amount amount = FromProto(op.amount());
  const base::CooperativeClose terms{context.chain, Trusted<base::ChannelId>(op.channel()), amount, op.expires_ms()};
  const base::Digest digest = base::SigningDigest(terms);
  const auto payee = base::PublicKey::Decode(base::AsBytes(op.payee_key()));
  const auto signer = base::PublicKey::Decode(base::AsBytes(channel->signer()));
  if (!payee.ok() || !signer.ok() || ToField(payee->Account()) != channel->payee()) {
    return context.Refuse(Verdict::kBadClosing, "the key is not the payee's");
  }
  if (!signer->Verify(digest, Trusted<base::Signature>(op.signer_signature()))) {
    return context.Refuse(Verdict::kBadClosing, "the channel's signer did not sign these terms");
  }
  if (!payee->Verify(digest, Trusted<base::Signature>(op.payee_signature()))) {
    return context.Refuse(Verdict::kBadClosing, "the payee did not sign these terms");
  }
  if (amount < FromProto(channel->withdrawn())) return Verdict::kBelowWithdrawn;
  return amount <= FromProto(channel->deposit()) ? Verdict::kOk : Verdict::kClaimAboveDeposit;
}

void Apply(const pb::CloseTogether& op, const Context& context, Edits& edits) {
  pb::Channel& channel = edits.At(keys::Channel(op.channel()));
  if (channel.due_ms() != 0) DropDue(edits, channel.due_ms(), DueKind::kChannelDue, channel.id());
  *channel.mutable_claimed() = op.amount();
  // Both signed it: nothing was hidden, so nothing is penalised, whatever was shown in a window before.
  *channel.mutable_closed_at() = op.amount();
  channel.set_close(pb::CHANNEL_CLOSE_BOTH);
  channel.set_tower("");
  Settle(channel, context, edits);
}

Verdict Validate(const pb::ReclaimChannel& op) {
  return ChannelIdValid(op.channel()) ? Verdict::kOk : Verdict::kBadChannelId;
}

Verdict Check(const pb::ReclaimChannel& op, const Context& context, const ReadView& view) {
  const auto channel = view.Find(keys::Channel(op.channel()));
  if (!channel) return Verdict::kUnknownChannel;
  if (channel->payer() != ToField(context.signer)) return Verdict::kNotParty;
  if (channel->state() != pb::CHANNEL_STATE_OPEN) return Verdict::kChannelNotOpen;
  if (context.time_ms >= channel->expires_ms()) return Verdict::kOk;
  return context.Refuse(Verdict::kChannelNotExpired, absl::StrCat("expires ", channel->expires_ms()));
}

void Apply(const pb::ReclaimChannel& op, const Context& context, Edits& edits) {
  BeginWindow(edits.At(keys::Channel(op.channel())), pb::CHANNEL_CLOSE_EXPIRY, context, edits);
}

void ChannelDue(const std::string& id, const Context& context, Edits& edits) {
  pb::Channel& channel = edits.At(keys::Channel(id));
  if (channel.state() == pb::CHANNEL_STATE_CLOSING) return Settle(channel, context, edits);
  edits.DropRaw(keys::ChannelOfPayer(AccountOf(channel.payer()), id));
  edits.DropRaw(keys::ChannelOfPayee(AccountOf(channel.payee()), id));
  edits.Drop(keys::Channel(id));
}

}  // namespace cairn::chain
