#include "cairn/storage/faulty_blob_store.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {

class FaultyBlobWriter final : public BlobWriter {
 public:
  FaultyBlobWriter(FaultyBlobStore& store, const base::ContentId& id,
                   std::unique_ptr<BlobWriter> inner)
      : store_(store), id_(id), inner_(std::move(inner)) {}

  uint64_t offset() const override { return inner_->offset(); }
  absl::Status Append(base::ByteView bytes) override {
    RETURN_IF_ERROR(store_.Ask(FaultyBlobStore::Call::kAppend, id_));
    return inner_->Append(bytes);
  }
  absl::StatusOr<Durable> Commit() override {
    RETURN_IF_ERROR(store_.Ask(FaultyBlobStore::Call::kCommit, id_));
    absl::StatusOr<Durable> durable = inner_->Commit();
    if (durable.ok()) store_.Mend(id_);
    return durable;
  }

 private:
  FaultyBlobStore& store_;
  const base::ContentId id_;
  std::unique_ptr<BlobWriter> inner_;
};

void FaultyBlobStore::FailNext(Call call, uint64_t times, absl::Status status, uint64_t after) {
  std::lock_guard lock(mutex_);
  faults_[call] = {after, times, std::move(status)};
}

void FaultyBlobStore::SetPlan(std::function<absl::Status(Call, const base::ContentId&)> plan) {
  std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
}

void FaultyBlobStore::Corrupt(const base::ContentId& id) {
  std::lock_guard lock(mutex_);
  corrupt_.insert(id);
}

uint64_t FaultyBlobStore::calls(Call call) const {
  std::lock_guard lock(mutex_);
  const auto it = calls_.find(call);
  return it == calls_.end() ? 0 : it->second;
}

absl::Status FaultyBlobStore::Ask(Call call, const base::ContentId& id) {
  std::lock_guard lock(mutex_);
  ++calls_[call];
  if (plan_) RETURN_IF_ERROR(plan_(call, id));
  const auto it = faults_.find(call);
  if (it == faults_.end()) return absl::OkStatus();
  Fault& fault = it->second;
  if (fault.after > 0) {
    --fault.after;
    return absl::OkStatus();
  }
  const absl::Status status = fault.status;
  if (fault.times <= 1) {
    faults_.erase(it);
  } else {
    --fault.times;
  }
  return status;
}

absl::Status FaultyBlobStore::CheckSound(const base::ContentId& id) const {
  std::lock_guard lock(mutex_);
  if (corrupt_.count(id) == 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kDataLoss, "BLOB_DAMAGED",
                     absl::StrCat("blob ", id.ToText(), " is damaged: by the test"), "",
                     {{"blob", id.ToText()}, {"where", "nowhere"}});
}

void FaultyBlobStore::Mend(const base::ContentId& id) {
  std::lock_guard lock(mutex_);
  corrupt_.erase(id);
}

absl::StatusOr<Durable> FaultyBlobStore::Put(const base::ContentId& id, base::ByteView bytes) {
  RETURN_IF_ERROR(Ask(Call::kPut, id));
  absl::StatusOr<Durable> durable = inner_.Put(id, bytes);
  if (durable.ok()) Mend(id);
  return durable;
}

absl::StatusOr<Durable> FaultyBlobStore::PutMany(
    absl::Span<const std::pair<base::ContentId, base::ByteView>> blobs) {
  for (const auto& [id, bytes] : blobs) RETURN_IF_ERROR(Ask(Call::kPut, id));
  absl::StatusOr<Durable> durable = inner_.PutMany(blobs);
  for (const auto& [id, bytes] : blobs) {
    if (durable.ok()) Mend(id);
  }
  return durable;
}

absl::StatusOr<std::unique_ptr<BlobWriter>> FaultyBlobStore::Begin(const base::ContentId& id,
                                                                   uint64_t size) {
  RETURN_IF_ERROR(Ask(Call::kBegin, id));
  // A damaged blob makes way for a sound one.
  if (!CheckSound(id).ok()) RETURN_IF_ERROR(inner_.Delete(id).status());
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, inner_.Begin(id, size));
  return std::make_unique<FaultyBlobWriter>(*this, id, std::move(writer));
}

absl::StatusOr<Durable> FaultyBlobStore::Confirm(const base::ContentId& id) {
  RETURN_IF_ERROR(Ask(Call::kStat, id));
  RETURN_IF_ERROR(CheckSound(id));
  return inner_.Confirm(id);
}

absl::StatusOr<BlobInfo> FaultyBlobStore::Stat(const base::ContentId& id) {
  RETURN_IF_ERROR(Ask(Call::kStat, id));
  RETURN_IF_ERROR(CheckSound(id));
  return inner_.Stat(id);
}

absl::Status FaultyBlobStore::ReadRange(const base::ContentId& id, base::ByteRange range,
                                        const ByteSink& sink) {
  RETURN_IF_ERROR(Ask(Call::kRead, id));
  RETURN_IF_ERROR(CheckSound(id));
  return inner_.ReadRange(id, range, sink);
}

absl::Status FaultyBlobStore::ReadSlice(const base::ContentId& id, base::ByteRange range,
                                        const ByteSink& sink) {
  RETURN_IF_ERROR(Ask(Call::kRead, id));
  RETURN_IF_ERROR(CheckSound(id));
  return inner_.ReadSlice(id, range, sink);
}

absl::StatusOr<Durable> FaultyBlobStore::DeleteMany(absl::Span<const base::ContentId> ids) {
  for (const base::ContentId& id : ids) RETURN_IF_ERROR(Ask(Call::kDelete, id));
  absl::StatusOr<Durable> durable = inner_.DeleteMany(ids);
  for (const base::ContentId& id : ids) {
    if (durable.ok()) Mend(id);
  }
  return durable;
}

absl::StatusOr<std::vector<BlobInfo>> FaultyBlobStore::List(const base::ContentId& after,
                                                            size_t limit) {
  RETURN_IF_ERROR(Ask(Call::kList, after));
  return inner_.List(after, limit);
}

absl::StatusOr<uint64_t> FaultyBlobStore::Compact(uint64_t budget_bytes) {
  RETURN_IF_ERROR(Ask(Call::kCompact, {}));
  return inner_.Compact(budget_bytes);
}

absl::StatusOr<ScrubReport> FaultyBlobStore::Scrub(absl::string_view cursor,
                                                   uint64_t budget_bytes) {
  RETURN_IF_ERROR(Ask(Call::kScrub, {}));
  ASSIGN_OR_RETURN(ScrubReport report, inner_.Scrub(cursor, budget_bytes));
  std::lock_guard lock(mutex_);
  for (const base::ContentId& id : corrupt_) {
    if (report.finished) report.damaged.push_back({id, "by the test", "nowhere"});
  }
  return report;
}

}  // namespace cairn::storage
