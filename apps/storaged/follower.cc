#include "apps/storaged/follower.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "apps/common/log.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"

namespace cairn::storaged {
namespace {

constexpr char kHeightKey[] = "mheight";  // 8 bytes, big endian
constexpr size_t kBatch = 256;

bool NamesUs(const pb::Group& group, const std::string& self) {
  return group.primary() == self || std::any_of(group.positions().begin(), group.positions().end(),
                                                [&](const pb::GroupPosition& position) {
                                                  return position.provider() == self ||
                                                         position.previous_provider() == self;
                                                });
}

bool Away(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status);
}

}  // namespace

absl::Status Follower::Load() {
  auto view = env_.writes.kv().Snapshot();
  ASSIGN_OR_RETURN(auto value, view->Get(kHeightKey));
  height_ = value.has_value() ? chain::NumberFromField(*value) : 0;
  return absl::OkStatus();
}

void Follower::Skip(uint64_t height) {
  base::KvBatch batch;
  batch.Put(kHeightKey, chain::NumberField(height));
  // Not worth a sync: a block seen again changes nothing.
  absl::Status kept = env_.writes.kv().Commit(batch, /*durable=*/false);
  if (!kept.ok()) app::LogError("follow.height", kept);
  height_ = height;
}

absl::Status Follower::Run(const std::function<bool()>& stopping) {
  absl::Status missed;
  const absl::Status ended = env_.ledger.client().Follow(height_ + 1, [&](const pb::Block& block) {
    pb::BlockHeader header;
    if (stopping() || !header.ParseFromString(block.header())) return false;
    missed = OnBlock(block, header.height());
    return missed.ok() && !stopping();
  });
  return missed.ok() ? ended : missed;
}

absl::Status Follower::OnBlock(const pb::Block& block, uint64_t height) {
  Touched touched;
  for (int i = 0; i < block.transactions_size() && i < block.receipts_size(); ++i) {
    if (chain::VerdictOf(block.receipts(i)) != chain::Verdict::kOk) continue;
    auto body = chain::DecodeBody(block.transactions(i));
    if (!body.ok()) continue;
    auto signer = base::PublicKey::Decode(base::AsBytes(body->signer()));
    if (!signer.ok()) continue;
    for (const pb::Operation& operation : body->operations())
      OnOperation(operation, signer->Account(), touched);
  }
  for (const pb::Event& event : block.events()) OnEvent(event, touched);
  absl::Status settled = Settle(touched);
  // A request that is not answered is fined, and what is not sealed in time is gone: neither waits for Reconcile.
  if (Away(settled)) return settled;
  if (!settled.ok()) {
    // A block that can never be settled must not keep us from those after it; Reconcile finds what is left undone.
    app::LogError("follow.block", settled, {{"height", std::to_string(height)}});
  }
  Skip(height);
  return absl::OkStatus();
}

void Follower::OnOperation(const pb::Operation& operation, const base::AccountId& signer,
                           Touched& touched) {
  switch (operation.kind_case()) {
    case pb::Operation::kCreateObjects:
      touched.created.push_back(operation.create_objects());
      return;
    case pb::Operation::kSealObjects:
      return OnSealed(operation.seal_objects(), signer);
    case pb::Operation::kReplacePrimary:
      env_.ledger.Forget(base::GroupId{operation.replace_primary().group()});
      if (operation.replace_primary().primary() == chain::ToField(env_.identity.id())) env_.wake_puller();
      return;
    case pb::Operation::kAssignSuccessor:
      env_.ledger.Forget(base::GroupId{operation.assign_successor().group()});
      return env_.wake_puller();
    case pb::Operation::kCompleteSuccession:
      return env_.ledger.Forget(base::GroupId{operation.complete_succession().group()});
    case pb::Operation::kEditBucket:
      return env_.ledger.Forget(base::BucketId{operation.edit_bucket().bucket()});
    case pb::Operation::kSetPackage:
      return env_.ledger.Forget(base::BucketId{operation.set_package().bucket()});
    case pb::Operation::kSetFreeCap:
      return env_.ledger.Forget(base::BucketId{operation.set_free_cap().bucket()});
    case pb::Operation::kSetPayer:
      env_.ledger.Forget(base::BucketId{operation.set_payer().bucket()});
      for (const std::string& field : operation.set_payer().objects())
        env_.ledger.Forget(chain::Trusted<base::ObjectId>(field));
      return;
    case pb::Operation::kDeleteBucket:
      return env_.ledger.Forget(base::BucketId{operation.delete_bucket().bucket()});
    case pb::Operation::kEditProvider:
    case pb::Operation::kSetMaintenance:
    case pb::Operation::kExitProvider:
    case pb::Operation::kAddDeposit:
    case pb::Operation::kRegisterProvider:
      return env_.ledger.Forget(signer);
    case pb::Operation::kReportNewStore:
      env_.ledger.ForgetAll();  // every group of the provider has a new generation
      return env_.wake_puller();
    case pb::Operation::kPostReceipts:
      for (const std::string& field : operation.post_receipts().objects()) {
        touched.posted.insert(chain::Trusted<base::ObjectId>(field));
      }
      return;
    case pb::Operation::kRequestUpload:
      touched.requested.insert(
          chain::Trusted<base::ObjectId>(operation.request_upload().object()));
      return;
    default:
      return;
  }
}

absl::Status Follower::OnCreated(const pb::CreateObjects& create, Touched& touched) {
  auto bucket = env_.ledger.Bucket({create.bucket()});
  if (absl::IsNotFound(bucket.status())) return absl::OkStatus();  // deleted since
  RETURN_IF_ERROR(bucket.status());
  ASSIGN_OR_RETURN(auto group, env_.ledger.Group({(*bucket)->group()}));
  if (!NamesUs(*group, chain::ToField(env_.identity.id()))) return absl::OkStatus();
  auto nonce = chain::Trusted<base::Nonce16>(create.approval().nonce());
  std::vector<Puller::Copy> copies;
  for (int i = 0; i < create.objects_size(); ++i) {
    base::ObjectId id =
        base::ObjectIdFor(env_.identity.chain, {create.bucket()}, nonce, static_cast<uint32_t>(i));
    touched.objects.insert(id);
    if (create.objects(i).copy_of().empty()) continue;
    copies.push_back({id, chain::Trusted<base::ObjectId>(create.objects(i).copy_of())});
  }
  if (copies.empty()) return absl::OkStatus();
  env_.puller.AddCopies({(*bucket)->group()}, std::move(copies));
  env_.wake_puller();
  return absl::OkStatus();
}

// Only a primary seals: its own seal is where its whole copy falls due.
void Follower::OnSealed(const pb::SealObjects& seal, const base::AccountId& signer) {
  if (signer != env_.identity.id()) return;
  auto group = env_.ledger.Group({seal.group()});
  if (!group.ok() || !(*group)->policy().whole_at_primary()) return;
  for (const std::string& id : seal.objects()) env_.puller.AddWhole(chain::Trusted<base::ObjectId>(id));
  env_.wake_puller();
}

// Every step of a payer, down or back, in the block in which it happens.
void Follower::OnPayer(const pb::Event& event) {
  for (const pb::Attribute& attribute : event.attributes()) {
    if (attribute.key() != "payer") continue;
    auto bytes = base::FromHex(attribute.value());
    auto id = base::AccountId::From(bytes.ok() ? *bytes : base::Bytes());
    if (id.ok()) env_.ledger.ForgetStream(*id);
  }
  if (event.type() == "payer.clearable" && env_.clearable) env_.clearable();
}

void Follower::OnEvent(const pb::Event& event, Touched& touched) {
  if (event.type().rfind("payer.", 0) == 0) return OnPayer(event);
  // Every other event of an object may be its end.
  bool lives = event.type() == "object.created" || event.type() == "object.sealed" ||
               event.type() == "object.durable";
  for (const pb::Attribute& attribute : event.attributes()) {
    if (attribute.key() == "object") {
      auto bytes = base::FromHex(attribute.value());
      if (!bytes.ok()) continue;
      auto id = base::ObjectId::From(*bytes);
      if (!id.ok()) continue;
      env_.ledger.Forget(*id);
      if (lives) continue;
      auto parts = env_.index.PartsOf(*id);
      if (!parts.ok() || !parts->empty()) touched.objects.insert(*id);
    } else if (attribute.key() == "channel" || attribute.key() == "pool") {
      const auto& changed = attribute.key() == "pool" ? env_.pool_changed : env_.channel_changed;
      auto bytes = base::FromHex(attribute.value());
      auto id = base::ChannelId::From(bytes.ok() ? *bytes : base::Bytes());
      if (id.ok() && changed) changed(*id);
    } else if (attribute.key() == "group") {
      uint64_t number = 0;
      if (event.type().rfind("group.", 0) == 0 && absl::SimpleAtoi(attribute.value(), &number)) {
        env_.ledger.Forget(base::GroupId{number});
      }
    }
  }
}

absl::Status Follower::Settle(Touched& touched) {
  for (const pb::CreateObjects& create : touched.created) RETURN_IF_ERROR(OnCreated(create, touched));
  std::vector<base::ObjectId> ids(touched.objects.begin(), touched.objects.end());
  for (size_t at = 0; at < ids.size(); at += kBatch) {
    auto some = absl::MakeConstSpan(ids).subspan(at, kBatch);
    ASSIGN_OR_RETURN(std::vector<Record<pb::Object>> records,
                     env_.ledger.Objects(some, Freshness::kFresh));
    std::vector<base::ObjectId> gone;
    for (size_t i = 0; i < some.size(); ++i) {
      if (records[i] == nullptr) gone.push_back(some[i]);
    }
    ASSIGN_OR_RETURN(size_t dropped, env_.index.Drop(gone));
    dropped_ += dropped;
  }
  RETURN_IF_ERROR(SealPosted(touched.posted));
  return AnswerRequests(touched.requested);
}

// As many at a time as one seal may have.
absl::Status Follower::SealPosted(const std::set<base::ObjectId>& posted) {
  std::vector<base::ObjectId> ids(posted.begin(), posted.end());
  for (size_t at = 0; at < ids.size(); at += kBatch) {
    ASSIGN_OR_RETURN(
        std::vector<Record<pb::Object>> records,
        env_.ledger.Objects(absl::MakeConstSpan(ids).subspan(at, kBatch), Freshness::kFresh));
    std::map<uint64_t, std::vector<pb::Object>> by_group;
    for (const Record<pb::Object>& record : records) {
      if (record != nullptr && record->state() == pb::OBJECT_STATE_CREATED)
        by_group[record->group()].push_back(*record);
    }
    for (const auto& [id, objects] : by_group) {
      ASSIGN_OR_RETURN(Record<pb::Group> group, env_.ledger.Group({id}));
      env_.sealer.SealPosted(*group, objects);
    }
  }
  return absl::OkStatus();
}

// Last: what is met again with its block has then asked for no transaction yet.
absl::Status Follower::AnswerRequests(const std::set<base::ObjectId>& requested) {
  std::vector<base::ObjectId> ids(requested.begin(), requested.end());
  for (size_t at = 0; at < ids.size(); at += kBatch) {
    auto some = absl::MakeConstSpan(ids).subspan(at, kBatch);
    ASSIGN_OR_RETURN(std::vector<Record<pb::Object>> records,
                     env_.ledger.Objects(some, Freshness::kFresh));
    for (size_t i = 0; i < some.size(); ++i) {
      const bool ours = records[i] != nullptr && !records[i]->upload_answered() &&
                        records[i]->primary() == chain::ToField(env_.identity.id());
      if (ours) env_.sealer.Answer(some[i], env_.willing());
    }
  }
  return absl::OkStatus();
}

bool Follower::StillOurs(const base::ObjectId& object, const pb::Object& record) {
  auto parts = env_.index.PartsOf(object);
  auto group = env_.ledger.Group({record.group()});
  if (!parts.ok() || !group.ok()) return true;  // not known: keep
  std::string self = chain::ToField(env_.identity.id());
  if ((*group)->policy().whole_at_primary() && (*group)->primary() == self) return true;
  return std::any_of(parts->begin(), parts->end(), [&](const Part& part) {
    if (part.position >= static_cast<uint32_t>((*group)->positions_size())) return false;
    const pb::GroupPosition& position = (*group)->positions(static_cast<int>(part.position));
    return position.provider() == self ||
           (position.rebuilding() && position.previous_provider() == self);
  });
}

void Follower::RepairMissing(const base::ObjectId& object, const pb::Object& record) {
  auto parts = env_.index.PartsOf(object);
  auto group = env_.ledger.Group({record.group()});
  if (!parts.ok() || !group.ok()) return;
  std::vector<uint32_t> unsigned_yet = chain::MissingPositions(record, **group);
  for (const Part& part : *parts) {
    bool ours =
        part.position < static_cast<uint32_t>((*group)->positions_size()) &&
        (*group)->positions(static_cast<int>(part.position)).provider() ==
            chain::ToField(env_.identity.id()) &&
        std::find(unsigned_yet.begin(), unsigned_yet.end(), part.position) == unsigned_yet.end();
    if (!ours || env_.index.Has(part.id)) continue;
    app::LogWarning("blob.missing", "a part that we signed for is not in the store",
                    {{"object", object.ToHexString()}, {"part", part.id.ToText()}});
    env_.puller.AddDamaged(part.id);
    env_.wake_puller();
  }
}

absl::StatusOr<size_t> Follower::Reconcile(const std::function<bool()>& stopping) {
  base::ObjectId last;
  size_t dropped = 0;
  while (!stopping()) {
    ASSIGN_OR_RETURN(std::vector<base::ObjectId> ids, env_.index.Objects(last, kBatch));
    if (ids.empty()) break;
    last = ids.back();
    ASSIGN_OR_RETURN(std::vector<Record<pb::Object>> records,
                     env_.ledger.Objects(ids, Freshness::kFresh));
    std::vector<base::ObjectId> gone;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (records[i] == nullptr || !StillOurs(ids[i], *records[i])) {
        gone.push_back(ids[i]);
      } else {
        RepairMissing(ids[i], *records[i]);
      }
    }
    dropped += gone.size();
    ASSIGN_OR_RETURN(size_t blobs, env_.index.Drop(gone));
    dropped_ += blobs;
  }
  return dropped;
}

}  // namespace cairn::storaged
