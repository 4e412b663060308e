// Where small blobs that were read lately are, so that a hot read needs no look into the index.
//
// A hint: it is told of every change (Forget), but it knows a blob by 64 bits of its id only. What is
// read with its help must be proven against the id, and looked up properly when that fails.
// Grows with what it is given, up to kMaxSlots of 24 bytes. Thread-safe; takes no other lock.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "blob/pack_format.h"

namespace cairn::storage {

class PlaceCache {
 public:
  static constexpr size_t kMaxSlots = size_t{1} << 20;

  // Of the blob's record.
  struct Hint {
    uint32_t pack = 0;
    uint32_t offset = 0;
    uint32_t size = 0;  // of the blob
  };

  std::optional<Hint> Find(const base::ContentId& id) const;
  void Remember(const base::ContentId& id, const Hint& hint);
  void Forget(const base::ContentId& id);

 private:
  struct Slot {
    uint64_t tag = 0;
    Hint hint;  // of no size: empty
  };
  static constexpr size_t kWays = 4;

  void Place(const Slot& slot);
  void Grow();

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;  // sets of kWays
  size_t used_ = 0;
};

}  // namespace cairn::storage
