// A provider's part index beside its blob store, in every state that a power cut can leave of the two.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "apps/storaged/part_index.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "crash/crash_run.h"
#include "crash/recorder.h"
#include "storage/blob_rig.h"
#include "storage/blob_script.h"
#include "support/temp_dir.h"

namespace cairn::crash {
namespace {

using storage::DiskBlobStore;
using storage::blob_script::kRoomy;
using storage::blob_script::MakeSample;
using storage::blob_script::Sample;
using storage::blob_script::TinyPacks;
using storaged::Part;
using storaged::PartIndex;

const std::vector<Sample>& Blobs() {
  static const auto* samples = [] {
    auto* made = new std::vector<Sample>;
    for (uint64_t i = 0; i < 10; ++i)
      made->push_back(MakeSample(i % 4 == 3 ? 1'200'000 + i : 300 + 1'700 * i, 900 + i));
    return made;
  }();
  return *samples;
}

base::ObjectId Object(uint8_t number) {
  base::ObjectId id;
  id.value[0] = 1;
  id.value[1] = number;
  return id;
}

Part PartOf(uint8_t object, const Sample& sample) {
  return {.object = Object(object), .id = sample.id, .size = sample.bytes.size(), .group = {7}, .position = object % 6u,
          .leaves = 1};
}

// What the ledger's follower and the holder of receipts rely on.
struct Told {
  std::map<base::ObjectId, std::vector<Part>> kept;
  std::set<base::ObjectId> gone;
};

struct PartsRun {
  Recorded recorded;
  std::vector<Told> told;  // told[i - 1] once i of recorded.told_at have passed
  absl::Status status;
};

struct Holder {
  static absl::StatusOr<std::unique_ptr<Holder>> Open(const std::string& folder) {
    auto holder = std::make_unique<Holder>();
    ASSIGN_OR_RETURN(holder->blobs, DiskBlobStore::OpenAt(folder, holder->entropy, base::NullObserver(), TinyPacks()));
    ASSIGN_OR_RETURN(holder->kv, base::OpenLmdb(folder + "/parts"));
    holder->writes.emplace(*holder->kv);
    holder->index.emplace(*holder->writes, *holder->blobs);
    return holder;
  }
  base::SeededEntropy entropy{42};
  std::unique_ptr<DiskBlobStore> blobs;
  std::unique_ptr<base::Kv> kv;
  std::optional<storaged::WriteQueue> writes;
  std::optional<PartIndex> index;
};

// Does what sessions and the follower of a provider do, in their order.
class Script {
 public:
  Script(std::string folder, PartsRun& run, const Recorder& recorder)
      : folder_(std::move(folder)), run_(run), recorder_(recorder) {}

  absl::Status All() {
    RETURN_IF_ERROR(Restart());
    for (uint8_t i = 0; i < 3; ++i) RETURN_IF_ERROR(Small(i, {i}));
    RETURN_IF_ERROR(Small(3, {0, 1, 4}));  // blobs of several objects
    RETURN_IF_ERROR(Large(4, 3, 600'000));
    RETURN_IF_ERROR(Drop({0, 2}));
    RETURN_IF_ERROR(Large(4, 3, UINT64_MAX));
    RETURN_IF_ERROR(Large(5, 7, 1'100'000));  // never gets any further
    RETURN_IF_ERROR(Restart());
    RETURN_IF_ERROR(Small(6, {5, 6, 8}));
    RETURN_IF_ERROR(Drop({5}));
    RETURN_IF_ERROR(Stray(9));
    RETURN_IF_ERROR(Sweep());
    RETURN_IF_ERROR(Sweep());
    RETURN_IF_ERROR(Drop({3, 4, 6}));
    RETURN_IF_ERROR(Small(7, {0, 3}));
    return absl::OkStatus();
  }

 private:
  absl::Status Restart() {
    holder_.reset();
    ASSIGN_OR_RETURN(holder_, Holder::Open(folder_));
    return absl::OkStatus();
  }
  void Tell() {
    run_.recorded.told_at.push_back(recorder_.size());
    run_.told.push_back(told_);
  }
  absl::Status Small(uint8_t object, const std::vector<size_t>& blobs) {
    std::vector<PartIndex::Hold> holds;
    std::vector<std::pair<base::ContentId, base::ByteView>> bytes;
    std::vector<Part> parts;
    for (size_t i : blobs) {
      const Sample& sample = Blobs()[i];
      holds.push_back(holder_->index->HoldBlob(sample.id));
      bytes.emplace_back(sample.id, sample.bytes);
      parts.push_back(PartOf(object, sample));
    }
    RETURN_IF_ERROR(holder_->blobs->PutMany(bytes).status());
    RETURN_IF_ERROR(holder_->index->Add(parts));
    told_.kept[Object(object)] = parts;
    Tell();
    return absl::OkStatus();
  }
  // Up to `end` bytes; the object counts as kept once it is whole.
  absl::Status Large(uint8_t object, size_t blob, uint64_t end) {
    const Sample& sample = Blobs()[blob];
    const PartIndex::Hold hold = holder_->index->HoldBlob(sample.id);
    ASSIGN_OR_RETURN(auto writer, holder_->blobs->Begin(sample.id, sample.bytes.size()));
    const std::vector<Part> parts = {PartOf(object, sample)};
    RETURN_IF_ERROR(holder_->index->Add(parts));
    end = std::min<uint64_t>(end, sample.bytes.size());
    const uint64_t from = writer->offset();
    RETURN_IF_ERROR(writer->Append(base::ByteView(sample.bytes).subspan(from, end - from)));
    if (end < sample.bytes.size()) return absl::OkStatus();
    RETURN_IF_ERROR(writer->Commit().status());
    told_.kept[Object(object)] = parts;
    Tell();
    return absl::OkStatus();
  }
  absl::Status Drop(const std::vector<uint8_t>& objects) {
    std::vector<base::ObjectId> ids;
    for (uint8_t object : objects) ids.push_back(Object(object));
    for (const base::ObjectId& id : ids) told_.kept.erase(id);
    Tell();
    RETURN_IF_ERROR(holder_->index->Drop(ids).status());
    told_.gone.insert(ids.begin(), ids.end());
    Tell();
    return absl::OkStatus();
  }
  absl::Status Stray(size_t blob) { return holder_->blobs->Put(Blobs()[blob].id, Blobs()[blob].bytes).status(); }
  absl::Status Sweep() {
    base::ContentId cursor;
    return holder_->index->Sweep(cursor, 100).status();
  }

  const std::string folder_;
  PartsRun& run_;
  const Recorder& recorder_;
  Told told_;
  std::unique_ptr<Holder> holder_;
};

PartsRun RecordParts() {
  TempDir scratch(MemoryFolder());
  PartsRun run;
  run.recorded.told_at = {0};
  run.told = {{}};
  Recorder recorder(scratch.path());
  run.status = Script(scratch.path(), run, recorder).All();
  run.recorded.log = recorder.Take();
  run.recorded.end = ReadTree(scratch.path());
  return run;
}

std::optional<std::string> MissingPart(Holder& holder, const Told& told) {
  for (const auto& [object, parts] : told.kept) {
    for (const Part& part : parts) {
      const auto found = holder.index->Find(object, part.id);
      if (!found.ok() || !found->has_value() || !(**found == part)) return "a part that was acknowledged has no record";
      const auto bytes = holder.blobs->Read(part.id, kRoomy);
      if (!bytes.ok() || base::ContentId::Of(*bytes) != part.id) return "an acknowledged part's blob is not whole";
    }
  }
  return std::nullopt;
}

// The two directions of the index tell the same.
std::optional<std::string> CrookedRecord(Holder& holder) {
  const auto objects = holder.index->Objects({}, 100);
  if (!objects.ok()) return objects.status().ToString();
  for (const base::ObjectId& object : *objects) {
    const auto parts = holder.index->PartsOf(object);
    if (!parts.ok()) return parts.status().ToString();
    for (const Part& part : *parts) {
      const auto users = holder.index->UsersOf(part.id);
      if (!users.ok() || std::find(users->begin(), users->end(), part) == users->end()) {
        return "a part's blob does not know its object";
      }
    }
  }
  return std::nullopt;
}

// Whole or in part, no blob stays for which there is no record.
std::optional<std::string> Stray(Holder& holder) {
  std::vector<base::ContentId> here;
  const auto blobs = holder.blobs->List({}, 100);
  const auto partials = holder.blobs->Partials();
  if (!blobs.ok() || !partials.ok()) return "the blob store does not list";
  for (const auto& blob : *blobs) here.push_back(blob.id);
  for (const auto& partial : *partials) here.push_back(partial.id);
  for (const base::ContentId& id : here) {
    const auto users = holder.index->UsersOf(id);
    if (!users.ok() || users->empty()) return absl::StrCat("nobody has a record of ", id.ToText());
  }
  return std::nullopt;
}

std::optional<std::string> FindBroken(const PartsRun& run, const std::string& folder, size_t count) {
  const Told& told = run.told[count - 1];
  auto opened = Holder::Open(folder);
  if (!opened.ok()) return opened.status().ToString();
  Holder& holder = **opened;
  for (int sweep = 0; sweep < 2; ++sweep) {
    base::ContentId cursor;
    if (const auto swept = holder.index->Sweep(cursor, 100); !swept.ok()) return swept.status().ToString();
  }
  if (auto broken = MissingPart(holder, told)) return broken;
  if (auto broken = CrookedRecord(holder)) return broken;
  if (auto broken = Stray(holder)) return broken;
  for (const base::ObjectId& object : told.gone) {
    const auto parts = holder.index->PartsOf(object);
    if (!parts.ok() || !parts->empty()) return "an object that was dropped is back";
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("whatever a power cut leaves, every acknowledged part has its record and its blob, and two sweeps leave no stray") {
  const PartsRun run = RecordParts();
  INFO(run.status);
  REQUIRE(run.status.ok());
  REQUIRE(IsComplete(run.recorded));
  RunOptions options{.name = "part index"};
  options.drawn = Soak() ? 30 : 4;
  const Oracle oracle{
      .broken = [&run](const std::string& folder, size_t told) { return FindBroken(run, folder, told); },
      .recover = [](const std::string& folder) { (void)Holder::Open(folder); }};
  const RunResult result = RunStates(run.recorded, oracle, options);
  std::cout << "part index: " << run.recorded.log.operations.size() << " operations, " << result.states
            << " crash states (" << result.inside_recovery << " inside recovery), seed " << CrashSeed() << "\n";
  INFO(result.broken.value_or(""));
  CHECK_FALSE(result.broken.has_value());
  CHECK(result.states > 500);
}

}  // namespace cairn::crash
