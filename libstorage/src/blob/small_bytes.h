// Room for one small blob that is being read: on the stack while it is tiny, and never cleared before.
#pragma once

#include <memory>

#include "blob/pack_format.h"

namespace cairn::storage {

// One thread at a time. Nothing is kept by Resize.
class SmallBytes {
 public:
  SmallBytes() {}  // leaves the room as it is
  SmallBytes(const SmallBytes&) = delete;
  SmallBytes& operator=(const SmallBytes&) = delete;

  base::MutableByteView Resize(size_t size) {
    if (size > sizeof tiny_) more_.reset(new uint8_t[size]);
    bytes_ = base::MutableByteView(size > sizeof tiny_ ? more_.get() : tiny_, size);
    return bytes_;
  }
  base::ByteView view() const { return bytes_; }

 private:
  uint8_t tiny_[16 << 10];
  std::unique_ptr<uint8_t[]> more_;
  base::MutableByteView bytes_;
};

}  // namespace cairn::storage
