// Creation: what a batch of new objects will look like, what it locks, and whether it may be.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/layout.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/domain/objects.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/domain/providers.h"
#include "cairn/chain/transaction.h"
#include "domain/approvals.h"
#include "domain/billing.h"
#include "domain/money.h"
#include "domain/object_records.h"

namespace cairn::chain {
namespace {

// The records one batch is planned over, read once.
struct Site {
  pb::Bucket bucket;
  pb::Group group;
  pb::Provider primary;
  std::vector<pb::Provider> holders;  // by position
  std::vector<base::AccountId> operators;
  base::AccountId payer;
};

struct Plan {
  std::vector<pb::Object> objects;  // as they will be recorded, state created
  base::Amount lock;  // reserve and ingress fees
  base::Amount bond;
  Cost cost;  // to the payer
};

Verdict ValidateNewObject(const pb::NewObject& object) {
  if (object.name().empty() || object.name().size() > kMaxNameBytes) return Verdict::kBadName;
  if (object.stored_size() > base::kMaxObjectBytes) return Verdict::kBadSize;
  if (object.content_id().size() != base::Digest::kSize || object.layout_root().size() != base::Digest::kSize) {
    return Verdict::kBadDigest;
  }
  if (object.stored_size() == 0 && object.content_id() != ToField(base::Blake3({}))) return Verdict::kBadDigest;
  if (object.layout() != pb::LAYOUT_KIND_COPIES && object.layout() != pb::LAYOUT_KIND_SHARDS) {
    return Verdict::kBadLayout;
  }
  if (object.manifest().size() > kMaxInlineManifestBytes) return Verdict::kBadManifest;
  if (!object.manifest_id().empty()) {
    // Nobody holds parts of an empty object, so nobody would hold its manifest.
    const bool sane = object.manifest_id().size() == base::Digest::kSize && object.manifest().empty() &&
                      object.stored_size() != 0;
    if (!sane) return Verdict::kBadManifest;
  }
  if (!object.copy_of().empty() && object.copy_of().size() != base::ObjectId::kSize) return Verdict::kBadObjectId;
  return Verdict::kOk;
}

std::optional<Site> ReadSite(uint64_t bucket_id, const ReadView& view) {
  Site site;
  auto bucket = view.Find(keys::Bucket(bucket_id));
  if (!bucket) return std::nullopt;
  auto group = view.Find(keys::Group(bucket->group()));
  if (!group) return std::nullopt;
  site.bucket = *std::move(bucket);
  site.group = *std::move(group);
  site.payer = PayerOf(site.bucket);
  site.primary = view.Find(keys::Provider(AccountOf(site.group.primary()))).value_or(pb::Provider());
  for (const pb::GroupPosition& position : site.group.positions()) {
    site.holders.push_back(view.Find(keys::Provider(AccountOf(position.provider()))).value_or(pb::Provider()));
    site.operators.push_back(AccountOf(site.holders.back().operator_()));
  }
  return site;
}

// The name is free, or stands at the version this one follows.
Verdict CheckName(const pb::NewObject& object, uint64_t bucket, const Context& context, const ReadView& view) {
  const auto name = view.Find(keys::Name(bucket, object.name()));
  if (name && !name->pending().empty()) return Verdict::kUploadPending;
  if (object.after_version() == 0) return name ? Verdict::kNameExists : Verdict::kOk;
  const uint64_t last = name ? name->last_version() : 0;
  if (last == object.after_version()) return Verdict::kOk;
  return context.Refuse(Verdict::kVersionMismatch, absl::StrCat("expected ", object.after_version(), ", found ", last));
}

// Positions of the object: all for shards; a choice by its id for copies; none when there is nothing to keep.
std::vector<uint32_t> PositionsFor(const base::ObjectId& id, const pb::NewObject& object, const Site& site) {
  if (object.stored_size() == 0) return {};
  const pb::Redundancy& policy = site.group.policy();
  if (object.layout() == pb::LAYOUT_KIND_COPIES && policy.kind() == pb::LAYOUT_KIND_SHARDS) {
    return base::CopyPositions(id, policy.parity() + 1, site.operators);
  }
  std::vector<uint32_t> all(site.group.positions_size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint32_t>(i);
  return all;
}

// A copy takes its source's positions: those holders have the bytes.
Verdict UseCopySource(const pb::NewObject& object, const Context& context, const ReadView& view, pb::Object* planned) {
  const auto source = view.Find(keys::Object(object.copy_of()));
  const bool fits = source && source->state() == pb::OBJECT_STATE_SEALED && source->group() == planned->group() &&
                    source->owner() == planned->owner() && source->stored_size() == object.stored_size() &&
                    source->content_id() == object.content_id() && source->layout_root() == object.layout_root() &&
                    source->layout() == object.layout();
  if (!fits) return context.Refuse(Verdict::kBadCopySource, absl::StrCat("source ", Hex(object.copy_of())));
  *planned->mutable_positions() = source->positions();
  return Verdict::kOk;
}

Verdict Charge(const Site& site, bool copy, const Context& context, const ReadView& view, pb::Object* planned) {
  const pb::PriceState prices = view.Find(keys::PriceState()).value_or(pb::PriceState());
  const pb::PriceRecord& price = PriceAt(prices, context.time_ms);
  const auto charge = ChargeAt(price.prices(), context.params, site.group.policy(),
                               {.stored_size = planned->stored_size(),
                                .layout = FromProto(planned->layout()),
                                .positions = planned->positions_size(),
                                .copy = copy});
  if (!charge) return Verdict::kChargeOverflow;
  const auto reserve = charge->rate.Times(context.params.reserve_seconds());
  if (!reserve) return Verdict::kChargeOverflow;
  planned->set_price(price.number());
  *planned->mutable_primary_rate() = ToProto(charge->primary_rate);
  if (!charge->holder_rates.empty()) {
    *planned->mutable_holder_rate() = ToProto(charge->holder_rates.front());
    *planned->mutable_holder_tax() = ToProto(charge->holder_taxes.front());
    *planned->mutable_ingress() = ToProto(charge->ingress);
  }
  *planned->mutable_tax_rate() = ToProto(charge->tax_rate);
  *planned->mutable_lock() = ToProto(*reserve);
  planned->set_locked_by(ToField(site.payer));
  return Verdict::kOk;
}

// Enough holders take new parts now to reach the seal quorum; the others follow when they are back.
Verdict CheckHolders(const Site& site, const pb::Object& planned, const Context& context) {
  if (planned.positions_size() == 0) return Verdict::kOk;
  const auto active = std::count_if(planned.positions().begin(), planned.positions().end(), [&](uint32_t position) {
    return site.holders[position].state() == pb::PROVIDER_STATE_ACTIVE;
  });
  const uint32_t quorum =
      base::SealQuorum(FromProto(site.group.policy()), FromProto(planned.layout()), planned.positions_size());
  if (active >= static_cast<int64_t>(quorum)) return Verdict::kOk;
  return context.Refuse(Verdict::kProviderNotActive, absl::StrCat(active, " holders are active, needs ", quorum));
}

Verdict PlanObject(const pb::CreateObjects& op, int index, const Site& site, const Context& context,
                   const ReadView& view, pb::Object* planned) {
  const pb::NewObject& object = op.objects(index);
  const Verdict name = CheckName(object, op.bucket(), context, view);
  if (name != Verdict::kOk) return name;
  const base::ObjectId id = base::ObjectIdFor(context.chain, {op.bucket()},
                                              Trusted<base::Nonce16>(op.approval().nonce()), index);
  planned->set_id(ToField(id));
  // An id that an upload receipt may still be shown for must not come to mean something else.
  if (view.Has(keys::Object(planned->id())) || view.Has(keys::ExpiredUpload(planned->id()))) {
    return Verdict::kObjectExists;
  }
  planned->set_bucket(op.bucket());
  planned->set_name(object.name());
  planned->set_version(object.after_version() + 1);
  planned->set_owner(site.bucket.owner());
  planned->set_group(site.group.id());
  planned->set_stored_size(object.stored_size());
  planned->set_content_id(object.content_id());
  planned->set_layout_root(object.layout_root());
  planned->set_layout(object.layout());
  planned->set_manifest(object.manifest());
  planned->set_manifest_id(object.manifest_id());
  planned->set_state(pb::OBJECT_STATE_CREATED);
  planned->set_created_ms(context.time_ms);
  planned->set_seal_deadline_ms(context.time_ms + context.params.seal_window_ms());
  *planned->mutable_bond() = context.params.object_bond();
  planned->set_create_transaction(context.transaction);
  planned->set_primary(site.group.primary());
  if (FromProto(object.layout()) != base::LayoutFor(FromProto(site.group.policy()), object.stored_size())) {
    return Verdict::kLayoutDiffers;
  }
  for (const uint32_t position : PositionsFor(id, object, site)) planned->add_positions(position);
  if (!object.copy_of().empty()) {
    const Verdict source = UseCopySource(object, context, view, planned);
    if (source != Verdict::kOk) return source;
  }
  planned->mutable_receipt_generations()->Resize(planned->positions_size(), 0);
  const Verdict holders = CheckHolders(site, *planned, context);
  return holders != Verdict::kOk ? holders : Charge(site, !object.copy_of().empty(), context, view, planned);
}

Verdict MakePlan(const pb::CreateObjects& op, const Site& site, const Context& context, const ReadView& view,
                 Plan* plan) {
  plan->objects.resize(op.objects_size());
  for (int i = 0; i < op.objects_size(); ++i) {
    pb::Object& planned = plan->objects[i];
    const Verdict verdict = PlanObject(op, i, site, context, view, &planned);
    if (verdict != Verdict::kOk) {
      if (context.outcome->detail.empty()) context.outcome->detail = absl::StrCat("object ", i, " of the batch");
      return verdict;
    }
    const auto ingress = FromProto(planned.ingress()).Times(planned.positions_size());
    const auto reserve = Sum(plan->lock, FromProto(planned.lock()));
    const auto lock = reserve && ingress ? Sum(*reserve, *ingress) : std::nullopt;
    const auto bond = Sum(plan->bond, FromProto(planned.bond()));
    const auto rate = Sum(plan->cost.rate, FullRate(planned));
    const auto once = ingress ? Sum(plan->cost.once, *ingress) : std::nullopt;
    if (!lock || !bond || !rate || !once) return Verdict::kChargeOverflow;
    plan->cost = {*rate, *once};
    plan->lock = *lock;
    plan->bond = *bond;
  }
  return Verdict::kOk;
}

Verdict CheckMoney(const pb::CreateObjects& op, const Site& site, const Plan& plan, const Context& context,
                   const ReadView& view) {
  if (plan.lock > FromProto(op.max_lock())) {
    return context.Refuse(Verdict::kPriceChanged, absl::StrCat("lock ", plan.lock.ToString(), ", max_lock ",
                                                               FromProto(op.max_lock()).ToString()));
  }
  const Verdict payer = CheckPayer(site.payer, site.bucket, plan.cost, context, view);
  if (payer != Verdict::kOk) return payer;
  const bool alone = site.payer == context.signer;
  const auto total = alone ? Sum(plan.lock, plan.bond) : plan.lock;
  const base::Amount balance = FreeBalance(view, site.payer);
  if (!total || *total > balance) {
    return context.Refuse(Verdict::kNoFunds,
                          absl::StrCat("the payer has ", balance.ToString(), ", locks ", plan.lock.ToString(),
                                       " and bonds ", plan.bond.ToString()));
  }
  if (alone || plan.bond <= FreeBalance(view, context.signer)) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("bonds ", plan.bond.ToString()));
}

// Group cap, and the capacity of everyone who keeps something, for the whole batch.
Verdict CheckRoom(const Site& site, const Plan& plan, const Context& context) {
  uint64_t stored = 0;
  std::map<std::string, uint64_t> needs;
  for (const pb::Object& object : plan.objects) {
    stored += object.stored_size();
    const uint64_t part = HeldBytesOf(object, site.group.policy());
    for (const uint32_t position : object.positions()) needs[site.holders[position].account()] += part;
  }
  if (site.group.policy().whole_at_primary()) needs[site.primary.account()] += stored;
  const uint64_t total = site.group.stored_bytes() + stored;
  if (site.group.byte_cap() != 0 && total > site.group.byte_cap()) {
    return context.Refuse(Verdict::kGroupFull, absl::StrCat(total, " bytes of ", site.group.byte_cap()));
  }
  const auto fits = [&](const pb::Provider& provider) {
    const auto need = needs.find(provider.account());
    return need == needs.end() || provider.committed_bytes() + need->second <= provider.capacity_bytes();
  };
  if (!fits(site.primary)) return context.Refuse(Verdict::kCapacityTooLow, "the primary");
  for (const pb::Provider& holder : site.holders) {
    if (!fits(holder)) return context.Refuse(Verdict::kCapacityTooLow, absl::StrCat("holder ", Hex(holder.account())));
  }
  return Verdict::kOk;
}

}  // namespace

Verdict Validate(const pb::CreateObjects& op) {
  if (op.objects_size() < 1 || op.objects_size() > kMaxObjectsPerOperation) return Verdict::kBadCount;
  std::set<absl::string_view> names;
  for (const pb::NewObject& object : op.objects()) {
    const Verdict verdict = ValidateNewObject(object);
    if (verdict != Verdict::kOk) return verdict;
    if (!names.insert(object.name()).second) return Verdict::kRepeated;
  }
  return ValidateApproval(op.approval());
}

Verdict Check(const pb::CreateObjects& op, const Context& context, const ReadView& view) {
  const auto site = ReadSite(op.bucket(), view);
  if (!site) return Verdict::kUnknownBucket;
  if (site->bucket.owner() != ToField(context.signer)) return Verdict::kNotOwner;
  if (site->primary.state() != pb::PROVIDER_STATE_ACTIVE) {
    return context.Refuse(Verdict::kProviderNotActive, "the primary is in maintenance");
  }
  const Verdict approval = CheckApproval(op.approval(), site->primary, context, view);
  if (approval != Verdict::kOk) return approval;
  Plan plan;
  const Verdict planned = MakePlan(op, *site, context, view, &plan);
  if (planned != Verdict::kOk) return planned;
  const Verdict room = CheckRoom(*site, plan, context);
  return room != Verdict::kOk ? room : CheckMoney(op, *site, plan, context, view);
}

void Apply(const pb::CreateObjects& op, const Context& context, Edits& edits) {
  const auto site = ReadSite(op.bucket(), edits.view());
  Plan plan;
  // Nothing changed since Check accepted it.
  if (!site || MakePlan(op, *site, context, edits.view(), &plan) != Verdict::kOk) return;
  UseApproval(op.approval(), edits);
  for (const pb::Object& object : plan.objects) {
    AddObject(object, context, edits);
    HoldLiable(object.primary(), object.seal_deadline_ms() + context.params.fine_claim_window_ms(), edits);
    context.Created(object.id());
    context.Emit("object.created", {{"object", Hex(object.id())},
                                    {"bucket", absl::StrCat(object.bucket())},
                                    {"group", absl::StrCat(object.group())},
                                    {"owner", Hex(object.owner())},
                                    {"payer", Hex(object.locked_by())},
                                    {"primary", Hex(object.primary())},
                                    {"version", absl::StrCat(object.version())},
                                    {"stored_size", absl::StrCat(object.stored_size())},
                                    {"lock", FromProto(object.lock()).ToString()},
                                    {"bond", FromProto(object.bond()).ToString()}});
    if (object.positions_size() != 0) continue;
    SealObject(object.id(), context, edits);  // nothing to upload, nobody to wait for
    edits.At(keys::Object(object.id())).set_durable_once(true);
    context.Emit("object.durable", {{"object", Hex(object.id())},
                                    {"group", absl::StrCat(object.group())},
                                    {"owner", Hex(object.owner())}});
  }
}

}  // namespace cairn::chain
