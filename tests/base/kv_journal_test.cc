// A key-value store behind a journal: what it promises beyond kv_test's suite, and what a crash or a damaged file leaves.
#include <cerrno>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "conformance/kv_suite.h"
#include "failing_sync.h"
#include "support/temp_dir.h"
#include "vectors.h"

namespace cairn::base {
namespace {

using kv_suite::Contents;
using kv_suite::Model;
using kv_suite::Put;

constexpr char kPath[] = "journal";

// A store below that is never lost, and a disk that is.
struct Rig {
  std::shared_ptr<Kv> below = NewMemoryKv();
  std::shared_ptr<SimDisk> disk = std::make_shared<SimDisk>();
  std::unique_ptr<Kv> kv;

  absl::Status TryOpen(uint64_t bytes = 4 * kBlockBytes) {
    kv.reset();
    auto opened = OpenJournaledKv(below, disk, kPath, bytes);
    if (opened.ok()) kv = *std::move(opened);
    return opened.status();
  }
  Model Reopened() {
    REQUIRE(TryOpen().ok());
    return Contents(*kv->Snapshot());
  }
};

absl::Status CommitOne(Kv& kv, const std::string& key, const std::string& value, bool durable = true) {
  KvBatch batch;
  batch.Put(key, value);
  return kv.Commit(batch, durable);
}

TEST_CASE("a store behind a journal keeps the promises of a key-value store, however often the journal is full") {
  for (const uint64_t blocks : {3, 64}) {
    kv_suite::Run([&] {
      return *OpenJournaledKv(NewMemoryKv(), std::make_shared<SimDisk>(), kPath, blocks * kBlockBytes);
    });
  }
  TempDir temp(MemoryFolder());
  int stores = 0;
  kv_suite::Run([&] {
    return *OpenLmdb(absl::StrCat(temp.path(), "/", stores++), {.journal_bytes = 4 * kBlockBytes});
  });
}

TEST_CASE("walks go both ways over what the journal holds and what lies below") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    Rig rig;
    REQUIRE(rig.TryOpen(1 << 20).ok());
    Model model;
    const auto change = [&] {
      KvBatch batch;
      for (int i = 0; i < 12; ++i) {
        const std::string key(1, static_cast<char>('a' + random() % 20));
        if (random() % 3 == 0) {
          batch.Delete(key);
          model.erase(key);
        } else {
          batch.Put(key, model[key] = std::to_string(random() % 100));
        }
      }
      REQUIRE(rig.kv->Commit(batch).ok());
    };
    change();
    REQUIRE(rig.TryOpen(1 << 20).ok());  // the first changes are below now
    change();
    CHECK(*rig.kv->EntryCount() == model.size());
    const auto snapshot = rig.kv->Snapshot();
    const auto cursor = snapshot->NewCursor();
    auto at = model.end();
    for (int step = 0; step < 200; ++step) {
      const std::string key(1, static_cast<char>('a' + random() % 21));
      switch (random() % 4) {
        case 0:
          cursor->Seek(key);
          at = model.lower_bound(key);
          break;
        case 1:
          cursor->SeekBefore(key);
          at = model.lower_bound(key);
          at = at == model.begin() ? model.end() : std::prev(at);
          break;
        case 2:
          cursor->Next();
          if (at != model.end()) ++at;
          break;
        default:
          cursor->Prev();
          if (at != model.end()) at = at == model.begin() ? model.end() : std::prev(at);
      }
      REQUIRE(cursor->Valid() == (at != model.end()));
      if (!cursor->Valid()) continue;
      REQUIRE(cursor->key() == at->first);
      REQUIRE(cursor->value() == at->second);
    }
  }
}

TEST_CASE("a durable commit behind a journal costs one sync, any other none, and the file does not grow") {
  TempDir temp;
  const auto kv = *OpenLmdb(temp.path(), {.journal_bytes = 64 * kBlockBytes});
  const auto size = [&] { return *(*OpenPosixDisk(temp.path())->Open(kPath, OpenMode::kRead))->Size(); };
  CHECK(size() == 64 * kBlockBytes);
  const auto syncs_of = [&](bool durable) {
    const int before = SyncsDone();
    REQUIRE(CommitOne(*kv, "a", std::string(1000, 'x'), durable).ok());
    return SyncsDone() - before;
  };
  for (int i = 0; i < 20; ++i) {
    CHECK(syncs_of(true) == 1);
    CHECK(syncs_of(false) == 0);
  }
  CHECK(size() == 64 * kBlockBytes);
}

TEST_CASE("a commit that the journal cannot hold is there all the same, after a restart too") {
  Rig rig;
  REQUIRE(rig.TryOpen().ok());
  Put(*rig.kv, "a", "1");
  Put(*rig.kv, "big", std::string(100'000, 'x'));
  Put(*rig.kv, "b", "2");
  const Model all = {{"a", "1"}, {"b", "2"}, {"big", std::string(100'000, 'x')}};
  CHECK(Contents(*rig.kv->Snapshot()) == all);
  CHECK(rig.Reopened() == all);
}

TEST_CASE("after a crash a store behind a journal has every durable commit, in order, and nothing halfway") {
  const uint64_t seed = std::random_device()();
  std::cout << "journal seed " << seed << "\n";
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    INFO("seed " << seed << " round " << round);
    Rig rig;
    REQUIRE(rig.TryOpen().ok());
    std::vector<Model> versions = {{}};
    size_t durable = 0;
    for (int life = 0; life < 4; ++life) {
      for (uint64_t commits = random() % 12; commits > 0; --commits) {
        KvBatch batch;
        Model next = versions.back();
        for (int i = 0; i < 3; ++i) {
          const std::string key = absl::StrCat("key ", random() % 9);
          batch.Put(key, next[key] = std::string(random() % 3000, static_cast<char>('a' + random() % 26)));
        }
        const bool lasts = random() % 2 == 0;
        REQUIRE(rig.kv->Commit(batch, lasts).ok());
        versions.push_back(std::move(next));
        if (lasts) durable = versions.size() - 1;
      }
      rig.kv.reset();
      rig.disk->Crash([&](size_t) { return random() % 2 == 0; });
      const Model found = rig.Reopened();
      const auto same = std::find(versions.begin() + static_cast<ptrdiff_t>(durable), versions.end(), found);
      REQUIRE(same != versions.end());
      // What was found is there for good: opening made it so.
      versions = {found};
      durable = 0;
    }
  }
}

TEST_CASE("a record that is broken though it was durable is damage, and so is a journal that is gone or too new") {
  Rig rig;
  REQUIRE(rig.TryOpen(16 * kBlockBytes).ok());
  for (int i = 0; i < 5; ++i) Put(*rig.kv, absl::StrCat("key ", i), "value");
  rig.kv.reset();
  REQUIRE(rig.disk->Corrupt(kPath, 2 * kBlockBytes + 40, 1).ok());
  CHECK(ReasonOf(rig.TryOpen()) == "STORE_DAMAGED");
  REQUIRE(rig.disk->Corrupt(kPath, 2 * kBlockBytes + 40, 1).ok());
  CHECK(rig.Reopened().size() == 5);

  Put(*rig.kv, "new", "1");
  rig.kv.reset();
  const std::shared_ptr<Kv> old = NewMemoryKv();
  CHECK(ReasonOf(OpenJournaledKv(old, rig.disk, kPath).status()) == "STORE_DAMAGED");
  REQUIRE(rig.disk->Remove(kPath).ok());
  CHECK(ReasonOf(rig.TryOpen()) == "STORE_DAMAGED");
}

TEST_CASE("a store that had a journal is opened with it, whether it is asked for or not") {
  TempDir temp;
  const auto open = [&](uint64_t journal) { return *OpenLmdb(temp.path(), {.journal_bytes = journal}); };
  Put(*open(0), "a", "1");
  Put(*open(1 << 16), "b", "2");
  const Model both = {{"a", "1"}, {"b", "2"}};
  CHECK(Contents(*open(0)->Snapshot()) == both);
  CHECK(*open(0)->EntryCount() == 2);
  REQUIRE(OpenPosixDisk(temp.path())->Remove(kPath).ok());
  CHECK(ReasonOf(OpenLmdb(temp.path()).status()) == "STORE_DAMAGED");
}

TEST_CASE("the journal's own key is neither seen nor taken") {
  Rig rig;
  REQUIRE(rig.TryOpen().ok());
  Put(*rig.kv, "a", "1");
  const std::string own("\xff" "journal");
  CHECK(Contents(*rig.below->Snapshot()).count(own) == 1);
  CHECK(ReasonOf(CommitOne(*rig.kv, own, "1")) == "RESERVED_KEY");
  CHECK(kv_suite::Get(*rig.kv->Snapshot(), own) == std::nullopt);
  CHECK(Contents(*rig.kv->Snapshot()) == Model{{"a", "1"}});
}

TEST_CASE("a full disk leaves a store behind a journal as it was, a sync that fails ends it") {
  Rig rig;
  REQUIRE(rig.TryOpen().ok());
  Put(*rig.kv, "a", "1");
  rig.disk->FailAfter(SimDisk::Op::kWrite, 0, Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "full"));
  CHECK(ReasonOf(CommitOne(*rig.kv, "b", "2")) == "DISK_FULL");
  rig.disk->FailAfter(SimDisk::Op::kWrite, 0, absl::OkStatus());
  CHECK(Contents(*rig.kv->Snapshot()) == Model{{"a", "1"}});
  Put(*rig.kv, "c", "3");
  rig.disk->FailAfter(SimDisk::Op::kSync, 0, Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "full"));
  CHECK(ReasonOf(CommitOne(*rig.kv, "d", "4")) == "IO_ERROR");
  rig.disk->FailAfter(SimDisk::Op::kSync, 0, absl::OkStatus());
  CHECK(ReasonOf(CommitOne(*rig.kv, "e", "5")) == "STORE_FAILED");
  CHECK(ReasonOf(rig.kv->Sync()) == "STORE_FAILED");
  CHECK(Contents(*rig.kv->Snapshot()) == Model{{"a", "1"}, {"c", "3"}});
}

TEST_CASE("the bytes of a journal are those of the format table: golden file") {
  Rig rig;
  REQUIRE(rig.TryOpen(3 * kBlockBytes).ok());
  KvBatch batch;
  batch.Put("a", "one");
  batch.Delete("b");
  REQUIRE(rig.kv->Commit(batch).ok());
  Put(*rig.kv, "c", "");
  Bytes all;
  const auto file = *rig.disk->Open(kPath, OpenMode::kRead);
  for (const uint64_t block : {0, 1, 2}) {
    Bytes start(96);
    REQUIRE(*file->ReadAt(block * kBlockBytes, absl::MakeSpan(start)) == start.size());
    all.insert(all.end(), start.begin(), start.end());
  }
  CheckVector("base/kv_journal.hex", all);
}

}  // namespace
}  // namespace cairn::base
