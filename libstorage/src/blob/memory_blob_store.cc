#include "cairn/storage/memory_blob_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view what,
                   const base::ContentId& id) {
  return base::Error(code, reason, absl::StrCat(what, ": ", id.ToText()), "",
                     {{"blob", id.ToText()}});
}

class MemoryBlobStore final : public BlobStore {
 public:
  MemoryBlobStore(const base::StoreId& id, uint64_t quota) : id_(id), quota_(quota) {}

  base::StoreId store_id() const override { return id_; }

  absl::StatusOr<Durable> Put(const base::ContentId& id, base::ByteView bytes) override {
    const std::pair<base::ContentId, base::ByteView> blob(id, bytes);
    return PutMany(absl::MakeConstSpan(&blob, 1));
  }

  absl::StatusOr<Durable> PutMany(
      absl::Span<const std::pair<base::ContentId, base::ByteView>> blobs) override {
    if (blobs.size() > kMaxPutMany) return absl::InvalidArgumentError("too many blobs at once");
    for (const auto& [id, bytes] : blobs) {
      if (base::ContentId::Of(bytes) != id) {
        return Error(absl::StatusCode::kDataLoss, "HASH_MISMATCH", "the bytes are not those of",
                     id);
      }
    }
    std::lock_guard lock(mutex_);
    for (const auto& [id, bytes] : blobs) {
      if (blobs_.count(id) > 0) continue;
      RETURN_IF_ERROR(Admit(bytes.size()));
      blobs_.emplace(id, base::ToBytes(bytes));
      used_ += bytes.size();
    }
    return MadeDurable();
  }

  absl::StatusOr<std::unique_ptr<BlobWriter>> Begin(const base::ContentId& id,
                                                    uint64_t size) override;

  absl::Status DropPartial(const base::ContentId& id) override {
    std::lock_guard lock(mutex_);
    if (writing_.count(id) > 0) return Busy(id);
    DropPartialLocked(id);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<PartialBlob>> Partials() override {
    std::lock_guard lock(mutex_);
    std::vector<PartialBlob> out;
    for (const auto& [id, partial] : partials_) {
      out.push_back({.id = id, .size = partial.size, .held = partial.bytes.size()});
    }
    return out;
  }

  absl::StatusOr<Durable> Confirm(const base::ContentId& id) override {
    RETURN_IF_ERROR(Stat(id).status());
    return MadeDurable();
  }

  absl::StatusOr<BlobInfo> Stat(const base::ContentId& id) override {
    std::lock_guard lock(mutex_);
    const auto it = blobs_.find(id);
    if (it == blobs_.end()) return NoSuchBlob(id);
    return BlobInfo{id, it->second.size()};
  }

  absl::Status ReadRange(const base::ContentId& id, base::ByteRange range,
                         const ByteSink& sink) override {
    ASSIGN_OR_RETURN(const base::Bytes bytes, Find(id));
    const size_t from = std::min<uint64_t>(range.offset, bytes.size());
    base::ByteView left = base::ByteView(bytes).subspan(from, range.length);
    while (!left.empty()) {
      const base::ByteView piece = left.subspan(0, kPieceBytes);
      RETURN_IF_ERROR(sink(piece));
      left.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }

  absl::Status ReadSlice(const base::ContentId& id, base::ByteRange range,
                         const ByteSink& sink) override {
    ASSIGN_OR_RETURN(const base::Bytes bytes, Find(id));
    base::TreeBuilder tree;
    tree.Update(bytes);
    const base::Bytes outboard = std::move(tree).Finish().outboard;
    const auto content = [&bytes](uint64_t offset, base::MutableByteView out) {
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
      return absl::OkStatus();
    };
    return base::EncodeSlice(id.digest, bytes.size(), base::ByteView(outboard), range, content,
                             sink);
  }

  absl::StatusOr<Durable> DeleteMany(absl::Span<const base::ContentId> ids) override {
    if (ids.size() > kMaxPutMany) return absl::InvalidArgumentError("too many blobs at once");
    std::lock_guard lock(mutex_);
    for (const base::ContentId& id : ids) {
      const auto it = blobs_.find(id);
      if (it == blobs_.end()) continue;
      used_ -= it->second.size();
      blobs_.erase(it);
    }
    return MadeDurable();
  }

  absl::StatusOr<std::vector<BlobInfo>> List(const base::ContentId& after, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<BlobInfo> out;
    for (auto it = blobs_.upper_bound(after); it != blobs_.end() && out.size() < limit; ++it) {
      out.push_back({it->first, it->second.size()});
    }
    return out;
  }

  BlobUsage Usage() override {
    std::lock_guard lock(mutex_);
    BlobUsage usage{.blobs = blobs_.size(), .disk_bytes = used_, .quota_bytes = quota_};
    for (const auto& [id, bytes] : blobs_) usage.live_bytes += bytes.size();
    return usage;
  }

  absl::StatusOr<uint64_t> Compact(uint64_t) override { return uint64_t{0}; }

  // The cursor is the id of the blob looked at last, in hexadecimal.
  absl::StatusOr<ScrubReport> Scrub(absl::string_view cursor, uint64_t budget_bytes) override {
    base::ContentId after;
    if (!cursor.empty()) {
      ASSIGN_OR_RETURN(const base::Bytes raw, base::FromHex(cursor));
      ASSIGN_OR_RETURN(after.digest, base::Digest::From(raw));
    }
    std::lock_guard lock(mutex_);
    ScrubReport report;
    auto it = blobs_.upper_bound(after);
    for (; it != blobs_.end() && report.checked_bytes < budget_bytes; ++it) {
      ++report.checked_blobs;
      report.checked_bytes += it->second.size() + 1;
      report.next_cursor = it->first.digest.ToHexString();
    }
    report.finished = it == blobs_.end();
    if (report.finished) report.next_cursor.clear();
    return report;
  }

 private:
  friend class MemoryBlobWriter;
  static constexpr size_t kPieceBytes = 1 << 20;
  struct Partial {
    uint64_t size = 0;
    base::Bytes bytes;
  };

  static absl::Status NoSuchBlob(const base::ContentId& id) {
    return Error(absl::StatusCode::kNotFound, "NO_SUCH_BLOB", "there is no blob", id);
  }
  static absl::Status Busy(const base::ContentId& id) {
    return Error(absl::StatusCode::kUnavailable, "BLOB_BUSY", "another caller writes blob", id);
  }
  absl::StatusOr<base::Bytes> Find(const base::ContentId& id) {
    std::lock_guard lock(mutex_);
    const auto it = blobs_.find(id);
    if (it == blobs_.end()) return NoSuchBlob(id);
    return it->second;
  }
  absl::Status Admit(uint64_t bytes) {
    if (used_ + reserved_ + bytes <= quota_) return absl::OkStatus();
    return base::Error(absl::StatusCode::kResourceExhausted, "QUOTA_EXCEEDED",
                       absl::StrCat(bytes, " more bytes would exceed the quota of ", quota_),
                       "Delete blobs, or raise the quota.");
  }
  void DropPartialLocked(const base::ContentId& id) {
    const auto it = partials_.find(id);
    if (it == partials_.end()) return;
    used_ -= it->second.bytes.size();
    partials_.erase(it);
  }

  const base::StoreId id_;
  const uint64_t quota_;
  std::mutex mutex_;
  std::map<base::ContentId, base::Bytes> blobs_;
  std::map<base::ContentId, Partial> partials_;
  std::set<base::ContentId> writing_;
  uint64_t used_ = 0;
  uint64_t reserved_ = 0;
};

class MemoryBlobWriter final : public BlobWriter {
 public:
  MemoryBlobWriter(MemoryBlobStore& store, const base::ContentId& id, uint64_t size,
                   base::Bytes bytes)
      : store_(store), id_(id), size_(size), bytes_(std::move(bytes)) {}

  ~MemoryBlobWriter() override {
    std::lock_guard lock(store_.mutex_);
    store_.writing_.erase(id_);
    store_.reserved_ -= size_;
    if (done_ || bytes_.empty()) return;
    store_.used_ += bytes_.size();
    store_.partials_[id_] = {size_, std::move(bytes_)};
  }

  uint64_t offset() const override { return bytes_.size(); }

  absl::Status Append(base::ByteView bytes) override {
    if (bytes.size() > size_ - bytes_.size()) {
      return Error(absl::StatusCode::kInvalidArgument, "SIZE_MISMATCH", "more bytes than declared",
                   id_);
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  }

  absl::StatusOr<Durable> Commit() override {
    if (done_) {
      return Error(absl::StatusCode::kFailedPrecondition, "ALREADY_COMMITTED", "committed before",
                   id_);
    }
    if (bytes_.size() != size_) {
      return Error(absl::StatusCode::kInvalidArgument, "SIZE_MISMATCH", "fewer bytes than declared",
                   id_);
    }
    done_ = true;
    {
      std::lock_guard lock(store_.mutex_);
      store_.reserved_ -= std::exchange(size_, 0);
    }
    return store_.Put(id_, bytes_);
  }

 private:
  MemoryBlobStore& store_;
  const base::ContentId id_;
  uint64_t size_;
  base::Bytes bytes_;
  bool done_ = false;
};

absl::StatusOr<std::unique_ptr<BlobWriter>> MemoryBlobStore::Begin(const base::ContentId& id,
                                                                   uint64_t size) {
  if (size > kMaxBlobBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "BLOB_TOO_LARGE", "too large", id);
  }
  std::lock_guard lock(mutex_);
  if (writing_.count(id) > 0) return Busy(id);
  if (blobs_.count(id) > 0) {
    return Error(absl::StatusCode::kAlreadyExists, "BLOB_EXISTS", "here already is blob", id);
  }
  base::Bytes bytes;
  if (const auto it = partials_.find(id); it != partials_.end()) {
    if (it->second.size == size) bytes = std::move(it->second.bytes);
    used_ -= bytes.size();
    it->second.bytes.clear();
    DropPartialLocked(id);
  }
  RETURN_IF_ERROR(Admit(size));
  reserved_ += size;
  writing_.insert(id);
  return std::make_unique<MemoryBlobWriter>(*this, id, size, std::move(bytes));
}

}  // namespace

std::unique_ptr<BlobStore> NewMemoryBlobStore(const base::StoreId& id, uint64_t quota_bytes) {
  return std::make_unique<MemoryBlobStore>(id, quota_bytes);
}

}  // namespace cairn::storage
