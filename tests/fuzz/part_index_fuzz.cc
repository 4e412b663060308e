// Records of a provider's part index as a damaged disk may return them: pairs of u8 length and key, u8 length and value.
// A key that begins with "O" or "R" stands for the record of an object and a blob that the target asks for, so that the
// values are reached.
#include "apps/storaged/part_index.h"
#include "cairn/base/codec.h"
#include "cairn/storage/memory_blob_store.h"
#include "fuzz.h"

namespace cairn {
namespace {

struct Wanted {
  base::ObjectId object{};
  base::ContentId blob = base::ContentId::Of(base::AsBytes("blob"));
};

std::string KeyFor(absl::string_view written, const Wanted& wanted) {
  const std::string object = base::ToString(wanted.object.view());
  const std::string blob = base::ToString(wanted.blob.digest.view());
  if (written == "O") return "o" + object + blob;
  if (written == "R") return "r" + blob + object;
  return std::string(written);
}

void Fill(base::Kv& kv, base::ByteView input, const Wanted& wanted) {
  base::Reader reader(input);
  base::KvBatch batch;
  while (reader.ok() && reader.remaining() > 0) {
    const std::string key = KeyFor(base::AsText(reader.Raw(reader.U8())), wanted);
    const base::ByteView value = reader.Raw(reader.U8() * size_t{2});
    if (reader.ok() && !key.empty()) batch.Put(key, base::AsText(value));
  }
  FUZZ_CHECK(kv.Commit(batch).ok());
}

}  // namespace

void FuzzOne(base::ByteView input) {
  static const Wanted wanted;
  auto kv = base::NewMemoryKv();
  Fill(*kv, input, wanted);
  auto blobs = storage::NewMemoryBlobStore({}, uint64_t{1} << 30);
  FUZZ_CHECK(blobs->Put(wanted.blob, base::AsBytes("blob")).ok());
  storaged::WriteQueue writes(*kv);
  storaged::PartIndex index(writes, *blobs);

  auto part = index.Find(wanted.object, wanted.blob);
  if (part.ok() && part->has_value()) {
    FUZZ_CHECK((*part)->object == wanted.object && (*part)->id == wanted.blob && (*part)->path.size() <= 16);
    FUZZ_CHECK(index.Add({**part}).ok());
    FUZZ_CHECK(**index.Find(wanted.object, wanted.blob) == **part);
  }
  auto parts = index.PartsOf(wanted.object);
  (void)index.UsersOf(wanted.blob);
  (void)index.Objects({}, 100);
  base::ContentId cursor;
  (void)index.Sweep(cursor, 10);
  auto dropped = index.Drop({wanted.object});
  if (parts.ok() && dropped.ok()) FUZZ_CHECK(index.PartsOf(wanted.object)->empty());
}

}  // namespace cairn
