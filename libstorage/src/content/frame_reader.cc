#include "content/frame_reader.h"

#include <algorithm>

#include "cairn/base/status.h"

namespace cairn::storage {

FrameReader::FrameReader(std::optional<Opener> opener, const ReadPlan& plan, ByteSink sink)
    : opener_(std::move(opener)),
      range_(plan.plaintext),
      sink_(std::move(sink)),
      position_(plan.stored.offset) {
  if (opener_) {
    plaintext_.resize(kFrameBytes);
    partial_.reserve(kSealedFrameBytes);
  }
}

absl::Status FrameReader::Consume(base::ByteView stored) {
  if (!opener_) {
    const uint64_t at = position_;
    position_ += stored.size();
    return Emit(at, stored);
  }
  while (!stored.empty()) {
    const size_t wanted = Wanted();
    // Whole frames are opened where they lie.
    if (partial_.empty() && stored.size() >= wanted) {
      RETURN_IF_ERROR(Take(stored.first(wanted)));
      stored.remove_prefix(wanted);
      continue;
    }
    const size_t n = std::min(wanted - partial_.size(), stored.size());
    partial_.insert(partial_.end(), stored.begin(), stored.begin() + n);
    stored.remove_prefix(n);
    if (partial_.size() < wanted) break;
    RETURN_IF_ERROR(Take(partial_));
    partial_.clear();
  }
  return absl::OkStatus();
}

size_t FrameReader::Wanted() const {
  if (position_ == 0) return kSealHeaderBytes;
  const uint64_t frame = (position_ - kSealHeaderBytes) / kSealedFrameBytes;
  return opener_->FrameSize(frame) + base::kAeadTagBytes;
}

absl::Status FrameReader::Take(base::ByteView whole) {
  const uint64_t at = position_;
  position_ += whole.size();
  if (at == 0) return opener_->CheckHeader(whole);
  const uint64_t frame = (at - kSealHeaderBytes) / kSealedFrameBytes;
  base::MutableByteView out = base::MutableByteView(plaintext_).first(opener_->FrameSize(frame));
  RETURN_IF_ERROR(opener_->OpenFrame(frame, whole, out));
  return Emit(frame * kFrameBytes, out);
}

absl::Status FrameReader::Emit(uint64_t offset, base::ByteView plaintext) {
  const uint64_t from = std::max(offset, range_.offset);
  const uint64_t to = std::min(offset + plaintext.size(), range_.offset + range_.length);
  if (from >= to) return absl::OkStatus();
  return sink_(plaintext.subspan(from - offset, to - from));
}

}  // namespace cairn::storage
