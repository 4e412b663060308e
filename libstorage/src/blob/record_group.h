// Records that gather in memory and go to a pack with one write.
//
// Room for a record is taken under the owner's lock; several callers then copy their bytes into it at once, without the
// lock. The memory is aligned, so that a group can be written past the page cache.
#pragma once

#include <memory>
#include <new>
#include <vector>

#include "blob/pack_format.h"

namespace cairn::storage {

// Memory for the records of one group and the filler behind them; movable and reusable.
class GroupMemory {
 public:
  static constexpr uint64_t kRecordBytes = uint64_t{4} << 20;

  GroupMemory() = default;  // none
  static GroupMemory New();
  uint8_t* data() const { return bytes_.get(); }

 private:
  struct Free {
    void operator()(uint8_t* bytes) const {
      ::operator delete(bytes, std::align_val_t{base::kBlockBytes});
    }
  };
  std::unique_ptr<uint8_t, Free> bytes_;
};

class RecordGroup {
 public:
  struct Item {
    RecordHeader header;
    uint64_t at = 0;            // in the memory
    bool copy = false;          // made by compaction: keeps its sequence number and its check
    bool unless_known = false;  // to be left out when the index has the blob
    bool unknown = false;       // the index was asked, and knows nothing of its id
  };

  bool empty() const { return items_.empty(); }
  uint64_t bytes() const { return bytes_; }  // of the records
  std::vector<Item>& items() { return items_; }
  const std::vector<Item>& items() const { return items_; }
  bool has_copies() const { return has_copies_; }
  uint64_t largest() const { return largest_; }  // record, in bytes
  // Whether one more record fits into the memory and, unless it is the first, into a pack.
  bool Fits(uint64_t record_bytes, uint64_t pack_bytes) const;

  void Adopt(GroupMemory memory) { memory_ = std::move(memory); }
  GroupMemory GiveBack() { return std::exchange(memory_, {}); }

  // Takes room for a record, which Fill completes: it copies the payload and computes its check.
  uint8_t* Take(Item item);
  static void Fill(uint8_t* room, base::ByteView payload);

  // Removes the items for which `unwanted` is true; the others move together.
  template <class Unwanted>
  void Remove(Unwanted unwanted) {
    std::vector<Item> kept;
    bytes_ = 0;
    for (Item& item : items_) {
      if (!unwanted(item)) kept.push_back(MoveUp(item));
    }
    items_ = std::move(kept);
  }

  // Writes the records' headers, and behind the records a filler of `filler` bytes unless that is 0.
  void Seal(const RecordCodec& codec, uint64_t synced, uint64_t filler);
  base::ByteView view(uint64_t filler) const { return {memory_.data(), bytes_ + filler}; }

 private:
  const Item& MoveUp(Item& item);

  GroupMemory memory_;
  std::vector<Item> items_;
  uint64_t bytes_ = 0;
  uint64_t largest_ = 0;
  bool has_copies_ = false;
};

}  // namespace cairn::storage
