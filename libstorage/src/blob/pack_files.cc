#include "blob/pack_files.h"

#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

constexpr size_t kMaxOpen = 128;

}  // namespace

absl::StatusOr<std::shared_ptr<base::File>> PackFiles::Get(uint32_t pack) {
  uint64_t forgotten;
  {
    std::lock_guard lock(mutex_);
    if (auto it = open_.find(pack); it != open_.end()) return it->second;
    forgotten = forgotten_;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<base::File> file,
                   disk_.Open(PackPath(pack), base::OpenMode::kRead));
  std::lock_guard lock(mutex_);
  // Kept open, a pack that was removed meanwhile would keep its room on the disk.
  if (forgotten == forgotten_) Keep(pack, file);
  return file;
}

void PackFiles::Adopt(uint32_t pack, std::shared_ptr<base::File> file) {
  std::lock_guard lock(mutex_);
  Keep(pack, std::move(file));
}

void PackFiles::Keep(uint32_t pack, std::shared_ptr<base::File> file) {
  // The oldest pack goes first: the newest is written to, and new blobs are read most.
  if (open_.size() >= kMaxOpen) open_.erase(open_.begin());
  open_.insert_or_assign(pack, std::move(file));
}

void PackFiles::Forget(uint32_t pack) {
  std::lock_guard lock(mutex_);
  open_.erase(pack);
  ++forgotten_;
}

}  // namespace cairn::storage
