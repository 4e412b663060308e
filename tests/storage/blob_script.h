// A script of puts, deletes, resumed writes and compactions on a blob store, with what its callers were told on the way;
// and the check of a store that was opened again after a crash.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "cairn/storage/disk_blob_store.h"
#include "conformance/blob_store_suite.h"

namespace cairn::storage::blob_script {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::Sample;

// What callers were told. A blob that is in neither set may be there or not.
struct Model {
  std::map<base::ContentId, const Sample*> present;
  std::set<base::ContentId> absent;
  std::map<base::ContentId, const Sample*> all;
  std::function<void(const Model&)> changed;  // may be empty

  void Begin(const Sample& sample) {
    all[sample.id] = &sample;
    present.erase(sample.id);
    absent.erase(sample.id);
    Changed();
  }
  void Present(const Sample& sample) {
    present[sample.id] = &sample;
    Changed();
  }
  void Absent(const Sample& sample) {
    absent.insert(sample.id);
    Changed();
  }
  void Changed() const {
    if (changed) changed(*this);
  }
};

inline const std::vector<Sample>& Samples() {
  static const auto* samples = [] {
    auto* made = new std::vector<Sample>;
    for (uint64_t i = 0; i < 24; ++i)
      made->push_back(MakeSample(i % 6 == 5 ? 270'000 : 500 + 900 * i, i));
    return made;
  }();
  return *samples;
}

inline DiskBlobStoreOptions TinyPacks() {
  return {.reserve_bytes = 0, .pack_bytes = 50'000, .index_step = 12, .compact_percent = 30};
}

inline absl::Status Put(BlobStore& store, Model& model, const Sample& sample) {
  const bool there = model.present.count(sample.id) > 0;
  if (!there) model.Begin(sample);
  RETURN_IF_ERROR(store.Put(sample.id, sample.bytes).status());
  model.Present(sample);
  return absl::OkStatus();
}

inline absl::Status PutMany(BlobStore& store, Model& model, absl::Span<const Sample> samples) {
  std::vector<std::pair<base::ContentId, base::ByteView>> batch;
  for (const Sample& sample : samples) {
    if (model.present.count(sample.id) == 0) model.Begin(sample);
    batch.emplace_back(sample.id, sample.bytes);
  }
  RETURN_IF_ERROR(store.PutMany(batch).status());
  for (const Sample& sample : samples) model.Present(sample);
  return absl::OkStatus();
}

inline absl::Status Delete(BlobStore& store, Model& model, const Sample& sample) {
  if (model.absent.count(sample.id) == 0) model.Begin(sample);
  RETURN_IF_ERROR(store.Delete(sample.id).status());
  model.Absent(sample);
  return absl::OkStatus();
}

inline absl::Status WriteInTwoGoes(BlobStore& store, Model& model, const Sample& sample) {
  if (store.Stat(sample.id).ok()) return Put(store, model, sample);
  model.Begin(sample);
  const base::ByteView bytes = sample.bytes;
  for (bool last : {false, true}) {
    ASSIGN_OR_RETURN(auto writer, store.Begin(sample.id, bytes.size()));
    const size_t end = std::max<size_t>(last ? bytes.size() : bytes.size() / 2, writer->offset());
    RETURN_IF_ERROR(writer->Append(bytes.subspan(0, end).subspan(writer->offset())));
    if (last) RETURN_IF_ERROR(writer->Commit().status());
  }
  model.Present(sample);
  return absl::OkStatus();
}

// Stops at the first error.
inline absl::Status RunScript(DiskBlobStore& store, Model& model) {
  const std::vector<Sample>& samples = Samples();
  for (size_t i = 0; i < 8; ++i) RETURN_IF_ERROR(Put(store, model, samples[i]));
  RETURN_IF_ERROR(PutMany(store, model, absl::MakeConstSpan(samples).subspan(8, 8)));
  for (size_t i = 0; i < 12; i += 2) RETURN_IF_ERROR(Delete(store, model, samples[i]));
  RETURN_IF_ERROR(Put(store, model, samples[2]));
  RETURN_IF_ERROR(store.Compact(kRoomy).status());
  RETURN_IF_ERROR(WriteInTwoGoes(store, model, samples[17]));
  for (size_t i = 1; i < 16; i += 3) RETURN_IF_ERROR(Delete(store, model, samples[i]));
  for (size_t i = 18; i < 24; ++i) RETURN_IF_ERROR(Put(store, model, samples[i]));
  RETURN_IF_ERROR(store.Compact(kRoomy).status());
  RETURN_IF_ERROR(Delete(store, model, samples[17]));
  RETURN_IF_ERROR(Delete(store, model, samples[2]));
  RETURN_IF_ERROR(Put(store, model, samples[1]));
  return store.Compact(kRoomy).status();
}

// nullopt: every promise was kept. `pack_bytes`: what the packs take on the disk.
inline std::optional<std::string> FindBrokenPromise(DiskBlobStore& store, const Model& model, uint64_t pack_bytes) {
  for (const auto& [id, sample] : model.present) {
    const auto read = store.Read(id, kRoomy);
    if (!read.ok()) return "an acknowledged blob: " + read.status().ToString();
    if (*read != sample->bytes) return "an acknowledged blob has other bytes";
  }
  for (const base::ContentId& id : model.absent) {
    if (!absl::IsNotFound(store.Stat(id).status())) return "a deleted blob is back";
  }
  uint64_t live = 0;
  for (const base::ContentId& id : blob_store_suite::ListAll(store, 100)) {
    const auto sample = model.all.find(id);
    if (sample == model.all.end()) return "a blob nobody stored";
    const auto read = store.Read(id, kRoomy);
    if (!read.ok() || *read != sample->second->bytes) return "half of an unacknowledged blob";
    live += read->size();
  }
  if (store.Usage().live_bytes != live) return "the totals are wrong";
  if (store.Usage().disk_bytes != pack_bytes) return "the accounting is not the disk's";
  return std::nullopt;
}

}  // namespace cairn::storage::blob_script
