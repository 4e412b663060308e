// The index's changes on their way to the store: what is found and listed at every stage of a step.
#include "blob/index_table.h"

#include <map>

#include "catch.h"

namespace cairn::storage {
namespace {

using Listed = std::vector<std::pair<std::string, std::string>>;

Listed List(const IndexTable& table, absl::string_view prefix, absl::string_view after = "", size_t most = 100) {
  Listed out;
  CHECK(table
            .Scan(prefix, after,
                  [&](absl::string_view key, absl::string_view value) {
                    out.emplace_back(std::string(key), std::string(value));
                    return out.size() < most;
                  })
            .ok());
  return out;
}

std::optional<std::string> Get(const IndexTable& table, absl::string_view key) { return *table.Get(key); }

}  // namespace

TEST_CASE("the newest of three sources decides about a key, wherever a step is") {
  const auto kv = base::NewMemoryKv();
  IndexTable table(*kv);
  // Every combination of what the store, the step under way and the newest changes say of a key: nothing, put, deleted.
  std::map<std::string, std::string> expected;
  base::KvBatch stored;
  const auto name = [](int in_store, int in_step, int fresh) {
    return "k" + std::to_string(in_store) + std::to_string(in_step) + std::to_string(fresh);
  };
  for (int in_step = 0; in_step < 3; ++in_step) {
    for (int fresh = 0; fresh < 3; ++fresh) stored.Put(name(1, in_step, fresh), "stored");
  }
  REQUIRE(kv->Commit(stored).ok());
  const auto change = [&](const std::string& key, int what, const char* value) {
    if (what == 1) table.Put(key, value);
    if (what == 2) table.Delete(key);
  };
  for (int pass = 0; pass < 2; ++pass) {
    for (int in_store = 0; in_store < 2; ++in_store) {
      for (int in_step = 0; in_step < 3; ++in_step) {
        for (int fresh = 0; fresh < 3; ++fresh) {
          const std::string key = name(in_store, in_step, fresh);
          pass == 0 ? change(key, in_step, "step") : change(key, fresh, "fresh");
          const int newest = fresh != 0 ? fresh : in_step;
          if (newest == 1) expected[key] = fresh != 0 ? "fresh" : "step";
          if (newest == 0 && in_store == 1) expected[key] = "stored";
        }
      }
    }
    if (pass == 0) {
      CHECK_FALSE(table.frozen());
      (void)table.Freeze();
      CHECK(table.frozen());
    }
  }
  const auto sound = [&] {
    CHECK(List(table, "k") == Listed(expected.begin(), expected.end()));
    for (int in_store = 0; in_store < 2; ++in_store) {
      for (int in_step = 0; in_step < 3; ++in_step) {
        for (int fresh = 0; fresh < 3; ++fresh) {
          const std::string key = name(in_store, in_step, fresh);
          INFO(key);
          const auto found = expected.find(key);
          CHECK(Get(table, key) == (found == expected.end() ? std::nullopt : std::optional(found->second)));
        }
      }
    }
  };
  SECTION("while a step is under way") { sound(); }
  SECTION("after a step that failed") {
    table.Thaw(false);
    CHECK_FALSE(table.frozen());
    sound();
  }
  SECTION("after the steps that take everything to the store") {
    table.Thaw(false);
    const uint64_t steps = table.steps();
    REQUIRE(kv->Commit(table.Freeze()).ok());
    sound();
    table.Thaw(true);
    CHECK(table.steps() > steps);
    CHECK(table.held_back() == 0);
    sound();
  }
}

TEST_CASE("a listing keeps to its prefix, begins behind where it is told to, and stops when it is told to") {
  const auto kv = base::NewMemoryKv();
  IndexTable table(*kv);
  base::KvBatch stored;
  for (const char* key : {"a1", "b1", "b4", "c1"}) stored.Put(key, "s");
  REQUIRE(kv->Commit(stored).ok());
  for (const char* key : {"a2", "b2", "c2"}) table.Put(key, "f");
  (void)table.Freeze();
  for (const char* key : {"a3", "b3", "c3"}) table.Put(key, "n");
  CHECK(List(table, "b") == Listed{{"b1", "s"}, {"b2", "f"}, {"b3", "n"}, {"b4", "s"}});
  for (const char* after : {"b1", "b2", "b3", "b4"}) {
    INFO(after);
    const Listed rest = List(table, "b", after);
    CHECK(rest.size() == static_cast<size_t>('4' - after[1]));
    if (!rest.empty()) CHECK(rest.front().first > after);
  }
  CHECK(List(table, "b", "", 2) == Listed{{"b1", "s"}, {"b2", "f"}});
  CHECK(List(table, "x").empty());
}

}  // namespace cairn::storage
