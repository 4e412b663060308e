// One large record as whole blocks of the disk, so that it can be written past the page cache.
#pragma once

#include <memory>
#include <new>
#include <vector>

#include "blob/pack_format.h"

namespace cairn::storage {

// Movable memory for one record of at most kChunkBytes and the filler behind it; reusable.
class RecordBlocks {
 public:
  RecordBlocks();
  // Takes a copy of the payload, and returns the view of it.
  base::ByteView Fill(const RecordHeader& header, base::ByteView payload);
  // Writes the header, and behind the payload a filler up to the end of the block, which is added
  // to `headers`.
  void Seal(const RecordCodec& codec, const RecordHeader& header,
            std::vector<RecordHeader>& headers);
  // Aligned, and whole blocks.
  base::ByteView bytes() const { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(uint8_t* memory) const {
      ::operator delete(memory, std::align_val_t{base::kBlockBytes});
    }
  };
  std::unique_ptr<uint8_t, Free> memory_;
  size_t size_ = 0;
};

}  // namespace cairn::storage
