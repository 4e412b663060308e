#pragma once

#include "blob/disk_store.h"

namespace cairn::storage {

// A blob that arrives in order. Up to kSmallBlobBytes it waits in memory and becomes one record;
// above, each full chunk goes to the packs as it is. The last, begun chunk is left to the store
// when the writer goes.
class DiskBlobWriter final : public BlobWriter {
 public:
  // Has claimed the id and reserved `reserved_bytes`; gives both back when it goes. `tree` has seen
  // the `written` bytes that are in the packs, not the `chunk` begun behind them.
  DiskBlobWriter(DiskStore& store, const base::ContentId& id, uint64_t size, uint64_t written,
                 base::TreeBuilder tree, base::Bytes chunk, uint64_t reserved_bytes);
  ~DiskBlobWriter() override;

  uint64_t offset() const override { return offset_; }
  absl::Status Append(base::ByteView bytes) override;
  absl::StatusOr<Durable> Commit() override;

 private:
  absl::Status AppendToChunk(base::ByteView bytes);
  absl::Status WriteChunk(base::ByteView chunk);
  absl::StatusOr<Durable> CommitSmall();
  absl::StatusOr<Durable> CommitLarge();
  absl::Status WrongSize(absl::string_view what) const;

  DiskStore& store_;
  const base::ContentId id_;
  const uint64_t size_;
  uint64_t offset_;
  base::TreeBuilder tree_;
  uint64_t reserved_bytes_;
  base::Bytes chunk_;  // the beginning of the next chunk, or a small blob
  absl::Status failed_;
};

}  // namespace cairn::storage
