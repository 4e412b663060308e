#include "cairn/chain/domain/buckets.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/layout.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/groups.h"
#include "domain/approvals.h"
#include "domain/billing.h"
#include "domain/money.h"

namespace cairn::chain {
namespace {

constexpr size_t kMaxWrapBytes = 256;

bool BucketNameValid(const std::string& name) {
  const auto alphanumeric = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  return name.size() >= 3 && name.size() <= 63 && alphanumeric(name.front()) && alphanumeric(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '-' || c == '.'; });
}

bool PolicyValid(const pb::Redundancy& policy) {
  const uint32_t most = base::kMaxWidth;
  if (policy.kind() == pb::LAYOUT_KIND_COPIES) {
    return policy.data() == 0 && policy.parity() == 0 && policy.copies() >= 2 && policy.copies() <= most;
  }
  return policy.kind() == pb::LAYOUT_KIND_SHARDS && policy.copies() == 0 && policy.data() >= 1 &&
         policy.parity() >= 1 && policy.data() <= most && policy.parity() <= most - policy.data();
}

Verdict ValidateWraps(const pb::CreateBucket& op) {
  if (op.wraps_size() > kMaxKeyWraps || (!op.public_read() && op.wraps_size() == 0)) return Verdict::kBadKeyWrap;
  for (const pb::KeyWrap& wrap : op.wraps()) {
    const bool sane = wrap.member().size() == base::AccountId::kSize && !wrap.wrapped().empty() &&
                      wrap.wrapped().size() <= kMaxWrapBytes && wrap.key_epoch() == op.wraps(0).key_epoch();
    if (!sane) return Verdict::kBadKeyWrap;
  }
  return Verdict::kOk;
}

bool WrappedToOwner(const pb::CreateBucket& op, const base::AccountId& owner) {
  return op.wraps_size() == 0 || std::any_of(op.wraps().begin(), op.wraps().end(), [&](const pb::KeyWrap& wrap) {
           return wrap.member() == ToField(owner);
         });
}

// The group exists, is the signer's and of the policy; or can be made. `primary` is filled in when so.
Verdict CheckPlacement(const pb::CreateBucket& op, const Context& context, const ReadView& view,
                       pb::Provider* primary) {
  std::string account;
  if (op.has_new_group()) {
    const Verdict verdict = CheckNewGroup(op.new_group(), op.policy(), context, view);
    if (verdict != Verdict::kOk) return verdict;
    account = op.new_group().primary();
  } else {
    const auto group = view.Find(keys::Group(op.group()));
    if (!group) return Verdict::kUnknownGroup;
    if (group->owner() != ToField(context.signer)) return Verdict::kNotOwner;
    if (!(FromProto(group->policy()) == FromProto(op.policy()))) return Verdict::kPolicyDiffers;
    account = group->primary();
  }
  auto found = view.Find(keys::Provider(AccountOf(account)));
  if (!found) return Verdict::kUnknownProvider;
  if (found->state() != pb::PROVIDER_STATE_ACTIVE) return Verdict::kProviderNotActive;
  *primary = *std::move(found);
  return Verdict::kOk;
}

Verdict CheckOwner(const Found<pb::Bucket>& bucket, const Context& context) {
  if (!bucket) return Verdict::kUnknownBucket;
  return bucket->owner() == ToField(context.signer) ? Verdict::kOk : Verdict::kNotOwner;
}

}  // namespace

Verdict Validate(const pb::CreateBucket& op) {
  if (!BucketNameValid(op.name())) return Verdict::kBadName;
  if (!PolicyValid(op.policy())) return Verdict::kBadPolicy;
  if (op.nonce().size() != base::Nonce16::kSize) return Verdict::kBadNonce;
  if (op.keep_versions() > kMaxKeepVersions) return Verdict::kBadVersions;
  if (op.placement_case() == pb::CreateBucket::PLACEMENT_NOT_SET) return Verdict::kBadCount;
  if (op.has_new_group()) {
    const Verdict verdict = Validate(op.new_group());
    if (verdict != Verdict::kOk) return verdict;
  }
  const Verdict wraps = ValidateWraps(op);
  return wraps != Verdict::kOk ? wraps : ValidateApproval(op.approval());
}

Verdict Check(const pb::CreateBucket& op, const Context& context, const ReadView& view) {
  const auto account = view.Find(keys::Account(context.signer));
  if (!account) return Verdict::kNoFunds;
  if (account->buckets() >= context.params.max_buckets_per_account()) {
    return context.Refuse(Verdict::kTooManyBuckets, absl::StrCat("has ", account->buckets()));
  }
  if (view.Has(keys::BucketName(context.signer, op.name()))) return Verdict::kBucketExists;
  if (!WrappedToOwner(op, context.signer)) return Verdict::kOwnerWrapMissing;
  pb::Provider primary;
  const Verdict placement = CheckPlacement(op, context, view, &primary);
  if (placement != Verdict::kOk) return placement;
  if (FromProto(account->crn()) < FromProto(context.params.bucket_bond())) return Verdict::kNoFunds;
  return CheckApproval(op.approval(), primary, context, view);
}

void Apply(const pb::CreateBucket& op, const Context& context, Edits& edits) {
  pb::Counters& counters = edits.At(keys::Counters());
  counters.set_last_bucket(counters.last_bucket() + 1);
  const uint64_t id = counters.last_bucket();
  context.Created(NumberField(id));
  uint64_t group_id = op.group();
  if (op.has_new_group()) {
    group_id = ApplyNewGroup(op.new_group(), op.policy(), context, edits);
    context.Created(NumberField(group_id));
  }
  pb::Group& group = edits.At(keys::Group(group_id));
  group.set_buckets(group.buckets() + 1);

  pb::Bucket& bucket = edits.At(keys::Bucket(id));
  bucket.set_id(id);
  bucket.set_owner(ToField(context.signer));
  bucket.set_name(op.name());
  bucket.set_public_read(op.public_read());
  *bucket.mutable_policy() = op.policy();
  bucket.set_group(group_id);
  bucket.set_nonce(op.nonce());
  if (op.wraps_size() != 0) bucket.set_key_epoch(op.wraps(0).key_epoch());
  *bucket.mutable_wraps() = op.wraps();
  bucket.set_keep_versions(std::max<uint32_t>(op.keep_versions(), 1));
  bucket.set_created_ms(context.time_ms);
  *bucket.mutable_bond() = context.params.bucket_bond();
  edits.PutRaw(keys::BucketName(context.signer, op.name()), NumberField(id));

  pb::Account& account = edits.At(keys::Account(context.signer));
  account.set_buckets(account.buckets() + 1);
  Lock(edits, context.signer, FromProto(bucket.bond()));
  UseApproval(op.approval(), edits);
  context.Emit("bucket.created", {{"bucket", absl::StrCat(id)},
                                  {"owner", context.signer.ToHexString()},
                                  {"name", op.name()},
                                  {"group", absl::StrCat(group_id)},
                                  {"primary", base::ToHex(base::AsBytes(group.primary()))},
                                  {"bond", FromProto(bucket.bond()).ToString()}});
}

Verdict Validate(const pb::EditBucket& op) {
  if (!op.has_public_read() && !op.has_keep_versions()) return Verdict::kBadCount;
  const bool sane = !op.has_keep_versions() || (op.keep_versions() >= 1 && op.keep_versions() <= kMaxKeepVersions);
  return sane ? Verdict::kOk : Verdict::kBadVersions;
}

Verdict Check(const pb::EditBucket& op, const Context& context, const ReadView& view) {
  return CheckOwner(view.Find(keys::Bucket(op.bucket())), context);
}

void Apply(const pb::EditBucket& op, const Context& context, Edits& edits) {
  pb::Bucket& bucket = edits.At(keys::Bucket(op.bucket()));
  if (op.has_public_read()) bucket.set_public_read(op.public_read());
  if (op.has_keep_versions()) bucket.set_keep_versions(op.keep_versions());
  context.Emit("bucket.edited", {{"bucket", absl::StrCat(op.bucket())}});
}

Verdict Validate(const pb::DeleteBucket&) { return Verdict::kOk; }

Verdict Check(const pb::DeleteBucket& op, const Context& context, const ReadView& view) {
  const auto bucket = view.Find(keys::Bucket(op.bucket()));
  const Verdict owner = CheckOwner(bucket, context);
  if (owner != Verdict::kOk) return owner;
  if (bucket->objects() == 0) return Verdict::kOk;
  return context.Refuse(Verdict::kBucketNotEmpty, absl::StrCat(bucket->objects(), " objects"));
}

void Apply(const pb::DeleteBucket& op, const Context& context, Edits& edits) {
  const auto key = keys::Bucket(op.bucket());
  const pb::Bucket bucket = edits.At(key);
  // While the bucket is there to say who pays for it.
  BillPackage(bucket, {}, {}, context, edits);
  edits.Drop(key);
  edits.DropRaw(keys::BucketName(context.signer, bucket.name()));
  pb::Account& account = edits.At(keys::Account(context.signer));
  account.set_buckets(account.buckets() - 1);
  GiveBack(edits, context, context.signer, FromProto(bucket.bond()));
  pb::Group& group = edits.At(keys::Group(bucket.group()));
  group.set_buckets(group.buckets() - 1);
  if (group.buckets() == 0) DropGroup(group.id(), edits);
  context.Emit("bucket.deleted", {{"bucket", absl::StrCat(op.bucket())},
                                  {"owner", context.signer.ToHexString()},
                                  {"name", bucket.name()},
                                  {"bond", FromProto(bucket.bond()).ToString()}});
}

}  // namespace cairn::chain
