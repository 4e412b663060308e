#include "apps/storaged/sealer.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "apps/common/log.h"
#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

constexpr char kJobs = 's';  // hash of the submission -> the submission
constexpr int kAttempts = 5;
// Of one set of objects, under way at a time: every one is a transaction that we pay.
constexpr int kJobsOfASet = 4;
// Of the seal window, its last part: clocks differ, and a seal needs a block.
constexpr int kMarginOfWindow = 20;
constexpr absl::Duration kMaxMargin = absl::Seconds(30);
constexpr absl::StatusCode kPrecondition = absl::StatusCode::kFailedPrecondition;

absl::Status Refuse(absl::string_view reason, absl::string_view message,
                    absl::string_view hint = "", base::Evidence evidence = {}) {
  return base::Error(kPrecondition, reason, message, hint, std::move(evidence));
}

std::string KeyOf(const rpc::v1::SubmitReceiptsRequest& request) {
  base::Hasher hasher = base::Hasher::DeriveKey("cairn v1 storaged submission");
  hasher.Field(request.group());
  for (const std::string& object : request.objects()) hasher.Field(object);
  for (const pb::Receipt& receipt : request.receipts()) hasher.Field(receipt.signature());
  return absl::StrCat(absl::string_view(&kJobs, 1), base::AsText(hasher.Finish().view()));
}

pb::Operation SealOperation(const rpc::v1::SubmitReceiptsRequest& request) {
  pb::Operation operation;
  pb::SealObjects& seal = *operation.mutable_seal_objects();
  seal.set_group(request.group());
  *seal.mutable_objects() = request.objects();
  *seal.mutable_receipts() = request.receipts();
  return operation;
}

// Does it have anything for the ledger: an object to seal, or a receipt that is missing there?
bool BringsNews(const rpc::v1::SubmitReceiptsRequest& request, const pb::Group& group,
                const std::vector<pb::Object>& objects) {
  for (const pb::Object& object : objects) {
    if (object.state() == pb::OBJECT_STATE_CREATED) return true;
    const std::vector<uint32_t> missing = chain::MissingPositions(object, group);
    for (const pb::Receipt& receipt : request.receipts()) {
      const auto found = std::find(missing.begin(), missing.end(), receipt.position());
      if (found != missing.end()) return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, Sealer::JobPtr>>> Sealer::Kept() const {
  std::vector<std::pair<std::string, JobPtr>> found;
  auto view = env_.writes.kv().Snapshot();
  auto cursor = view->NewCursor();
  for (cursor->Seek(absl::string_view(&kJobs, 1)); cursor->Valid() && cursor->key()[0] == kJobs;
       cursor->Next()) {
    auto job = std::make_shared<Job>();
    if (!job->request.ParseFromArray(cursor->value().data(),
                                     static_cast<int>(cursor->value().size()))) {
      return base::Error(absl::StatusCode::kDataLoss, "BAD_SEAL_RECORD",
                         "a kept submission cannot be read");
    }
    found.emplace_back(std::string(cursor->key()), job);
  }
  return found;
}

absl::Status Sealer::Resume() {
  if (env_.faults.Is(Fault::kRefuseSeal)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto kept, Kept());
  for (const auto& [key, job] : kept) Queue(key, job);
  return absl::OkStatus();
}

// What cannot be read may have named it.
bool Sealer::Owes(const base::ObjectId& object) const {
  const auto kept = Kept();
  return !kept.ok() || std::any_of(kept->begin(), kept->end(), [&](const auto& entry) {
    const auto& objects = entry.second->request.objects();
    return std::find(objects.begin(), objects.end(), chain::ToField(object)) != objects.end();
  });
}

absl::StatusOr<std::vector<pb::Object>> Sealer::Load(const rpc::v1::SubmitReceiptsRequest& request,
                                                     const pb::Group& group) {
  std::vector<base::ObjectId> ids;
  for (const std::string& field : request.objects()) {
    auto id = chain::FromField<base::ObjectId>(field);
    if (!id || (!ids.empty() && !(ids.back() < *id))) {
      return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST",
                         "objects are malformed or not sorted");
    }
    ids.push_back(*id);
  }
  if (ids.empty() || ids.size() > chain::kMaxObjectsPerOperation ||
      request.receipts_size() > group.positions_size()) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST",
                       "a submission has 1 to 256 objects and at most one receipt a position");
  }
  ASSIGN_OR_RETURN(std::vector<Record<pb::Object>> records, env_.ledger.Objects(ids));
  ASSIGN_OR_RETURN(Record<pb::Params> params, env_.ledger.Params());
  // An upload receipt without a seal is fined: nobody gets one by coming in the last second.
  const absl::Duration margin =
      std::min(absl::Milliseconds(params->seal_window_ms()) / kMarginOfWindow, kMaxMargin);
  std::vector<pb::Object> objects;
  for (size_t i = 0; i < records.size(); ++i) {
    base::Evidence which = {{"object", ids[i].ToHexString()}};
    if (records[i] == nullptr) {
      return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_OBJECT",
                         "the ledger does not have the object", "", which);
    }
    if (records[i]->group() != group.id())
      return Refuse("WRONG_GROUP", "the object is of another group", "", which);
    bool late = records[i]->state() == pb::OBJECT_STATE_CREATED &&
                records[i]->seal_deadline_ms() > 0 &&
                absl::ToUnixMillis(env_.clock.Now() + margin) >=
                    static_cast<int64_t>(records[i]->seal_deadline_ms());
    if (late)
      return Refuse("DEADLINE_PASSED",
                    "the object's seal deadline has passed, or is too near for a seal to be sure",
                    "upload it again", which);
    objects.push_back(*records[i]);
  }
  return objects;
}

absl::Status Sealer::CheckReceipt(const pb::Receipt& receipt, const pb::Group& group,
                                  const std::vector<pb::Object>& objects) {
  base::Evidence which = {{"position", absl::StrCat(receipt.position())},
                          {"group", absl::StrCat(group.id())}};
  auto bad = [&](absl::string_view why) {
    return Refuse("BAD_RECEIPT", why, "leave this holder out", which);
  };
  if (receipt.position() >= static_cast<uint32_t>(group.positions_size()))
    return bad("no such position");
  const pb::GroupPosition& position = group.positions(static_cast<int>(receipt.position()));
  auto signature = chain::FromField<base::Signature>(receipt.signature());
  auto store = chain::FromField<base::StoreId>(receipt.store_id());
  if (!signature || !store) return bad("a malformed receipt");
  ASSIGN_OR_RETURN(Record<pb::Provider> holder,
                   env_.ledger.Provider(chain::AccountOf(position.provider())));
  auto key = base::PublicKey::Decode(base::AsBytes(holder->node_key()));
  if (!key.ok()) return bad("the holder has no usable node key");
  base::HolderReceipt claim =
      chain::BuildReceipt(env_.identity.chain, group, receipt.position(), objects);
  claim.store = *store;
  if (claim.entries.empty()) return bad("the position keeps none of the objects");
  if (!key->Verify(base::SigningDigest(claim), *signature)) {
    return Refuse("BAD_RECEIPT",
                  "the holder's signature does not verify for these objects and this group epoch",
                  "ask the holder for a new receipt, or leave it out", which);
  }
  if (receipt.store_id() != position.store_id()) {
    return Refuse("STALE_RECEIPT",
                  "the receipt names a store that the holder does not have any more",
                  "ask the holder for a new receipt", which);
  }
  return absl::OkStatus();
}

absl::Status Sealer::CheckQuorum(const rpc::v1::SubmitReceiptsRequest& request,
                                 const pb::Group& group, const std::vector<pb::Object>& objects) {
  std::set<uint32_t> given;
  for (const pb::Receipt& receipt : request.receipts()) given.insert(receipt.position());
  std::vector<std::string> operators;
  for (const pb::GroupPosition& position : group.positions()) {
    ASSIGN_OR_RETURN(Record<pb::Provider> holder,
                     env_.ledger.Provider(chain::AccountOf(position.provider())));
    operators.push_back(holder->operator_());
  }
  for (const pb::Object& object : objects) {
    if (object.state() == pb::OBJECT_STATE_SEALED) continue;
    std::vector<uint32_t> missing = chain::MissingPositions(object, group);
    uint32_t have = 0;
    std::set<std::string> seen;
    std::set<std::string> all;
    for (uint32_t position : object.positions()) all.insert(operators[position]);
    for (uint32_t position : object.positions()) {
      bool posted = std::find(missing.begin(), missing.end(), position) == missing.end();
      if (!posted && given.count(position) == 0) continue;
      ++have;
      seen.insert(operators[position]);
    }
    uint32_t quorum =
        base::SealQuorum(chain::FromProto(group.policy()), chain::FromProto(object.layout()),
                         static_cast<uint32_t>(object.positions_size()));
    if (have < quorum || seen.size() < std::min<size_t>(2, all.size())) {
      return Refuse(
          "NOT_ENOUGH_RECEIPTS",
          absl::StrCat(have, " of ", quorum, " receipts, over ", seen.size(), " operators"),
          "wait for more holders, then submit all receipts together",
          {{"object", chain::Trusted<base::ObjectId>(object.id()).ToHexString()},
           {"receipts", absl::StrCat(have)},
           {"quorum", absl::StrCat(quorum)}});
    }
  }
  return absl::OkStatus();
}

absl::Status Sealer::CheckJobs(const rpc::v1::SubmitReceiptsRequest& request) const {
  std::lock_guard lock(mutex_);
  const auto same = [&](const auto& entry) {
    const auto& objects = entry.second->request.objects();
    return std::equal(objects.begin(), objects.end(), request.objects().begin(),
                      request.objects().end());
  };
  if (std::count_if(jobs_.begin(), jobs_.end(), same) < kJobsOfASet) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnavailable, "SEAL_PENDING",
                     "other receipts for these objects are on their way to the ledger",
                     "wait a moment, then submit what is still missing");
}

absl::StatusOr<rpc::v1::SubmitReceiptsResponse> Sealer::Accept(
    const rpc::v1::SubmitReceiptsRequest& asked, absl::Duration patience) {
  rpc::v1::SubmitReceiptsRequest request = asked;
  // Whoever waits or not, it is the same submission, and one seal.
  request.set_wait_sealed(false);
  ASSIGN_OR_RETURN(Record<pb::Group> group, env_.ledger.Group({request.group()}));
  if (group->primary() != chain::ToField(env_.identity.id())) {
    return Refuse("NOT_PRIMARY",
                  absl::StrCat("this provider is not the primary of group ", request.group()),
                  "submit to the group's primary");
  }
  ASSIGN_OR_RETURN(std::vector<pb::Object> objects, Load(request, *group));
  for (const pb::Receipt& receipt : request.receipts()) {
    absl::Status checked = CheckReceipt(receipt, *group, objects);
    if (!checked.ok()) {  // the cached group may be an epoch behind
      ASSIGN_OR_RETURN(group, env_.ledger.Group({request.group()}, Freshness::kFresh));
      RETURN_IF_ERROR(CheckReceipt(receipt, *group, objects));
    }
  }
  RETURN_IF_ERROR(CheckQuorum(request, *group, objects));
  base::UploadReceipt upload =
      chain::BuildUploadReceipt(env_.identity.chain, env_.identity.id(), objects);
  rpc::v1::SubmitReceiptsResponse response;
  response.set_upload_signature(
      chain::ToField(env_.identity.node.Sign(base::SigningDigest(upload))));
  if (!BringsNews(request, *group, objects)) {
    // Receipts stand on the ledger for anybody to send again; we would pay for every transaction.
    ASSIGN_OR_RETURN(const pb::ChainStatus status, env_.ledger.Status());
    if (asked.wait_sealed()) response.set_sealed_height(status.height());
    return response;
  }
  RETURN_IF_ERROR(CheckJobs(request));

  std::string key = KeyOf(request);
  auto job = std::make_shared<Job>();
  job->request = request;
  base::KvBatch batch;
  // Our word, signed above, leaves only once what it obliges us to is on the disk.
  batch.Put(key, request.SerializeAsString());
  RETURN_IF_ERROR(env_.writes.Commit(batch));
  if (env_.faults.Is(Fault::kRefuseSeal)) return response;

  Queue(key, job);
  if (!asked.wait_sealed()) return response;
  std::unique_lock lock(mutex_);
  auto it = jobs_.find(key);
  if (it != jobs_.end()) job = it->second;
  if (!changed_.wait_for(lock, absl::ToChronoMilliseconds(patience), [&] { return job->done; })) {
    return base::Error(absl::StatusCode::kDeadlineExceeded, "SEAL_PENDING",
                       "the seal is not in a block yet",
                       "the receipts are kept; look at the object on the ledger");
  }
  RETURN_IF_ERROR(job->status);
  response.set_sealed_height(job->height);
  return response;
}

void Sealer::Queue(const std::string& key, JobPtr job) {
  {
    std::lock_guard lock(mutex_);
    if (!jobs_.emplace(key, job).second) return;  // on its way already
  }
  env_.submitter.Post(SealOperation(job->request),
                      [this, key, job](const absl::Status& status, uint64_t height) {
                        OnOutcome(key, job, status, height);
                      });
}

void Sealer::OnOutcome(const std::string& key, JobPtr job, const absl::Status& status,
                       uint64_t height) {
  for (const std::string& field : job->request.objects()) {
    env_.ledger.Forget(chain::Trusted<base::ObjectId>(field));
  }
  if (status.ok()) {
    sealed_ += job->request.objects_size();
    Close(key, job, status, height);
    return;
  }
  if (absl::IsCancelled(status)) {  // stopping: the record stays for the next run
    std::lock_guard lock(mutex_);
    job->done = true;
    job->status = status;
    changed_.notify_all();
    return;
  }
  bool refused = base::ReasonOf(status).rfind("VERDICT_", 0) == 0;
  if (!refused && ++job->attempts < kAttempts) {
    env_.submitter.Post(
        SealOperation(job->request),
        [this, key, job](const absl::Status& s, uint64_t h) { OnOutcome(key, job, s, h); });
    return;
  }
  app::LogError("seal.refused", status,
                {{"group", absl::StrCat(job->request.group())},
                 {"objects", absl::StrCat(job->request.objects_size())}});
  Close(key, job, status, 0);
}

void Sealer::Close(const std::string& key, const JobPtr& job, const absl::Status& status,
                   uint64_t height) {
  // Without funds, or with the ledger out of reach, the seal is still owed: the record stays for
  // the next Resume.
  std::string reason = base::ReasonOf(status);
  bool owed =
      !status.ok() && (reason.rfind("VERDICT_", 0) != 0 || reason == "VERDICT_NO_FEE_FUNDS");
  if (!owed) {
    base::KvBatch batch;
    batch.Delete(key);
    // A record that survives a crash is submitted again and changes nothing.
    absl::Status removed = env_.writes.kv().Commit(batch, /*durable=*/false);
    if (!removed.ok()) app::LogError("seal.record", removed);
  }
  std::lock_guard lock(mutex_);
  job->done = true;
  job->status = status;
  job->height = height;
  jobs_.erase(key);
  changed_.notify_all();
}

void Sealer::SealPosted(const pb::Group& group, const std::vector<pb::Object>& objects) {
  if (group.primary() != chain::ToField(env_.identity.id()) || env_.faults.Is(Fault::kRefuseSeal))
    return;
  rpc::v1::SubmitReceiptsRequest request;
  request.set_group(group.id());
  std::set<std::string> ready;
  for (const pb::Object& object : objects) {
    bool created = object.state() == pb::OBJECT_STATE_CREATED;
    if (created && CheckQuorum(request, group, {object}).ok()) ready.insert(object.id());
    if (ready.size() == chain::kMaxObjectsPerOperation) break;
  }
  if (ready.empty()) return;
  for (const std::string& id : ready) request.add_objects(id);
  auto job = std::make_shared<Job>();
  job->request = request;
  Queue(KeyOf(request), job);
}

void Sealer::Answer(const base::ObjectId& object, const absl::Status& willing) {
  if (!willing.ok() && !Owes(object)) return Reject({object}, base::ReasonOf(willing));
  pb::Operation operation;
  operation.mutable_answer_upload()->set_object(chain::ToField(object));
  env_.submitter.Post(std::move(operation), [](const absl::Status& status, uint64_t) {
    if (!status.ok()) app::LogError("upload.answer", status);
  });
}

void Sealer::Reject(const std::vector<base::ObjectId>& objects, absl::string_view reason) {
  pb::Operation operation;
  pb::RejectObjects& reject = *operation.mutable_reject_objects();
  for (const base::ObjectId& object : std::set<base::ObjectId>(objects.begin(), objects.end())) {
    reject.add_objects(chain::ToField(object));
  }
  reject.set_reason(std::string(reason));
  env_.submitter.Post(std::move(operation), [](const absl::Status& status, uint64_t) {
    if (!status.ok()) app::LogError("object.reject", status);
  });
}

size_t Sealer::pending() const {
  std::lock_guard lock(mutex_);
  return jobs_.size();
}

}  // namespace cairn::storaged
