// A disk store on a simulated disk that tests can crash, damage and reopen.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "cairn/base/disk.h"
#include "cairn/base/entropy.h"
#include "cairn/base/kv.h"
#include "cairn/base/observer.h"
#include "cairn/storage/disk_blob_store.h"
#include "conformance/blob_store_suite.h"
#include "libstorage/src/blob/pack_format.h"

namespace cairn::storage {

class EventCounter final : public base::Observer {
 public:
  void Report(const base::Event& event) override {
    std::lock_guard lock(mutex_);
    ++seen_[event.name];
  }
  void Count(absl::string_view, uint64_t) override {}
  int seen(const std::string& name) {
    std::lock_guard lock(mutex_);
    return seen_[name];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> seen_;
};

inline DiskBlobStoreOptions SmallPacks() {
  return {.reserve_bytes = 0, .pack_bytes = 600'000, .index_step = 16};
}

struct BlobRig {
  explicit BlobRig(uint64_t capacity = uint64_t{1} << 40) : sim(capacity) {}

  absl::Status Open(const DiskBlobStoreOptions& options = SmallPacks()) {
    store.reset();
    base::Disk& disk = other_disk != nullptr ? *other_disk : sim;
    auto opened = DiskBlobStore::Open({disk, *kv, entropy, observer}, options);
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
    return absl::OkStatus();
  }
  void LoseIndex() {
    store.reset();
    kv = base::NewMemoryKv();
  }
  uint64_t PackBytes() {
    uint64_t total = 0;
    const std::vector<std::string> packs = sim.List("packs").value();
    for (const std::string& pack : packs) {
      total += sim.Open("packs/" + pack, base::OpenMode::kRead).value()->Size().value();
    }
    return total;
  }
  // Where `needle` lies in a pack.
  std::pair<std::string, uint64_t> FindOnDisk(base::ByteView needle) {
    const std::vector<std::string> packs = sim.List("packs").value();
    for (const std::string& pack : packs) {
      auto file = sim.Open("packs/" + pack, base::OpenMode::kRead).value();
      base::Bytes bytes(file->Size().value());
      REQUIRE(file->ReadAt(0, absl::MakeSpan(bytes)).ok());
      const auto at = std::search(bytes.begin(), bytes.end(), needle.begin(), needle.end());
      if (at != bytes.end()) return {"packs/" + pack, static_cast<uint64_t>(at - bytes.begin())};
    }
    FAIL("not on the disk");
    return {};
  }
  // Flips a bit `distance` bytes from where the blob's bytes begin (negative: in the record's
  // header).
  void Flip(base::ByteView bytes, int64_t distance) {
    const auto [path, at] = FindOnDisk(bytes.subspan(0, std::min<size_t>(bytes.size(), 64)));
    REQUIRE(sim.Corrupt(path, at + static_cast<uint64_t>(distance), 0x10).ok());
  }

  // Whole, and with the bytes that were stored.
  bool Reads(const blob_store_suite::Sample& sample) {
    const auto bytes = store->Read(sample.id, blob_store_suite::kRoomy);
    return bytes.ok() && *bytes == sample.bytes;
  }

  base::SimDisk sim;
  base::Disk* other_disk = nullptr;  // in place of `sim`
  std::unique_ptr<base::Kv> kv = base::NewMemoryKv();
  base::SeededEntropy entropy{42};
  EventCounter observer;
  std::unique_ptr<DiskBlobStore> store;
};

inline void CheckReads(BlobStore& store, const std::vector<blob_store_suite::Sample>& samples) {
  for (const blob_store_suite::Sample& sample : samples) {
    CAPTURE(sample.bytes.size());
    const auto read = store.Read(sample.id, blob_store_suite::kRoomy);
    REQUIRE(read.ok());
    CHECK(*read == sample.bytes);
  }
}

struct RecordPlace {
  std::string path;
  uint64_t offset;
};

// Where the records of a blob begin.
inline std::vector<RecordPlace> RecordsOf(BlobRig& rig, const base::ContentId& id) {
  const auto bytes_of = [&](absl::string_view path) {
    auto file = rig.sim.Open(path, base::OpenMode::kRead).value();
    base::Bytes bytes(file->Size().value());
    REQUIRE(file->ReadAt(0, absl::MakeSpan(bytes)).ok());
    return bytes;
  };
  const RecordCodec codec(DecodeStoreFile(bytes_of(kStoreFileName))->salt);
  std::vector<RecordPlace> places;
  const std::vector<std::string> packs = rig.sim.List(kPackFolder).value();
  for (const std::string& name : packs) {
    const std::string path = absl::StrCat(kPackFolder, "/", name);
    const base::Bytes pack = bytes_of(path);
    uint64_t at = kPackHeaderBytes;
    while (at < pack.size()) {
      const auto header = codec.Decode(base::ByteView(pack).subspan(at, kRecordHeaderBytes));
      REQUIRE(header.has_value());
      if (header->id == id) places.push_back({path, at});
      at += header->record_bytes();
    }
  }
  return places;
}

}  // namespace cairn::storage
