// The packs' files, opened when needed; a bounded number stays open.
//
// Thread-safe. A file that was handed out stays readable after Forget, even when its pack is
// removed.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "blob/pack_format.h"
#include "cairn/base/disk.h"

namespace cairn::storage {

class PackFiles {
 public:
  explicit PackFiles(base::Disk& disk) : disk_(disk) {}

  absl::StatusOr<std::shared_ptr<base::File>> Get(uint32_t pack);
  // Keeps a file that is open already, as the newest pack is.
  void Adopt(uint32_t pack, std::shared_ptr<base::File> file);
  // Of a pack that has been removed.
  void Forget(uint32_t pack);
  base::Disk& disk() { return disk_; }

 private:
  void Keep(uint32_t pack, std::shared_ptr<base::File> file);  // mutex held

  base::Disk& disk_;
  std::mutex mutex_;
  std::map<uint32_t, std::shared_ptr<base::File>> open_;
  uint64_t forgotten_ = 0;  // packs so far
};

}  // namespace cairn::storage
