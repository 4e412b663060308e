#include "apps/storectl/dev/pack_damage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::storectl {
namespace {

namespace fs = std::filesystem;

// Within a record's header (libstorage/FORMATS.md), counted from the id.
constexpr int kKindBeforeId = 12;
constexpr uint64_t kLengthAfterId = 48;
constexpr uint64_t kPayloadAfterId = 72;
constexpr uint32_t kBlobRecord = 1;
constexpr uint32_t kChunkRecord = 2;

// A pack mapped for reading and writing.
class MappedPack {
 public:
  explicit MappedPack(const std::string& path) {
    fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat info {};
    if (fd_ < 0 || fstat(fd_, &info) != 0 || info.st_size == 0) return;
    void* memory = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) return;
    bytes_ = base::MutableByteView(static_cast<uint8_t*>(memory), static_cast<size_t>(info.st_size));
  }
  ~MappedPack() {
    if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
    if (fd_ >= 0) close(fd_);
  }
  MappedPack(const MappedPack&) = delete;
  MappedPack& operator=(const MappedPack&) = delete;
  base::MutableByteView bytes() const { return bytes_; }

 private:
  int fd_ = -1;
  base::MutableByteView bytes_;
};

std::vector<std::string> PacksBySize(const std::string& folder) {
  std::vector<std::pair<uint64_t, std::string>> packs;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() == ".pack") packs.emplace_back(entry.file_size(code), entry.path().string());
  }
  std::sort(packs.rbegin(), packs.rend());
  std::vector<std::string> out;
  for (auto& [size, path] : packs) out.push_back(std::move(path));
  return out;
}

uint32_t NumberAt(base::MutableByteView pack, uint64_t at) {
  return base::Reader(base::ByteView(pack).subspan(at, sizeof(uint32_t))).U32();
}

// The middle of the newest payload of the blob: older records may be dead already.
std::optional<uint64_t> NewestPayload(base::MutableByteView pack, const base::ContentId& blob) {
  const auto& id = blob.digest.value;
  std::optional<uint64_t> newest;
  for (auto at = pack.begin(); (at = std::search(at, pack.end(), id.begin(), id.end())) != pack.end(); ++at) {
    uint64_t offset = static_cast<uint64_t>(at - pack.begin());
    if (offset < kKindBeforeId || offset + kPayloadAfterId > pack.size()) continue;
    uint32_t kind = NumberAt(pack, offset - kKindBeforeId);
    uint64_t payload = offset + kPayloadAfterId + NumberAt(pack, offset + kLengthAfterId) / 2;
    if ((kind == kBlobRecord || kind == kChunkRecord) && payload < pack.size()) newest = payload;
  }
  return newest;
}

}  // namespace

absl::StatusOr<std::string> FlipBit(const std::string& packs_folder, const base::ContentId& blob) {
  for (const std::string& path : PacksBySize(packs_folder)) {
    MappedPack pack(path);
    std::optional<uint64_t> at = NewestPayload(pack.bytes(), blob);
    if (!at.has_value()) continue;
    pack.bytes()[*at] ^= 1;
    return absl::StrCat(path, " at ", *at);
  }
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_BLOB",
                     absl::StrCat("no pack in ", packs_folder, " holds ", blob.ToText()));
}

}  // namespace cairn::storectl
