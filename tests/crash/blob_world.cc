#include "crash/blob_world.h"

#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "storage/blob_rig.h"
#include "support/temp_dir.h"

namespace cairn::crash {
namespace {

using namespace storage::blob_script;
using storage::DiskBlobStore;

uint64_t PackBytes(const std::string& folder) {
  uint64_t total = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/packs")) total += entry.file_size();
  return total;
}

// What a store says that has failed once.
void AskAgain(DiskBlobStore& store, Model& model, BlobRun& run) {
  static const auto* fresh = new std::vector<Sample>{MakeSample(2000, 501), MakeSample(300'000, 502)};
  for (const Sample& sample : *fresh) {
    const absl::Status status = Put(store, model, sample);
    run.later.push_back(status.ok() ? "" : base::ReasonOf(status));
  }
}

absl::Status FirstLife(const std::string& folder, BlobRun& run, Model& model, const Recorder& recorder) {
  base::SeededEntropy entropy(42);
  ASSIGN_OR_RETURN(auto store, DiskBlobStore::OpenAt(folder, entropy, base::NullObserver(), TinyPacks()));
  run.store = store->store_id();
  model.Changed();
  run.opened = run.told.size();
  const absl::Status status = RunScript(*store, model);
  if (!status.ok()) {
    run.failed_at = recorder.size();
    AskAgain(*store, model, run);
  }
  return status;
}

// Two packs in a row go in one compaction, no new one is begun between, and the second holds the only word that what is
// in the first is deleted: if the first came back alone, so would its blob.
absl::Status DropBlobAndTombstone(DiskBlobStore& store, Model& model) {
  static const auto* samples = new std::vector<Sample>{MakeSample(45'000, 601), MakeSample(30'000, 602), MakeSample(40'000, 603)};
  RETURN_IF_ERROR(Put(store, model, (*samples)[0]));
  RETURN_IF_ERROR(Put(store, model, (*samples)[1]));
  RETURN_IF_ERROR(Delete(store, model, (*samples)[0]));
  RETURN_IF_ERROR(Put(store, model, (*samples)[2]));
  RETURN_IF_ERROR(Delete(store, model, (*samples)[1]));
  return store.Compact(kRoomy).status();
}

// Without an index it is built anew from the packs; then blobs go and come once more.
absl::Status SecondLife(const std::string& folder, Model& model) {
  base::SeededEntropy entropy(43);
  if (unlink((folder + "/index/data.mdb").c_str()) != 0) return absl::InternalError("no index");
  ASSIGN_OR_RETURN(auto store, DiskBlobStore::OpenAt(folder, entropy, base::NullObserver(), TinyPacks()));
  const std::vector<Sample>& samples = Samples();
  for (size_t i = 18; i < 22; ++i) RETURN_IF_ERROR(Delete(*store, model, samples[i]));
  RETURN_IF_ERROR(store->Compact(kRoomy).status());
  RETURN_IF_ERROR(WriteInTwoGoes(*store, model, samples[5]));
  for (size_t i = 2; i < 5; ++i) RETURN_IF_ERROR(Put(*store, model, samples[i]));
  RETURN_IF_ERROR(store->Checkpoint());
  for (size_t i = 8; i < 16; i += 2) RETURN_IF_ERROR(Delete(*store, model, samples[i]));
  RETURN_IF_ERROR(store->Compact(kRoomy).status());
  return DropBlobAndTombstone(*store, model);
}

// Draws what to do next; the blobs are small, so that packs end and are compacted often.
absl::Status RandomStep(DiskBlobStore& store, Model& model, base::Entropy& entropy) {
  static const auto* samples = [] {
    auto* made = new std::vector<Sample>;
    for (uint64_t i = 0; i < 30; ++i) made->push_back(MakeSample(100 + 400 * i, 1000 + i));
    return made;
  }();
  const auto draw = [&](uint64_t below) { return entropy.DrawNumber() % below; };
  const Sample& sample = (*samples)[draw(samples->size())];
  switch (draw(10)) {
    case 0:
      return PutMany(store, model, absl::MakeConstSpan(*samples).subspan(draw(24), 1 + draw(6)));
    case 1:
    case 2:
    case 3:
      return Put(store, model, sample);
    case 4:
      return WriteInTwoGoes(store, model, sample);
    case 5:
      return store.Compact(draw(2) * kRoomy).status();
    case 6:
      return draw(3) == 0 ? store.Checkpoint() : absl::OkStatus();
    default:
      return Delete(store, model, sample);
  }
}

absl::Status RandomLife(const std::string& folder, Model& model, uint64_t seed, size_t steps) {
  base::SeededEntropy entropy(seed);
  ASSIGN_OR_RETURN(auto store, DiskBlobStore::OpenAt(folder, entropy, base::NullObserver(), TinyPacks()));
  for (size_t i = 0; i < steps; ++i) RETURN_IF_ERROR(RandomStep(*store, model, entropy));
  return absl::OkStatus();
}

std::optional<std::string> GoesOn(DiskBlobStore& store) {
  static const Sample* fresh = new Sample(MakeSample(3000, 77));
  if (!store.Put(fresh->id, fresh->bytes).ok()) return "the store takes no blob";
  const auto read = store.Read(fresh->id, kRoomy);
  if (!read.ok() || *read != fresh->bytes) return "a new blob is not what was put";
  if (!store.Delete(fresh->id).ok()) return "the store deletes no blob";
  return std::nullopt;
}

}  // namespace

BlobRun RecordBlobs(size_t random_lives, std::optional<Fault> fault) {
  TempDir scratch(MemoryFolder());
  BlobRun run;
  Model model;
  run.recorded.told_at = {0};
  run.told = {model};
  Recorder recorder(scratch.path(), fault);
  model.changed = [&](const Model& now) {
    run.recorded.told_at.push_back(recorder.size());
    run.told.push_back(now);
    run.told.back().changed = nullptr;
  };
  run.status = FirstLife(scratch.path(), run, model, recorder);
  if (run.status.ok()) run.status = SecondLife(scratch.path(), model);
  for (uint64_t life = 0; run.status.ok() && life < random_lives; ++life) {
    run.status = RandomLife(scratch.path(), model, CrashSeed() * 1000 + life, 40);
  }
  run.recorded.log = recorder.Take();
  run.recorded.end = ReadTree(scratch.path());
  return run;
}

std::optional<std::string> FindBrokenBlobs(const BlobRun& run, const std::string& folder, size_t told) {
  const Model& model = run.told[told - 1];
  base::SeededEntropy entropy(7);
  storage::EventCounter observer;
  const auto opened = DiskBlobStore::OpenAt(folder, entropy, observer, TinyPacks());
  if (!opened.ok()) return "the store does not open: " + opened.status().ToString();
  DiskBlobStore& store = **opened;
  if (const auto broken = FindBrokenPromise(store, model, PackBytes(folder))) return broken;
  if (told >= run.opened && (store.lost() || store.store_id() != run.store)) return "the store id is another";
  const auto scrub = store.Scrub("", kRoomy);
  if (!scrub.ok() || !scrub->finished || !scrub->damaged.empty()) return "scrub finds damage";
  for (const char* event :
       {"blob.pack_damaged", "blob.damaged", "blob.pack_missing", "blob.store_lost", "blob.index_damaged"}) {
    if (observer.seen(event) > 0) return absl::StrCat("a crash was taken for damage: ", event);
  }
  if (const auto stuck = GoesOn(store)) return stuck;
  return FindBrokenPromise(store, model, PackBytes(folder));
}

Oracle BlobOracle(const BlobRun& run) {
  return {.broken = [&run](const std::string& folder, size_t told) { return FindBrokenBlobs(run, folder, told); },
          .recover =
              [](const std::string& folder) {
                base::SeededEntropy entropy(8);
                (void)DiskBlobStore::OpenAt(folder, entropy, base::NullObserver(), TinyPacks());
              }};
}

}  // namespace cairn::crash
