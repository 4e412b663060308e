#include "cairn/payment/watchtower.h"

#include "cairn/base/status.h"

namespace cairn::payment {
namespace {

absl::Status Refused(absl::StatusCode code, absl::string_view reason, absl::string_view message) {
  return base::Error(code, reason, message, "correct the registration, or ask another tower");
}

}  // namespace

absl::Status Watchtower::Watch(const ChannelFacts& facts, const base::Claim& claim,
                               const std::optional<SignedAppointment>& appointment) {
  if (!ClaimHolds(facts, claim)) {
    return Refused(absl::StatusCode::kPermissionDenied, "FORGED_CLAIM",
                   "the claim is not the channel signer's, or is above the deposit");
  }
  const auto found = watched_.find(facts.id);
  if (found != watched_.end()) {
    Watched& watched = found->second;
    watched.facts = facts;
    Held& held = watched.held;
    const uint64_t until = held.appointment ? held.appointment->terms.expires_ms : 0;
    if (appointment && appointment->terms.expires_ms > until) held.appointment = appointment;
    if (*base::WorthOf(claim) > *base::WorthOf(held.claim)) held.claim = claim;
    return absl::OkStatus();
  }
  size_t& of_payee = per_payee_[facts.payee];
  if (appointment && (watched_.size() >= limits_.max_channels ||
                      of_payee >= limits_.max_channels_per_payee)) {
    if (of_payee == 0) per_payee_.erase(facts.payee);
    return Refused(absl::StatusCode::kResourceExhausted, "TOWER_FULL",
                   "the tower watches as many channels as it may");
  }
  ++of_payee;
  watched_.emplace(facts.id, Watched{facts, {claim, appointment}});
  return absl::OkStatus();
}

absl::Status Watchtower::WatchOwn(const ChannelFacts& facts, const base::Claim& claim) {
  return Watch(facts, claim, std::nullopt);
}

absl::Status Watchtower::WatchPeer(const ChannelFacts& facts, const base::Claim& claim,
                                   const SignedAppointment& appointment, absl::Duration window) {
  const base::TowerAppointment& terms = appointment.terms;
  const bool ours = terms.chain == facts.chain && terms.channel == facts.id &&
                    terms.tower == self_ && appointment.payee_key.Account() == facts.payee;
  if (!ours ||
      !appointment.payee_key.Verify(base::SigningDigest(terms), appointment.signature)) {
    return Refused(absl::StatusCode::kPermissionDenied, "BAD_APPOINTMENT",
                   "the appointment is not the payee's for this tower and channel");
  }
  const absl::Time ends = absl::FromUnixMillis(static_cast<int64_t>(terms.expires_ms));
  if (ends < facts.expires + window) {
    return Refused(absl::StatusCode::kFailedPrecondition, "APPOINTMENT_TOO_SHORT",
                   "the appointment ends before a close at the channel's expiry settles");
  }
  return Watch(facts, claim, appointment);
}

std::optional<DisputeOrder> Watchtower::Order(Watched& watched, absl::Time now) const {
  const ChannelFacts& facts = watched.facts;
  if (facts.phase != ChannelPhase::kClosing || now >= facts.due) return std::nullopt;
  if (*base::WorthOf(watched.held.claim) <= facts.claimed) return std::nullopt;
  if (now < watched.ordered + limits_.retry) return std::nullopt;
  watched.ordered = now;
  return DisputeOrder{facts.id, watched.held.claim, watched.held.appointment};
}

std::optional<Watchtower::Held> Watchtower::Find(const base::ChannelId& channel) const {
  const auto found = watched_.find(channel);
  return found == watched_.end() ? std::nullopt : std::optional<Held>(found->second.held);
}

std::optional<DisputeOrder> Watchtower::OnFacts(const ChannelFacts& facts, absl::Time now) {
  const auto found = watched_.find(facts.id);
  if (found == watched_.end()) return std::nullopt;
  if (facts.phase == ChannelPhase::kSettled) {
    if (--per_payee_[facts.payee] == 0) per_payee_.erase(facts.payee);
    watched_.erase(found);
    return std::nullopt;
  }
  found->second.facts = facts;
  return Order(found->second, now);
}

std::vector<DisputeOrder> Watchtower::OnTime(absl::Time now) {
  std::vector<DisputeOrder> orders;
  for (auto& [id, watched] : watched_) {
    if (auto order = Order(watched, now)) orders.push_back(*std::move(order));
  }
  return orders;
}

}  // namespace cairn::payment
