#include "blob/record_group.h"

#include <algorithm>
#include <cstring>

namespace cairn::storage {
namespace {

constexpr size_t kCopyBytes = 16 << 10;  // copied and checked while they are in the fastest cache

}  // namespace

GroupMemory GroupMemory::New() {
  GroupMemory memory;
  memory.bytes_.reset(static_cast<uint8_t*>(
      ::operator new(kRecordBytes + kMaxFillerBytes, std::align_val_t{base::kBlockBytes})));
  return memory;
}

bool RecordGroup::Fits(uint64_t record_bytes, uint64_t pack_bytes) const {
  const uint64_t end = bytes_ + record_bytes;
  return empty() || (end <= GroupMemory::kRecordBytes && end + kPackHeaderBytes <= pack_bytes);
}

uint8_t* RecordGroup::Take(Item item) {
  item.at = bytes_;
  bytes_ += item.header.record_bytes();
  largest_ = std::max(largest_, item.header.record_bytes());
  has_copies_ = has_copies_ || item.copy;
  items_.push_back(item);
  return memory_.data() + item.at;
}

// The check waits at the front of the room, where the header will be.
void RecordGroup::Fill(uint8_t* room, base::ByteView payload) {
  uint32_t check = 0;
  for (uint8_t* to = room + kRecordHeaderBytes; !payload.empty();) {
    const base::ByteView part = payload.subspan(0, kCopyBytes);
    std::memcpy(to, part.data(), part.size());
    check = Crc32c({to, part.size()}, check);
    to += part.size();
    payload.remove_prefix(part.size());
  }
  std::memcpy(room, &check, sizeof check);
}

const RecordGroup::Item& RecordGroup::MoveUp(Item& item) {
  std::memmove(memory_.data() + bytes_, memory_.data() + item.at, item.header.record_bytes());
  item.at = bytes_;
  bytes_ += item.header.record_bytes();
  return item;
}

void RecordGroup::Seal(const RecordCodec& codec, uint64_t synced, uint64_t filler) {
  for (Item& item : items_) {
    uint8_t* room = memory_.data() + item.at;
    // A copy keeps the check that it came with: a new one would make damage look sound.
    if (!item.copy) std::memcpy(&item.header.payload_crc, room, sizeof item.header.payload_crc);
    item.header.synced = static_cast<uint32_t>(synced);
    codec.Encode(item.header, room);
  }
  if (filler == 0) return;
  uint8_t* end = memory_.data() + bytes_;
  // The memory still holds bytes of other blobs, of deleted ones perhaps.
  std::memset(end, 0, filler);
  codec.Encode(Filler(filler), end);
}

}  // namespace cairn::storage
