#include "cairn/storage/sync.h"

#include <limits>

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::storage {
namespace {

using Kind = SyncAction::Kind;

SyncEntry File(std::string name, uint64_t size = 10, int64_t mtime_ms = 5000) {
  return {.name = std::move(name), .size = size, .mtime_ms = mtime_ms};
}

std::string Plan(std::vector<SyncEntry> source, std::vector<SyncEntry> target,
                 SyncOptions options = {}) {
  std::string out;
  const auto actions = PlanSync(std::move(source), std::move(target), options);
  REQUIRE(actions.ok());
  for (const SyncAction& a : *actions) {
    out += "CDS!"[static_cast<int>(a.kind)] + a.name + " ";
  }
  return out;
}

TEST_CASE("what is new or differs is copied, what is the same is not") {
  CHECK(Plan({File("b"), File("a"), File("c", 11), File("d", 10, 6000)},
             {File("b"), File("c"), File("d")}) == "Ca Sb Cc Cd ");
  CHECK(Plan({File("a", 10, 5999)}, {File("a", 10, 5000)}) == "Sa ");  // same second
  CHECK(Plan({}, {File("x")}) == "");
  // Seconds before 1970 begin where those after it do.
  CHECK(Plan({File("a", 10, -1)}, {File("a", 10, -1000)}) == "Sa ");
  CHECK(Plan({File("a", 10, -1)}, {File("a", 10, 0)}) == "Ca ");
  CHECK(Plan({File("a", 10, -1001)}, {File("a", 10, -1000)}) == "Ca ");
}

TEST_CASE("--delete removes what the source has not, last") {
  CHECK(Plan({File("b")}, {File("a"), File("b")}, {.delete_extra = true}) == "Sb Da ");
}

TEST_CASE("--checksum trusts content, not times") {
  SyncEntry one = File("a"), two = File("a", 10, 9000), other = File("a");
  one.hash = two.hash = base::Blake3(base::AsBytes("1"));
  other.hash = base::Blake3(base::AsBytes("2"));
  CHECK(Plan({one}, {two}, {.checksum = true}) == "Sa ");
  CHECK(Plan({one}, {other}, {.checksum = true}) == "Ca ");
  CHECK(Plan({one}, {other}) == "Sa ");
  CHECK(PlanSync({one}, {File("a")}, {.checksum = true}).value()[0].reason == "no hash to compare");
}

TEST_CASE("a file in a folder's way is a conflict, or makes room under --delete") {
  CHECK(Plan({File("a/b")}, {File("a")}) == "!a/b ");
  CHECK(Plan({File("a")}, {File("a/b"), File("a/c")}) == "!a ");
  CHECK(Plan({File("a/b"), File("z")}, {File("a")}, {.delete_extra = true}) == "Da Ca/b Cz ");
  CHECK(Plan({File("a")}, {File("a/b"), File("a/c")}, {.delete_extra = true}) == "Da/b Da/c Ca ");
  CHECK(Plan({File("a"), File("a/b")}, {}) == "!a !a/b ");
  CHECK(Plan({File("a-b"), File("a/b")}, {}) == "Ca-b Ca/b ");
}

TEST_CASE("a newer target is kept when asked for") {
  CHECK(Plan({File("a", 10, 5000)}, {File("a", 10, 9000)}) == "Ca ");
  CHECK(Plan({File("a", 10, 5000)}, {File("a", 10, 9000)}, {.protect_newer = true}) == "!a ");
  // Of the same second none is newer.
  CHECK(Plan({File("a", 11, 5000)}, {File("a", 10, 5999)}, {.protect_newer = true}) == "Ca ");
}

TEST_CASE("a time before any other is not newer than another") {
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  CHECK(Plan({File("a", 10, 0)}, {File("a", 10, kFirst)}, {.protect_newer = true}) == "Ca ");
  CHECK(Plan({File("a", 10, -1)}, {File("a", 10, -1000)}) == "Sa ");
  CHECK(Plan({File("a", 10, -1)}, {File("a", 10, 0)}) == "Ca ");
}

TEST_CASE("a listing that names something twice is refused") {
  CHECK(base::ReasonOf(PlanSync({File("a"), File("a")}, {}, {}).status()) == "BAD_LISTING");
  CHECK(base::ReasonOf(PlanSync({}, {File("a"), File("a")}, {}).status()) == "BAD_LISTING");
}

}  // namespace
}  // namespace cairn::storage
