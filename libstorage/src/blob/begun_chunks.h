// The last, begun chunk of blobs whose writer went before they were whole: a chunk record holds a
// full chunk, so this much waits in memory for the writer that goes on. Lost with the process.
// Takes kMaxBytes at most; who broke off first gives way. Each counts as kLeastBytes at least, so that
// nobody fills the memory with the first byte of very many. Thread-safe; takes no other lock.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "cairn/base/bytes.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storage {

class BegunChunks {
 public:
  static constexpr uint64_t kMaxBytes = uint64_t{16} << 20;
  static constexpr uint64_t kLeastBytes = 4096;

  struct Begun {
    uint64_t size = 0;    // of the blob
    uint64_t offset = 0;  // of the chunk in the blob
    base::Bytes bytes;
  };

  void Keep(const base::ContentId& id, Begun begun);
  // Removes it; nothing unless it goes on at `offset` of a blob of `size` bytes.
  base::Bytes Take(const base::ContentId& id, uint64_t size, uint64_t offset);
  void Forget(const base::ContentId& id);
  struct Place {
    base::ContentId id;
    uint64_t size = 0;    // of the blob
    uint64_t offset = 0;  // of the chunk
    uint64_t bytes = 0;   // of it, that are here
  };
  std::vector<Place> List() const;

 private:
  std::optional<Begun> Remove(const base::ContentId& id);  // mutex held
  static uint64_t Weight(const Begun& begun);

  mutable std::mutex mutex_;
  std::map<base::ContentId, Begun> begun_;
  std::deque<base::ContentId> order_;  // the oldest first
  uint64_t weight_ = 0;
};

}  // namespace cairn::storage
