#include "apps/storaged/part_index.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::storaged {
namespace {

constexpr char kByObject = 'o';  // object id | blob id -> part
constexpr char kByBlob = 'r';    // blob id | object id -> nothing
constexpr uint32_t kMaxPathLength = 16;

std::string Key(char table, base::ByteView first, base::ByteView second = {}) {
  return absl::StrCat(absl::string_view(&table, 1), base::AsText(first), base::AsText(second));
}

std::string Encode(const Part& part) {
  base::Writer w;
  w.U64(part.size);
  w.U64(part.group.value);
  w.U32(part.position);
  w.U8(part.manifest ? 1 : 0);
  w.U32(part.leaf);
  w.U32(part.leaves);
  w.U8(static_cast<uint8_t>(part.path.size()));
  for (const base::Digest& digest : part.path) w.Raw(digest.view());
  return base::ToString(w.view());
}

absl::StatusOr<Part> Decode(absl::string_view key, absl::string_view value) {
  base::Reader k(base::AsBytes(key.substr(1)));
  base::Reader r(base::AsBytes(value));
  Part part;
  part.object = k.Fixed<base::ObjectId>();
  part.id.digest = k.Fixed<base::Digest>();
  part.size = r.U64();
  part.group.value = r.U64();
  part.position = r.U32();
  part.manifest = r.U8() != 0;
  part.leaf = r.U32();
  part.leaves = r.U32();
  uint32_t length = r.U8();
  if (length > kMaxPathLength) r.Fail("path of a part");
  for (uint32_t i = 0; i < length && r.ok(); ++i) part.path.push_back(r.Fixed<base::Digest>());
  RETURN_IF_ERROR(k.Finish());
  RETURN_IF_ERROR(r.Finish());
  return part;
}

absl::StatusOr<std::vector<Part>> ReadPartsOf(const base::KvSnapshot& view,
                                              const base::ObjectId& object) {
  std::vector<Part> parts;
  std::string prefix = Key(kByObject, object.view());
  auto cursor = view.NewCursor();
  for (cursor->Seek(prefix); cursor->Valid() && cursor->key().substr(0, prefix.size()) == prefix;
       cursor->Next()) {
    ASSIGN_OR_RETURN(Part part, Decode(cursor->key(), cursor->value()));
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

PartIndex::Hold& PartIndex::Hold::operator=(Hold&& other) noexcept {
  if (this != &other) {
    Release();
    index_ = std::exchange(other.index_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

void PartIndex::Hold::Release() {
  if (index_ != nullptr) std::exchange(index_, nullptr)->Unhold(id_);
}

PartIndex::Hold PartIndex::HoldBlob(const base::ContentId& id) {
  std::lock_guard lock(mutex_);
  ++held_[id];
  suspects_.erase(id);
  return Hold(this, id);
}

void PartIndex::Unhold(const base::ContentId& id) {
  std::lock_guard lock(mutex_);
  auto it = held_.find(id);
  if (it != held_.end() && --it->second == 0) held_.erase(it);
}

absl::Status PartIndex::Add(absl::Span<const Part> parts) {
  base::KvBatch batch;
  for (const Part& part : parts) {
    batch.Put(Key(kByObject, part.object.view(), part.id.digest.view()), Encode(part));
    batch.Put(Key(kByBlob, part.id.digest.view(), part.object.view()), "");
  }
  return writes_.Commit(batch);
}

absl::StatusOr<std::optional<Part>> PartIndex::Find(const base::ObjectId& object,
                                                    const base::ContentId& id) const {
  auto view = writes_.kv().Snapshot();
  std::string key = Key(kByObject, object.view(), id.digest.view());
  ASSIGN_OR_RETURN(auto value, view->Get(key));
  if (!value.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(Part part, Decode(key, *value));
  return part;
}

bool PartIndex::Has(const base::ContentId& id) const {
  return !absl::IsNotFound(blobs_.Stat(id).status());
}

absl::StatusOr<std::vector<Part>> PartIndex::PartsOf(const base::ObjectId& object) const {
  return ReadPartsOf(*writes_.kv().Snapshot(), object);
}

absl::StatusOr<std::vector<Part>> PartIndex::UsersOf(const base::ContentId& id,
                                                     size_t limit) const {
  auto view = writes_.kv().Snapshot();
  std::vector<Part> parts;
  std::string prefix = Key(kByBlob, id.digest.view());
  auto cursor = view->NewCursor();
  for (cursor->Seek(prefix); cursor->Valid() && cursor->key().substr(0, prefix.size()) == prefix;
       cursor->Next()) {
    if (parts.size() == limit) break;
    std::string key =
        Key(kByObject, base::AsBytes(cursor->key().substr(prefix.size())), id.digest.view());
    ASSIGN_OR_RETURN(auto value, view->Get(key));
    if (!value.has_value()) continue;
    ASSIGN_OR_RETURN(Part part, Decode(key, *value));
    parts.push_back(std::move(part));
  }
  return parts;
}

absl::StatusOr<std::vector<base::ObjectId>> PartIndex::Objects(const base::ObjectId& after,
                                                               size_t limit) const {
  auto view = writes_.kv().Snapshot();
  auto cursor = view->NewCursor();
  std::vector<base::ObjectId> objects;
  base::ObjectId last = after;
  for (cursor->Seek(Key(kByObject, after.view())); cursor->Valid() && cursor->key()[0] == kByObject;
       cursor->Next()) {
    ASSIGN_OR_RETURN(Part part, Decode(cursor->key(), cursor->value()));
    if (part.object == last) continue;
    if (objects.size() == limit) break;
    objects.push_back(last = part.object);
  }
  return objects;
}

bool PartIndex::Used(const base::KvSnapshot& view, const base::ContentId& id) const {
  if (held_.contains(id)) return true;
  std::string prefix = Key(kByBlob, id.digest.view());
  auto cursor = view.NewCursor();
  cursor->Seek(prefix);
  return cursor->Valid() && cursor->key().substr(0, prefix.size()) == prefix;
}

absl::StatusOr<size_t> PartIndex::Drop(absl::Span<const base::ObjectId> objects) {
  base::KvBatch batch;
  std::set<base::ContentId> ids;
  {
    auto view = writes_.kv().Snapshot();
    for (const base::ObjectId& object : objects) {
      ASSIGN_OR_RETURN(std::vector<Part> parts, ReadPartsOf(*view, object));
      for (const Part& part : parts) {
        batch.Delete(Key(kByObject, object.view(), part.id.digest.view()));
        batch.Delete(Key(kByBlob, part.id.digest.view(), object.view()));
        ids.insert(part.id);
      }
    }
  }
  if (ids.empty()) return 0;
  // The records first: a crash in between leaves a blob for Sweep, and never a record of nothing.
  RETURN_IF_ERROR(writes_.Commit(batch));

  std::lock_guard lock(mutex_);
  auto view = writes_.kv().Snapshot();
  std::vector<base::ContentId> unused;
  for (const base::ContentId& id : ids) {
    if (!Used(*view, id)) unused.push_back(id);
  }
  for (size_t at = 0; at < unused.size(); at += storage::kMaxPutMany) {
    RETURN_IF_ERROR(
        blobs_.DeleteMany(absl::MakeSpan(unused).subspan(at, storage::kMaxPutMany)).status());
  }
  for (const base::ContentId& id : unused) RETURN_IF_ERROR(blobs_.DropPartial(id));
  return unused.size();
}

absl::StatusOr<size_t> PartIndex::Sweep(base::ContentId& cursor, size_t limit) {
  ASSIGN_OR_RETURN(std::vector<storage::BlobInfo> blobs, blobs_.List(cursor, limit));
  std::lock_guard lock(mutex_);
  auto view = writes_.kv().Snapshot();
  std::vector<base::ContentId> stray;
  for (const storage::BlobInfo& blob : blobs) {
    if (Stray(*view, blob.id)) stray.push_back(blob.id);
  }
  cursor = blobs.size() < limit ? base::ContentId{} : blobs.back().id;
  if (!stray.empty()) RETURN_IF_ERROR(blobs_.DeleteMany(stray).status());
  if (!cursor.empty()) return stray.size();
  ASSIGN_OR_RETURN(std::vector<storage::PartialBlob> partials, blobs_.Partials());
  size_t gone = stray.size();
  for (const storage::PartialBlob& partial : partials) {
    if (!Stray(*view, partial.id)) continue;
    RETURN_IF_ERROR(blobs_.DropPartial(partial.id));
    ++gone;
  }
  return gone;
}

bool PartIndex::Stray(const base::KvSnapshot& view, const base::ContentId& id) {
  // A blob is there before its record: a stray is one that was nobody's at the last sweep as well.
  const bool suspected = suspects_.erase(id) > 0;
  if (Used(view, id)) return false;
  if (!suspected) suspects_.insert(id);
  return suspected;
}

}  // namespace cairn::storaged
