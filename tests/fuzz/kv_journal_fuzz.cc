// What a disk may give back as the journal of a key-value store: the file as it is, or whole records around bodies that
// nobody wrote. Opening it ends in a store that takes and keeps commits, or in damage that is called by its name.
#include "cairn/base/codec.h"
#include "cairn/base/hash.h"
#include "cairn/base/kv.h"
#include "cairn/base/status.h"
#include "fuzz.h"

namespace cairn {
namespace {

constexpr char kPath[] = "journal";
constexpr uint64_t kMostBytes = 16 * base::kBlockBytes;

// The input cut into bodies (u16 length each), every one with its digest and at a block of its own.
base::Bytes Records(base::ByteView input) {
  base::Bytes file;
  while (input.size() >= 2 && file.size() < kMostBytes) {
    const size_t size = std::min<size_t>(input[0] | input[1] << 8, input.size() - 2);
    const base::ByteView body = input.subspan(2, size);
    base::Writer record;
    record.Raw(base::Hasher::DeriveKey("cairn v1 kv journal").Field(body).Finish().view());
    record.Var(body);
    file.insert(file.end(), record.view().begin(), record.view().end());
    file.resize((file.size() + base::kBlockBytes - 1) / base::kBlockBytes * base::kBlockBytes);
    input.remove_prefix(2 + size);
  }
  return file;
}

base::KvBatch Change(absl::string_view key, absl::string_view value) {
  base::KvBatch batch;
  batch.Put(key, value);
  return batch;
}

}  // namespace

void FuzzOne(base::ByteView input) {
  if (input.empty()) return;
  const auto disk = std::make_shared<base::SimDisk>();
  const std::shared_ptr<base::Kv> below = base::NewMemoryKv();
  // A store whose journal is in its first pass.
  FUZZ_CHECK(below->Commit(Change("\xff" "journal", absl::string_view("\1\0\0\0\0\0\0\0", 8))).ok());
  const base::ByteView rest = input.subspan(1);
  const base::Bytes file = input[0] % 2 == 0 ? Records(rest) : base::ToBytes(rest);
  FUZZ_CHECK((*disk->Open(kPath, base::OpenMode::kCreate))->WriteAt(0, file).ok());

  for (const char* value : {"one", "two"}) {
    const auto kv = base::OpenJournaledKv(below, disk, kPath, 2 * base::kBlockBytes);
    if (!kv.ok()) {
      FUZZ_CHECK(base::ReasonOf(kv.status()) == "STORE_DAMAGED");
      FUZZ_CHECK(value[0] == 'o');  // what was opened once can be opened again
      return;
    }
    FUZZ_CHECK((*kv)->Commit(Change("key", value)).ok());
    disk->Crash([](size_t) { return false; });
    const auto again = base::OpenJournaledKv(below, disk, kPath, 2 * base::kBlockBytes);
    FUZZ_CHECK(again.ok());
    const auto snapshot = (*again)->Snapshot();
    const auto found = snapshot->Get("key");
    FUZZ_CHECK(found.ok() && *found == value);
  }
}

}  // namespace cairn
