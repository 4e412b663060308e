#include "blob/pack_scanner.h"

#include <algorithm>

namespace cairn::storage {
namespace {

constexpr size_t kSector = 4096;

}  // namespace

PackScanner::PackScanner(base::File& file, const RecordCodec& codec, uint64_t from, uint64_t end,
                         size_t read_ahead)
    : file_(file), codec_(codec), next_(from), end_(end), read_ahead_(read_ahead) {}

std::optional<PackScanner::Item> PackScanner::Next() {
  if (next_ >= end_) return std::nullopt;
  Item item{.offset = next_, .bytes = 0, .header = HeaderAt(next_)};
  if (item.header.has_value()) {
    item.bytes = item.header->record_bytes();
  } else {
    // Records begin at any byte, and what somebody stored in a blob cannot pass for one: it would
    // need the key.
    uint64_t at = next_ + 1;
    while (at < end_ && !HeaderAt(at).has_value()) ++at;
    item.bytes = at - next_;
  }
  next_ += item.bytes;
  return item;
}

base::ByteView PackScanner::Payload(const Item& item) {
  if (item.header->kind == RecordKind::kFiller) return {};
  return Fetch(item.offset + kRecordHeaderBytes, item.bytes - kRecordHeaderBytes);
}

std::optional<RecordHeader> PackScanner::HeaderAt(uint64_t offset) {
  if (end_ - offset < kRecordHeaderBytes) return std::nullopt;
  std::optional<RecordHeader> header = codec_.Decode(Fetch(offset, kRecordHeaderBytes));
  // Cut off: its payload would be read from behind the end.
  if (header.has_value() && header->record_bytes() > end_ - offset) return std::nullopt;
  return header;
}

base::ByteView PackScanner::Fetch(uint64_t offset, size_t bytes) {
  const bool inside = offset >= window_offset_ && offset + bytes <= window_offset_ + window_.size();
  if (!inside) {
    window_offset_ = offset;
    window_.assign(std::min<uint64_t>(std::max(bytes, read_ahead_), end_ - offset), 0);
    const auto read = file_.ReadAt(offset, absl::MakeSpan(window_));
    // A bad sector takes only itself along.
    for (size_t at = 0; !read.ok() && at < window_.size(); at += kSector) {
      const size_t part = std::min(kSector, window_.size() - at);
      const base::MutableByteView out = absl::MakeSpan(window_).subspan(at, part);
      if (!file_.ReadAt(offset + at, out).ok()) std::fill(out.begin(), out.end(), 0);
    }
  }
  return base::ByteView(window_).subspan(offset - window_offset_, bytes);
}

}  // namespace cairn::storage
