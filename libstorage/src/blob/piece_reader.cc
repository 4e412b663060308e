#include "blob/piece_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

absl::Status Missing(absl::string_view what, uint64_t index) {
  return absl::DataLossError(absl::StrCat("piece ", index, " of the blob ", what));
}

}  // namespace

PieceReader::PieceReader(const StoreParts& parts, PackFiles& files, RecordKind kind,
                         const base::ContentId& id, uint64_t bytes, size_t read_ahead)
    : parts_(parts), files_(files), kind_(kind), id_(id), bytes_(bytes), read_ahead_(read_ahead) {}

absl::Status PieceReader::Read(uint64_t offset, base::MutableByteView out) {
  while (!out.empty()) {
    const uint64_t in_piece = offset % kChunkBytes;
    const size_t part = std::min<uint64_t>(out.size(), kChunkBytes - in_piece);
    RETURN_IF_ERROR(ReadInPiece(offset, out.subspan(0, part)));
    offset += part;
    out.remove_prefix(part);
  }
  return absl::OkStatus();
}

absl::Status PieceReader::ReadInPiece(uint64_t offset, base::MutableByteView out) {
  const uint32_t index = static_cast<uint32_t>(offset / kChunkBytes);
  const uint64_t in_piece = offset % kChunkBytes;
  if (index_ != index) RETURN_IF_ERROR(Find(index));
  last_offset_ = in_piece;
  if (out.size() >= read_ahead_) return ReadFile(in_piece, out);
  const bool inside =
      offset >= window_offset_ && offset + out.size() <= window_offset_ + window_.size();
  if (!inside) {
    window_.resize(std::min<uint64_t>(read_ahead_, piece_.size - in_piece));
    window_offset_ = offset;
    if (absl::Status status = ReadFile(in_piece, absl::MakeSpan(window_)); !status.ok()) {
      // Partly new, partly old.
      window_.clear();
      return status;
    }
  }
  std::copy_n(window_.begin() + static_cast<ptrdiff_t>(offset - window_offset_), out.size(),
              out.begin());
  return absl::OkStatus();
}

absl::Status PieceReader::Find(uint32_t index) {
  // Stays unset when this fails: where() must not name the piece before.
  index_.reset();
  // A pack may go between the look into the catalog and the opening of its file; its pieces are
  // elsewhere then.
  for (bool again : {true, false}) {
    std::optional<Catalog::Entry> piece;
    {
      std::shared_lock lock(parts_.mutex);
      ASSIGN_OR_RETURN(piece, parts_.catalog.FindPiece(kind_, id_, index));
    }
    if (!piece.has_value()) return Missing("is missing", index);
    if (piece->size != PieceBytes(bytes_, index)) return Missing("has a wrong size", index);
    piece_ = *piece;
    absl::StatusOr<std::shared_ptr<base::File>> file = files_.Get(piece_.place.pack);
    if (file.ok()) {
      file_ = *std::move(file);
      index_ = index;
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(file.status())) return file.status();
    if (!again) break;
  }
  return Missing("has lost its pack", index);
}

absl::Status PieceReader::ReadFile(uint64_t offset_in_piece, base::MutableByteView out) {
  ASSIGN_OR_RETURN(size_t read,
                   file_->ReadAt(piece_.place.offset + kRecordHeaderBytes + offset_in_piece, out));
  return read == out.size() ? absl::OkStatus() : Missing("ends early", *index_);
}

std::string PieceReader::where() const {
  if (!index_.has_value()) return "no pack";
  const uint64_t offset = piece_.place.offset + kRecordHeaderBytes + last_offset_;
  return ToString(Place{piece_.place.pack, static_cast<uint32_t>(offset)});
}

}  // namespace cairn::storage
