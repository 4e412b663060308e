// Several groups of records under way to one pack at the same time.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cairn/base/status.h"
#include "catch.h"
#include "storage/blob_rig.h"
#include "support/forwarding_disk.h"

namespace cairn::storage {
namespace {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::Sample;

constexpr size_t kLarge = 200'000;  // a group of its own

// Holds the first large write back, while later ones pass; then lets it go, or fail.
class HeldDisk final : public base::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;

  void HoldNext(absl::Status outcome) {
    std::lock_guard lock(mutex_);
    outcome_ = std::move(outcome);
    hold_next_ = true;
    passed_ = 0;
  }
  void WaitUntilHeld() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return held_; });
  }
  void WaitUntilAnotherPassed() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return passed_ > 0; });
  }
  void LetGo() {
    std::lock_guard lock(mutex_);
    held_ = false;
    moved_.notify_all();
  }

 private:
  class HeldFile final : public base::ForwardingFile {
   public:
    HeldFile(HeldDisk& disk, std::unique_ptr<base::File> inner) : ForwardingFile(std::move(inner)), disk_(disk) {}
    absl::Status WriteAt(uint64_t offset, base::ByteView bytes) override {
      if (bytes.size() < kLarge) return ForwardingFile::WriteAt(offset, bytes);
      RETURN_IF_ERROR(disk_.Hold());
      const absl::Status written = ForwardingFile::WriteAt(offset, bytes);
      disk_.Pass();
      return written;
    }

   private:
    HeldDisk& disk_;
  };
  std::unique_ptr<base::File> Wrap(std::unique_ptr<base::File> file) override {
    return std::make_unique<HeldFile>(*this, std::move(file));
  }

  absl::Status Hold() {
    std::unique_lock lock(mutex_);
    if (!std::exchange(hold_next_, false)) return absl::OkStatus();
    held_ = true;
    moved_.notify_all();
    moved_.wait(lock, [&] { return !held_; });
    return outcome_;
  }
  void Pass() {
    std::lock_guard lock(mutex_);
    ++passed_;
    moved_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable moved_;
  absl::Status outcome_;
  bool hold_next_ = false;
  bool held_ = false;
  int passed_ = 0;
};

// Two puts, of which the first is held back until the other's bytes are written.
struct TwoPuts {
  TwoPuts(BlobRig& rig, HeldDisk& disk, absl::Status outcome) {
    disk.HoldNext(std::move(outcome));
    threads.emplace_back([&] { first_put = rig.store->Put(first.id, first.bytes).status(); });
    disk.WaitUntilHeld();
    threads.emplace_back([&] { second_put = rig.store->Put(second.id, second.bytes).status(); });
    disk.WaitUntilAnotherPassed();
  }
  void Finish(HeldDisk& disk) {
    disk.LetGo();
    for (std::thread& thread : threads) thread.join();
  }
  const Sample first = MakeSample(kLarge, 1), second = MakeSample(kLarge, 2);
  absl::Status first_put, second_put;
  std::vector<std::thread> threads;
};

}  // namespace

TEST_CASE("what is written behind a write that is under way becomes visible after it, and both are durable") {
  BlobRig rig;
  HeldDisk disk(rig.sim);
  rig.other_disk = &disk;
  REQUIRE(rig.Open().ok());
  TwoPuts puts(rig, disk, absl::OkStatus());
  CHECK(base::ReasonOf(rig.store->Stat(puts.second.id).status()) == "NO_SUCH_BLOB");
  puts.Finish(disk);
  CHECK(puts.first_put.ok());
  CHECK(puts.second_put.ok());
  rig.sim.Crash([](size_t) { return false; });
  rig.LoseIndex();
  REQUIRE(rig.Open().ok());
  CHECK((rig.Reads(puts.first) && rig.Reads(puts.second)));
}

TEST_CASE("a disk that is full for one of two writes under way harms neither the other nor the pack") {
  BlobRig rig;
  HeldDisk disk(rig.sim);
  rig.other_disk = &disk;
  REQUIRE(rig.Open().ok());
  TwoPuts puts(rig, disk, base::Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "full"));
  puts.Finish(disk);
  CHECK(base::ReasonOf(puts.first_put) == "DISK_FULL");
  CHECK(puts.second_put.ok());
  CHECK(rig.store->Health().ok());
  CHECK(rig.store->Usage().disk_bytes == rig.PackBytes());
  for (const bool crash : {false, true}) {
    CAPTURE(crash);
    if (crash) rig.sim.Crash([](size_t) { return false; });
    if (crash) rig.LoseIndex();
    REQUIRE(rig.Open().ok());
    CHECK(rig.Reads(puts.second));
    CHECK(base::ReasonOf(rig.store->Stat(puts.first.id).status()) == "NO_SUCH_BLOB");
    CHECK(rig.store->Scrub("", kRoomy)->damaged.empty());
    CHECK(rig.observer.seen("blob.pack_damaged") == 0);
  }
  REQUIRE(rig.store->Put(puts.first.id, puts.first.bytes).ok());
  CHECK((rig.Reads(puts.first) && rig.Reads(puts.second)));
}

TEST_CASE("a write that fails for another reason than room ends the log for those behind it too") {
  BlobRig rig;
  HeldDisk disk(rig.sim);
  rig.other_disk = &disk;
  REQUIRE(rig.Open().ok());
  TwoPuts puts(rig, disk, absl::InternalError("I/O error"));
  puts.Finish(disk);
  CHECK(base::ReasonOf(puts.first_put) == "STORE_POISONED");
  CHECK(base::ReasonOf(puts.second_put) == "STORE_POISONED");
  CHECK(base::ReasonOf(rig.store->Put(puts.first.id, puts.first.bytes).status()) == "STORE_POISONED");
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.store->Put(puts.first.id, puts.first.bytes).ok());
  CHECK(rig.Reads(puts.first));
}

TEST_CASE("a blob that is here already takes no room and needs none") {
  BlobRig rig;
  DiskBlobStoreOptions options = SmallPacks();
  options.quota_bytes = 500'000;
  REQUIRE(rig.Open(options).ok());
  const size_t size = GENERATE(9'000, 100'000, 300'000);
  std::vector<Sample> stored;
  for (uint64_t i = 0;; ++i) {
    Sample sample = MakeSample(size, i);
    const absl::Status put = rig.store->Put(sample.id, sample.bytes).status();
    if (!put.ok()) {
      CHECK(base::ReasonOf(put) == "QUOTA_EXCEEDED");
      break;
    }
    stored.push_back(std::move(sample));
  }
  REQUIRE(!stored.empty());
  const BlobUsage before = rig.store->Usage();
  CHECK(before.disk_bytes <= before.quota_bytes);
  const uint64_t syncs = rig.sim.sync_count();
  for (const Sample& sample : stored) CHECK(rig.store->Put(sample.id, sample.bytes).ok());
  CHECK(rig.store->Usage().disk_bytes == before.disk_bytes);
  CHECK(rig.sim.sync_count() == syncs);
  CHECK(rig.store->Usage().blobs == stored.size());
}

TEST_CASE("a scrub corrects an index that has a wrong size or number for a record", "[MP-20]") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(GENERATE(4'100, 700'000), 1);
  REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
  REQUIRE(rig.store->Checkpoint().ok());
  const BlobUsage before = rig.store->Usage();
  rig.store.reset();
  const std::string key = "b" + std::string(base::AsText(sample.id.digest.view()));
  std::string value(*rig.kv->Snapshot()->Get(key).value());
  const size_t wrong = GENERATE(7, 9, 12);  // of sequence (8 bytes) and size (8 bytes)
  value[wrong] = static_cast<char>(value[wrong] ^ 4);
  base::KvBatch batch;
  batch.Put(key, value);
  REQUIRE(rig.kv->Commit(batch).ok());
  REQUIRE(rig.Open().ok());
  const auto report = rig.store->Scrub("", kRoomy);
  REQUIRE(report.ok());
  CHECK(report->damaged.empty());
  CHECK(rig.observer.seen("blob.index_damaged") == 1);
  CHECK(rig.Reads(sample));
  CHECK(rig.store->Usage().live_bytes == before.live_bytes);
  CHECK(rig.store->Usage().reclaimable_bytes == before.reclaimable_bytes);
  REQUIRE(rig.store->Scrub("", kRoomy).ok());
  CHECK(rig.observer.seen("blob.index_damaged") == 1);
}

TEST_CASE("a large blob that is named twice in one batch is stored once, and a damaged one again") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(700'000, 1);
  const std::pair<base::ContentId, base::ByteView> blob(sample.id, sample.bytes);
  REQUIRE(rig.store->PutMany({blob, blob}).ok());
  CHECK(rig.store->Usage().blobs == 1);
  CHECK(rig.PackBytes() < 800'000);
  rig.Flip(sample.bytes, 77);
  CHECK_FALSE(rig.store->Read(sample.id, kRoomy).ok());
  REQUIRE(rig.store->PutMany({blob, blob}).ok());
  CHECK(rig.Reads(sample));
  CHECK(rig.store->Usage().damaged == 0);
}

}  // namespace cairn::storage
