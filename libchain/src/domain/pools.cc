// Pools: one deposit behind many vouchers, for gateways and sponsors.
#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/channels.h"
#include "domain/channel_records.h"
#include "domain/money.h"

namespace cairn::chain {
namespace {

// Entries of a closed pool that go in one turn of due work.
constexpr int kEntriesPerTurn = 100;

std::string Hex(const std::string& bytes) { return base::ToHex(base::AsBytes(bytes)); }

bool KeyValid(const std::string& key) { return base::PublicKey::Decode(base::AsBytes(key)).ok(); }

Verdict CheckOwner(const Found<pb::Pool>& pool, const Context& context) {
  if (!pool) return Verdict::kUnknownPool;
  if (pool->owner() != ToField(context.signer)) return Verdict::kNotOwner;
  return pool->state() == pb::CHANNEL_STATE_OPEN ? Verdict::kOk : Verdict::kPoolClosed;
}

Verdict CheckBalance(base::Amount amount, pb::Asset asset, const Context& context, const ReadView& view) {
  const base::Amount balance = FreeBalance(view, context.signer, asset);
  if (amount <= balance) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("has ", balance.ToString(), " ", AssetName(asset), ", needs ",
                                                        amount.ToString()));
}

Verdict CheckCapability(const pb::PoolCapability& capability, const pb::Pool& pool, const Context& context) {
  const auto owner = base::PublicKey::Decode(base::AsBytes(pool.owner_key()));
  const auto signer = base::PublicKey::Decode(base::AsBytes(capability.signer()));
  if (!owner.ok() || !signer.ok()) return Verdict::kBadCapability;
  if (context.time_ms >= capability.expires_ms()) return Verdict::kCapabilityExpired;
  if (capability.expires_ms() - context.time_ms > context.params.capability_max_ms()) {
    return context.Refuse(Verdict::kBadCapability, absl::StrCat("expires ", capability.expires_ms()));
  }
  const base::PoolCapability terms{context.chain, Trusted<base::ChannelId>(pool.id()), *signer,
                                   FromProto(capability.spending_cap()), capability.expires_ms()};
  const bool genuine = owner->Verify(base::SigningDigest(terms), Trusted<base::Signature>(capability.signature()));
  return genuine ? Verdict::kOk : Verdict::kBadCapability;
}

std::string LaneOf(const pb::RedeemPool& op, const Context& context) {
  const auto signer = base::PublicKey::Decode(base::AsBytes(op.capability().signer()));
  return ToField(base::LaneIdFor(context.chain, Trusted<base::ChannelId>(op.pool()),
                                 signer.ok() ? *signer : base::PublicKey(), context.signer));
}

// What of the claim is paid now.
base::Amount Payable(base::Amount worth, const pb::PoolLane& lane, const pb::PoolSigner& signer, const pb::Pool& pool,
                     base::Amount cap) {
  const base::Amount due = worth.MinusOrZero(FromProto(lane.redeemed()));
  const base::Amount allowed = cap.MinusOrZero(FromProto(signer.spent()));
  const base::Amount left = FromProto(pool.deposit()).MinusOrZero(FromProto(pool.paid()));
  return std::min({due, allowed, left});
}

// The entries under a prefix go, at most `most` of them. Returns how many went.
int DropEntries(const std::string& prefix, int most, Edits& edits) {
  std::vector<std::string> found;
  edits.view().Scan(prefix, "", [&](const std::string& key, const Record&) {
    if (static_cast<int>(found.size()) == most) return false;
    found.push_back(key);
    return true;
  });
  for (const std::string& key : found) edits.DropRaw(Key<Raw>{key});
  return static_cast<int>(found.size());
}

void ReturnRest(pb::Pool& pool, const Context& context, Edits& edits) {
  const base::Amount rest = FromProto(pool.deposit()).MinusOrZero(FromProto(pool.paid()));
  pool.set_state(pb::CHANNEL_STATE_SETTLED);
  *pool.mutable_returned() = ToProto(rest);
  Release(edits, context, AccountOf(pool.owner()), pool.asset(), rest);
  context.Emit("pool.closed", {{"pool", Hex(pool.id())},
                               {"paid", FromProto(pool.paid()).ToString()},
                               {"returned", rest.ToString()}});
}

}  // namespace

Verdict Validate(const pb::OpenPool& op) {
  if (!AssetValid(op.asset()) || FromProto(op.deposit()).zero()) return Verdict::kBadAmount;
  return KeyValid(op.owner_key()) ? Verdict::kOk : Verdict::kBadKey;
}

Verdict Check(const pb::OpenPool& op, const Context& context, const ReadView& view) {
  if (base::PublicKey::Decode(base::AsBytes(op.owner_key()))->Account() != context.signer) {
    return context.Refuse(Verdict::kNotOwner, "the owner's key is another account's");
  }
  const pb::Asset asset = Pinned(op.asset());
  const auto needed = FromProto(op.deposit()).Plus(OpenFee(asset, context.params));
  return CheckBalance(needed.value_or(base::Amount::Max()), asset, context, view);
}

void Apply(const pb::OpenPool& op, const Context& context, Edits& edits) {
  pb::Counters& counters = edits.At(keys::Counters());
  counters.set_last_pool(counters.last_pool() + 1);
  const std::string id = ToField(base::PoolIdFor(context.chain, counters.last_pool()));
  pb::Pool& pool = edits.At(keys::Pool(id));
  pool.set_id(id);
  pool.set_owner(ToField(context.signer));
  pool.set_owner_key(op.owner_key());
  pool.set_asset(Pinned(op.asset()));
  *pool.mutable_deposit() = op.deposit();
  pool.set_state(pb::CHANNEL_STATE_OPEN);
  pool.set_opened_ms(context.time_ms);
  *pool.mutable_open_fee() = ToProto(OpenFee(pool.asset(), context.params));
  edits.PutRaw(keys::PoolOfOwner(context.signer, id), "p");
  PayOpenFee(edits, context.signer, pool.asset(), FromProto(pool.open_fee()));
  SetAside(edits, context.signer, pool.asset(), FromProto(op.deposit()));
  context.Created(id);
  context.Emit("pool.opened", {{"pool", Hex(id)},
                               {"owner", context.signer.ToHexString()},
                               {"asset", AssetName(pool.asset())},
                               {"deposit", FromProto(op.deposit()).ToString()}});
}

Verdict Validate(const pb::TopUpPool& op) {
  if (!ChannelIdValid(op.pool())) return Verdict::kBadChannelId;
  return FromProto(op.amount()).zero() ? Verdict::kBadAmount : Verdict::kOk;
}

Verdict Check(const pb::TopUpPool& op, const Context& context, const ReadView& view) {
  const auto pool = view.Find(keys::Pool(op.pool()));
  const Verdict owner = CheckOwner(pool, context);
  return owner != Verdict::kOk ? owner : CheckBalance(FromProto(op.amount()), pool->asset(), context, view);
}

void Apply(const pb::TopUpPool& op, const Context& context, Edits& edits) {
  pb::Pool& pool = edits.At(keys::Pool(op.pool()));
  AddTo(pool.mutable_deposit(), FromProto(op.amount()));
  SetAside(edits, context.signer, pool.asset(), FromProto(op.amount()));
  context.Emit("pool.topped_up", {{"pool", Hex(op.pool())}, {"amount", FromProto(op.amount()).ToString()}});
}

Verdict Validate(const pb::RedeemPool& op) {
  if (!ChannelIdValid(op.pool())) return Verdict::kBadChannelId;
  if (!KeyValid(op.capability().signer())) return Verdict::kBadKey;
  if (op.capability().signature().size() != base::Signature::kSize) return Verdict::kBadSignatureField;
  return ValidateClaim(op.claim());
}

Verdict Check(const pb::RedeemPool& op, const Context& context, const ReadView& view) {
  const auto pool = view.Find(keys::Pool(op.pool()));
  if (!pool) return Verdict::kUnknownPool;
  const bool ended = pool->state() == pb::CHANNEL_STATE_SETTLED ||
                     (pool->state() == pb::CHANNEL_STATE_CLOSING && context.time_ms >= pool->due_ms());
  if (ended) return Verdict::kPoolClosed;
  const Verdict capability = CheckCapability(op.capability(), *pool, context);
  if (capability != Verdict::kOk) return capability;
  const std::string lane_id = LaneOf(op, context);
  const auto signer = view.Find(keys::PoolSigner(op.pool(), op.capability().signer())).value_or(pb::PoolSigner());
  if (signer.revoked_ms() != 0 && context.time_ms >= signer.revoked_ms()) return Verdict::kSignerRevoked;
  base::Amount worth;
  const Verdict claim = CheckClaim(op.claim(), lane_id, pool->asset(), op.capability().signer(), context, &worth);
  if (claim != Verdict::kOk) return claim;

  const auto lane = view.Find(keys::PoolLane(op.pool(), lane_id)).value_or(pb::PoolLane());
  if (worth <= FromProto(lane.redeemed())) return Verdict::kClaimNotHigher;
  const base::Amount cap = FromProto(op.capability().spending_cap());
  if (cap <= FromProto(signer.spent())) return Verdict::kCapabilitySpent;
  return Payable(worth, lane, signer, *pool, cap).zero() ? Verdict::kPoolEmpty : Verdict::kOk;
}

void Apply(const pb::RedeemPool& op, const Context& context, Edits& edits) {
  const std::string lane_id = LaneOf(op, context);
  pb::Pool& pool = edits.At(keys::Pool(op.pool()));
  const auto lane_key = keys::PoolLane(op.pool(), lane_id);
  const auto signer_key = keys::PoolSigner(op.pool(), op.capability().signer());
  pool.set_entries(pool.entries() + (edits.Has(lane_key) ? 0 : 1) + (edits.Has(signer_key) ? 0 : 1));
  pb::PoolLane& lane = edits.At(lane_key);
  pb::PoolSigner& signer = edits.At(signer_key);
  const base::Amount amount = Payable(WorthOf(op.claim()), lane, signer, pool, FromProto(op.capability().spending_cap()));
  lane.set_payee(ToField(context.signer));
  lane.set_signer(op.capability().signer());
  AddTo(lane.mutable_redeemed(), amount);
  AddTo(signer.mutable_spent(), amount);
  AddTo(pool.mutable_paid(), amount);
  const base::FeeSplit split = Route(edits, context, context.signer, pool.asset(), amount);
  context.Emit("pool.redeemed", {{"pool", Hex(op.pool())},
                                 {"lane", Hex(lane_id)},
                                 {"payee", context.signer.ToHexString()},
                                 {"amount", amount.ToString()},
                                 {"operator", split.operator_part.ToString()},
                                 {"treasury", split.treasury.ToString()},
                                 {"burnt", split.burnt.ToString()}});
}

Verdict Validate(const pb::RevokePoolSigner& op) {
  if (!ChannelIdValid(op.pool())) return Verdict::kBadChannelId;
  return KeyValid(op.signer()) ? Verdict::kOk : Verdict::kBadKey;
}

Verdict Check(const pb::RevokePoolSigner& op, const Context& context, const ReadView& view) {
  const Verdict owner = CheckOwner(view.Find(keys::Pool(op.pool())), context);
  if (owner != Verdict::kOk) return owner;
  const auto signer = view.Find(keys::PoolSigner(op.pool(), op.signer()));
  return signer && signer->revoked_ms() != 0 ? Verdict::kSignerRevoked : Verdict::kOk;
}

void Apply(const pb::RevokePoolSigner& op, const Context& context, Edits& edits) {
  const auto key = keys::PoolSigner(op.pool(), op.signer());
  if (!edits.Has(key)) {
    pb::Pool& pool = edits.At(keys::Pool(op.pool()));
    pool.set_entries(pool.entries() + 1);
  }
  pb::PoolSigner& signer = edits.At(key);
  signer.set_revoked_ms(context.time_ms + context.params.channel_window_ms());
  context.Emit("pool.signer_revoked", {{"pool", Hex(op.pool())},
                                       {"signer", Hex(op.signer())},
                                       {"from_ms", absl::StrCat(signer.revoked_ms())}});
}

Verdict Validate(const pb::ClosePool& op) {
  return ChannelIdValid(op.pool()) ? Verdict::kOk : Verdict::kBadChannelId;
}

Verdict Check(const pb::ClosePool& op, const Context& context, const ReadView& view) {
  return CheckOwner(view.Find(keys::Pool(op.pool())), context);
}

void Apply(const pb::ClosePool& op, const Context& context, Edits& edits) {
  pb::Pool& pool = edits.At(keys::Pool(op.pool()));
  pool.set_state(pb::CHANNEL_STATE_CLOSING);
  pool.set_due_ms(context.time_ms + context.params.channel_window_ms());
  AddDue(edits, pool.due_ms(), DueKind::kPoolDue, pool.id());
  context.Emit("pool.closing", {{"pool", Hex(op.pool())}, {"until_ms", absl::StrCat(pool.due_ms())}});
}

void PoolDue(const std::string& id, const Context& context, Edits& edits) {
  pb::Pool& pool = edits.At(keys::Pool(id));
  if (pool.state() == pb::CHANNEL_STATE_CLOSING) ReturnRest(pool, context, edits);
  int dropped = DropEntries(keys::PoolLanePrefix(id), kEntriesPerTurn, edits);
  dropped += DropEntries(keys::PoolSignerPrefix(id), kEntriesPerTurn - dropped, edits);
  pool.set_entries(pool.entries() - dropped);
  // At its old time, so it is the next to be handled: in this block as far as that goes, or in the one after.
  if (pool.entries() != 0) return AddDue(edits, pool.due_ms(), DueKind::kPoolDue, id);
  edits.DropRaw(keys::PoolOfOwner(AccountOf(pool.owner()), id));
  edits.Drop(keys::Pool(id));
}

}  // namespace cairn::chain
