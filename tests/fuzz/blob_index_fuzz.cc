// The blob store's index as a damaged disk may return it: edits of the entries of a real one. u8 kind; then for 0 and 1
// u8 entry, u8 place and u8 mask (of the key, of the value), for 2 u8 entry (removed), for 3 and 4 u8 table, u8 sample,
// u8 length and a value (a new entry, with the sample's id as its key or with a short key).
#include <vector>

#include "blob_rig.h"
#include "cairn/base/codec.h"

namespace cairn {
namespace {

struct Original {
  Original() {
    base::SeededEntropy entropy(7);
    for (size_t size : {0, 40, 3000, 270'000, 5000, 60'000, 50'000}) {
      base::Bytes bytes(size);
      entropy.Fill(absl::MakeSpan(bytes));
      ids.push_back(base::ContentId::Of(bytes));
      blobs.push_back(std::move(bytes));
    }
  }
  std::vector<base::ContentId> ids;
  std::vector<base::Bytes> blobs;
};

const Original& Blobs() {
  static const Original original;
  return original;
}

// A store with blobs of all kinds, garbage, a tombstone and a partial one; closed.
void FillStore(BlobRig& rig) {
  FUZZ_CHECK(rig.Open().ok());
  for (size_t i = 0; i + 1 < Blobs().ids.size(); ++i) FUZZ_CHECK(rig.store->Put(Blobs().ids[i], Blobs().blobs[i]).ok());
  FUZZ_CHECK(rig.store->Delete(Blobs().ids[4]).ok());
  auto writer = rig.store->Begin(Blobs().ids[6], 2 << 20);
  FUZZ_CHECK(writer.ok() && (*writer)->Append(base::Bytes(1 << 20)).ok());
  writer->reset();
  rig.store.reset();
}

using Entries = std::vector<std::pair<std::string, std::string>>;

Entries Read(const base::Kv& kv) {
  Entries out;
  const auto snapshot = kv.Snapshot();
  const auto cursor = snapshot->NewCursor();
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
    out.emplace_back(std::string(cursor->key()), std::string(cursor->value()));
  }
  return out;
}

void Flip(std::string& text, base::Reader& edits) {
  const size_t at = edits.U8();
  const uint8_t mask = edits.U8();
  if (!text.empty()) text[at % text.size()] = static_cast<char>(text[at % text.size()] ^ mask);
}

void Edit(Entries& entries, base::Reader& edits) {
  const uint8_t kind = edits.U8() % 5;
  if (kind < 3) {
    if (entries.empty()) return;
    auto entry = entries.begin() + edits.U8() % static_cast<long>(entries.size());
    if (kind == 0) Flip(entry->first, edits);
    if (kind == 1) Flip(entry->second, edits);
    if (kind == 2) entries.erase(entry);
    return;
  }
  std::string key(1, static_cast<char>(edits.U8()));
  const base::ContentId& id = Blobs().ids[edits.U8() % Blobs().ids.size()];
  key += base::ToString(id.digest.view().first(kind == 3 ? 32 : 5));
  entries.emplace_back(key, base::AsText(edits.Raw(edits.U8() % 64)));
}

}  // namespace

void FuzzOne(base::ByteView input) {
  BlobRig rig;
  FillStore(rig);
  Entries entries = Read(*rig.index);
  base::Reader edits(input);
  while (edits.ok() && edits.remaining() > 0) Edit(entries, edits);
  rig.index = base::NewMemoryKv();
  base::KvBatch batch;
  for (const auto& [key, value] : entries) {
    if (!key.empty()) batch.Put(key, value);
  }
  FUZZ_CHECK(rig.index->Commit(batch).ok());
  if (!rig.Open().ok()) return;
  for (const base::ContentId& id : Blobs().ids) {
    auto bytes = rig.store->Read(id, 1 << 20);
    if (bytes.ok()) FUZZ_CHECK(base::ContentId::Of(*bytes) == id);
    (void)rig.store->Begin(id, 40);
  }
  UseEveryway(*rig.store);
  (void)rig.store->DeleteMany(Blobs().ids);
  (void)rig.store->Checkpoint();
  (void)rig.Open();
}

}  // namespace cairn
