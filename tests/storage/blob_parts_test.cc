// Parts of the disk store on their own: how much memory and how many files they may hold.
#include <functional>

#include "blob/begun_chunks.h"
#include "blob/pack_files.h"
#include "blob/pack_scanner.h"
#include "storage/blob_rig.h"
#include "support/forwarding_disk.h"

namespace cairn::storage {
namespace {

base::ContentId IdOf(uint32_t number) {
  base::ContentId id;
  for (size_t i = 0; i < 4; ++i) id.digest.value[i] = static_cast<uint8_t>(number >> (8 * i));
  return id;
}

// Tells of every file that has been opened, before it is handed out.
class WatchedDisk final : public base::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  std::function<void()> opened = [] {};

 private:
  std::unique_ptr<base::File> Wrap(std::unique_ptr<base::File> file) override {
    opened();
    return file;
  }
};

}  // namespace

TEST_CASE("the first byte of very many blobs takes bounded memory, and the newest are kept") {
  BegunChunks begun;
  constexpr uint32_t kMany = 10'000;
  for (uint32_t i = 0; i < kMany; ++i) begun.Keep(IdOf(i), {.size = 2, .offset = 0, .bytes = {7}});
  CHECK(begun.List().size() == BegunChunks::kMaxBytes / BegunChunks::kLeastBytes);
  CHECK(begun.Take(IdOf(kMany - 1), 2, 0) == base::Bytes{7});
  CHECK(begun.Take(IdOf(0), 2, 0).empty());
  for (uint32_t i = 0; i < kMany; ++i) begun.Forget(IdOf(i));
  begun.Keep(IdOf(1), {.size = 2 << 20, .offset = 0, .bytes = base::Bytes(1 << 20)});
  CHECK(begun.List().size() == 1);
}

TEST_CASE("a filler has no payload to read, however long it is") {
  base::SimDisk disk;
  const RecordCodec codec(PackSalt{});
  constexpr uint64_t kHole = 300 << 20;
  auto file = disk.Open("pack", base::OpenMode::kCreate).value();
  uint8_t header[kRecordHeaderBytes];
  codec.Encode(Filler(kHole), header);
  REQUIRE(file->WriteAt(0, header).ok());
  REQUIRE(file->Truncate(kHole).ok());
  PackScanner scanner(*file, codec, 0, kHole, kPayloadReadAhead);
  const auto item = scanner.Next();
  REQUIRE(item.has_value());
  CHECK(item->bytes == kHole);
  CHECK(scanner.Payload(*item).empty());
  CHECK_FALSE(scanner.Next().has_value());
}

TEST_CASE("a pack that is removed while somebody opens it does not stay open") {
  base::SimDisk sim;
  REQUIRE(sim.MakeDirs(kPackFolder).ok());
  REQUIRE(sim.Open(PackPath(1), base::OpenMode::kCreate).ok());
  WatchedDisk disk(sim);
  PackFiles files(disk);
  disk.opened = [&] { files.Forget(1); };
  const std::weak_ptr<base::File> opened = files.Get(1).value();
  CHECK(opened.expired());
  disk.opened = [] {};
  const std::weak_ptr<base::File> kept = files.Get(1).value();
  CHECK_FALSE(kept.expired());
  files.Forget(1);
  CHECK(kept.expired());
}

}  // namespace cairn::storage
