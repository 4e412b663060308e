#include "domain/object_records.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/charge.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "domain/billing.h"
#include "domain/money.h"

namespace cairn::chain {
namespace {

// Signed steps on unsigned counters: `sign` is +1 or -1.
void Step(uint64_t value, int sign, uint64_t* counter) { *counter += sign > 0 ? value : ~value + 1; }

void CountInBucket(const pb::Object& object, int sign, Edits& edits) {
  pb::Bucket& bucket = edits.At(keys::Bucket(object.bucket()));
  uint64_t objects = bucket.objects();
  uint64_t bytes = bucket.stored_bytes();
  Step(1, sign, &objects);
  Step(object.stored_size(), sign, &bytes);
  bucket.set_objects(objects);
  bucket.set_stored_bytes(bytes);
}

void CountAtProvider(const std::string& provider, uint64_t bytes, int sign, Edits& edits) {
  pb::Provider& record = edits.At(keys::Provider(AccountOf(provider)));
  uint64_t committed = record.committed_bytes();
  Step(bytes, sign, &committed);
  record.set_committed_bytes(committed);
}

void CountInGroup(const pb::Object& object, int sign, Edits& edits) {
  pb::Group& group = edits.At(keys::Group(object.group()));
  uint64_t objects = group.objects();
  uint64_t stored = group.stored_bytes();
  uint64_t pending = group.pending_objects();
  Step(1, sign, &objects);
  Step(object.stored_size(), sign, &stored);
  Step(object.state() == pb::OBJECT_STATE_CREATED ? 1 : 0, sign, &pending);
  group.set_objects(objects);
  group.set_stored_bytes(stored);
  group.set_pending_objects(pending);
  const uint64_t held = HeldBytesOf(object, group.policy());
  for (const uint32_t index : object.positions()) {
    pb::GroupPosition& position = *group.mutable_positions(index);
    uint64_t bytes = position.held_bytes();
    Step(held, sign, &bytes);
    position.set_held_bytes(bytes);
    CountAtProvider(position.provider(), held, sign, edits);
  }
  if (group.policy().whole_at_primary()) CountAtProvider(group.primary(), object.stored_size(), sign, edits);
}

// What positions should hold, and have receipted, of a sealed object.
void CountSealed(const pb::Object& object, int sign, Edits& edits) {
  pb::Group& group = edits.At(keys::Group(object.group()));
  for (int i = 0; i < object.positions_size(); ++i) {
    pb::GroupPosition& position = *group.mutable_positions(object.positions(i));
    uint64_t should_hold = position.should_hold();
    uint64_t receipted = position.receipted();
    Step(1, sign, &should_hold);
    Step(object.receipt_generations(i) == position.generation() ? 1 : 0, sign, &receipted);
    position.set_should_hold(should_hold);
    position.set_receipted(receipted);
  }
}

pb::Name& NameOf(const pb::Object& object, Edits& edits) {
  return edits.At(keys::Name(object.bucket(), object.name()));
}

void DropNameIfUnused(const pb::Object& object, Edits& edits) {
  const pb::Name& name = NameOf(object, edits);
  if (name.current().empty() && name.pending().empty()) edits.Drop(keys::Name(object.bucket(), object.name()));
}

// Removes the oldest kept version of a name.
void DropOldest(const pb::Name& name, const Context& context, Edits& edits) {
  std::string oldest = name.current();
  while (true) {
    const pb::Object& version = edits.At(keys::Object(oldest));
    if (version.replaces().empty()) break;
    oldest = version.replaces();
  }
  DeleteVersion(oldest, EndReason::kDeleted, context, edits);
}

}  // namespace

uint64_t HeldBytesOf(const pb::Object& object, const pb::Redundancy& policy) {
  return base::HeldBytes(FromProto(object.layout()), object.stored_size(), policy.data());
}

Verdict ValidateObjectIds(const google::protobuf::RepeatedPtrField<std::string>& ids) {
  if (ids.empty() || ids.size() > kMaxObjectsPerOperation) return Verdict::kBadCount;
  for (int i = 0; i < ids.size(); ++i) {
    if (ids[i].size() != base::ObjectId::kSize) return Verdict::kBadObjectId;
    if (i > 0 && !(ids[i - 1] < ids[i])) return Verdict::kNotSorted;
  }
  return Verdict::kOk;
}

base::Amount FullRate(const pb::Object& object) {
  const auto holders = FromProto(object.holder_rate()).Times(object.positions_size());
  const auto net = holders ? holders->Plus(FromProto(object.primary_rate())) : std::nullopt;
  const auto rate = net ? net->Plus(FromProto(object.tax_rate())) : std::nullopt;
  return rate.value_or(base::Amount::Max());
}

uint64_t Unreceipted(const pb::Object& object) {
  return static_cast<uint64_t>(std::count(object.receipt_generations().begin(), object.receipt_generations().end(), 0u));
}

namespace {

// Money for the positions' first receipts that is still to be paid.
base::Amount IngressLeft(const pb::Object& object) {
  return FromProto(object.ingress()).Times(Unreceipted(object)).value_or(base::Amount());
}

}  // namespace

void AddObject(const pb::Object& object, const Context& context, Edits& edits) {
  edits.At(keys::Object(object.id())) = object;
  edits.PutRaw(keys::GroupObject(object.group(), object.id()), "o");
  CountInBucket(object, +1, edits);
  CountInGroup(object, +1, edits);
  const base::AccountId owner = AccountOf(object.owner());
  const base::AccountId payer = AccountOf(object.locked_by());
  Lock(edits, payer, FromProto(object.lock()));
  Lock(edits, payer, IngressLeft(object));
  CountAhead(payer, object.bucket(), IngressLeft(object), Ahead::kPaid, context, edits);
  Lock(edits, owner, FromProto(object.bond()));
  CountInBill(object, +1, context, edits);
  pb::Name& name = NameOf(object, edits);
  name.set_name(object.name());
  name.set_pending(object.id());
  AddDue(edits, object.seal_deadline_ms(), DueKind::kSealDeadline, object.id());
}

void PayIngress(pb::Object& object, const std::string& provider, const Context& context, Edits& edits) {
  const base::AccountId payer = AccountOf(object.locked_by());
  PayFromLocked(edits, context, payer, AccountOf(provider), FromProto(object.ingress()));
  TellPaid("object.ingress_paid", {{"object", Hex(object.id())}}, payer, AccountOf(provider),
           FromProto(object.ingress()), context);
}

void ReleaseLock(pb::Object& object, const Context& context, Edits& edits) {
  const auto part = FromProto(object.holder_rate()).Plus(FromProto(object.holder_tax()));
  const auto second = part ? part->Times(Unreceipted(object)) : std::nullopt;
  const auto kept = second ? second->Times(context.params.reserve_seconds()) : std::nullopt;
  const base::Amount lock = FromProto(object.lock());
  const base::Amount rest = std::min(lock, kept.value_or(base::Amount()));
  const base::Amount released = lock.MinusOrZero(rest);
  Unlock(edits, AccountOf(object.locked_by()), released);
  *object.mutable_lock() = ToProto(rest);
  if (released.zero()) return;
  context.Emit("object.lock_released", {{"object", Hex(object.id())},
                                        {"payer", Hex(object.locked_by())},
                                        {"amount", released.ToString()}});
}

void RemoveObject(const std::string& id, EndReason reason, const Context& context, Edits& edits) {
  const pb::Object object = edits.At(keys::Object(id));
  if (object.state() == pb::OBJECT_STATE_SEALED) {
    // Before the object is counted out of its bill, which goes with the last one.
    EndBilling(object, reason == EndReason::kDeleted, context, edits);
    CountSealed(object, -1, edits);
  } else {
    DropDue(edits, object.seal_deadline_ms(), DueKind::kSealDeadline, id);
  }
  CountInBucket(object, -1, edits);
  CountInGroup(object, -1, edits);
  edits.Drop(keys::Object(id));
  edits.DropRaw(keys::GroupObject(object.group(), id));
  const base::AccountId owner = AccountOf(object.owner());
  const base::AccountId payer = AccountOf(object.locked_by());
  CountInBill(object, -1, context, edits);
  GiveBack(edits, context, payer, FromProto(object.lock()));
  GiveBack(edits, context, payer, IngressLeft(object));
  CountAhead(payer, object.bucket(), IngressLeft(object), Ahead::kReturned, context, edits);
  GiveBack(edits, context, owner, FromProto(object.bond()));
}

void SealObject(const std::string& id, const Context& context, Edits& edits) {
  pb::Object& object = edits.At(keys::Object(id));
  pb::Group& group = edits.At(keys::Group(object.group()));
  object.set_state(pb::OBJECT_STATE_SEALED);
  object.set_sealed_ms(context.time_ms);
  object.set_billed_from_s(context.stream_s);
  group.set_pending_objects(group.pending_objects() - 1);
  CountSealed(object, +1, edits);
  ReleaseLock(object, context, edits);
  BeginBilling(object, context, edits);
  // Whoever locked may not be who pays any more; for the one who does, the new flow has come first.
  Refill(edits, context, AccountOf(object.locked_by()));
  DropDue(edits, object.seal_deadline_ms(), DueKind::kSealDeadline, id);

  pb::Name& name = NameOf(object, edits);
  object.set_replaces(name.current());
  name.set_current(id);
  name.clear_pending();
  name.set_last_version(object.version());
  name.set_kept_versions(name.kept_versions() + 1);
  context.Emit("object.sealed", {{"object", Hex(id)},
                                 {"bucket", absl::StrCat(object.bucket())},
                                 {"group", absl::StrCat(object.group())},
                                 {"owner", Hex(object.owner())},
                                 {"version", absl::StrCat(object.version())}});
  const uint32_t keep = edits.At(keys::Bucket(object.bucket())).keep_versions();
  while (name.kept_versions() > keep) DropOldest(name, context, edits);
}

void ForgetPending(const pb::Object& object, Edits& edits) {
  NameOf(object, edits).clear_pending();
  DropNameIfUnused(object, edits);
}

void DeleteVersion(const std::string& id, EndReason reason, const Context& context, Edits& edits) {
  const pb::Object object = edits.At(keys::Object(id));
  pb::Name& name = NameOf(object, edits);
  if (name.current() == id) {
    name.set_current(object.replaces());
  } else {
    std::string newer = name.current();
    while (!newer.empty() && edits.At(keys::Object(newer)).replaces() != id) {
      newer = edits.At(keys::Object(newer)).replaces();
    }
    if (!newer.empty()) edits.At(keys::Object(newer)).set_replaces(object.replaces());
  }
  name.set_kept_versions(name.kept_versions() - 1);
  RemoveObject(id, reason, context, edits);
  DropNameIfUnused(object, edits);
  context.Emit("object.deleted", {{"object", Hex(id)},
                                  {"bucket", absl::StrCat(object.bucket())},
                                  {"group", absl::StrCat(object.group())},
                                  {"owner", Hex(object.owner())},
                                  {"payer", Hex(object.locked_by())},
                                  {"version", absl::StrCat(object.version())},
                                  {"lock", FromProto(object.lock()).ToString()},
                                  {"bond", FromProto(object.bond()).ToString()}});
}

std::vector<std::string> VersionsOf(const pb::Name& name, const ReadView& view) {
  std::vector<std::string> versions;
  std::string id = name.current();
  while (!id.empty()) {
    versions.push_back(id);
    const auto object = view.Find(keys::Object(id));
    id = object ? object->replaces() : "";
  }
  return versions;
}

}  // namespace cairn::chain
