// Reads of one large blob's chunks or outboard, in any order, best in ascending order.
#pragma once

#include "blob/disk_store.h"

namespace cairn::storage {

// Finds a piece once and keeps its file; a piece that compaction moves stays readable. One thread
// at a time.
class PieceReader {
 public:
  // `bytes`: length of what the pieces make up. `read_ahead` 0: every read goes to the file.
  PieceReader(const StoreParts& parts, PackFiles& files, RecordKind kind, const base::ContentId& id,
              uint64_t bytes, size_t read_ahead);

  // Across pieces. DataLoss when a piece or a part of one is missing.
  absl::Status Read(uint64_t offset, base::MutableByteView out);
  // Where the last read was.
  std::string where() const;

 private:
  absl::Status Find(uint32_t index);
  absl::Status ReadInPiece(uint64_t offset, base::MutableByteView out);
  absl::Status ReadFile(uint64_t offset_in_piece, base::MutableByteView out);

  const StoreParts& parts_;
  PackFiles& files_;
  const RecordKind kind_;
  const base::ContentId id_;
  const uint64_t bytes_;
  const size_t read_ahead_;
  std::optional<uint32_t> index_;
  Catalog::Entry piece_;
  std::shared_ptr<base::File> file_;
  uint64_t last_offset_ = 0;
  base::Bytes window_;
  uint64_t window_offset_ = 0;  // in what the pieces make up
};

}  // namespace cairn::storage
