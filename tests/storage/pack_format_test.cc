// The bytes of packs: golden files, and what the decoders refuse.
#include "libstorage/src/blob/pack_format.h"

#include "base/vectors.h"
#include "storage/blob_rig.h"

namespace cairn::storage {
namespace {

base::Bytes ReadFile(base::Disk& disk, absl::string_view path) {
  auto file = disk.Open(path, base::OpenMode::kRead).value();
  base::Bytes bytes(file->Size().value());
  REQUIRE(file->ReadAt(0, absl::MakeSpan(bytes)).ok());
  return bytes;
}

void WriteFile(base::Disk& disk, absl::string_view path, base::ByteView bytes) {
  auto file = disk.Open(path, base::OpenMode::kCreate).value();
  REQUIRE(file->WriteAt(0, bytes).ok());
}

const base::ByteView kKept = base::AsBytes("kept"), kGone = base::AsBytes("gone");

}  // namespace

TEST_CASE("packs are written byte for byte as they always were, and old ones are read") {
  {
    BlobRig rig;
    REQUIRE(rig.Open().ok());
    REQUIRE(rig.store->Put(base::ContentId::Of(kGone), kGone).ok());
    REQUIRE(rig.store->Put(base::ContentId::Of(kKept), kKept).ok());
    REQUIRE(rig.store->Delete(base::ContentId::Of(kGone)).ok());
    base::CheckVector("storage/pack.hex", ReadFile(rig.sim, "packs/00000001.pack"));
    base::CheckVector("storage/store.hex", ReadFile(rig.sim, "store"));
  }
  BlobRig rig;
  REQUIRE(rig.sim.MakeDirs("packs").ok());
  WriteFile(rig.sim, "packs/00000001.pack", base::ReadVector("storage/pack.hex"));
  WriteFile(rig.sim, "store", base::ReadVector("storage/store.hex"));
  REQUIRE(rig.Open().ok());
  CHECK(rig.store->Read(base::ContentId::Of(kKept), 10).value() == base::ToBytes(kKept));
  CHECK(absl::IsNotFound(rig.store->Stat(base::ContentId::Of(kGone)).status()));
  CHECK(rig.store->Usage().blobs == 1);
}

TEST_CASE("a record header with any bit flipped, or under another salt, is none") {
  PackSalt salt, other_salt;
  other_salt.value[3] = 1;
  const RecordCodec codec(salt);
  RecordHeader header;
  header.kind = RecordKind::kChunk;
  header.sequence = 77;
  header.size = 3'000'000;
  header.offset = 2 * kChunkBytes;
  header.length = static_cast<uint32_t>(header.size - header.offset);
  base::Bytes bytes(kRecordHeaderBytes);
  codec.Encode(header, bytes.data());
  REQUIRE(codec.Decode(bytes).has_value());
  CHECK(codec.Decode(bytes)->sequence == 77);
  CHECK(codec.Decode(bytes)->length == header.length);
  CHECK_FALSE(RecordCodec(other_salt).Decode(bytes).has_value());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    CHECK_FALSE(codec.Decode(bytes).has_value());
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  // A good check does not make sense of nonsense.
  header.length -= 1;
  codec.Encode(header, bytes.data());
  CHECK_FALSE(codec.Decode(bytes).has_value());
}

TEST_CASE("only the names that a store gives its packs are packs") {
  CHECK(ParsePackName("00000007.pack") == 7u);
  for (absl::string_view name : {"7.pack", "00000007.pack.new", "00000007", "0000000x.pack", ""}) {
    CHECK_FALSE(ParsePackName(name).has_value());
  }
}

}  // namespace cairn::storage
