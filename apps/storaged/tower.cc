#include "apps/storaged/tower.h"

#include <algorithm>

#include "apps/client/channel_facts.h"
#include "apps/common/log.h"
#include "apps/storaged/settler.h"
#include "cairn/base/hash.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

constexpr absl::Duration kTowersLast = absl::Minutes(1);
constexpr absl::Duration kSilence = absl::Seconds(5);
constexpr char kWatched[] = "w";  // channel -> rpc.v1.WatchRequest

absl::Status BadRequest(absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST", what,
                     "use a current version of the program");
}

absl::StatusOr<payment::SignedAppointment> AppointmentOf(const pb::TowerAppointment& field,
                                                         const payment::ChannelFacts& facts,
                                                         const base::AccountId& tower) {
  payment::SignedAppointment out;
  out.terms = {facts.chain, facts.id, tower, field.expires_ms()};
  ASSIGN_OR_RETURN(out.payee_key, base::PublicKey::Decode(base::AsBytes(field.payee_key())));
  const auto signature = chain::FromField<base::Signature>(field.signature());
  if (!signature) return BadRequest("the appointment has no signature");
  out.signature = *signature;
  return out;
}

void FillAppointment(const payment::SignedAppointment& appointment, pb::TowerAppointment& field) {
  field.set_expires_ms(appointment.terms.expires_ms);
  field.set_payee_key(base::ToString(appointment.payee_key.Encode()));
  field.set_signature(chain::ToField(appointment.signature));
}

std::string ClaimField(const base::Claim& claim) {
  const base::Bytes encoded = base::EncodeClaim(claim);
  return base::ToString(encoded);
}

// What asking again cannot change. Everything else may be the ledger's being away for a moment.
bool Final(const absl::Status& refused) {
  return absl::IsInvalidArgument(refused) || absl::IsPermissionDenied(refused) ||
         absl::IsFailedPrecondition(refused) || base::ReasonOf(refused) == "TOWER_FULL";
}

std::string KeyOf(const base::ChannelId& channel) { return kWatched + chain::ToField(channel); }

}  // namespace

absl::StatusOr<payment::ChannelFacts> Tower::Ask(const base::ChannelId& channel) {
  ASSIGN_OR_RETURN(const pb::Channel record, env_.ledger.Channel(channel));
  return client::FactsOf(env_.identity.chain, record);
}

absl::StatusOr<base::ChannelId> Tower::Take(const rpc::v1::WatchRequest& request) {
  ASSIGN_OR_RETURN(const base::Claim claim, base::DecodeClaim(base::AsBytes(request.claim())));
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, Ask(claim.voucher.channel));
  ASSIGN_OR_RETURN(const payment::SignedAppointment appointment,
                   AppointmentOf(request.appointment(), facts, env_.identity.id()));
  ASSIGN_OR_RETURN(const Record<pb::Params> params, env_.ledger.Params());
  const absl::Duration window = absl::Milliseconds(params->channel_window_ms());
  std::optional<payment::DisputeOrder> order;
  {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(tower_.WatchPeer(facts, claim, appointment, window));
    order = tower_.OnFacts(facts, env_.clock.Now());
  }
  if (order) Give(*order);
  return facts.id;
}

absl::Status Tower::Watch(const rpc::v1::WatchRequest& request, rpc::v1::WatchResponse& response) {
  ASSIGN_OR_RETURN(const base::ChannelId channel, Take(request));
  RETURN_IF_ERROR(Keep(channel));
  response.set_watched(watched());
  return absl::OkStatus();
}

// The best that is held, not what came last: a peer restored from a backup sends what it had sent before.
absl::Status Tower::Keep(const base::ChannelId& channel) {
  const std::lock_guard keeping(keeping_);
  std::optional<payment::Watchtower::Held> held;
  {
    const std::lock_guard lock(mutex_);
    held = tower_.Find(channel);
  }
  if (!held || !held->appointment) return absl::OkStatus();  // settled meanwhile
  rpc::v1::WatchRequest best;
  best.set_claim(ClaimField(held->claim));
  FillAppointment(*held->appointment, *best.mutable_appointment());
  base::KvBatch batch;
  batch.Put(KeyOf(channel), best.SerializeAsString());
  return env_.writes.Commit(batch);
}

absl::Status Tower::Load() {
  std::vector<std::pair<std::string, rpc::v1::WatchRequest>> kept;
  {
    const auto view = env_.writes.kv().Snapshot();
    const auto cursor = view->NewCursor();
    for (cursor->Seek(kWatched); cursor->Valid() && cursor->key()[0] == kWatched[0];
         cursor->Next()) {
      rpc::v1::WatchRequest request;
      if (request.ParseFromString(std::string(cursor->value()))) {
        kept.emplace_back(std::string(cursor->key()), std::move(request));
      }
    }
    RETURN_IF_ERROR(cursor->status());
  }
  base::KvBatch gone;
  absl::Status unknown;
  for (const auto& [key, request] : kept) {
    const absl::Status taken = Take(request).status();
    if (taken.ok()) continue;
    if (absl::IsNotFound(taken)) {
      gone.Delete(key);
    } else if (!Final(taken)) {
      unknown = taken;
      break;
    }
    app::LogWarning("tower.load", taken.message());
  }
  if (!gone.empty()) RETURN_IF_ERROR(env_.writes.Commit(gone));
  return unknown;
}

void Tower::Give(const payment::DisputeOrder& order) {
  pb::Operation operation = DisputeOperation(order.channel, order.claim);
  if (order.appointment) {
    FillAppointment(*order.appointment,
                    *operation.mutable_dispute_channel()->mutable_appointment());
  }
  app::LogInfo("tower.dispute", "a channel was closed below the claim that we hold",
               {{"channel", order.channel.ToHexString()}});
  env_.lane.Post(std::move(operation), [this](const absl::Status& status, uint64_t) {
    if (status.ok()) {
      ++disputes_;
    } else {
      app::LogError("tower.dispute", status);
    }
  });
}

bool Tower::Concerns(const base::ChannelId& channel) const {
  const std::lock_guard lock(mutex_);
  const auto told = told_.lower_bound({channel, base::AccountId()});
  return tower_.Find(channel).has_value() || (told != told_.end() && told->first.first == channel);
}

absl::Status Tower::OnChannel(const base::ChannelId& channel) {
  if (!Concerns(channel)) return absl::OkStatus();
  const auto facts = Ask(channel);
  if (absl::IsNotFound(facts.status())) return absl::OkStatus();
  RETURN_IF_ERROR(facts.status());
  std::optional<payment::DisputeOrder> order;
  {
    const std::lock_guard lock(mutex_);
    order = tower_.OnFacts(*facts, env_.clock.Now());
  }
  if (order) Give(*order);
  if (facts->phase == payment::ChannelPhase::kSettled) Drop(channel);
  return absl::OkStatus();
}

void Tower::Drop(const base::ChannelId& channel) {
  const std::lock_guard keeping(keeping_);
  {
    const std::lock_guard lock(mutex_);
    auto at = told_.lower_bound({channel, base::AccountId()});
    while (at != told_.end() && at->first.first == channel) at = told_.erase(at);
  }
  base::KvBatch gone;
  gone.Delete(KeyOf(channel));
  (void)env_.writes.Commit(gone);  // Load finds it settled otherwise
}

void Tower::OnTime() {
  std::vector<payment::DisputeOrder> orders;
  {
    const std::lock_guard lock(mutex_);
    orders = tower_.OnTime(env_.clock.Now());
  }
  for (const payment::DisputeOrder& order : orders) Give(order);
}

// Other operators' providers first, in an order of our own: whoever asks the same towers as everybody
// finds them full.
absl::StatusOr<std::vector<base::AccountId>> Tower::Towers() {
  {
    const std::lock_guard lock(mutex_);
    if (!towers_.empty() && env_.clock.Monotonic() < towers_until_) return towers_;
  }
  ASSIGN_OR_RETURN(const Record<pb::Provider> self, env_.ledger.Provider(env_.identity.id()));
  ASSIGN_OR_RETURN(std::vector<pb::Provider> providers, env_.ledger.Providers());
  using Rank = std::pair<bool, base::Digest>;
  std::vector<std::pair<Rank, base::AccountId>> ranked;
  for (const pb::Provider& provider : providers) {
    const base::AccountId id = chain::AccountOf(provider.account());
    if (id == env_.identity.id() || provider.state() != pb::PROVIDER_STATE_ACTIVE) continue;
    base::Hasher hasher = base::Hasher::DeriveKey("cairn v1 storaged tower");
    hasher.Field(chain::ToField(env_.identity.id()));
    hasher.Field(provider.account());
    ranked.push_back({{provider.operator_() == self->operator_(), hasher.Finish()}, id});
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<base::AccountId> out;
  for (const auto& [rank, id] : ranked) {
    if (out.size() < wanted_) out.push_back(id);
  }
  const std::lock_guard lock(mutex_);
  towers_until_ = env_.clock.Monotonic() + kTowersLast;
  return towers_ = std::move(out);
}

absl::StatusOr<rpc::v1::WatchRequest> Tower::RequestFor(const payment::ChannelFacts& facts,
                                                        const base::Claim& claim,
                                                        const base::AccountId& tower) {
  ASSIGN_OR_RETURN(const Record<pb::Params> params, env_.ledger.Params());
  // A close at the channel's expiry settles one window later; as much again for stops of the ledger.
  const absl::Time until = facts.expires + 2 * absl::Milliseconds(params->channel_window_ms());
  const base::TowerAppointment terms{facts.chain, facts.id, tower,
                                     static_cast<uint64_t>(absl::ToUnixMillis(until))};
  rpc::v1::WatchRequest request;
  request.set_claim(ClaimField(claim));
  FillAppointment({terms, env_.identity.account.public_key(),
                   env_.identity.account.Sign(base::SigningDigest(terms))},
                  *request.mutable_appointment());
  return request;
}

void Tower::Entrust(const payment::ChannelFacts& facts, const base::Claim& claim) {
  const base::Amount worth = base::WorthOf(claim).value_or(base::Amount());
  if (wanted_ == 0 || facts.phase != payment::ChannelPhase::kOpen || worth.zero()) return;
  const auto towers = Towers();
  if (!towers.ok()) return;
  for (const base::AccountId& tower : *towers) {
    {
      const std::lock_guard lock(mutex_);
      const auto told = told_.find({facts.id, tower});
      if (told != told_.end() && told->second >= worth) continue;
      // One tower that does not answer would otherwise keep us from our own disputes, channel by channel.
      const auto silent = silent_until_.find(tower);
      if (silent != silent_until_.end() && env_.clock.Monotonic() < silent->second) continue;
    }
    const auto request = RequestFor(facts, claim, tower);
    const absl::Status asked =
        request.ok() ? env_.peers.Watch(tower, *request) : request.status();
    if (!asked.ok()) {
      app::LogWarning("tower.ask", asked.message(), {{"tower", base::ToText(tower)}});
      if (!absl::IsUnavailable(asked) && !absl::IsDeadlineExceeded(asked)) continue;
      const std::lock_guard lock(mutex_);
      silent_until_[tower] = env_.clock.Monotonic() + kSilence;
      continue;
    }
    const std::lock_guard lock(mutex_);
    told_[{facts.id, tower}] = worth;
  }
}

base::Amount Tower::entrusted() const {
  const std::lock_guard lock(mutex_);
  base::Amount sum;
  for (const auto& [tower, worth] : told_) sum = sum.Plus(worth).value_or(sum);
  return sum;
}

uint64_t Tower::watched() const {
  const std::lock_guard lock(mutex_);
  return tower_.watched();
}

}  // namespace cairn::storaged
