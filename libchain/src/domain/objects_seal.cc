// Receipts: checking what holders signed, sealing what reaches its quorum, counting the rest.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/claim.h"
#include "cairn/base/layout.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/domain/objects.h"
#include "cairn/chain/transaction.h"
#include "domain/billing.h"
#include "domain/money.h"
#include "domain/object_records.h"

namespace cairn::chain {
namespace {

using Ids = google::protobuf::RepeatedPtrField<std::string>;
using Receipts = google::protobuf::RepeatedPtrField<pb::Receipt>;

Verdict ValidateReceipts(const Receipts& receipts) {
  if (receipts.size() > static_cast<int>(base::kMaxWidth)) return Verdict::kBadCount;
  std::set<uint32_t> positions;
  for (const pb::Receipt& receipt : receipts) {
    if (receipt.position() >= base::kMaxWidth) return Verdict::kBadPosition;
    if (!positions.insert(receipt.position()).second) return Verdict::kRepeated;
    if (receipt.store_id().size() != base::StoreId::kSize) return Verdict::kBadStoreId;
    if (receipt.signature().size() != base::Signature::kSize) return Verdict::kBadSignatureField;
  }
  return Verdict::kOk;
}

Verdict ReadObjects(const Ids& ids, uint64_t group, const Context& context, const ReadView& view,
                    std::vector<pb::Object>* objects) {
  for (const std::string& id : ids) {
    auto object = view.Find(keys::Object(id));
    if (!object) return context.Refuse(Verdict::kUnknownObject, absl::StrCat("object ", Hex(id)));
    if (object->group() != group) return context.Refuse(Verdict::kWrongGroup, absl::StrCat("object ", Hex(id)));
    if (object->state() == pb::OBJECT_STATE_CREATED && context.time_ms >= object->seal_deadline_ms()) {
      return context.Refuse(Verdict::kDeadlinePassed, absl::StrCat("object ", Hex(id)));
    }
    objects->push_back(*std::move(object));
  }
  return Verdict::kOk;
}

// Each receipt is the position's provider's, by its current store, over those of the objects that the position keeps.
Verdict CheckReceipts(const Receipts& receipts, const pb::Group& group, const std::vector<pb::Object>& objects,
                      const Context& context, const ReadView& view) {
  for (const pb::Receipt& receipt : receipts) {
    if (receipt.position() >= static_cast<uint32_t>(group.positions_size())) return Verdict::kNoSuchPosition;
    const pb::GroupPosition& position = group.positions(receipt.position());
    const std::string which = absl::StrCat("position ", receipt.position());
    if (receipt.store_id() != position.store_id()) return context.Refuse(Verdict::kWrongStore, which);
    const auto provider = view.Find(keys::Provider(AccountOf(position.provider())));
    // What was signed is made anew from the ledger's own records: nothing of it is the sender's word.
    const base::HolderReceipt claim = BuildReceipt(context.chain, group, receipt.position(), objects);
    if (!provider || claim.entries.empty()) return context.Refuse(Verdict::kBadReceipt, which);
    const auto key = base::PublicKey::Decode(base::AsBytes(provider->node_key()));
    if (!key.ok() || !key->Verify(base::SigningDigest(claim), Trusted<base::Signature>(receipt.signature()))) {
      return context.Refuse(Verdict::kBadReceipt, which);
    }
  }
  return Verdict::kOk;
}

// Would the object, with these receipts, have its quorum over two operators?
Verdict CheckQuorum(const pb::Object& object, const pb::Group& group, const std::set<uint32_t>& fresh,
                    const std::vector<base::AccountId>& operators, const Context& context) {
  std::set<base::AccountId> all, covered_operators;
  uint32_t covered = 0;
  for (int i = 0; i < object.positions_size(); ++i) {
    const uint32_t position = object.positions(i);
    all.insert(operators[position]);
    const bool posted = object.receipt_generations(i) == group.positions(position).generation();
    if (!posted && fresh.count(position) == 0) continue;
    ++covered;
    covered_operators.insert(operators[position]);
  }
  const uint32_t quorum =
      base::SealQuorum(FromProto(group.policy()), FromProto(object.layout()), object.positions_size());
  const size_t spread = std::min<size_t>(2, all.size());
  if (covered >= quorum && covered_operators.size() >= spread) return Verdict::kOk;
  return context.Refuse(Verdict::kQuorumMissing,
                        absl::StrCat("object ", Hex(object.id()), ": ", covered, " of ", quorum, " receipts, ",
                                     covered_operators.size(), " of ", spread, " operators"));
}

// Who approved the objects owes their seal, also after another took its place in the group.
bool IsPrimary(const Context& context, const pb::Group& group, const std::vector<pb::Object>& objects) {
  const std::string signer = ToField(context.signer);
  return group.primary() == signer || std::all_of(objects.begin(), objects.end(), [&](const pb::Object& object) {
           return object.primary() == signer;
         });
}

// Records the receipts in one object: a first one earns the ingress fee, one for a sealed object starts its position's
// flow. True when the object became whole by them.
bool TakeReceipts(const Receipts& receipts, pb::Group& group, pb::Object& object, const Context& context,
                  Edits& edits) {
  const bool sealed = object.state() == pb::OBJECT_STATE_SEALED;
  const bool whole_before = sealed && IsDurable(object, group);
  for (const pb::Receipt& receipt : receipts) {
    pb::GroupPosition& position = *group.mutable_positions(receipt.position());
    for (int i = 0; i < object.positions_size(); ++i) {
      if (object.positions(i) != receipt.position()) continue;
      if (object.receipt_generations(i) == position.generation()) continue;
      const bool first = object.receipt_generations(i) == 0;
      object.set_receipt_generations(i, position.generation());
      if (first) PayIngress(object, position.provider(), context, edits);
      if (!sealed) continue;
      position.set_receipted(position.receipted() + 1);
      if (first) ReleaseLock(object, context, edits);
      BillPosition(object, receipt.position(), context, edits);
      if (first) Refill(edits, context, AccountOf(object.locked_by()));
    }
  }
  return sealed && !whole_before && IsDurable(object, group);
}

void TellDurable(const std::string& id, const Context& context, Edits& edits) {
  pb::Object& object = edits.At(keys::Object(id));
  object.set_durable_once(true);
  context.Emit("object.durable", {{"object", Hex(id)},
                                  {"group", absl::StrCat(object.group())},
                                  {"owner", Hex(object.owner())}});
}

void ApplyReceipts(const Ids& ids, const Receipts& receipts, uint64_t group_id, bool seal, const Context& context,
                   Edits& edits) {
  pb::Group& group = edits.At(keys::Group(group_id));
  for (const std::string& id : ids) {
    // An earlier object of the list may have pushed this version out of its name's history.
    if (!edits.Has(keys::Object(id))) continue;
    pb::Object& object = edits.At(keys::Object(id));
    const bool created = object.state() == pb::OBJECT_STATE_CREATED;
    const bool whole = TakeReceipts(receipts, group, object, context, edits);
    if (created && seal) SealObject(id, context, edits);
    if (whole || (created && seal && IsDurable(object, group))) TellDurable(id, context, edits);
  }
}

}  // namespace

Verdict Validate(const pb::SealObjects& op) {
  const Verdict ids = ValidateObjectIds(op.objects());
  return ids != Verdict::kOk ? ids : ValidateReceipts(op.receipts());
}

Verdict Check(const pb::SealObjects& op, const Context& context, const ReadView& view) {
  const auto group = view.Find(keys::Group(op.group()));
  if (!group) return Verdict::kUnknownGroup;
  std::vector<pb::Object> objects;
  const Verdict read = ReadObjects(op.objects(), op.group(), context, view, &objects);
  if (read != Verdict::kOk) return read;
  if (!IsPrimary(context, *group, objects)) return Verdict::kNotPrimary;
  std::set<uint32_t> fresh;
  for (const pb::Receipt& receipt : op.receipts()) fresh.insert(receipt.position());
  const std::vector<base::AccountId> operators = OperatorsOf(*group, view);
  for (const pb::Object& object : objects) {
    if (object.state() != pb::OBJECT_STATE_CREATED) continue;
    const Verdict quorum = CheckQuorum(object, *group, fresh, operators, context);
    if (quorum != Verdict::kOk) return quorum;
  }
  return CheckReceipts(op.receipts(), *group, objects, context, view);
}

void Apply(const pb::SealObjects& op, const Context& context, Edits& edits) {
  ApplyReceipts(op.objects(), op.receipts(), op.group(), true, context, edits);
}

Verdict Validate(const pb::PostReceipts& op) {
  const Verdict ids = ValidateObjectIds(op.objects());
  if (ids != Verdict::kOk) return ids;
  return op.receipts().empty() ? Verdict::kBadCount : ValidateReceipts(op.receipts());
}

Verdict Check(const pb::PostReceipts& op, const Context& context, const ReadView& view) {
  const auto group = view.Find(keys::Group(op.group()));
  if (!group) return Verdict::kUnknownGroup;
  std::vector<pb::Object> objects;
  const Verdict read = ReadObjects(op.objects(), op.group(), context, view, &objects);
  if (read != Verdict::kOk) return read;
  const bool primary = IsPrimary(context, *group, objects);
  for (const pb::Receipt& receipt : op.receipts()) {
    if (receipt.position() >= static_cast<uint32_t>(group->positions_size())) return Verdict::kNoSuchPosition;
    const bool holder = group->positions(receipt.position()).provider() == ToField(context.signer);
    if (!primary && !holder) return Verdict::kNotHolder;
  }
  return CheckReceipts(op.receipts(), *group, objects, context, view);
}

void Apply(const pb::PostReceipts& op, const Context& context, Edits& edits) {
  ApplyReceipts(op.objects(), op.receipts(), op.group(), false, context, edits);
}

}  // namespace cairn::chain
