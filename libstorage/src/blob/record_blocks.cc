#include "blob/record_blocks.h"

#include <algorithm>

namespace cairn::storage {
namespace {

constexpr size_t kCapacity = kRecordHeaderBytes + kChunkBytes + kMaxFillerBytes;

}  // namespace

RecordBlocks::RecordBlocks()
    : memory_(static_cast<uint8_t*>(
          ::operator new(kCapacity, std::align_val_t{base::kBlockBytes}))) {}

base::ByteView RecordBlocks::Fill(const RecordHeader& header, base::ByteView payload) {
  const uint64_t end = header.record_bytes();
  size_ = end + FillerBytes(end);
  std::copy(payload.begin(), payload.end(), memory_.get() + kRecordHeaderBytes);
  std::fill(memory_.get() + end, memory_.get() + size_, uint8_t{0});
  return bytes().subspan(kRecordHeaderBytes, payload.size());
}

void RecordBlocks::Seal(const RecordCodec& codec, const RecordHeader& header,
                        std::vector<RecordHeader>& headers) {
  codec.Encode(header, memory_.get());
  const uint64_t end = header.record_bytes();
  if (end == size_) return;
  headers.push_back(Filler(size_ - end));
  codec.Encode(headers.back(), memory_.get() + end);
}

}  // namespace cairn::storage
