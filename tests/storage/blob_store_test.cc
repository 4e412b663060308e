// The implementations of the blob store: each under the common suite, and the disk store's own
// promises.
#include "cairn/storage/blob_store.h"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <latch>
#include <mutex>
#include <thread>

#include "cairn/base/codec.h"
#include "cairn/storage/faulty_blob_store.h"
#include "cairn/storage/memory_blob_store.h"
#include "libstorage/src/blob/pack_format.h"
#include "storage/blob_rig.h"
#include "support/forwarding_disk.h"
#include "support/forwarding_kv.h"
#include "support/temp_dir.h"

namespace cairn::storage {
namespace {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::ReadRange;
using blob_store_suite::ReceiveSlice;
using blob_store_suite::Sample;

// A store that owns its rig.
class RiggedStore final : public BlobStore {
 public:
  RiggedStore(uint64_t quota, uint64_t pack_bytes) {
    auto options = SmallPacks();
    options.quota_bytes = quota;
    options.pack_bytes = pack_bytes;
    REQUIRE(rig_.Open(options).ok());
  }
  base::StoreId store_id() const override { return rig_.store->store_id(); }
  absl::StatusOr<Durable> Put(const base::ContentId& id, base::ByteView b) override {
    return rig_.store->Put(id, b);
  }
  absl::StatusOr<Durable> PutMany(
      absl::Span<const std::pair<base::ContentId, base::ByteView>> b) override {
    return rig_.store->PutMany(b);
  }
  absl::StatusOr<std::unique_ptr<BlobWriter>> Begin(const base::ContentId& id,
                                                    uint64_t size) override {
    return rig_.store->Begin(id, size);
  }
  absl::Status DropPartial(const base::ContentId& id) override {
    return rig_.store->DropPartial(id);
  }
  absl::StatusOr<std::vector<PartialBlob>> Partials() override { return rig_.store->Partials(); }
  absl::StatusOr<Durable> Confirm(const base::ContentId& id) override {
    return rig_.store->Confirm(id);
  }
  absl::StatusOr<BlobInfo> Stat(const base::ContentId& id) override { return rig_.store->Stat(id); }
  absl::Status ReadRange(const base::ContentId& id, base::ByteRange r,
                         const ByteSink& sink) override {
    return rig_.store->ReadRange(id, r, sink);
  }
  absl::Status ReadSlice(const base::ContentId& id, base::ByteRange r,
                         const ByteSink& sink) override {
    return rig_.store->ReadSlice(id, r, sink);
  }
  absl::StatusOr<Durable> DeleteMany(absl::Span<const base::ContentId> ids) override {
    return rig_.store->DeleteMany(ids);
  }
  absl::StatusOr<std::vector<BlobInfo>> List(const base::ContentId& after, size_t limit) override {
    return rig_.store->List(after, limit);
  }
  BlobUsage Usage() override { return rig_.store->Usage(); }
  absl::StatusOr<uint64_t> Compact(uint64_t budget) override { return rig_.store->Compact(budget); }
  absl::StatusOr<ScrubReport> Scrub(absl::string_view cursor, uint64_t budget) override {
    return rig_.store->Scrub(cursor, budget);
  }

 private:
  BlobRig rig_;
};

}  // namespace

TEST_CASE("the memory store keeps the promises of a blob store") {
  blob_store_suite::Run([](uint64_t quota) { return NewMemoryBlobStore({}, quota); });
}

TEST_CASE("the disk store keeps the promises of a blob store") {
  const uint64_t pack_bytes = GENERATE(600'000, 256 << 20);
  blob_store_suite::Run(
      [=](uint64_t quota) { return std::make_unique<RiggedStore>(quota, pack_bytes); });
}

TEST_CASE("a faulty store without faults keeps the promises of a blob store") {
  std::vector<std::unique_ptr<BlobStore>> inner;
  blob_store_suite::Run([&](uint64_t quota) {
    inner.push_back(NewMemoryBlobStore({}, quota));
    return std::make_unique<FaultyBlobStore>(*inner.back());
  });
}

TEST_CASE("a faulty store fails as it is told and mends what is stored again") {
  const auto inner = NewMemoryBlobStore({});
  FaultyBlobStore store(*inner);
  const Sample sample = MakeSample(1'000, 1);
  store.FailNext(FaultyBlobStore::Call::kPut, 2, absl::UnavailableError("pulled"), 1);
  CHECK(store.Put(sample.id, sample.bytes).ok());
  CHECK(absl::IsUnavailable(store.Put(sample.id, sample.bytes).status()));
  CHECK(absl::IsUnavailable(store.Put(sample.id, sample.bytes).status()));
  CHECK(store.Put(sample.id, sample.bytes).ok());
  CHECK(store.calls(FaultyBlobStore::Call::kPut) == 4);
  store.Corrupt(sample.id);
  CHECK(base::ReasonOf(store.Read(sample.id, kRoomy).status()) == "BLOB_DAMAGED");
  CHECK(store.Scrub("", kRoomy)->damaged.size() == 1);
  CHECK(store.Put(sample.id, sample.bytes).ok());
  CHECK(store.Read(sample.id, kRoomy).ok());
}

TEST_CASE(
    "a store on a real disk is there again after a restart, and its accounting is the file "
    "system's") {
  TempDir temp;
  base::SeededEntropy entropy(1);
  auto store = DiskBlobStore::OpenAt(temp.path(), entropy, base::NullObserver());
  REQUIRE(store.ok());
  const base::StoreId id = (*store)->store_id();
  CHECK(
      base::ReasonOf(DiskBlobStore::OpenAt(temp.path(), entropy, base::NullObserver()).status()) ==
      "STORE_LOCKED");
  std::vector<Sample> samples;
  for (size_t size : blob_store_suite::Sizes()) samples.push_back(MakeSample(size, size));
  for (const Sample& sample : samples) REQUIRE((*store)->Put(sample.id, sample.bytes).ok());
  const auto bytes_on_disk = [&] {
    uint64_t total = 0;
    for (const auto& entry : std::filesystem::directory_iterator(temp.path() + "/packs"))
      total += entry.file_size();
    return total;
  };
  CHECK((*store)->Usage().disk_bytes == bytes_on_disk());
  for (int round = 0; round < 2; ++round) {
    store->reset();
    // The second time the index is damaged beyond use: it is built anew.
    if (round == 1)
      std::ofstream(temp.path() + "/index/data.mdb", std::ios::trunc) << std::string(65'536, 'x');
    store = DiskBlobStore::OpenAt(temp.path(), entropy, base::NullObserver());
    REQUIRE(store.ok());
    CHECK((*store)->store_id() == id);
    CHECK_FALSE((*store)->lost());
    CheckReads(**store, samples);
    CHECK((*store)->Usage().disk_bytes == bytes_on_disk());
  }
  REQUIRE((*store)->Delete(samples.back().id).ok());
  CHECK((*store)->Usage().reclaimable_bytes >= samples.back().bytes.size());
  const uint64_t before = bytes_on_disk();
  const auto freed = (*store)->Compact(kRoomy);
  REQUIRE(freed.ok());
  CHECK(*freed >= samples.back().bytes.size());
  CHECK(bytes_on_disk() <= before - *freed + 64);  // the header of a new pack
  CHECK((*store)->Usage().disk_bytes == bytes_on_disk());
}

TEST_CASE("the index is rebuilt from the packs alone, deletes and compactions included") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  std::vector<Sample> kept;
  std::vector<base::ContentId> gone;
  for (uint64_t i = 0; i < 120; ++i) {
    const Sample sample = MakeSample(i % 11 == 0 ? 270'000 : 3'000 + i, i);
    REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
    // Some are put again after a delete: the later record counts.
    if (i % 3 != 0) REQUIRE(rig.store->Delete(sample.id).ok());
    if (i % 3 == 1) REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
    i % 3 == 2 ? gone.push_back(sample.id) : kept.push_back(sample);
    if (i % 25 == 24) REQUIRE(rig.store->Compact(kRoomy).ok());
  }
  const auto listed = blob_store_suite::ListAll(*rig.store, 7);
  const BlobUsage usage = rig.store->Usage();
  for (int round = 0; round < 3; ++round) {
    rig.LoseIndex();
    REQUIRE(rig.Open().ok());
    CHECK(blob_store_suite::ListAll(*rig.store, 50) == listed);
    CHECK(rig.store->Usage().blobs == usage.blobs);
    CHECK(rig.store->Usage().live_bytes == usage.live_bytes);
    CHECK(rig.store->Usage().disk_bytes == rig.PackBytes());
    CheckReads(*rig.store, kept);
    for (const base::ContentId& id : gone) CHECK(absl::IsNotFound(rig.store->Stat(id).status()));
    REQUIRE(rig.store->Compact(kRoomy).ok());
  }
  CHECK(rig.observer.seen("blob.pack_damaged") == 0);
}

TEST_CASE("tombstones go when nothing is left that they killed") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  for (uint64_t round = 0; round < 20; ++round) {
    std::vector<base::ContentId> ids;
    for (uint64_t i = 0; i < 60; ++i) {
      const Sample sample = MakeSample(5'000, round * 100 + i);
      REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
      ids.push_back(sample.id);
    }
    REQUIRE(rig.store->DeleteMany(ids).ok());
    REQUIRE(rig.store->Compact(kRoomy).ok());
  }
  // 1,200 blobs came and went; a tombstone that stayed for each would take 105,600 bytes.
  CHECK(rig.store->Usage().disk_bytes < 20'000);
  CHECK(rig.store->Usage().disk_bytes == rig.PackBytes());
}

TEST_CASE("bytes that look like a record are never taken for one") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample victim = MakeSample(1'000, 1);
  REQUIRE(rig.store->Put(victim.id, victim.bytes).ok());
  REQUIRE(rig.store->Delete(victim.id).ok());
  REQUIRE(rig.store->Put(victim.id, victim.bytes).ok());
  // Another store's whole pack, tombstone included, comes as the content of a blob; the record
  // around it is damaged.
  BlobRig forger;
  forger.entropy.DrawNumber();  // another salt
  REQUIRE(forger.Open().ok());
  for (int i = 0; i < 9; ++i) {
    REQUIRE(forger.store->Put(victim.id, victim.bytes).ok());
    REQUIRE(forger.store->Delete(victim.id).ok());
  }
  auto file = forger.sim.Open("packs/00000001.pack", base::OpenMode::kRead).value();
  base::Bytes pack(file->Size().value());
  REQUIRE(file->ReadAt(0, absl::MakeSpan(pack)).ok());
  const base::ContentId forged = base::ContentId::Of(pack);
  REQUIRE(rig.store->Put(forged, pack).ok());
  rig.Flip(pack, -20);
  rig.LoseIndex();
  REQUIRE(rig.Open().ok());
  CheckReads(*rig.store, {victim});
  CHECK(absl::IsNotFound(rig.store->Stat(forged).status()));
  CHECK(rig.observer.seen("blob.pack_damaged") + rig.observer.seen("blob.tail_mended") > 0);
}

TEST_CASE(
    "a store whose packs are gone has a new id and says so; a missing pack damages its blobs") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  std::vector<Sample> samples;
  for (uint64_t i = 0; i < 10; ++i) samples.push_back(MakeSample(200'000, i));
  for (const Sample& sample : samples) REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
  const base::StoreId first = rig.store->store_id();
  rig.store.reset();
  REQUIRE(rig.sim.Remove("packs/00000002.pack").ok());
  REQUIRE(rig.Open().ok());
  CHECK_FALSE(rig.store->lost());
  CHECK(rig.observer.seen("blob.pack_missing") == 1);
  CHECK(rig.store->Usage().damaged > 0);
  CHECK(rig.store->Usage().disk_bytes == rig.PackBytes());
  for (const Sample& sample : samples) {
    const auto read = rig.store->Read(sample.id, kRoomy);
    if (!read.ok()) CHECK(base::ReasonOf(read.status()) == "BLOB_DAMAGED");
    REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
  }
  CheckReads(*rig.store, samples);

  const bool index_too = GENERATE(false, true);
  rig.store.reset();
  const std::vector<std::string> packs = rig.sim.List("packs").value();
  for (const std::string& pack : packs) REQUIRE(rig.sim.Remove("packs/" + pack).ok());
  if (index_too) rig.LoseIndex();
  REQUIRE(rig.Open().ok());
  CHECK(rig.store->lost());
  CHECK(rig.store->store_id() != first);
  CHECK(rig.store->Usage().blobs == 0);
  REQUIRE(rig.store->Put(samples[0].id, samples[0].bytes).ok());
  REQUIRE(rig.Open().ok());
  CHECK_FALSE(rig.store->lost());
  CheckReads(*rig.store, {samples[0]});
}

TEST_CASE("an index of another store, or one that knows too much, is built anew") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample first = MakeSample(5'000, 1), second = MakeSample(5'000, 2);
  REQUIRE(rig.store->Put(first.id, first.bytes).ok());
  rig.store.reset();
  auto backup = rig.sim.Open("packs/00000001.pack", base::OpenMode::kReadWrite).value();
  const uint64_t size = backup->Size().value();
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.store->Put(second.id, second.bytes).ok());
  rig.store.reset();
  // The packs go back in time, as after restoring an older copy of them.
  REQUIRE(backup->Truncate(size).ok());
  REQUIRE(rig.Open().ok());
  CheckReads(*rig.store, {first});
  CHECK(absl::IsNotFound(rig.store->Stat(second.id).status()));
  CHECK(rig.observer.seen("blob.index_rebuild") == 2);
}

namespace {

// Meets a key that no search finds, as in a tree that is damaged.
class StubbornKv final : public base::ForwardingKv {
 public:
  explicit StubbornKv(const std::string& key) {
    base::KvBatch batch;
    batch.Put(key, "value");
    REQUIRE(ForwardingKv::Commit(batch).ok());
  }
  absl::Status Commit(const base::KvBatch& batch, bool durable) override {
    base::KvBatch taken;
    for (const auto& [key, value] : batch.changes()) {
      if (value.has_value()) taken.Put(key, *value);
    }
    return ForwardingKv::Commit(taken, durable);
  }
};

}  // namespace

TEST_CASE("an index that cannot be emptied is refused, and not emptied for ever") {
  BlobRig rig;
  rig.kv = std::make_unique<StubbornKv>("q" + std::string(32, 'x'));
  CHECK(base::ReasonOf(rig.Open()) == "INDEX_DAMAGED");
}

TEST_CASE("puts from many threads share their syncs") {
  BlobRig rig;
  REQUIRE(rig.Open({.reserve_bytes = 0}).ok());
  constexpr int kThreads = 16, kEach = 40;
  std::latch start(kThreads);
  const uint64_t before = rig.sim.sync_count();
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Sample> samples;
      for (int i = 0; i < kEach; ++i)
        samples.push_back(MakeSample(4'096, static_cast<uint64_t>(t * kEach + i)));
      start.arrive_and_wait();
      for (const Sample& sample : samples) failed += !rig.store->Put(sample.id, sample.bytes).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(rig.sim.sync_count() - before <= kThreads * kEach);
  // A batch needs one, however large.
  std::vector<Sample> samples;
  std::vector<std::pair<base::ContentId, base::ByteView>> batch;
  for (uint64_t i = 0; i < 256; ++i) samples.push_back(MakeSample(4'096, 100'000 + i));
  for (const Sample& sample : samples) batch.emplace_back(sample.id, sample.bytes);
  const uint64_t before_batch = rig.sim.sync_count();
  REQUIRE(rig.store->PutMany(batch).ok());
  CHECK(rig.sim.sync_count() - before_batch == 1);
  // Nothing new, nothing to sync.
  REQUIRE(rig.store->PutMany(batch).ok());
  CHECK(rig.sim.sync_count() - before_batch == 1);
}

namespace {

// Its first sync ends only when two more writes have come, its second one only when that has been looked at.
class SlowSyncs final : public base::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  void Arm() { armed_ = true; }
  void AwaitWrites(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return writes_ >= count; });
  }
  // True when `done` came true while the second sync had not ended yet.
  bool early() const { return early_; }
  bool stalled() const { return stalled_; }
  std::atomic<bool> done = false;

 private:
  class SlowFile final : public base::ForwardingFile {
   public:
    SlowFile(SlowSyncs& disk, std::unique_ptr<base::File> inner) : ForwardingFile(std::move(inner)), disk_(disk) {}
    absl::Status WriteAt(uint64_t offset, base::ByteView bytes) override {
      const absl::Status status = ForwardingFile::WriteAt(offset, bytes);
      disk_.OnWrite();
      return status;
    }
    absl::Status Sync() override {
      const absl::Status status = ForwardingFile::Sync();
      disk_.OnSynced();
      return status;
    }

   private:
    SlowSyncs& disk_;
  };
  std::unique_ptr<base::File> Wrap(std::unique_ptr<base::File> file) override {
    return std::make_unique<SlowFile>(*this, std::move(file));
  }

  void OnWrite() {
    std::lock_guard lock(mutex_);
    writes_ += armed_;
    changed_.notify_all();
  }
  void OnSynced() {
    if (!armed_) return;
    const int sync = ++syncs_;
    std::unique_lock lock(mutex_);
    if (sync == 1) stalled_ = !changed_.wait_for(lock, std::chrono::seconds(60), [&] { return writes_ >= 3; });
    // Who is told too early is told at once; who is not, waits for this sync.
    if (sync == 2) early_ = changed_.wait_for(lock, std::chrono::milliseconds(300), [&] { return done.load(); });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> armed_ = false;
  int writes_ = 0;
  std::atomic<int> syncs_ = 0;
  std::atomic<bool> early_ = false;
  std::atomic<bool> stalled_ = false;  // nobody wrote while somebody synced
};

}  // namespace

TEST_CASE("what is written while a sync is under way waits for the next one") {
  BlobRig rig;
  SlowSyncs disk(rig.sim);
  rig.other_disk = &disk;
  REQUIRE(rig.Open({.reserve_bytes = 0}).ok());
  std::vector<Sample> samples;
  for (uint64_t i = 0; i < 81; ++i) samples.push_back(MakeSample(4'096, i));
  // More than a group gathers while somebody syncs (128 KiB).
  const auto put = [&](size_t from, size_t to) {
    std::vector<std::pair<base::ContentId, base::ByteView>> batch;
    for (size_t i = from; i < to; ++i) batch.emplace_back(samples[i].id, samples[i].bytes);
    return rig.store->PutMany(batch).ok();
  };
  std::atomic<int> failed = 0;
  disk.Arm();
  std::thread first([&] { failed += !put(0, 1); });
  disk.AwaitWrites(1);
  std::thread second([&] {
    failed += !put(1, 41);
    disk.done = true;
  });
  disk.AwaitWrites(2);
  std::thread third([&] { failed += !put(41, 81); });  // written once the second is waiting
  for (std::thread* thread : {&first, &second, &third}) thread->join();
  CHECK(failed == 0);
  CHECK_FALSE(disk.stalled());
  CHECK_FALSE(disk.early());
  rig.other_disk = nullptr;
  rig.store.reset();
}

TEST_CASE("a blob that is written gives back what it did not need of its room, and nothing of what another was promised") {
  const Sample ours = MakeSample(3'300'000, 1), theirs = MakeSample(900'000, 2), small = MakeSample(1, 3);
  const auto write = [&](BlobStore& store, bool at_once) {
    if (at_once) return store.Put(ours.id, ours.bytes).status();
    auto writer = store.Begin(ours.id, ours.bytes.size()).value();
    const absl::Status written = writer->Append(ours.bytes);
    return written.ok() ? writer->Commit().status() : written;
  };
  for (const bool at_once : {false, true}) {
    // Once to learn what it takes, then with so much room and a little more.
    uint64_t quota = 100'000'000;
    for (const bool tight : {false, true}) {
      BlobRig rig;
      DiskBlobStoreOptions options = SmallPacks();
      options.quota_bytes = quota;
      REQUIRE(rig.Open(options).ok());
      const auto promised = rig.store->Begin(theirs.id, theirs.bytes.size());
      REQUIRE(promised.ok());
      REQUIRE(write(*rig.store, at_once).ok());
      const uint64_t taken = rig.store->Usage().disk_bytes + FootprintBytes(theirs.bytes.size());
      if (tight) {
        const uint64_t room = quota - taken - kRecordHeaderBytes;
        CHECK(base::ReasonOf(rig.store->Begin(small.id, room + 1).status()) == "QUOTA_EXCEEDED");
        CHECK(rig.store->Begin(small.id, room).ok());
      }
      quota = taken + 10'000;
    }
  }
}

TEST_CASE("a full disk refuses, loses nothing, and takes blobs again when there is room") {
  BlobRig rig(3'000'000);
  const bool told_before = GENERATE(true, false);
  auto options = SmallPacks();
  options.reserve_bytes = told_before ? 200'000 : 0;
  REQUIRE(rig.Open(options).ok());
  std::vector<Sample> stored;
  bool full = false;
  for (uint64_t i = 0; i < 100 && !full; ++i) {
    const Sample sample = MakeSample(i % 4 == 3 ? 300'000 : 60'000, i);
    const auto put = rig.store->Put(sample.id, sample.bytes);
    if (put.ok()) {
      stored.push_back(sample);
    } else {
      CHECK(base::ReasonOf(put.status()) == "DISK_FULL");
      full = true;
    }
  }
  REQUIRE(full);
  REQUIRE(stored.size() > 10);
  CheckReads(*rig.store, stored);
  CHECK(rig.store->Usage().disk_bytes == rig.PackBytes());
  REQUIRE(rig.Open(options).ok());
  CheckReads(*rig.store, stored);
  if (!told_before) return;  // compaction needs a little room
  std::vector<base::ContentId> gone;
  for (size_t i = 0; i < 8; ++i) gone.push_back(stored[i].id);
  REQUIRE(rig.store->DeleteMany(gone).ok());
  REQUIRE(rig.store->Compact(kRoomy).ok());
  stored.erase(stored.begin(), stored.begin() + 8);
  stored.push_back(MakeSample(300'000, 999));
  REQUIRE(rig.store->Put(stored.back().id, stored.back().bytes).ok());
  CheckReads(*rig.store, stored);
}

TEST_CASE("an index that is wrong about a pack costs no time and no more than an error, and what a cut pack has lost is found") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  std::vector<Sample> samples;
  for (uint64_t i = 0; i < 8; ++i) {
    samples.push_back(MakeSample(200'000, i));
    REQUIRE(rig.store->Put(samples.back().id, samples.back().bytes).ok());
  }
  REQUIRE(rig.store->Checkpoint().ok());
  rig.store.reset();
  const std::string path = rig.FindOnDisk(samples[0].bytes).first;
  SECTION("the index says that a pack is huge") {
    const uint64_t claimed = GENERATE(uint64_t{1} << 29, uint64_t{1} << 60);
    base::Writer stats;
    stats.U64(claimed);
    stats.U64(600'000);
    base::KvBatch batch;
    batch.Put(std::string("k\0\0\0\1", 5), base::AsText(stats.view()));
    REQUIRE(rig.kv->Commit(batch).ok());
    REQUIRE(rig.Open().ok());
    CheckReads(*rig.store, samples);
    const auto report = rig.store->Scrub("", kRoomy);
    REQUIRE(report.ok());
    CHECK((report->finished && report->damaged.empty() && report->checked_blobs == samples.size()));
  }
  SECTION("a key is cut") {
    const char table = GENERATE('b', 'i', 'p', 'c', 'k');
    base::KvBatch batch;
    batch.Put(std::string(1, table) + "abc", std::string(24, '\1'));
    REQUIRE(rig.kv->Commit(batch).ok());
    if (const absl::Status opened = rig.Open(); !opened.ok()) {
      CHECK(base::ReasonOf(opened) == "INDEX_DAMAGED");
    } else {
      CheckReads(*rig.store, samples);
    }
  }
  SECTION("the end of a pack is gone") {
    auto file = rig.sim.Open(path, base::OpenMode::kReadWrite);
    REQUIRE((file.ok() && (*file)->Truncate(150'000).ok()));
    REQUIRE(rig.Open().ok());
    const auto report = rig.store->Scrub("", kRoomy);
    REQUIRE(report.ok());
    CHECK(report->finished);
    CHECK(report->damaged.size() == 2);  // a pack of 600,000 bytes holds two such blobs
    CHECK(rig.store->Usage().damaged == 2);
  }
}

TEST_CASE("after a failed sync nothing is acknowledged any more, and what was still reads") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample first = MakeSample(5'000, 1), second = MakeSample(5'000, 2);
  REQUIRE(rig.store->Put(first.id, first.bytes).ok());
  rig.sim.FailAfter(base::SimDisk::Op::kSync, 0, absl::InternalError("I/O error"));
  CHECK(base::ReasonOf(rig.store->Put(second.id, second.bytes).status()) == "STORE_POISONED");
  rig.sim.FailAfter(base::SimDisk::Op::kSync, 0, absl::OkStatus());
  CHECK(base::ReasonOf(rig.store->Put(second.id, second.bytes).status()) == "STORE_POISONED");
  CHECK(base::ReasonOf(rig.store->Confirm(second.id).status()) == "STORE_POISONED");
  CHECK(base::ReasonOf(rig.store->Delete(first.id).status()) == "STORE_POISONED");
  CHECK(rig.observer.seen("blob.poisoned") == 1);
  CheckReads(*rig.store, {first});
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.store->Put(second.id, second.bytes).ok());
  CheckReads(*rig.store, {first, second});
}

TEST_CASE("what a failed sync left in memory is written again before it is acknowledged") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample first = MakeSample(5'000, 1), second = MakeSample(5'000, 2);
  REQUIRE(rig.store->Put(first.id, first.bytes).ok());
  rig.sim.FailAfter(base::SimDisk::Op::kSync, 0, absl::InternalError("I/O error"));
  CHECK_FALSE(rig.store->Put(second.id, second.bytes).ok());
  rig.sim.FailAfter(base::SimDisk::Op::kSync, 0, absl::OkStatus());
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.store->Put(second.id, second.bytes).ok());
  rig.sim.Crash([](size_t) { return false; });
  REQUIRE(rig.Open().ok());
  CheckReads(*rig.store, {first, second});
}

TEST_CASE("whichever sync fails, what is acknowledged after the restart outlasts a power cut") {
  const auto op = GENERATE(base::SimDisk::Op::kSync, base::SimDisk::Op::kSyncDir);
  const bool checkpoint = GENERATE(true, false), deletes = GENERATE(true, false);
  for (uint64_t after = 0;; ++after) {
    BlobRig rig;
    REQUIRE(rig.Open().ok());
    rig.sim.FailAfter(op, after, absl::InternalError("I/O error"));
    std::vector<Sample> stored;
    const auto put = [&](uint64_t seed) {
      Sample sample = MakeSample(130'000, seed);  // the packs of the rig hold four
      const bool done = rig.store->Put(sample.id, sample.bytes).ok();
      if (done) stored.push_back(std::move(sample));
      return done;
    };
    uint64_t seed = 0;
    bool failed = false;
    for (; seed < 14 && !failed; ++seed) {
      failed = !put(seed);
      if (!failed && checkpoint && seed % 3 == 2) failed = !rig.store->Checkpoint().ok();
      if (!failed && deletes && seed % 4 == 3) {
        failed = !rig.store->Delete(stored.front().id).ok();
        stored.erase(stored.begin());  // after a failure it may be either way
      }
    }
    if (!failed) {
      CHECK(after > 1);
      break;
    }
    rig.sim.FailAfter(op, 0, absl::OkStatus());
    INFO("the failing sync is number " << after);
    REQUIRE(rig.Open().ok());
    // What had failed is tried again, as callers do; then more comes.
    for (uint64_t again = seed - 1; again < seed + 3; ++again) REQUIRE(put(again));
    rig.sim.Crash([](size_t) { return false; });
    REQUIRE(rig.Open().ok());
    CheckReads(*rig.store, stored);
  }
}

TEST_CASE("a blob that had arrived in part goes on after a restart, with and without the index") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(5'300'000, 1);
  {
    auto writer = rig.store->Begin(sample.id, sample.bytes.size());
    REQUIRE(writer.ok());
    REQUIRE((*writer)->Append(base::ByteView(sample.bytes).subspan(0, 4'000'000)).ok());
  }
  if (GENERATE(true, false)) rig.LoseIndex();
  REQUIRE(rig.Open().ok());
  if (GENERATE(true, false)) rig.Flip(base::ByteView(sample.bytes).subspan(1'100'000), 0);
  auto writer = rig.store->Begin(sample.id, sample.bytes.size());
  REQUIRE(writer.ok());
  const uint64_t held = (*writer)->offset();
  CHECK((held == 3 << 20 || held == 1 << 20));
  REQUIRE((*writer)->Append(base::ByteView(sample.bytes).subspan(held)).ok());
  REQUIRE((*writer)->Commit().ok());
  writer->reset();
  CheckReads(*rig.store, {sample});
  CHECK(rig.store->Partials().value().empty());
}

}  // namespace cairn::storage
