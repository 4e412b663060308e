// Walks the records of a pack from front to back, over damage too.
//
// Bytes that are no record come as one gap up to the next record that checks out. One thread at a
// time.
#pragma once

#include <optional>

#include "blob/pack_format.h"
#include "cairn/base/disk.h"

namespace cairn::storage {

class PackScanner {
 public:
  struct Item {
    uint64_t offset = 0;
    uint64_t bytes = 0;                  // header and payload, or the gap
    std::optional<RecordHeader> header;  // nullopt: a gap
  };

  // Looks at [from, end). `read_ahead` bytes are read at once: little for headers alone, much for
  // payloads too.
  PackScanner(base::File& file, const RecordCodec& codec, uint64_t from, uint64_t end,
              size_t read_ahead);

  std::optional<Item> Next();
  // The payload of the item that Next returned last, which has a header; valid until the next call. A
  // part that the disk cannot read is zeros. Nothing for a filler, which may be as long as a pack.
  base::ByteView Payload(const Item& item);

 private:
  std::optional<RecordHeader> HeaderAt(uint64_t offset);
  base::ByteView Fetch(uint64_t offset, size_t bytes);

  base::File& file_;
  const RecordCodec& codec_;
  uint64_t next_;
  const uint64_t end_;
  const size_t read_ahead_;
  base::Bytes window_;
  uint64_t window_offset_ = 0;
};

inline constexpr size_t kHeaderReadAhead = 64 * 1024;
inline constexpr size_t kPayloadReadAhead = 2 * kChunkBytes;

}  // namespace cairn::storage
