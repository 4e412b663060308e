// A folder of its own below the measured one, gone with the object.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "bench.h"

namespace cairn::bench {

class Folder {
 public:
  explicit Folder(const std::string& parent) : path_(std::filesystem::absolute(parent).string() + "/bench-XXXXXX") {
    Must(mkdtemp(path_.data()) != nullptr, "a folder to work in");
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }
  uint64_t DiskBytes() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      struct stat info {};
      if (stat(entry.path().c_str(), &info) == 0) bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
    return bytes;
  }

 private:
  std::string path_;
};

}  // namespace cairn::bench
