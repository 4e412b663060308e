// Ends: rejected, cancelled, expired, deleted; and what a primary owes for an upload it took and did not seal.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/claim.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/objects.h"
#include "cairn/chain/domain/providers.h"
#include "cairn/chain/transaction.h"
#include "domain/billing.h"
#include "domain/money.h"
#include "domain/object_records.h"

namespace cairn::chain {
namespace {

constexpr size_t kMaxReason = 64;

Verdict FindCreated(const std::string& id, const Context& context, const ReadView& view, pb::Object* object) {
  auto found = view.Find(keys::Object(id));
  if (!found) return context.Refuse(Verdict::kUnknownObject, absl::StrCat("object ", Hex(id)));
  if (found->state() != pb::OBJECT_STATE_CREATED) {
    return context.Refuse(Verdict::kNotCreated, absl::StrCat("object ", Hex(id)));
  }
  // Due work may be behind, and the object still there: late is late all the same.
  if (context.time_ms >= found->seal_deadline_ms()) return Verdict::kDeadlinePassed;
  *object = *std::move(found);
  return Verdict::kOk;
}

bool IsPrimaryOf(const pb::Object& object, const Context& context, const ReadView& view) {
  const std::string signer = ToField(context.signer);
  if (object.primary() == signer) return true;
  const auto group = view.Find(keys::Group(object.group()));
  return group && group->primary() == signer;
}

// Others made the seal impossible: nobody is fined for that.
bool Disturbed(const pb::Object& object, Edits& edits) {
  return edits.At(keys::Group(object.group())).disturbed_ms() >= object.created_ms();
}

// Keeps what an upload receipt named, so that a receipt over a batch can still be rebuilt. `fine` may be zero.
void KeepForFines(const pb::Object& object, const pb::Amount& fine, const Context& context, Edits& edits) {
  pb::ExpiredUpload& expired = edits.At(keys::ExpiredUpload(object.id()));
  expired.set_owner(object.owner());
  expired.set_primary(object.primary());
  *expired.mutable_fine() = fine;
  expired.set_until_ms(object.seal_deadline_ms() + context.params.fine_claim_window_ms());
  expired.set_version(object.version());
  expired.set_layout_root(object.layout_root());
  expired.set_stored_size(object.stored_size());
  AddDue(edits, expired.until_ms(), DueKind::kFineWindow, object.id());
  HoldLiable(object.primary(), expired.until_ms(), edits);
}

void Tell(const char* type, const pb::Object& object, const Context& context) {
  context.Emit(type, {{"object", Hex(object.id())},
                      {"bucket", absl::StrCat(object.bucket())},
                      {"group", absl::StrCat(object.group())},
                      {"owner", Hex(object.owner())},
                      {"payer", Hex(object.locked_by())},
                      {"primary", Hex(object.primary())},
                      {"version", absl::StrCat(object.version())},
                      {"lock", FromProto(object.lock()).ToString()},
                      {"bond", FromProto(object.bond()).ToString()}});
}

}  // namespace

Verdict Validate(const pb::RejectObjects& op) {
  const bool plain = op.reason().size() <= kMaxReason &&
                     std::all_of(op.reason().begin(), op.reason().end(), [](char c) { return c > ' ' && c <= '~'; });
  return plain ? ValidateObjectIds(op.objects()) : Verdict::kBadText;
}

Verdict Check(const pb::RejectObjects& op, const Context& context, const ReadView& view) {
  for (const std::string& id : op.objects()) {
    pb::Object object;
    const Verdict found = FindCreated(id, context, view, &object);
    if (found != Verdict::kOk) return found;
    if (!IsPrimaryOf(object, context, view)) return Verdict::kNotPrimary;
  }
  return Verdict::kOk;
}

void Apply(const pb::RejectObjects& op, const Context& context, Edits& edits) {
  for (const std::string& id : op.objects()) {
    const pb::Object object = edits.At(keys::Object(id));
    RemoveObject(id, EndReason::kDeleted, context, edits);
    ForgetPending(object, edits);
    KeepForFines(object, Disturbed(object, edits) ? pb::Amount() : context.params.seal_fine(), context, edits);
    context.Emit("object.rejected", {{"object", Hex(id)},
                                     {"bucket", absl::StrCat(object.bucket())},
                                     {"group", absl::StrCat(object.group())},
                                     {"owner", Hex(object.owner())},
                                     {"payer", Hex(object.locked_by())},
                                     {"primary", Hex(object.primary())},
                                     {"lock", FromProto(object.lock()).ToString()},
                                     {"bond", FromProto(object.bond()).ToString()},
                                     {"reason", op.reason()}});
  }
}

Verdict Validate(const pb::CancelObjects& op) { return ValidateObjectIds(op.objects()); }

Verdict Check(const pb::CancelObjects& op, const Context& context, const ReadView& view) {
  for (const std::string& id : op.objects()) {
    pb::Object object;
    const Verdict found = FindCreated(id, context, view, &object);
    if (found != Verdict::kOk) return found;
    if (object.owner() != ToField(context.signer)) return Verdict::kNotOwner;
  }
  return Verdict::kOk;
}

void Apply(const pb::CancelObjects& op, const Context& context, Edits& edits) {
  for (const std::string& id : op.objects()) {
    const pb::Object object = edits.At(keys::Object(id));
    const bool stored_somewhere = std::any_of(object.receipt_generations().begin(), object.receipt_generations().end(),
                                              [](uint32_t generation) { return generation != 0; });
    if (stored_somewhere) {
      // Before the lock returns: a payer that is short puts all of that into its streams.
      const base::Amount effort = std::min(FromProto(context.params.effort_fee()), FromProto(object.lock()));
      TakeFrom(edits.At(keys::Object(id)).mutable_lock(), effort);
      const base::AccountId payer = AccountOf(object.locked_by());
      PayFromLocked(edits, context, payer, AccountOf(object.primary()), effort);
      CountAhead(payer, object.bucket(), effort, Ahead::kPaid, context, edits);
      context.Emit("object.effort_paid", {{"object", Hex(id)},
                                          {"owner", Hex(object.owner())},
                                          {"payer", Hex(object.locked_by())},
                                          {"primary", Hex(object.primary())},
                                          {"amount", effort.ToString()}});
    }
    RemoveObject(id, EndReason::kDeleted, context, edits);
    ForgetPending(object, edits);
    Tell("object.cancelled", object, context);
  }
}

Verdict Validate(const pb::DeleteObjects& op) {
  const int count = op.names_size() + op.versions_size();
  if (count < 1 || count > kMaxObjectsPerOperation) return Verdict::kBadCount;
  std::set<absl::string_view> seen;
  for (const std::string& name : op.names()) {
    if (name.empty() || name.size() > kMaxNameBytes) return Verdict::kBadName;
    if (!seen.insert(name).second) return Verdict::kRepeated;
  }
  std::set<absl::string_view> versions;
  for (const std::string& id : op.versions()) {
    if (id.size() != base::ObjectId::kSize) return Verdict::kBadObjectId;
    if (!versions.insert(id).second) return Verdict::kRepeated;
  }
  return Verdict::kOk;
}

Verdict Check(const pb::DeleteObjects& op, const Context& context, const ReadView& view) {
  const auto bucket = view.Find(keys::Bucket(op.bucket()));
  if (!bucket) return Verdict::kUnknownBucket;
  if (bucket->owner() != ToField(context.signer)) return Verdict::kNotOwner;
  std::set<absl::string_view> names;
  for (const std::string& wanted : op.names()) {
    const auto name = view.Find(keys::Name(op.bucket(), wanted));
    if (!name) return context.Refuse(Verdict::kUnknownName, absl::StrCat("name ", Hex(wanted)));
    if (!name->pending().empty()) return context.Refuse(Verdict::kUploadPending, absl::StrCat("name ", Hex(wanted)));
    names.insert(wanted);
  }
  for (const std::string& id : op.versions()) {
    const auto object = view.Find(keys::Object(id));
    if (!object || object->bucket() != op.bucket() || names.count(object->name()) != 0) {
      return context.Refuse(Verdict::kUnknownObject, absl::StrCat("object ", Hex(id)));
    }
    if (object->state() != pb::OBJECT_STATE_SEALED) return Verdict::kUploadPending;
  }
  return Verdict::kOk;
}

void Apply(const pb::DeleteObjects& op, const Context& context, Edits& edits) {
  for (const std::string& wanted : op.names()) {
    const pb::Name name = edits.At(keys::Name(op.bucket(), wanted));
    for (const std::string& id : VersionsOf(name, edits.view())) {
      DeleteVersion(id, EndReason::kDeleted, context, edits);
    }
  }
  for (const std::string& id : op.versions()) DeleteVersion(id, EndReason::kDeleted, context, edits);
}

Verdict Validate(const pb::RequestUpload& op) {
  return op.object().size() == base::ObjectId::kSize ? Verdict::kOk : Verdict::kBadObjectId;
}

Verdict Check(const pb::RequestUpload& op, const Context& context, const ReadView& view) {
  pb::Object object;
  const Verdict found = FindCreated(op.object(), context, view, &object);
  if (found != Verdict::kOk) return found;
  if (object.owner() != ToField(context.signer)) return Verdict::kNotOwner;
  if (object.upload_requested_ms() != 0) return Verdict::kRequestedBefore;
  const bool paid = FromProto(context.params.upload_request_fee()) <= FreeBalance(view, context.signer);
  return paid ? Verdict::kOk : Verdict::kNoFunds;
}

void Apply(const pb::RequestUpload& op, const Context& context, Edits& edits) {
  PayTreasury(edits, context.signer, FromProto(context.params.upload_request_fee()));
  pb::Object& object = edits.At(keys::Object(op.object()));
  DropDue(edits, object.seal_deadline_ms(), DueKind::kSealDeadline, object.id());
  object.set_upload_requested_ms(context.time_ms);
  object.set_seal_deadline_ms(context.time_ms + context.params.seal_window_ms());
  AddDue(edits, object.seal_deadline_ms(), DueKind::kSealDeadline, object.id());
  HoldLiable(object.primary(), object.seal_deadline_ms() + context.params.fine_claim_window_ms(), edits);
  Tell("object.upload_requested", object, context);
}

Verdict Validate(const pb::AnswerUpload& op) {
  return op.object().size() == base::ObjectId::kSize ? Verdict::kOk : Verdict::kBadObjectId;
}

Verdict Check(const pb::AnswerUpload& op, const Context& context, const ReadView& view) {
  pb::Object object;
  const Verdict found = FindCreated(op.object(), context, view, &object);
  if (found != Verdict::kOk) return found;
  if (!IsPrimaryOf(object, context, view)) return Verdict::kNotPrimary;
  const bool open = object.upload_requested_ms() != 0 && !object.upload_answered();
  return open ? Verdict::kOk : Verdict::kNotRequested;
}

void Apply(const pb::AnswerUpload& op, const Context& context, Edits& edits) {
  pb::Object& object = edits.At(keys::Object(op.object()));
  object.set_upload_answered(true);
  Tell("object.upload_answered", object, context);
}

Verdict Validate(const pb::ClaimFine& op) {
  if (op.signature().size() != base::Signature::kSize) return Verdict::kBadSignatureField;
  return ValidateObjectIds(op.objects());
}

namespace {

// May the signer have the fine of this record now?
bool Claimable(const pb::ExpiredUpload& expired, const Context& context) {
  return expired.owner() == ToField(context.signer) && !FromProto(expired.fine()).zero() &&
         context.time_ms < expired.until_ms();
}

}  // namespace

Verdict Check(const pb::ClaimFine& op, const Context& context, const ReadView& view) {
  base::UploadReceipt receipt;
  receipt.chain = context.chain;
  std::set<std::string> primaries;
  bool claimable = false;
  for (const std::string& id : op.objects()) {
    if (const auto expired = view.Find(keys::ExpiredUpload(id))) {
      base::ReceiptEntry entry;
      entry.object = Trusted<base::ObjectId>(id);
      entry.version = expired->version();
      entry.layout_root = Trusted<base::Digest>(expired->layout_root());
      entry.stored_size = expired->stored_size();
      receipt.entries.push_back(entry);
      primaries.insert(expired->primary());
      claimable = claimable || Claimable(*expired, context);
    // One receipt covers a batch: entries that were sealed in time are part of what was signed.
    } else if (const auto object = view.Find(keys::Object(id))) {
      receipt.entries.push_back(EntryOf(*object));
      primaries.insert(object->primary());
    } else {
      return context.Refuse(Verdict::kUnknownObject, absl::StrCat("object ", Hex(id)));
    }
  }
  if (!claimable) return Verdict::kNothingToFine;
  if (primaries.size() != 1) return Verdict::kBadUploadReceipt;
  receipt.primary = AccountOf(*primaries.begin());
  const auto provider = view.Find(keys::Provider(receipt.primary));
  if (!provider) return Verdict::kUnknownProvider;
  const auto key = base::PublicKey::Decode(base::AsBytes(provider->node_key()));
  const bool valid = key.ok() && key->Verify(base::SigningDigest(receipt), Trusted<base::Signature>(op.signature()));
  return valid ? Verdict::kOk : Verdict::kBadUploadReceipt;
}

void Apply(const pb::ClaimFine& op, const Context& context, Edits& edits) {
  for (const std::string& id : op.objects()) {
    const auto key = keys::ExpiredUpload(id);
    if (!edits.Has(key)) continue;
    pb::ExpiredUpload& expired = edits.At(key);
    if (!Claimable(expired, context)) continue;
    FineProvider(AccountOf(expired.primary()), context.signer, FromProto(expired.fine()), id, context, edits);
    expired.clear_fine();  // the record stays: other entries of the receipt may need it
  }
}

void SealDeadlinePassed(const std::string& id, const Context& context, Edits& edits) {
  const auto key = keys::Object(id);
  if (!edits.Has(key)) return;
  const pb::Object object = edits.At(key);
  if (object.state() != pb::OBJECT_STATE_CREATED) return;
  RemoveObject(id, EndReason::kDeleted, context, edits);
  ForgetPending(object, edits);
  const bool unanswered = object.upload_requested_ms() != 0 && !object.upload_answered();
  if (unanswered) {
    FineProvider(AccountOf(object.primary()), AccountOf(object.owner()), FromProto(context.params.seal_fine()), id,
                 context, edits);
  }
  // Nobody is fined twice for one object.
  const bool finable = !unanswered && !Disturbed(object, edits);
  KeepForFines(object, finable ? context.params.seal_fine() : pb::Amount(), context, edits);
  Tell("object.expired", object, context);
}

void FineWindowClosed(const std::string& id, Edits& edits) { edits.Drop(keys::ExpiredUpload(id)); }

}  // namespace cairn::chain
