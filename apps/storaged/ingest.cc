#include "apps/storaged/ingest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/storage/manifest.h"
#include "cairn/storage/seal.h"

namespace cairn::storaged {
namespace {

constexpr int kMaxPath = 8;  // enough for base::kMaxWidth leaves

absl::Status Refuse(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                    base::Evidence evidence = {}) {
  return base::Error(code, reason, message, "", std::move(evidence));
}
absl::Status BadRequest(absl::string_view message) {
  return Refuse(absl::StatusCode::kInvalidArgument, "BAD_REQUEST", message);
}
absl::Status SizeMismatch(uint64_t expected, uint64_t found) {
  return Refuse(
      absl::StatusCode::kInvalidArgument, "SIZE_MISMATCH",
      absl::StrCat("the part has ", expected, " bytes by the ledger, ", found, " were given"),
      {{"expected", absl::StrCat(expected)}, {"found", absl::StrCat(found)}});
}

// Does the part stand where the ledger's layout root says?
absl::Status CheckGeometry(const Part& part, const pb::Object& object, const pb::Group& group) {
  if (part.manifest) {
    if (object.manifest_id() != chain::ToField(part.id.digest))
      return BadRequest("not the object's manifest");
    return part.size <= storage::kMaxManifestBytes
               ? absl::OkStatus()
               : SizeMismatch(storage::kMaxManifestBytes, part.size);
  }
  bool shards = object.layout() == pb::LAYOUT_KIND_SHARDS;
  uint32_t leaves = shards ? static_cast<uint32_t>(group.positions_size()) : 1;
  uint32_t leaf = shards ? part.position : 0;
  uint64_t size =
      shards ? base::ShardSize(object.stored_size(), group.policy().data()) : object.stored_size();
  if (part.size != size) return SizeMismatch(size, part.size);
  auto root = chain::Trusted<base::Digest>(object.layout_root());
  if (part.leaves != leaves || part.leaf != leaf ||
      !base::CheckLayoutPath(root, part.id, part.leaf, part.leaves, part.path)) {
    return Refuse(absl::StatusCode::kInvalidArgument, "BAD_LAYOUT_PATH",
                  "the part's id does not lead to the object's layout root on the ledger",
                  {{"part", part.id.ToText()}, {"leaf", absl::StrCat(part.leaf)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<Part> ParseOpen(const rpc::v1::PutOpen& open) {
  auto object = chain::FromField<base::ObjectId>(open.object());
  auto id = chain::FromField<base::Digest>(open.part());
  if (!object || !id || open.path_size() > kMaxPath) return BadRequest("malformed open");
  Part part{.object = *object,
            .id = {*id},
            .size = open.size(),
            .position = open.position(),
            .manifest = open.manifest(),
            .leaf = open.leaf(),
            .leaves = open.leaves()};
  for (const std::string& field : open.path()) {
    auto digest = chain::FromField<base::Digest>(field);
    if (!digest) return BadRequest("malformed layout path");
    part.path.push_back(*digest);
  }
  if (part.manifest && (part.leaf != 0 || part.leaves != 0 || !part.path.empty())) {
    return BadRequest("a manifest has no place in the layout");
  }
  return part;
}

}  // namespace

absl::Status ToSpaceError(const absl::Status& status) {
  std::string reason = base::ReasonOf(status);
  if (reason != "QUOTA_EXCEEDED" && reason != "DISK_FULL" && reason != "MAP_FULL") return status;
  return base::Error(absl::StatusCode::kResourceExhausted, "NO_SPACE", status.message(),
                     "use another provider for this position", {{"cause", reason}});
}

absl::StatusOr<Part> Ingest::Admit(const rpc::v1::PutOpen& open, bool* check_envelope,
                                   bool* settled) {
  ASSIGN_OR_RETURN(Part part, ParseOpen(open));
  ASSIGN_OR_RETURN(Record<pb::Object> object, env_.ledger.Object(part.object));
  ASSIGN_OR_RETURN(Record<pb::Group> group, env_.ledger.Group({object->group()}));
  part.group = {object->group()};
  auto slot = std::find(object->positions().begin(), object->positions().end(), part.position);
  if (part.position >= static_cast<uint32_t>(group->positions_size()) ||
      slot == object->positions().end() ||
      group->positions(static_cast<int>(part.position)).provider() !=
          chain::ToField(env_.identity.id())) {
    return Refuse(
        absl::StatusCode::kFailedPrecondition, "NOT_MY_POSITION",
        "the ledger does not have this provider at that position of the object",
        {{"group", absl::StrCat(group->id())}, {"position", absl::StrCat(part.position)}});
  }
  RETURN_IF_ERROR(CheckGeometry(part, *object, *group));

  int index = static_cast<int>(slot - object->positions().begin());
  const pb::GroupPosition& position = group->positions(static_cast<int>(part.position));
  *settled = object->state() == pb::OBJECT_STATE_SEALED &&
             index < object->receipt_generations_size() &&
             object->receipt_generations(index) == position.generation();

  ASSIGN_OR_RETURN(Record<pb::Bucket> bucket, env_.ledger.Bucket({object->bucket()}));
  bool first_bytes_here = !part.manifest && part.leaf == 0;
  if (!bucket->public_read() && !part.manifest &&
      !storage::UnsealedSize(object->stored_size()).ok()) {
    return Refuse(absl::StatusCode::kInvalidArgument, "NOT_SEALED",
                  "a private object's stored size is not one that sealing gives");
  }
  *check_envelope = !bucket->public_read() && first_bytes_here && part.size > 0;
  return part;
}

absl::StatusOr<rpc::v1::QueryUploadResponse> Ingest::Query(
    const rpc::v1::QueryUploadRequest& request) {
  auto object = chain::FromField<base::ObjectId>(request.object());
  auto digest = chain::FromField<base::Digest>(request.part());
  if (!object || !digest) return BadRequest("malformed query");
  RETURN_IF_ERROR(env_.ledger.Object(*object).status());
  rpc::v1::QueryUploadResponse response;
  base::ContentId id{*digest};
  auto info = env_.blobs.Stat(id);
  if (info.ok()) {
    response.set_held_bytes(info->size);
    response.set_complete(true);
    return response;
  }
  {
    std::lock_guard lock(mutex_);
    if (receiving_.count(id) > 0) {
      return base::Error(absl::StatusCode::kUnavailable, "BLOB_BUSY",
                         "another upload of this part is under way", "try again in a moment");
    }
  }
  ASSIGN_OR_RETURN(std::vector<storage::PartialBlob> partials, env_.blobs.Partials());
  for (const storage::PartialBlob& partial : partials) {
    if (partial.id == id) response.set_held_bytes(partial.held);
  }
  return response;
}

absl::StatusOr<pb::Receipt> Ingest::Sign(const pb::Group& group, uint32_t position,
                                         const std::vector<Record<pb::Object>>& objects) const {
  std::vector<pb::Object> copies;
  copies.reserve(objects.size());
  for (const Record<pb::Object>& object : objects) copies.push_back(*object);
  base::HolderReceipt receipt = chain::BuildReceipt(env_.identity.chain, group, position, copies);
  receipt.store = env_.blobs.store_id();
  base::Signature signature = env_.identity.node.Sign(base::SigningDigest(receipt));
  if (env_.faults.Is(Fault::kWrongReceipt)) signature.value[0] ^= 1;
  pb::Receipt signed_receipt;
  signed_receipt.set_position(position);
  signed_receipt.set_store_id(chain::ToField(receipt.store));
  signed_receipt.set_signature(chain::ToField(signature));
  return signed_receipt;
}

Ingest::Receiving::Receiving(Ingest& ingest, const base::ContentId& id)
    : ingest_(ingest), id_(id) {
  std::lock_guard lock(ingest_.mutex_);
  ingest_.receiving_.insert(id_);
}

Ingest::Receiving::~Receiving() {
  std::lock_guard lock(ingest_.mutex_);
  ingest_.receiving_.erase(ingest_.receiving_.find(id_));
}

Ingest::Session::~Session() { Clear(); }

void Ingest::Session::Clear() {
  ingest_.gathering_ -= gathered_bytes_;
  gathered_bytes_ = 0;
  gathered_.clear();
  holds_.clear();
  parts_.clear();
  objects_.clear();
}

absl::Status Ingest::Session::Open(const rpc::v1::PutOpen& open) {
  RETURN_IF_ERROR(FinishPart());
  if (parts_.size() >= kMaxOpenedParts) return BadRequest("too many parts before a commit");
  bool settled = false;
  ASSIGN_OR_RETURN(Part part, ingest_.Admit(open, &check_envelope_, &settled));
  if (settled && open.from_offset() < part.size) {
    return Refuse(absl::StatusCode::kAlreadyExists, "ALREADY_HELD",
                  "the part is held and receipted on the ledger", {{"part", part.id.ToText()}});
  }
  if (open.from_offset() > part.size) return BadRequest("begins after the end of the part");
  if (objects_.empty()) {
    group_ = part.group;
    position_ = part.position;
  } else if (part.group != group_ || part.position != position_) {
    return BadRequest("one commit covers one position of one group");
  }
  RETURN_IF_ERROR(Begin(part, open));
  objects_.insert(part.object);
  parts_.push_back(std::move(part));
  return absl::OkStatus();
}

absl::Status Ingest::Session::Begin(const Part& part, const rpc::v1::PutOpen& open) {
  // Until the record is there nothing else tells the sweep that the blob is wanted.
  holds_.push_back(ingest_.env_.index.HoldBlob(part.id));
  received_ = reported_ = open.from_offset();
  report_ = open.report();
  ignore_ = 0;
  skip_ = false;
  buffer_.clear();
  mark_.clear();
  writer_ = nullptr;
  receiving_.reset();
  auto held = ingest_.env_.blobs.Stat(part.id);
  bool gathered = std::any_of(gathered_.begin(), gathered_.end(),
                              [&](const auto& blob) { return blob.first == part.id; });
  if (gathered || (held.ok() && held->size == part.size)) {
    skip_ = true;
    check_envelope_ = false;
  } else if (part.size <= kSmallPartBytes && !report_) {
    if (open.from_offset() != 0) {
      return Refuse(absl::StatusCode::kFailedPrecondition, "GAP", "nothing of the part is held",
                    {{"held", "0"}});
    }
    buffer_.reserve(part.size);
  } else {
    RETURN_IF_ERROR(BeginWriter(part, open.from_offset()));
  }
  open_ = true;
  return absl::OkStatus();
}

absl::Status Ingest::Session::BeginWriter(const Part& part, uint64_t from_offset) {
  receiving_.emplace(ingest_, part.id);
  auto writer = ingest_.env_.blobs.Begin(part.id, part.size);
  if (!writer.ok()) {
    receiving_.reset();
    return ToSpaceError(writer.status());
  }
  writer_ = *std::move(writer);
  if (from_offset > writer_->offset()) {
    return Refuse(absl::StatusCode::kFailedPrecondition, "GAP",
                  "begins after what is held of the part",
                  {{"held", absl::StrCat(writer_->offset())}});
  }
  ignore_ = writer_->offset() - from_offset;
  if (writer_->offset() > 0)
    check_envelope_ = false;  // it was checked before the first byte was kept
  // The record leads to the partial blob should the object be deleted before the upload is over.
  return ingest_.env_.index.Add({part});
}

std::optional<uint64_t> Ingest::Session::Report() {
  if (!report_ || (writer_ == nullptr && !skip_)) return std::nullopt;
  const uint64_t size = parts_.back().size;
  const uint64_t held = skip_ ? size : writer_->offset();
  if (held == reported_ || (held < size && held < reported_ + kReportBytes)) return std::nullopt;
  reported_ = held;
  return held;
}

absl::Status Ingest::Session::CheckEnvelope(base::ByteView bytes) {
  if (storage::LooksSealed(bytes)) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kInvalidArgument, "NOT_SEALED",
      "the bucket is private, but the object's bytes do not begin with a seal header",
      "seal the object before it is uploaded, or make the bucket public");
}

absl::Status Ingest::Session::Append(base::ByteView bytes) {
  if (ignore_ > 0) {
    uint64_t known = std::min<uint64_t>(ignore_, bytes.size());
    ignore_ -= known;
    bytes.remove_prefix(known);
  }
  if (bytes.empty() || skip_) return absl::OkStatus();
  if (writer_ == nullptr) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  }
  if (check_envelope_) {
    mark_.insert(mark_.end(), bytes.begin(), bytes.end());
    if (mark_.size() < storage::kSealMarkBytes) return absl::OkStatus();
    RETURN_IF_ERROR(CheckEnvelope(mark_));
    check_envelope_ = false;
    base::Bytes first = std::exchange(mark_, {});
    return ToSpaceError(writer_->Append(first));
  }
  return ToSpaceError(writer_->Append(bytes));
}

absl::Status Ingest::Session::Data(const absl::Cord& data) {
  if (!open_) return BadRequest("data before an open");
  if (received_ + data.size() > parts_.back().size) {
    return SizeMismatch(parts_.back().size, received_ + data.size());
  }
  for (absl::string_view chunk : data.Chunks()) RETURN_IF_ERROR(Append(base::AsBytes(chunk)));
  received_ += data.size();
  ingest_.received_bytes_ += data.size();
  return absl::OkStatus();
}

absl::Status Ingest::Session::FinishPart() {
  if (!open_) return absl::OkStatus();
  open_ = false;
  const Part& part = parts_.back();
  if (received_ != part.size) return SizeMismatch(part.size, received_);
  ++ingest_.received_parts_;
  if (skip_) return absl::OkStatus();
  if (writer_ != nullptr) {
    auto durable = std::exchange(writer_, nullptr)->Commit();
    receiving_.reset();
    return ToSpaceError(durable.status());
  }
  if (check_envelope_) RETURN_IF_ERROR(CheckEnvelope(buffer_));
  gathered_bytes_ += buffer_.size();
  ingest_.gathering_ += buffer_.size();
  gathered_.emplace_back(part.id, std::exchange(buffer_, {}));
  if (gathered_bytes_ >= kGatherBytes || ingest_.gathering_ >= kGatherAllBytes) return Flush();
  return absl::OkStatus();
}

absl::Status Ingest::Session::Flush() {
  if (gathered_.empty()) return absl::OkStatus();
  std::vector<std::pair<base::ContentId, base::ByteView>> blobs;
  blobs.reserve(gathered_.size());
  for (const auto& [id, bytes] : gathered_) blobs.emplace_back(id, bytes);
  absl::Status status = ToSpaceError(ingest_.env_.blobs.PutMany(blobs).status());
  ingest_.gathering_ -= gathered_bytes_;
  gathered_bytes_ = 0;
  gathered_.clear();
  return status;
}

absl::Status Ingest::Session::CheckComplete(const std::vector<Record<pb::Object>>& objects) const {
  std::set<std::pair<base::ObjectId, bool>> here;
  for (const Part& part : parts_) here.emplace(part.object, part.manifest);
  for (const Record<pb::Object>& object : objects) {
    auto id = chain::Trusted<base::ObjectId>(object->id());
    for (bool manifest : {false, true}) {
      if (manifest && object->manifest_id().empty()) continue;
      if (here.count({id, manifest}) > 0) continue;
      ASSIGN_OR_RETURN(std::vector<Part> parts, ingest_.env_.index.PartsOf(id));
      bool held = std::any_of(parts.begin(), parts.end(), [&](const Part& part) {
        return part.manifest == manifest && part.position == position_ &&
               ingest_.env_.blobs.Stat(part.id).ok();
      });
      if (held) continue;
      return Refuse(absl::StatusCode::kFailedPrecondition, "PART_MISSING",
                    absl::StrCat("the object's ", manifest ? "manifest" : "part", " is not here"),
                    {{"object", id.ToHexString()}});
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<pb::Receipt> Ingest::Session::Commit(const rpc::v1::PutCommit& commit) {
  RETURN_IF_ERROR(FinishPart());
  std::vector<base::ObjectId> ids;
  for (const std::string& field : commit.objects()) {
    auto id = chain::FromField<base::ObjectId>(field);
    if (!id || (!ids.empty() && !(ids.back() < *id)))
      return BadRequest("objects are malformed or not sorted");
    ids.push_back(*id);
  }
  if (ids.empty() || ids.size() > chain::kMaxObjectsPerOperation ||
      !std::equal(ids.begin(), ids.end(), objects_.begin(), objects_.end())) {
    return BadRequest("a commit names the 1 to 256 objects that were opened since the last one");
  }
  ASSIGN_OR_RETURN(std::vector<Record<pb::Object>> objects, ingest_.env_.ledger.Objects(ids));
  for (size_t i = 0; i < objects.size(); ++i) {
    if (objects[i] == nullptr) {
      return Refuse(absl::StatusCode::kNotFound, "NO_SUCH_OBJECT",
                    "the object is gone from the ledger", {{"object", ids[i].ToHexString()}});
    }
  }
  RETURN_IF_ERROR(CheckComplete(objects));
  RETURN_IF_ERROR(Flush());
  // The bytes, then the record that leads to them, then our word: each durable before the next.
  RETURN_IF_ERROR(ingest_.env_.index.Add(parts_));
  ASSIGN_OR_RETURN(Record<pb::Group> group, ingest_.env_.ledger.Group(group_));
  ASSIGN_OR_RETURN(pb::Receipt receipt, ingest_.Sign(*group, position_, objects));
  Clear();
  return receipt;
}

}  // namespace cairn::storaged
