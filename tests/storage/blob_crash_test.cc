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
class ForgetfulDisk final : public base::Disk {
 public:
  ForgetfulDisk(base::Disk& inner, bool files) : inner_(inner), files_(files) {}

  absl::StatusOr<std::unique_ptr<base::File>> Open(absl::string_view path,
                                                   base::OpenMode mode) override {
    ASSIGN_OR_RETURN(auto file, inner_.Open(path, mode));
    if (!files_) return file;
    return std::make_unique<ForgetfulFile>(std::move(file));
  }
  absl::Status MakeDirs(absl::string_view path) override { return inner_.MakeDirs(path); }
  absl::Status Rename(absl::string_view from, absl::string_view to) override {
    return inner_.Rename(from, to);
  }
  absl::Status Remove(absl::string_view path) override { return inner_.Remove(path); }
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override {
    return inner_.List(folder);
  }
  absl::StatusOr<bool> Exists(absl::string_view path) override { return inner_.Exists(path); }
  absl::Status SyncDir(absl::string_view folder) override {
    return files_ ? inner_.SyncDir(folder) : absl::OkStatus();
  }
  absl::StatusOr<base::DiskSpace> Space() override { return inner_.Space(); }

 private:
  class ForgetfulFile final : public base::File {
   public:
    explicit ForgetfulFile(std::unique_ptr<base::File> inner) : inner_(std::move(inner)) {}
    absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) override {
      return inner_->ReadAt(offset, out);
    }
    absl::Status WriteAt(uint64_t offset, base::ByteView bytes) override {
      return inner_->WriteAt(offset, bytes);
    }
    absl::Status Truncate(uint64_t size) override { return inner_->Truncate(size); }
    absl::StatusOr<uint64_t> Size() override { return inner_->Size(); }
    absl::Status Sync() override { return absl::OkStatus(); }
    absl::Status PunchHole(uint64_t offset, uint64_t length) override {
      return inner_->PunchHole(offset, length);
    }

   private:
    std::unique_ptr<base::File> inner_;
  };

  base::Disk& inner_;
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
