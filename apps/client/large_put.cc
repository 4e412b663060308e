#include "apps/client/large_put.h"

#include <algorithm>

#include "apps/client/create.h"
#include "apps/client/delivery.h"
#include "apps/client/upload.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::client {

namespace pb = chain::pb;

namespace {

constexpr int kSourceChanges = 3;

}  // namespace

// What an earlier process left of this very put; true when the ledger has its object.
absl::StatusOr<bool> LargePut::TakeUp() {
  std::optional<JournalEntry> entry = journal_->Load();
  if (!entry) return false;
  const std::string identity = input_.source->identity();
  auto head = storage::DecodeManifestHead(entry->manifest);
  const bool same = options_.resume && !identity.empty() && entry->source == identity &&
                    entry->chain == client_.chain_id() && entry->bucket == bucket_.id() &&
                    entry->stored_name == stored_name_ && head.ok() &&
                    head->seal.has_value() == bucket_.sealed();
  if (!same) {
    if (!entry->object.empty()) (void)CancelObject(client_, entry->object);
    journal_->Remove();
    return false;
  }
  entry_ = *std::move(entry);
  if (head->seal) {
    ASSIGN_OR_RETURN(input_.key, bucket_.OpenVersionKey(head->seal->epoch, head->seal->key_id,
                                                        head->seal->wrapped_key));
  }
  prepared_.layout = head->stored;
  prepared_.manifest = entry_.manifest;
  prepared_.frame_tags = entry_.frame_tags;
  prepared_.plaintext_size = entry_.plaintext_size;
  prepared_.object.set_name(stored_name_);
  prepared_.object.set_stored_size(head->stored.stored_size);
  prepared_.object.set_content_id(chain::ToField(head->stored.content_id.digest));
  prepared_.object.set_layout_root(chain::ToField(head->stored.LayoutRoot()));
  prepared_.object.set_layout(chain::ToProto(head->stored.layout));
  if (entry_.manifest.size() <= storage::kInlineManifestBytes) {
    prepared_.object.set_manifest(base::ToString(entry_.manifest));
  } else {
    prepared_.object.set_manifest_id(chain::ToField(base::Blake3(entry_.manifest)));
  }
  resumed_ = true;
  return FindCreated(entry_);
}

absl::StatusOr<bool> LargePut::FindCreated(const JournalEntry& entry) {
  if (entry.object.empty()) return false;
  for (int look = 0; look < 2; ++look) {
    pb::QueryRequest request;
    request.set_object(chain::ToField(entry.object));
    auto answer = client_.Query(request);
    if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer.status();
    if (answer.ok() && !answer->objects().empty()) {
      record_ = answer->objects(0);
      ASSIGN_OR_RETURN(group_, client_.Group(record_->group()));
      return true;
    }
    // The transaction may have left without an answer: the same bytes again give the first outcome.
    pb::SignedTransaction transaction;
    if (look > 0 || !transaction.ParseFromString(base::ToString(entry.transaction))) return false;
    auto sent = client_.sender().Resend(transaction);
    if (!sent.ok() &&
        (absl::IsUnavailable(sent.status()) || absl::IsDeadlineExceeded(sent.status()))) {
      return sent.status();
    }
    if (!sent.ok()) return false;
    ++result_.transactions;
  }
  return false;
}

absl::Status LargePut::Begin() {
  if (!input_.sealed_already && bucket_.sealed()) input_.key = client_.entropy().DrawSecret<32>();
  ASSIGN_OR_RETURN(prepared_, PrepareLarge(client_, bucket_, input_, to_.ToText()));
  prepared_.object.set_name(stored_name_);
  entry_ = JournalEntry{.chain = client_.chain_id(),
                        .bucket = bucket_.id(),
                        .stored_name = stored_name_,
                        .source = input_.source->identity(),
                        .spool = "",
                        .plaintext_size = prepared_.plaintext_size,
                        .manifest = prepared_.manifest,
                        .frame_tags = prepared_.frame_tags,
                        .transaction = {},
                        .object = {}};
  if (entry_.source.empty()) return absl::OkStatus();
  return journal_->Save(entry_);
}

absl::Status LargePut::Create() {
  client_.progress().Update(to_.ToText(), Stage::kCreate, 0, 1);
  auto created = CreateObjects(
      client_, bucket_, {prepared_.object}, options_, false,
      [&](const pb::SignedTransaction& transaction, const std::vector<base::ObjectId>& ids) {
        entry_.transaction = base::ToBytes(base::AsBytes(transaction.SerializeAsString()));
        entry_.object = ids.front();
        return entry_.source.empty() ? absl::OkStatus() : journal_->Save(entry_);
      });
  RETURN_IF_ERROR(created.status());
  record_ = created->records.front();
  group_ = created->group;
  result_.quote = created->quote;
  result_.transactions += created->transactions;
  return absl::OkStatus();
}

absl::StatusOr<PutResult> LargePut::Send() {
  Parcel parcel{
      .record = *record_, .layout = prepared_.layout, .manifest = prepared_.manifest, .stored = {}};
  std::vector<Parcel> parcels;
  parcels.push_back(std::move(parcel));
  Shipment shipment(client_, group_, std::move(parcels));
  const PassFn pass = [&](uint64_t first_stripe, const storage::ShardSink& sink) {
    return RunPass(client_, bucket_, input_, &prepared_, first_stripe, sink, nullptr, nullptr);
  };
  const UploadRun run{.resumed = resumed_,
                      .replace_holders = shipment.NeedsSuccessors(options_.wait),
                      .item = to_.ToText(),
                      .plaintext_size = prepared_.plaintext_size,
                      .repeat_bytes = options_.repeat_bytes};
  ASSIGN_OR_RETURN(UploadOutcome outcome, UploadParcel(client_, shipment, pass, run));
  client_.progress().Update(to_.ToText(), Stage::kSeal, 0, 1);
  RETURN_IF_ERROR(shipment.Seal(options_.wait));
  result_.ref = to_;
  result_.object = chain::Trusted<base::ObjectId>(record_->id());
  result_.content_id = prepared_.layout.content_id;
  result_.version = record_->version();
  result_.size = prepared_.plaintext_size;
  result_.stored_size = prepared_.layout.stored_size;
  result_.parts = static_cast<uint32_t>(record_->positions_size());
  result_.missing = std::move(outcome.missing);
  for (uint32_t position : shipment.Positions()) {
    const bool known =
        std::any_of(result_.missing.begin(), result_.missing.end(),
                    [&](const MissingPart& part) { return part.position == position; });
    if (!shipment.HasReceipt(position) && !known)
      result_.missing.push_back({position, {}, "no receipt"});
  }
  result_.durable = options_.wait != WaitFor::kCreated && result_.missing.empty();
  result_.resumed = resumed_;
  result_.sent_bytes = outcome.sent_bytes + shipment.sent_bytes();
  result_.transactions += shipment.transactions();
  client_.progress().Update(to_.ToText(), Stage::kDurable, 1, 1);
  return result_;
}

// Did the upload fail because its deadline took the object from the ledger?
bool LargePut::Gone(const absl::Status& status) {
  const std::string reason = base::ReasonOf(status);
  if (reason == "VERDICT_UNKNOWN_OBJECT" || reason == "NO_SUCH_OBJECT" ||
      reason == "DEADLINE_PASSED" || reason == "VERDICT_DEADLINE_PASSED") {
    return true;
  }
  if (reason != "NOT_ENOUGH_RECEIPTS" || !record_) return false;
  pb::QueryRequest request;
  request.set_object(record_->id());
  return absl::IsNotFound(client_.Query(request).status());
}

absl::Status LargePut::Discard() {
  if (record_) (void)CancelObject(client_, chain::Trusted<base::ObjectId>(record_->id()));
  record_.reset();
  resumed_ = false;
  journal_->Remove();
  return absl::OkStatus();
}

absl::StatusOr<PutResult> LargePut::Run() {
  ASSIGN_OR_RETURN(bool created, TakeUp());
  for (int change = 0;; ++change) {
    if (prepared_.manifest.empty()) RETURN_IF_ERROR(Begin());
    if (!created) RETURN_IF_ERROR(Create());
    auto sent = Send();
    if (sent.ok()) {
      journal_->Remove();
      return sent;
    }
    const std::string reason = base::ReasonOf(sent.status());
    const bool gone = Gone(sent.status());
    if (change >= kSourceChanges || (reason != "SOURCE_CHANGED" && !gone)) return sent;
    if (reason == "SOURCE_CHANGED" && input_.sealed_already) return sent;
    client_.progress().Note(to_.ToText(), gone
                                              ? "the upload's deadline passed: created anew"
                                              : "the source changed while it was sent: begun anew");
    RETURN_IF_ERROR(Discard());
    created = false;
    resumed_ = gone;  // holders may still have what they got
    if (!gone) prepared_ = Prepared{};
    if (!gone && input_.source->identity() != entry_.source) {
      return base::Error(absl::StatusCode::kFailedPrecondition, "SOURCE_CHANGED",
                         "the source changed while it was sent", "run the same command again");
    }
  }
}

}  // namespace cairn::client
