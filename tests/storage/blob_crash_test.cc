// Crashes of the disk store at every call to the disk that matters, with every kind of remainder.
//
// A script of puts, deletes, resumed writes and compactions runs until an injected fault stops it,
// as a power cut would; then the disk keeps some of what was not synced and the store is opened
// again, with its index or without. Whatever was acknowledged must be there and right, whatever was
// not must be whole or absent. The control run has a disk that forgets to sync: there the same
// checks fail.
#include <cstdlib>
#include <optional>

#include "storage/blob_rig.h"
#include "storage/blob_script.h"
#include "support/forwarding_disk.h"

namespace cairn::storage {
namespace {

using blob_script::Model;
using blob_script::RunScript;
using blob_script::TinyPacks;
using Op = base::SimDisk::Op;

std::optional<std::string> FindBrokenPromise(BlobRig& rig, const Model& model) {
  if (rig.observer.seen("blob.pack_damaged") > 0) return "a crash was taken for damage";
  return blob_script::FindBrokenPromise(*rig.store, model, rig.PackBytes());
}

using Keep = std::function<bool(size_t)>;

std::vector<Keep> Remainders(uint64_t seed) {
  std::vector<Keep> out = {[](size_t) { return false; }, [](size_t) { return true; },
                           [](size_t i) { return i % 2 == 0; },
                           [](size_t i) { return i % 2 == 1; }};
  const uint64_t drawn = std::getenv("CAIRN_SOAK") != nullptr ? 40 : 2;
  for (uint64_t n = 0; n < drawn; ++n) {
    auto entropy = std::make_shared<base::SeededEntropy>(seed * drawn + n);
    out.push_back([entropy](size_t) { return entropy->DrawNumber() % 2 == 0; });
  }
  return out;
}

// A disk on which a sync of files, or of folders, does nothing.
class ForgetfulDisk final : public base::ForwardingDisk {
 public:
  ForgetfulDisk(base::Disk& inner, bool files) : ForwardingDisk(inner), files_(files) {}
  absl::Status SyncDir(absl::string_view folder) override {
    return files_ ? ForwardingDisk::SyncDir(folder) : absl::OkStatus();
  }

 private:
  class ForgetfulFile final : public base::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;
    absl::Status Sync() override { return absl::OkStatus(); }
  };
  std::unique_ptr<base::File> Wrap(std::unique_ptr<base::File> file) override {
    if (!files_) return file;
    return std::make_unique<ForgetfulFile>(std::move(file));
  }

  const bool files_;
};

struct Fault {
  Op op;
  uint64_t after;
};

// Runs the script into the fault and the crash; false when the script ended before the fault.
bool RunIntoCrash(BlobRig& rig, Model& model, const Fault& fault, const Keep& keep) {
  rig.sim.FailAfter(fault.op, fault.after, absl::InternalError("power cut"));
  absl::Status status = rig.Open(TinyPacks());
  if (status.ok()) status = RunScript(*rig.store, model);
  rig.sim.Crash(keep);
  rig.store.reset();
  rig.sim.FailAfter(fault.op, 0, absl::OkStatus());
  return !status.ok();
}

}  // namespace

TEST_CASE(
    "whatever the moment of a crash, what was acknowledged is there and nothing is there by half",
    "[GF-41]") {
  uint64_t states = 0;
  for (Op op : {Op::kSync, Op::kWrite, Op::kSyncDir, Op::kOpen, Op::kRemove}) {
    bool more = true;
    for (uint64_t after = 0; more; ++after) {
      for (const Keep& keep : Remainders(after)) {
        for (bool lose_index : {false, true}) {
          CAPTURE(static_cast<int>(op), after, lose_index, states);
          BlobRig rig;
          Model model;
          more = RunIntoCrash(rig, model, {op, after}, keep);
          if (lose_index) rig.LoseIndex();
          // The first recovery is cut short as well, at a point that moves along.
          rig.sim.FailAfter(states % 2 == 0 ? Op::kSync : Op::kWrite, states % 3,
                            absl::InternalError("again"));
          (void)rig.Open(TinyPacks());
          rig.sim.Crash(keep);
          rig.store.reset();
          rig.sim.FailAfter(Op::kSync, 0, absl::OkStatus());
          rig.sim.FailAfter(Op::kWrite, 0, absl::OkStatus());
          REQUIRE(rig.Open(TinyPacks()).ok());
          REQUIRE(FindBrokenPromise(rig, model).value_or("") == "");
          // And life goes on.
          REQUIRE(RunScript(*rig.store, model).ok());
          REQUIRE(FindBrokenPromise(rig, model).value_or("") == "");
          ++states;
        }
      }
    }
  }
  CHECK(states > 2'000);
}

TEST_CASE("the crash test finds the loss when a sync does nothing") {
  const bool of_files = GENERATE(true, false);
  CAPTURE(of_files);
  int broken = 0;
  for (uint64_t after = 20; after < 60; ++after) {
    BlobRig rig;
    ForgetfulDisk forgetful(rig.sim, of_files);
    rig.other_disk = &forgetful;
    Model model;
    RunIntoCrash(rig, model, {Op::kWrite, after}, [](size_t i) { return i % 2 == 1; });
    broken += !rig.Open(TinyPacks()).ok() || FindBrokenPromise(rig, model).has_value();
    rig.store.reset();
  }
  CHECK(broken > 30);
}

}  // namespace cairn::storage
