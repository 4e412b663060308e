#include "apps/storectl/dev/pack_damage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storectl {
namespace {

namespace fs = std::filesystem;

// A record's payload begins less than this after the id in its header.
constexpr uint64_t kPastHeader = 96;

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

// Where in the pack to flip: past the header that names the blob, or anywhere behind the first quarter.
std::optional<uint64_t> Target(base::MutableByteView pack, const std::optional<base::ContentId>& blob,
                               base::Entropy& entropy) {
  if (pack.size() <= kPastHeader) return std::nullopt;
  if (!blob.has_value()) return pack.size() / 4 + entropy.DrawNumber() % (pack.size() / 2);
  const auto& id = blob->digest.value;
  auto found = std::search(pack.begin(), pack.end(), id.begin(), id.end());
  uint64_t at = static_cast<uint64_t>(found - pack.begin()) + kPastHeader;
  if (found == pack.end() || at >= pack.size()) return std::nullopt;
  return at;
}

}  // namespace

absl::StatusOr<std::string> FlipBit(const std::string& packs_folder, const std::optional<base::ContentId>& blob,
                                    base::Entropy& entropy) {
  for (const std::string& path : PacksBySize(packs_folder)) {
    MappedPack pack(path);
    std::optional<uint64_t> at = Target(pack.bytes(), blob, entropy);
    if (!at.has_value()) continue;
    pack.bytes()[*at] ^= 1;
    return absl::StrCat(path, " at ", *at);
  }
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_BLOB",
                     absl::StrCat("no pack in ", packs_folder, " holds ", blob ? blob->ToText() : "anything"));
}

}  // namespace cairn::storectl
