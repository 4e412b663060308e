// One bit flipped somewhere below a blob store: the files of packs, the `store` file, the index of LMDB.
//
// Every check runs in a child: LMDB has no checksums, and a flipped bit in one of its pages may end the process that
// reads it. That is told apart, and the index is built anew from the packs afterwards, which must hold everything.
#include <filesystem>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "crash/blob_world.h"
#include "crash/forked.h"
#include "storage/blob_rig.h"
#include "support/temp_dir.h"

namespace cairn::crash {
namespace {

using storage::DiskBlobStore;
using namespace storage::blob_script;

constexpr size_t kPage = 4096;

struct Flip {
  std::string path;
  size_t offset;
  uint8_t mask;
};

Tree Flipped(const Tree& tree, const Flip& flip) {
  Tree out = tree;
  const FileNumber file = out.names.at(flip.path);
  base::Bytes bytes = out.contents.at(file)->bytes();
  bytes[flip.offset] ^= flip.mask;
  out.contents[file] = std::make_shared<Content>(std::move(bytes));
  return out;
}

// Every byte of what gives a file its structure, and some of what it holds.
std::vector<Flip> FlipsOf(const std::string& path, size_t size) {
  std::vector<Flip> flips;
  const bool pages = absl::StartsWith(path, "index/");
  const size_t dense = pages ? 160 : 64 + 3 * 88, stride = Soak() ? 61 : pages ? 127 : 1999;
  for (size_t at = 0; at < size; ++at) {
    const size_t inside = pages ? at % kPage : at;
    if (inside < dense || at % stride == 0) {
      flips.push_back({path, at, static_cast<uint8_t>(1u << (at * 5 + at / 8) % 8)});
    }
  }
  return flips;
}

enum class Outcome { kHarmless, kDetected, kKilled, kWrong };

// What a reader meets, then a scrub, then a reader again. nullopt: no harm; "detected ...": somebody was told.
std::optional<std::string> Look(const std::string& folder, const Model& model) {
  base::SeededEntropy entropy(9);
  storage::EventCounter observer;
  const auto opened = DiskBlobStore::OpenAt(folder, entropy, observer, TinyPacks());
  if (!opened.ok()) return "detected: " + opened.status().ToString();
  DiskBlobStore& store = **opened;
  bool told = false;
  for (bool scrubbed : {false, true}) {
    for (const auto& [id, sample] : model.all) {
      const auto read = store.Read(id, kRoomy);
      if (read.ok() && *read != sample->bytes) return "wrong bytes were served";
      if (read.ok() && model.absent.count(id) > 0) return "a deleted blob is back";
      if (read.ok() || model.present.count(id) == 0) continue;
      told = told || absl::IsDataLoss(read.status());
      if (scrubbed && !absl::IsDataLoss(read.status())) return "a scrub does not miss it: " + read.status().ToString();
    }
    const auto scrub = store.Scrub("", kRoomy);
    if (!scrub.ok()) return "detected: " + scrub.status().ToString();
    told = told || !scrub->damaged.empty();
  }
  told = told || observer.seen("blob.index_damaged") > 0 || observer.seen("blob.index_rebuild") > 0;
  return told ? std::optional<std::string>("detected") : std::nullopt;
}

// With the index gone, the packs tell all.
std::optional<std::string> LookWithoutIndex(const std::string& folder, const Model& model) {
  std::filesystem::remove_all(folder + "/index");
  base::SeededEntropy entropy(9);
  const auto opened = DiskBlobStore::OpenAt(folder, entropy, base::NullObserver(), TinyPacks());
  if (!opened.ok()) return opened.status().ToString();
  for (const auto& [id, sample] : model.present) {
    const auto read = (*opened)->Read(id, kRoomy);
    if (!read.ok() || *read != sample->bytes) return "not all is in the packs";
  }
  return std::nullopt;
}

Outcome Classify(const std::optional<std::string>& finding) {
  if (!finding) return Outcome::kHarmless;
  if (WasKilled(*finding)) return Outcome::kKilled;
  return absl::StartsWith(*finding, "detected") ? Outcome::kDetected : Outcome::kWrong;
}

}  // namespace

TEST_CASE("a flipped bit anywhere below a blob store is noticed or does no harm, and no wrong byte is served") {
  const BlobRun run = RecordBlobs(0);
  const Tree& tree = run.recorded.end;
  const Model& model = run.told.back();
  TempDir scratch(MemoryFolder());
  const std::string folder = scratch.path() + "/flipped";
  std::map<std::string, std::map<Outcome, int>> counts;
  for (const auto& [path, file] : tree.names) {
    const bool index = absl::StartsWith(path, "index/");
    for (const Flip& flip : FlipsOf(path, tree.contents.at(file)->bytes().size())) {
      WriteTree(Flipped(tree, flip), folder);
      const auto finding = InChild([&] { return Look(folder, model); });
      INFO(path << " byte " << flip.offset << " mask " << int{flip.mask} << ": " << finding.value_or(""));
      const Outcome outcome = Classify(finding);
      ++counts[path.substr(0, path.find('/'))][outcome];
      REQUIRE(outcome != Outcome::kWrong);
      // Only LMDB on its own file may end the process.
      REQUIRE((outcome != Outcome::kKilled || index));
      if (index && outcome != Outcome::kHarmless) REQUIRE_FALSE(LookWithoutIndex(folder, model).has_value());
    }
  }
  for (auto& [kind, outcomes] : counts) {
    std::cout << "flips in " << kind << ": " << outcomes[Outcome::kHarmless] << " without harm, "
              << outcomes[Outcome::kDetected] << " noticed, " << outcomes[Outcome::kKilled] << " ended the process\n";
  }
}

}  // namespace cairn::crash
