// What earlier attempts, other callers and a crash in between leave: none of it is ever taken for a blob, and what is
// acknowledged is durable whoever wrote it.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cairn/base/status.h"
#include "catch.h"
#include "storage/blob_rig.h"
#include "support/forwarding_disk.h"
#include "support/forwarding_kv.h"

namespace cairn::storage {
namespace {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::Sample;

constexpr size_t kLarge = 1 << 20;  // writes of so many bytes hold a chunk

absl::Status DiskFull() { return base::Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "full"); }

// Stops the first caller who comes once it is closed, until it is opened again.
class Barrier {
 public:
  void Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    if (!std::exchange(closed_, false)) return;
    waiting_ = true;
    moved_.notify_all();
    moved_.wait(lock, [&] { return !waiting_; });
  }
  void AwaitCaller() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return waiting_; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    waiting_ = false;
    moved_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  bool closed_ = false;
  bool waiting_ = false;
};

// Its syncs can be held up, and one large write refused.
class MoodyDisk final : public base::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  Barrier syncs;
  std::atomic<bool> refuse_next = false;
  void AwaitLargeWrites(int count) {
    std::unique_lock lock(mutex_);
    written_.wait(lock, [&] { return large_writes_ >= count; });
  }
  int large_writes() {
    std::lock_guard lock(mutex_);
    return large_writes_;
  }

 private:
  class MoodyFile final : public base::ForwardingFile {
   public:
    MoodyFile(MoodyDisk& disk, std::unique_ptr<base::File> inner) : ForwardingFile(std::move(inner)), disk_(disk) {}
    absl::Status WriteAt(uint64_t offset, base::ByteView bytes) override {
      if (bytes.size() < kLarge) return ForwardingFile::WriteAt(offset, bytes);
      if (disk_.refuse_next.exchange(false)) return DiskFull();
      const absl::Status status = ForwardingFile::WriteAt(offset, bytes);
      std::lock_guard lock(disk_.mutex_);
      ++disk_.large_writes_;
      disk_.written_.notify_all();
      return status;
    }
    absl::Status Sync() override {
      disk_.syncs.Pass();
      return ForwardingFile::Sync();
    }

   private:
    MoodyDisk& disk_;
  };
  std::unique_ptr<base::File> Wrap(std::unique_ptr<base::File> file) override {
    return std::make_unique<MoodyFile>(*this, std::move(file));
  }

  std::mutex mutex_;
  std::condition_variable written_;
  int large_writes_ = 0;
};

// Its commits can be held up.
class HeldKv final : public base::ForwardingKv {
 public:
  Barrier commits;
  absl::Status Commit(const base::KvBatch& batch, bool durable) override {
    commits.Pass();
    return ForwardingKv::Commit(batch, durable);
  }
};

// Stores the sample's bytes damaged, or begins a blob of another size under its id.
void SpoilFirstAttempt(BlobRig& rig, const Sample& sample, bool whole) {
  if (whole) {
    REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
    rig.Flip(base::ByteView(sample.bytes).subspan(1'200'000), 0);
    REQUIRE_FALSE(rig.store->Read(sample.id, kRoomy).ok());
    return;
  }
  auto writer = rig.store->Begin(sample.id, sample.bytes.size() + 1).value();
  REQUIRE(writer->Append(MakeSample(sample.bytes.size(), 77).bytes).ok());
}

}  // namespace

TEST_CASE("a crash while a blob is stored anew never makes one of old bytes and new ones", "[GF-41]") {
  const Sample sample = MakeSample(2'500'000, 1);
  const bool whole = GENERATE(true, false);
  const bool lose_index = GENERATE(true, false);
  // Whatever wrote first is lost, and a run of the rest; each time another one.
  size_t unsynced = 1;
  for (size_t from = 0; from < unsynced; from += 97) {
    CAPTURE(whole, lose_index, from);
    BlobRig rig;
    REQUIRE(rig.Open({.reserve_bytes = 0}).ok());
    SpoilFirstAttempt(rig, sample, whole);
    {
      auto writer = rig.store->Begin(sample.id, sample.bytes.size()).value();
      REQUIRE(writer->Append(sample.bytes).ok());
      rig.sim.FailAfter(base::SimDisk::Op::kSync, 0, absl::InternalError("power cut"));
      REQUIRE_FALSE(writer->Commit().ok());
    }
    unsynced = rig.sim.unsynced_count();
    rig.sim.Crash([&](size_t i) { return i >= 2 && (i < from || i >= from + 150); });
    rig.store.reset();
    rig.sim.FailAfter(base::SimDisk::Op::kSync, 0, absl::OkStatus());
    if (lose_index) rig.LoseIndex();
    REQUIRE(rig.Open({.reserve_bytes = 0}).ok());
    if (rig.store->Stat(sample.id).ok()) CHECK(rig.Reads(sample));
    REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
    CHECK(rig.Reads(sample));
  }
  CHECK(unsynced > 600);
}

TEST_CASE("what a full disk refused of a blob is not made up for by an earlier attempt's bytes", "[GF-41]") {
  BlobRig rig;
  MoodyDisk disk(rig.sim);
  rig.other_disk = &disk;
  REQUIRE(rig.Open({.reserve_bytes = 0}).ok());
  const Sample sample = MakeSample(9'000'000, 1);
  {
    auto writer = rig.store->Begin(sample.id, sample.bytes.size()).value();
    REQUIRE(writer->Append(MakeSample(sample.bytes.size(), 2).bytes).ok());
  }
  disk.refuse_next = true;
  CHECK(base::ReasonOf(rig.store->Put(sample.id, sample.bytes).status()) == "DISK_FULL");
  CHECK(absl::IsNotFound(rig.store->Stat(sample.id).status()));
  REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
  CHECK(rig.Reads(sample));
}

TEST_CASE("a batch with a blob that another caller has just written waits until that is durable too", "[GF-41]") {
  BlobRig rig;
  MoodyDisk disk(rig.sim);
  rig.other_disk = &disk;
  auto kv = std::make_unique<HeldKv>();
  HeldKv& index = *kv;
  rig.kv = std::move(kv);
  REQUIRE(rig.Open({.reserve_bytes = 0, .index_step = 12}).ok());
  const Sample first = MakeSample(300'000, 1), shared = MakeSample(400'000, 2), small = MakeSample(1'000, 3);
  {
    auto begun = rig.store->Begin(first.id, 11 << 20).value();  // that it has to be cleared away makes a step due
    REQUIRE(begun->Append(MakeSample(10 << 20, 4).bytes).ok());
  }
  auto writer = rig.store->Begin(shared.id, shared.bytes.size()).value();
  REQUIRE(writer->Append(shared.bytes).ok());
  REQUIRE(rig.store->Checkpoint().ok());

  // The batch stops between its two blobs; its first one becomes durable meanwhile.
  index.commits.Close();
  std::atomic<bool> returned = false, let_go = false, early = false;
  absl::Status batch_put, shared_put;
  std::thread batch([&] {
    const std::vector<std::pair<base::ContentId, base::ByteView>> blobs = {{first.id, first.bytes},
                                                                           {shared.id, shared.bytes}};
    batch_put = rig.store->PutMany(blobs).status();
    early = !let_go;
    returned = true;
  });
  index.commits.AwaitCaller();
  REQUIRE(rig.store->Put(small.id, small.bytes).ok());
  // The other caller's blob is written, and waits for its sync.
  disk.syncs.Close();
  std::thread other([&] { shared_put = writer->Commit().status(); });
  disk.syncs.AwaitCaller();
  index.commits.Open();
  for (int i = 0; i < 100 && !returned; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(3));
  let_go = true;
  disk.syncs.Open();
  batch.join();
  other.join();
  CHECK(batch_put.ok());
  CHECK(shared_put.ok());
  CHECK_FALSE(early);
  CHECK((rig.Reads(first) && rig.Reads(shared)));
  writer.reset();
}

TEST_CASE("a blob whose pieces were copied behind its commit before the sync of both outlives the index", "[GF-41]") {
  BlobRig rig;
  MoodyDisk disk(rig.sim);
  rig.other_disk = &disk;
  REQUIRE(rig.Open({.reserve_bytes = 0, .pack_bytes = 3'000'000}).ok());
  const Sample sample = MakeSample(1'200'000, 1), gone = MakeSample(1'500'000, 2), next = MakeSample(700'000, 3);
  auto writer = rig.store->Begin(sample.id, sample.bytes.size()).value();
  REQUIRE(writer->Append(base::ByteView(sample.bytes).subspan(0, kLarge)).ok());
  REQUIRE(rig.store->Put(gone.id, gone.bytes).ok());
  REQUIRE(rig.store->Delete(gone.id).ok());
  REQUIRE(rig.store->Put(next.id, next.bytes).ok());
  REQUIRE(rig.sim.List("packs").value().size() == 2);
  REQUIRE(writer->Append(base::ByteView(sample.bytes).subspan(kLarge)).ok());

  disk.syncs.Close();
  absl::Status committed, compacted;
  std::thread commit([&] { committed = writer->Commit().status(); });
  disk.syncs.AwaitCaller();
  const int before = disk.large_writes();
  std::thread compact([&] { compacted = rig.store->Compact(kRoomy).status(); });
  disk.AwaitLargeWrites(before + 1);
  disk.syncs.Open();
  commit.join();
  compact.join();
  writer.reset();
  REQUIRE(committed.ok());
  REQUIRE(compacted.ok());
  REQUIRE(rig.sim.List("packs").value() == std::vector<std::string>{"00000002.pack"});
  CHECK(rig.Reads(sample));
  rig.LoseIndex();
  REQUIRE(rig.Open({.reserve_bytes = 0, .pack_bytes = 3'000'000}).ok());
  CHECK(rig.Reads(sample));
  CHECK(rig.store->Usage().damaged == 0);
}

TEST_CASE("chunks under the id of a small blob are found and dropped like those of any other", "[GF-41]") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample small = MakeSample(5'000, 1);
  auto writer = rig.store->Begin(small.id, 2'500'000).value();
  REQUIRE(rig.store->Put(small.id, small.bytes).ok());
  REQUIRE(writer->Append(MakeSample(1'100'000, 2).bytes).ok());
  writer.reset();
  const std::vector<PartialBlob> partials = rig.store->Partials().value();
  REQUIRE(partials.size() == 1);
  CHECK((partials[0].id == small.id && partials[0].held == 1'100'000));
  REQUIRE(rig.store->DropPartial(small.id).ok());
  CHECK(rig.store->Partials()->empty());
  CHECK(rig.store->Usage().reclaimable_bytes > kLarge);
  CHECK(rig.Reads(small));
  rig.LoseIndex();
  REQUIRE(rig.Open().ok());
  CHECK(rig.store->Partials()->empty());
  CHECK(rig.Reads(small));
}

TEST_CASE("a disk that cannot open a file just now damages no blob and ends no store", "[GF-41][MP-20]") {
  const absl::Status too_many = base::Error(absl::StatusCode::kUnavailable, "TOO_MANY_FILES", "too many open files");
  BlobRig rig;
  DiskBlobStoreOptions options = SmallPacks();
  options.pack_bytes = 1'200'000;
  REQUIRE(rig.Open(options).ok());
  const Sample tiny = MakeSample(10, 1), sample = MakeSample(1'100'000, 2), more = MakeSample(200'000, 3);
  REQUIRE(rig.store->Put(tiny.id, tiny.bytes).ok());
  auto writer = rig.store->Begin(sample.id, sample.bytes.size()).value();
  REQUIRE(writer->Append(sample.bytes).ok());

  // A new pack would be needed.
  rig.sim.FailAfter(base::SimDisk::Op::kOpen, 0, too_many);
  CHECK(base::ReasonOf(rig.store->Put(more.id, more.bytes).status()) == "TOO_MANY_FILES");
  rig.sim.FailAfter(base::SimDisk::Op::kOpen, 0, absl::OkStatus());
  REQUIRE(rig.store->Health().ok());
  REQUIRE(rig.store->Put(more.id, more.bytes).ok());
  REQUIRE(writer->Commit().ok());  // the outboard lies in another pack than the chunks
  writer.reset();
  for (uint64_t i = 0; rig.sim.List("packs").value().size() < 3; ++i) {
    const Sample filler = MakeSample(200'000, 10 + i);
    REQUIRE(rig.store->Put(filler.id, filler.bytes).ok());
  }
  REQUIRE(rig.Open(options).ok());

  const auto begun = rig.store->Scrub("", 1);  // opens the first pack
  REQUIRE(begun.ok());
  rig.sim.FailAfter(base::SimDisk::Op::kOpen, 0, too_many);
  CHECK(base::ReasonOf(rig.store->Scrub(begun->next_cursor, kRoomy).status()) == "TOO_MANY_FILES");
  rig.sim.FailAfter(base::SimDisk::Op::kOpen, 0, absl::OkStatus());
  CHECK(rig.store->Usage().damaged == 0);
  const auto again = rig.store->Scrub("", kRoomy);
  REQUIRE(again.ok());
  CHECK(again->damaged.empty());
  CHECK((rig.Reads(tiny) && rig.Reads(sample) && rig.Reads(more)));
}

TEST_CASE("a store opens although its index finds no room on the disk, and deletes") {
  BlobRig rig;
  auto kv = std::make_unique<base::FailingKv>(DiskFull());
  base::FailingKv& index = *kv;
  rig.kv = std::move(kv);
  REQUIRE(rig.Open().ok());
  const Sample kept = MakeSample(1'000, 1), gone = MakeSample(2'000, 2);
  for (const Sample* sample : {&kept, &gone}) REQUIRE(rig.store->Put(sample->id, sample->bytes).ok());
  index.fail = true;
  for (int round = 0; round < 2; ++round) {
    REQUIRE(rig.Open().ok());
    CHECK(rig.Reads(kept));
    REQUIRE(rig.store->Delete(gone.id).ok());
    CHECK(absl::IsNotFound(rig.store->Stat(gone.id).status()));
  }
  index.fail = false;
  REQUIRE(rig.Open().ok());
  CHECK(rig.Reads(kept));
  CHECK(rig.store->Usage().blobs == 1);
}

}  // namespace cairn::storage
