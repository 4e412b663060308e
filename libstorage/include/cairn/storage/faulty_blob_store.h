// Any blob store, with the faults a test asks for.
//
//   FaultyBlobStore store(inner);
//   store.FailNext(FaultyBlobStore::Call::kPut, 1, absl::UnavailableError("disk pulled"));
//   store.Corrupt(id);                     // reads of it are DataLoss (BLOB_DAMAGED) until it is
//   stored again
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "absl/container/flat_hash_set.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storage {

// Thread-safe. Does not own the inner store.
class FaultyBlobStore final : public BlobStore {
 public:
  enum class Call {
    kPut,
    kBegin,
    kAppend,
    kCommit,
    kStat,
    kRead,
    kDelete,
    kList,
    kCompact,
    kScrub
  };

  explicit FaultyBlobStore(BlobStore& inner) : inner_(inner) {}

  // After `after` more successes the next `times` calls of that kind fail with `status`, without
  // reaching the store.
  void FailNext(Call call, uint64_t times, absl::Status status, uint64_t after = 0);
  // Asked before every call; a status other than OK is returned in its place. Null: none.
  void SetPlan(std::function<absl::Status(Call, const base::ContentId&)> plan);
  void Corrupt(const base::ContentId& id);
  uint64_t calls(Call call) const;

  base::StoreId store_id() const override { return inner_.store_id(); }
  absl::StatusOr<Durable> Put(const base::ContentId& id, base::ByteView bytes) override;
  absl::StatusOr<Durable> PutMany(
      absl::Span<const std::pair<base::ContentId, base::ByteView>> blobs) override;
  absl::StatusOr<std::unique_ptr<BlobWriter>> Begin(const base::ContentId& id,
                                                    uint64_t size) override;
  absl::Status DropPartial(const base::ContentId& id) override { return inner_.DropPartial(id); }
  absl::StatusOr<std::vector<PartialBlob>> Partials() override { return inner_.Partials(); }
  absl::StatusOr<Durable> Confirm(const base::ContentId& id) override;
  absl::StatusOr<BlobInfo> Stat(const base::ContentId& id) override;
  absl::Status ReadRange(const base::ContentId& id, base::ByteRange range,
                         const ByteSink& sink) override;
  absl::Status ReadSlice(const base::ContentId& id, base::ByteRange range,
                         const ByteSink& sink) override;
  absl::StatusOr<Durable> DeleteMany(absl::Span<const base::ContentId> ids) override;
  absl::StatusOr<std::vector<BlobInfo>> List(const base::ContentId& after, size_t limit) override;
  BlobUsage Usage() override { return inner_.Usage(); }
  absl::StatusOr<uint64_t> Compact(uint64_t budget_bytes) override;
  absl::StatusOr<ScrubReport> Scrub(absl::string_view cursor, uint64_t budget_bytes) override;

 private:
  friend class FaultyBlobWriter;
  struct Fault {
    uint64_t after = 0;
    uint64_t times = 0;
    absl::Status status;
  };
  absl::Status Ask(Call call, const base::ContentId& id);
  absl::Status CheckSound(const base::ContentId& id) const;
  void Mend(const base::ContentId& id);

  BlobStore& inner_;
  mutable std::mutex mutex_;
  std::map<Call, Fault> faults_;
  std::map<Call, uint64_t> calls_;
  std::function<absl::Status(Call, const base::ContentId&)> plan_;
  absl::flat_hash_set<base::ContentId> corrupt_;
};

}  // namespace cairn::storage
