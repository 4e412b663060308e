#include "cairn/chain/domain/providers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/key.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/transaction.h"
#include "domain/money.h"

namespace cairn::chain {
namespace {

constexpr size_t kMaxEndpoint = 256;
constexpr size_t kMaxLabel = 64;
constexpr size_t kPinBytes = 32;

bool Printable(const std::string& text, size_t min, size_t max) {
  return text.size() >= min && text.size() <= max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

Found<pb::Provider> FindActiveOrBusy(const base::AccountId& id, const ReadView& view) {
  auto provider = view.Find(keys::Provider(id));
  if (!provider || provider->state() == pb::PROVIDER_STATE_EXITED) return {};
  return provider;
}

}  // namespace

Verdict Validate(const pb::RegisterProvider& op) {
  if (op.operator_().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  if (!base::PublicKey::Decode(base::AsBytes(op.node_key())).ok()) return Verdict::kBadKey;
  if (op.node_signature().size() != base::Signature::kSize) return Verdict::kBadSignatureField;
  if (op.tls_pin().size() != kPinBytes) return Verdict::kBadDigest;
  if (!Printable(op.endpoint(), 1, kMaxEndpoint) || !Printable(op.network(), 1, kMaxLabel) ||
      !Printable(op.region(), 1, kMaxLabel)) {
    return Verdict::kBadText;
  }
  if (op.capacity_bytes() == 0 || op.capacity_bytes() >> 60 != 0) return Verdict::kBadSize;
  return op.store_id().size() == base::StoreId::kSize ? Verdict::kOk : Verdict::kBadStoreId;
}

Verdict Check(const pb::RegisterProvider& op, const Context& context, const ReadView& view) {
  if (FindActiveOrBusy(context.signer, view)) return Verdict::kProviderExists;
  const auto node_key = base::PublicKey::Decode(base::AsBytes(op.node_key()));
  const base::Digest digest = RegistrationDigest(context.chain, context.signer, AccountOf(op.operator_()));
  // The node agrees as well: nobody registers another's machine as its own.
  if (!node_key.ok() || !node_key->Verify(digest, Trusted<base::Signature>(op.node_signature()))) {
    return Verdict::kBadNodeSignature;
  }
  if (view.Has(keys::NodeKey(op.node_key()))) return Verdict::kNodeKeyTaken;
  const base::Amount deposit = FromProto(op.deposit());
  const base::Amount least = FromProto(context.params.min_deposit());
  if (deposit < least) {
    return context.Refuse(Verdict::kDepositTooLow,
                          absl::StrCat("deposits ", deposit.ToString(), ", needs ", least.ToString()));
  }
  return deposit <= FreeBalance(view, context.signer) ? Verdict::kOk : Verdict::kNoFunds;
}

void Apply(const pb::RegisterProvider& op, const Context& context, Edits& edits) {
  pb::Provider& provider = edits.At(keys::Provider(context.signer));
  const uint32_t generation = provider.store_generation();  // of an earlier registration
  const pb::Amount fined = provider.fined();
  provider.Clear();
  provider.set_account(ToField(context.signer));
  provider.set_operator_(op.operator_());
  provider.set_node_key(op.node_key());
  provider.set_tls_pin(op.tls_pin());
  provider.set_endpoint(op.endpoint());
  provider.set_network(op.network());
  provider.set_region(op.region());
  provider.set_capacity_bytes(op.capacity_bytes());
  *provider.mutable_prices() = op.prices();
  *provider.mutable_deposit() = op.deposit();
  *provider.mutable_fined() = fined;
  provider.set_state(pb::PROVIDER_STATE_ACTIVE);
  provider.set_store_id(op.store_id());
  provider.set_store_generation(generation + 1);
  provider.set_registered_ms(context.time_ms);
  edits.PutRaw(keys::NodeKey(op.node_key()), ToField(context.signer));
  Lock(edits, context.signer, FromProto(op.deposit()));
  AskedPricesChanged(context, edits);
  context.Emit("provider.registered", {{"provider", context.signer.ToHexString()},
                                       {"operator", base::ToHex(base::AsBytes(op.operator_()))},
                                       {"endpoint", op.endpoint()},
                                       {"deposit", FromProto(op.deposit()).ToString()}});
}

Verdict Validate(const pb::EditProvider& op) {
  if (op.has_endpoint() && !Printable(op.endpoint(), 1, kMaxEndpoint)) return Verdict::kBadText;
  if (op.has_network() && !Printable(op.network(), 1, kMaxLabel)) return Verdict::kBadText;
  if (op.has_region() && !Printable(op.region(), 1, kMaxLabel)) return Verdict::kBadText;
  if (op.has_tls_pin() && op.tls_pin().size() != kPinBytes) return Verdict::kBadDigest;
  if (op.has_capacity_bytes() && (op.capacity_bytes() == 0 || op.capacity_bytes() >> 60 != 0)) return Verdict::kBadSize;
  return Verdict::kOk;
}

Verdict Check(const pb::EditProvider& op, const Context& context, const ReadView& view) {
  const auto provider = FindActiveOrBusy(context.signer, view);
  if (!provider) return Verdict::kUnknownProvider;
  if (op.has_capacity_bytes() && op.capacity_bytes() < provider->committed_bytes()) {
    return context.Refuse(Verdict::kCapacityTooLow, absl::StrCat("committed ", provider->committed_bytes()));
  }
  return Verdict::kOk;
}

void Apply(const pb::EditProvider& op, const Context& context, Edits& edits) {
  pb::Provider& provider = edits.At(keys::Provider(context.signer));
  if (op.has_endpoint()) provider.set_endpoint(op.endpoint());
  if (op.has_tls_pin()) provider.set_tls_pin(op.tls_pin());
  if (op.has_capacity_bytes()) provider.set_capacity_bytes(op.capacity_bytes());
  if (op.has_prices()) *provider.mutable_prices() = op.prices();
  if (op.has_network()) provider.set_network(op.network());
  if (op.has_region()) provider.set_region(op.region());
  if (op.has_prices()) AskedPricesChanged(context, edits);
  context.Emit("provider.edited", {{"provider", context.signer.ToHexString()}});
}

Verdict Validate(const pb::AddDeposit& op) {
  if (op.provider().size() != base::AccountId::kSize) return Verdict::kBadAccountId;
  return FromProto(op.amount()).zero() ? Verdict::kBadAmount : Verdict::kOk;
}

Verdict Check(const pb::AddDeposit& op, const Context& context, const ReadView& view) {
  if (!FindActiveOrBusy(AccountOf(op.provider()), view)) return Verdict::kUnknownProvider;
  return FromProto(op.amount()) <= FreeBalance(view, context.signer) ? Verdict::kOk : Verdict::kNoFunds;
}

void Apply(const pb::AddDeposit& op, const Context& context, Edits& edits) {
  const base::AccountId id = AccountOf(op.provider());
  MoveFree(edits, context, context.signer, id, pb::ASSET_CRN, FromProto(op.amount()));
  Lock(edits, id, FromProto(op.amount()));
  AddTo(edits.At(keys::Provider(id)).mutable_deposit(), FromProto(op.amount()));
  context.Emit("provider.deposit_added",
               {{"provider", id.ToHexString()}, {"amount", FromProto(op.amount()).ToString()}});
}

Verdict Validate(const pb::SetMaintenance& op) {
  return op.on() || op.until_ms() == 0 ? Verdict::kOk : Verdict::kBadCount;
}

Verdict Check(const pb::SetMaintenance& op, const Context& context, const ReadView& view) {
  if (!FindActiveOrBusy(context.signer, view)) return Verdict::kUnknownProvider;
  if (!op.on()) return Verdict::kOk;
  const bool sane = op.until_ms() > context.time_ms &&
                    op.until_ms() - context.time_ms <= context.params.max_maintenance_ms();
  return sane ? Verdict::kOk : Verdict::kMaintenanceTooLong;
}

void Apply(const pb::SetMaintenance& op, const Context& context, Edits& edits) {
  pb::Provider& provider = edits.At(keys::Provider(context.signer));
  const std::string id = ToField(context.signer);
  if (provider.maintenance_until_ms() != 0) {
    DropDue(edits, provider.maintenance_until_ms(), DueKind::kMaintenanceEnd, id);
  }
  provider.set_state(op.on() ? pb::PROVIDER_STATE_MAINTENANCE : pb::PROVIDER_STATE_ACTIVE);
  provider.set_maintenance_until_ms(op.on() ? op.until_ms() : 0);
  if (op.on()) AddDue(edits, op.until_ms(), DueKind::kMaintenanceEnd, id);
  context.Emit("provider.maintenance", {{"provider", context.signer.ToHexString()},
                                        {"on", op.on() ? "true" : "false"},
                                        {"until_ms", absl::StrCat(provider.maintenance_until_ms())}});
}

void MaintenanceEnded(const std::string& id, const Context& context, Edits& edits) {
  const auto key = keys::Provider(AccountOf(id));
  if (!edits.Has(key)) return;
  pb::Provider& provider = edits.At(key);
  if (provider.state() != pb::PROVIDER_STATE_MAINTENANCE) return;
  provider.set_state(pb::PROVIDER_STATE_ACTIVE);
  provider.set_maintenance_until_ms(0);
  context.Emit("provider.maintenance",
               {{"provider", base::ToHex(base::AsBytes(id))}, {"on", "false"}, {"until_ms", "0"}});
}

Verdict Validate(const pb::ReportNewStore& op) {
  return op.store_id().size() == base::StoreId::kSize ? Verdict::kOk : Verdict::kBadStoreId;
}

Verdict Check(const pb::ReportNewStore& op, const Context& context, const ReadView& view) {
  const auto provider = FindActiveOrBusy(context.signer, view);
  if (!provider) return Verdict::kUnknownProvider;
  return provider->store_id() == op.store_id() ? Verdict::kStoreNotNew : Verdict::kOk;
}

void Apply(const pb::ReportNewStore& op, const Context& context, Edits& edits) {
  pb::Provider& provider = edits.At(keys::Provider(context.signer));
  provider.set_store_id(op.store_id());
  provider.set_store_generation(provider.store_generation() + 1);
  MarkStoreLost(context.signer, op.store_id(), context, edits);
  context.Emit("provider.store_lost", {{"provider", context.signer.ToHexString()},
                                       {"store", base::ToHex(base::AsBytes(op.store_id()))}});
}

Verdict Validate(const pb::ExitProvider&) { return Verdict::kOk; }

Verdict Check(const pb::ExitProvider&, const Context& context, const ReadView& view) {
  const auto provider = FindActiveOrBusy(context.signer, view);
  if (!provider) return Verdict::kUnknownProvider;
  if (provider->groups() != 0) {
    return context.Refuse(Verdict::kProviderInUse, absl::StrCat(provider->groups(), " groups name it"));
  }
  if (context.time_ms < provider->liable_until_ms()) {
    return context.Refuse(Verdict::kProviderInUse, absl::StrCat("liable until ", provider->liable_until_ms()));
  }
  return Verdict::kOk;
}

void Apply(const pb::ExitProvider&, const Context& context, Edits& edits) {
  pb::Provider& provider = edits.At(keys::Provider(context.signer));
  const base::Amount deposit = FromProto(provider.deposit());
  if (provider.maintenance_until_ms() != 0) {
    DropDue(edits, provider.maintenance_until_ms(), DueKind::kMaintenanceEnd, ToField(context.signer));
  }
  provider.clear_deposit();
  provider.set_maintenance_until_ms(0);
  provider.set_state(pb::PROVIDER_STATE_EXITED);
  edits.DropRaw(keys::NodeKey(provider.node_key()));
  GiveBack(edits, context, context.signer, deposit);
  AskedPricesChanged(context, edits);
  context.Emit("provider.exited", {{"provider", context.signer.ToHexString()}, {"deposit", deposit.ToString()}});
}

void HoldLiable(const std::string& provider, uint64_t until_ms, Edits& edits) {
  pb::Provider& record = edits.At(keys::Provider(AccountOf(provider)));
  record.set_liable_until_ms(std::max<uint64_t>(record.liable_until_ms(), until_ms));
}

base::Amount FineProvider(const base::AccountId& id, const base::AccountId& to, base::Amount fine,
                          const std::string& object, const Context& context, Edits& edits) {
  pb::Provider& provider = edits.At(keys::Provider(id));
  const base::Amount taken = std::min(fine, FromProto(provider.deposit()));
  if (taken.zero()) return taken;
  TakeFrom(provider.mutable_deposit(), taken);
  AddTo(provider.mutable_fined(), taken);
  PayFromLocked(edits, context, id, to, taken);
  context.Emit("provider.fined", {{"provider", id.ToHexString()},
                                  {"owner", to.ToHexString()},
                                  {"object", base::ToHex(base::AsBytes(object))},
                                  {"amount", taken.ToString()}});
  return taken;
}

}  // namespace cairn::chain
