// What every key-value store promises (cairn/base/kv.h), as checks that each implementation is held to.
//
//   TEST_CASE("the memory store keeps the promises of a key-value store") { kv_suite::Run([] { return NewMemoryKv(); }); }
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "cairn/base/kv.h"
#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::base::kv_suite {

using Model = std::map<std::string, std::string>;
using Make = std::function<std::unique_ptr<Kv>()>;  // a new, empty store

inline std::optional<std::string> Get(const KvSnapshot& snapshot, absl::string_view key) {
  auto found = snapshot.Get(key);
  REQUIRE(found.ok());
  if (!found->has_value()) return std::nullopt;
  return std::string(**found);
}

inline void Put(Kv& kv, absl::string_view key, absl::string_view value) {
  KvBatch batch;
  batch.Put(key, value);
  REQUIRE(kv.Commit(batch).ok());
}

inline Model Contents(const KvSnapshot& snapshot) {
  Model out;
  auto cursor = snapshot.NewCursor();
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
    CHECK(out.emplace(std::string(cursor->key()), std::string(cursor->value())).second);
  }
  CHECK(cursor->status().ok());
  return out;
}

inline void BatchesApplyInOrder(Kv& kv) {
  KvBatch batch;
  batch.Put("a", "1");
  batch.Put("b", "2");
  batch.Put("a", "3");
  batch.Put("c", "4");
  batch.Delete("c");
  batch.Delete("never there");
  batch.Delete("d");
  batch.Put("d", "");
  REQUIRE(kv.Commit(batch).ok());
  CHECK(Contents(*kv.Snapshot()) == Model{{"a", "3"}, {"b", "2"}, {"d", ""}});
  CHECK(*kv.EntryCount() == 3);
  REQUIRE(kv.Commit(KvBatch()).ok());
  REQUIRE(kv.Sync().ok());
  CHECK(Get(*kv.Snapshot(), "d") == "");
  CHECK(Get(*kv.Snapshot(), "c") == std::nullopt);
}

inline void LimitsHold(Kv& kv) {
  std::string longest(kMaxKvKeyBytes, 'k'), largest(kMaxKvValueBytes, 'v');
  Put(kv, longest, largest);
  CHECK(Get(*kv.Snapshot(), longest) == largest);
  auto refused = [&](absl::string_view key, absl::string_view value) {
    KvBatch batch;
    batch.Put("witness", "x");
    batch.Put(key, value);
    CHECK(kv.Commit(batch).code() == absl::StatusCode::kInvalidArgument);
  };
  refused("", "x");
  refused(longest + "k", "x");
  refused("key", largest + "v");
  KvBatch batch;
  batch.Delete("");
  CHECK_FALSE(kv.Commit(batch).ok());
  CHECK(Get(*kv.Snapshot(), "witness") == std::nullopt);
  CHECK_FALSE(kv.Snapshot()->Get("").ok());
  CHECK_FALSE(kv.Snapshot()->Get(longest + "k").ok());
}

inline std::string KeyAt(const KvCursor& cursor) { return cursor.Valid() ? std::string(cursor.key()) : "end"; }

inline void CursorsGoInUnsignedByteOrder(Kv& kv) {
  const std::string zero(1, '\0'), high("\x80"), highest("\xff\xff");
  for (const std::string& key : {highest, std::string("b"), zero, std::string("bb"), high}) Put(kv, key, key);
  auto snapshot = kv.Snapshot();
  auto cursor = snapshot->NewCursor();
  CHECK_FALSE(cursor->Valid());
  cursor->Seek("");
  for (const std::string& key : {zero, std::string("b"), std::string("bb"), high, highest}) {
    REQUIRE(cursor->Valid());
    CHECK(cursor->key() == key);
    CHECK(cursor->value() == key);
    cursor->Next();
  }
  CHECK_FALSE(cursor->Valid());
  cursor->Next();  // stays where it is
  cursor->Prev();
  CHECK_FALSE(cursor->Valid());

  cursor->Seek("ba");
  CHECK(KeyAt(*cursor) == "bb");
  cursor->Prev();
  CHECK(KeyAt(*cursor) == "b");
  cursor->Prev();
  CHECK(KeyAt(*cursor) == zero);
  cursor->Prev();
  CHECK_FALSE(cursor->Valid());
  cursor->Seek(highest + "\xff");
  CHECK_FALSE(cursor->Valid());
  cursor->Seek(std::string(2000, 'b'));  // longer than any key
  CHECK(KeyAt(*cursor) == high);

  cursor->SeekBefore("bb");
  CHECK(KeyAt(*cursor) == "b");
  cursor->Next();
  CHECK(KeyAt(*cursor) == "bb");
  cursor->SeekBefore("zzz");
  CHECK(KeyAt(*cursor) == "bb");
  cursor->SeekBefore(highest + "\xff");
  CHECK(KeyAt(*cursor) == highest);
  cursor->SeekBefore(zero);
  CHECK_FALSE(cursor->Valid());
  cursor->SeekBefore("");
  CHECK_FALSE(cursor->Valid());
}

inline void AnEmptyStoreHasNoKeys(Kv& kv) {
  CHECK(Contents(*kv.Snapshot()).empty());
  CHECK(*kv.EntryCount() == 0);
  auto snapshot = kv.Snapshot();
  auto cursor = snapshot->NewCursor();
  cursor->SeekBefore("x");
  CHECK_FALSE(cursor->Valid());
  CHECK(cursor->status().ok());
}

inline void SnapshotsStayAsTheyWere(Kv& kv) {
  Put(kv, "a", "1");
  Put(kv, "b", "1");
  auto old = kv.Snapshot();
  absl::string_view view = **old->Get("a");
  auto cursor = old->NewCursor();
  cursor->Seek("a");
  for (int i = 0; i < 50; ++i) {
    KvBatch batch;
    batch.Put("a", std::string(100, '2'));
    batch.Put("aa" + std::to_string(i), "new");
    if (i == 20) batch.Delete("b");
    REQUIRE(kv.Commit(batch).ok());
  }
  CHECK(view == "1");
  CHECK(cursor->value() == "1");
  cursor->Next();
  CHECK(KeyAt(*cursor) == "b");
  CHECK(Contents(*old) == Model{{"a", "1"}, {"b", "1"}});
  CHECK(Contents(*kv.Snapshot()).size() == 51);
}

// Random batches against a map, with snapshots that are held for a while and walked by cursors.
inline void AgreesWithAMap(Kv& kv, uint64_t seed) {
  std::mt19937_64 random(seed);
  auto draw = [&](uint64_t n) { return random() % n; };
  auto key = [&] { return std::string(1 + draw(3), static_cast<char>(draw(256))) + static_cast<char>('a' + draw(4)); };
  Model model;
  std::vector<std::pair<std::unique_ptr<KvSnapshot>, Model>> held;
  for (int step = 0; step < 400; ++step) {
    KvBatch batch;
    for (uint64_t i = draw(12); i > 0; --i) {
      std::string k = key();
      if (draw(3) == 0) {
        batch.Delete(k);
        model.erase(k);
      } else {
        std::string value(draw(20) == 0 ? 9000 : draw(30), static_cast<char>(step));
        batch.Put(k, value);
        model[k] = value;
      }
    }
    REQUIRE(kv.Commit(batch, draw(4) == 0).ok());
    if (draw(5) == 0) held.emplace_back(kv.Snapshot(), model);
    if (!held.empty() && draw(6) == 0) held.erase(held.begin() + static_cast<long>(draw(held.size())));
    if (step % 20 == 0) {
      for (const auto& [snapshot, expected] : held) REQUIRE(Contents(*snapshot) == expected);
    }
    std::string probe = key();
    auto snapshot = kv.Snapshot();
    auto found = model.find(probe);
    CHECK(Get(*snapshot, probe) == (found == model.end() ? std::nullopt : std::optional(found->second)));
    auto cursor = snapshot->NewCursor();
    auto at = model.lower_bound(probe);
    cursor->Seek(probe);
    CHECK(KeyAt(*cursor) == (at == model.end() ? "end" : at->first));
    cursor->SeekBefore(probe);
    CHECK(KeyAt(*cursor) == (at == model.begin() ? "end" : std::prev(at)->first));
    CHECK(*kv.EntryCount() == model.size());
  }
}

// Readers beside a writer that moves one unit between two keys: every view adds up.
inline void ReadersSeeWholeBatches(Kv& kv) {
  Put(kv, "a", std::string(100, 'x'));
  Put(kv, "b", "");
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        auto snapshot = kv.Snapshot();
        auto a = snapshot->Get("a"), b = snapshot->Get("b");
        if (!a.ok() || !b.ok() || !a->has_value() || !b->has_value() || (*a)->size() + (*b)->size() != 100) ++wrong;
      }
    });
  }
  absl::Status committed;
  for (size_t i = 0; i <= 1000; ++i) {
    KvBatch batch;
    batch.Put("a", std::string(100 - i % 101, 'x'));
    batch.Put("b", std::string(i % 101, 'y'));
    committed.Update(kv.Commit(batch, false));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(committed.ok());
  CHECK(wrong == 0);
}

inline void Run(const Make& make) {
  BatchesApplyInOrder(*make());
  LimitsHold(*make());
  CursorsGoInUnsignedByteOrder(*make());
  AnEmptyStoreHasNoKeys(*make());
  SnapshotsStayAsTheyWere(*make());
  for (uint64_t seed = 1; seed <= 5; ++seed) AgreesWithAMap(*make(), seed);
  ReadersSeeWholeBatches(*make());
}

}  // namespace cairn::base::kv_suite
