#include "cairn/base/disk.h"

#include <cerrno>
#include <filesystem>
#include <random>

#include <sys/resource.h>

#include "cairn/base/status.h"
#include "catch.h"
#include "failing_sync.h"
#include "support/temp_dir.h"

namespace cairn::base {
namespace {

using Names = std::vector<std::string>;

std::unique_ptr<File> Open(Disk& disk, absl::string_view path, OpenMode mode = OpenMode::kCreate) {
  auto file = disk.Open(path, mode);
  INFO(file.status());
  REQUIRE(file.ok());
  return *std::move(file);
}

std::string Read(File& file) {
  Bytes out(*file.Size() + 10);
  auto count = file.ReadAt(0, MutableByteView(out));
  REQUIRE(count.ok());
  out.resize(*count);
  return ToString(out);
}

std::string Read(Disk& disk, absl::string_view path) { return Read(*Open(disk, path, OpenMode::kRead)); }

void Write(Disk& disk, absl::string_view path, absl::string_view text) {
  REQUIRE(Open(disk, path)->WriteAt(0, AsBytes(text)).ok());
}

// Content and names on the disk for good.
void WriteDurably(Disk& disk, absl::string_view path, absl::string_view text) {
  auto file = Open(disk, path);
  REQUIRE(file->WriteAt(0, AsBytes(text)).ok());
  REQUIRE(file->Sync().ok());
  REQUIRE(disk.SyncDir("").ok());
}

void FilesHoldWhatWasWritten(Disk& disk) {
  auto file = Open(disk, "f", OpenMode::kCreateNew);
  CHECK(*file->Size() == 0);
  REQUIRE(file->WriteAt(3, AsBytes("abc")).ok());
  CHECK(Read(*file) == std::string("\0\0\0abc", 6));
  REQUIRE(file->WriteAt(4094, AsBytes("across pages")).ok());
  Bytes out(5);
  CHECK(*file->ReadAt(4096, MutableByteView(out)) == 5);
  CHECK(ToString(out) == "ross ");
  CHECK(*file->ReadAt(4104, MutableByteView(out)) == 2);
  CHECK(*file->ReadAt(4106, MutableByteView(out)) == 0);
  CHECK(*file->ReadAt(1 << 20, MutableByteView(out)) == 0);
  REQUIRE(file->Truncate(5).ok());
  REQUIRE(file->Truncate(7).ok());
  CHECK(Read(*file) == std::string("\0\0\0ab\0\0", 7));
  REQUIRE(file->Sync().ok());
}

void AHoleReadsAsZeros(Disk& disk) {
  auto file = Open(disk, "holes");
  REQUIRE(file->WriteAt(0, AsBytes(std::string(20000, 'x'))).ok());
  REQUIRE(file->PunchHole(4000, 9000).ok());
  REQUIRE(file->PunchHole(0, 0).ok());
  CHECK(Read(*file) == std::string(4000, 'x') + std::string(9000, '\0') + std::string(7000, 'x'));
}

void NamesComeAndGo(Disk& disk) {
  CHECK(disk.Open("n", OpenMode::kRead).status().code() == absl::StatusCode::kNotFound);
  CHECK(disk.Open("n", OpenMode::kReadWrite).status().code() == absl::StatusCode::kNotFound);
  CHECK(disk.Open("no/n", OpenMode::kCreate).status().code() == absl::StatusCode::kNotFound);
  Write(disk, "n", "first");
  CHECK(disk.Open("n", OpenMode::kCreateNew).status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(Read(disk, "n") == "first");
  CHECK_FALSE(Open(disk, "n", OpenMode::kRead)->WriteAt(0, AsBytes("x")).ok());
  REQUIRE(disk.MakeDirs("d/e").ok());
  REQUIRE(disk.MakeDirs("d/e").ok());
  CHECK_FALSE(disk.MakeDirs("n/e").ok());
  CHECK_FALSE(disk.Open("d", OpenMode::kRead).ok());
  Write(disk, "d/e/z", "zed");
  Write(disk, "d/e/a", "a");
  CHECK(*disk.List("d/e") == Names{"a", "z"});
  CHECK(*disk.List("d") == Names{"e"});
  CHECK_FALSE(disk.List("n").ok());
  CHECK(disk.List("void").status().code() == absl::StatusCode::kNotFound);

  REQUIRE(disk.Rename("d/e/z", "n").ok());  // replaces
  CHECK(Read(disk, "n") == "zed");
  REQUIRE(disk.Rename("d/e", "moved").ok());
  CHECK(*disk.List("moved") == Names{"a"});
  CHECK(disk.Rename("void", "x").code() == absl::StatusCode::kNotFound);
  CHECK(disk.Remove("moved").code() == absl::StatusCode::kFailedPrecondition);  // not empty
  REQUIRE(disk.Remove("moved/a").ok());
  REQUIRE(disk.Remove("moved").ok());
  CHECK_FALSE(*disk.Exists("moved/a"));
  CHECK(*disk.Exists("d"));
  CHECK(disk.Remove("moved").code() == absl::StatusCode::kNotFound);
  REQUIRE(disk.SyncDir("").ok());
  REQUIRE(disk.SyncDir("d").ok());
  CHECK_FALSE(disk.SyncDir("void").ok());
}

void ARemovedFileLivesWhileItIsOpen(Disk& disk) {
  Write(disk, "open", "still here");
  auto file = Open(disk, "open", OpenMode::kRead);
  REQUIRE(disk.Remove("open").ok());
  CHECK(Read(*file) == "still here");
  CHECK_FALSE(*disk.Exists("open"));
}

void PathsStayBelowTheRoot(Disk& disk) {
  for (const char* path : {"", "/", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", "./a", "."}) {
    INFO(path);
    CHECK(ReasonOf(disk.Open(path, OpenMode::kCreate).status()) == "BAD_PATH");
    CHECK(ReasonOf(disk.Rename("n", path)) == "BAD_PATH");
    CHECK(ReasonOf(disk.Remove(path)) == "BAD_PATH");
    CHECK(ReasonOf(disk.Exists(path).status()) == "BAD_PATH");
    if (*path != '\0') CHECK(ReasonOf(disk.List(path).status()) == "BAD_PATH");
    if (*path != '\0') CHECK(ReasonOf(disk.MakeDirs(path)) == "BAD_PATH");
  }
  CHECK_FALSE(disk.Open(absl::string_view("a\0b", 3), OpenMode::kCreate).ok());
}

void RunDiskSuite(Disk& disk) {
  FilesHoldWhatWasWritten(disk);
  AHoleReadsAsZeros(disk);
  NamesComeAndGo(disk);
  ARemovedFileLivesWhileItIsOpen(disk);
  PathsStayBelowTheRoot(disk);
  CHECK(disk.Space()->free_bytes <= disk.Space()->total_bytes);
  CHECK(disk.Space()->free_bytes > 0);
}

TEST_CASE("the POSIX disk keeps the promises of a disk") {
  TempDir temp;
  RunDiskSuite(*OpenPosixDisk(temp.path()));
}

TEST_CASE("the simulated disk keeps the promises of a disk") {
  SimDisk disk;
  RunDiskSuite(disk);
}

TEST_CASE("the POSIX disk follows no link out of its root") {
  TempDir temp, outside;
  auto other = OpenPosixDisk(outside.path());
  Write(*other, "secret", "text");
  std::filesystem::create_symlink(outside.path() + "/secret", temp.path() + "/file");
  std::filesystem::create_directory_symlink(outside.path(), temp.path() + "/folder");
  auto disk = OpenPosixDisk(temp.path());
  CHECK_FALSE(disk->Open("file", OpenMode::kCreate).ok());
  CHECK_FALSE(disk->List("folder").ok());
}

TEST_CASE("a disk without a root refuses everything and harms nothing") {
  auto disk = OpenPosixDisk("/no/such/folder");
  CHECK_FALSE(disk->Open("f", OpenMode::kCreate).ok());
  CHECK_FALSE(disk->List("").ok());
  CHECK_FALSE(disk->Space().ok());
}

TEST_CASE("a process with too many open files is told so, and can go on later") {
  TempDir temp;
  auto disk = OpenPosixDisk(temp.path());
  WriteDurably(*disk, "file", "bytes");
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const absl::Status refused = disk->Open("file", OpenMode::kRead).status();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(absl::IsUnavailable(refused));
  CHECK(ReasonOf(refused) == "TOO_MANY_FILES");
  CHECK(Read(*disk, "file") == "bytes");
}

TEST_CASE("a failed sync poisons the file on the POSIX disk") {
  TempDir temp;
  auto disk = OpenPosixDisk(temp.path());
  auto file = Open(*disk, "f");
  FailSyncs(EIO);
  CHECK(ReasonOf(file->Sync()) == "IO_ERROR");
  FailSyncs(0);
  CHECK(file->Sync().code() == absl::StatusCode::kAborted);
  CHECK(file->Sync().code() == absl::StatusCode::kAborted);
  CHECK(Open(*disk, "f")->Sync().ok());
}

constexpr auto kLoseAll = [](size_t) { return false; };
constexpr auto kKeepAll = [](size_t) { return true; };

TEST_CASE("what was written but not synced is gone after a crash, what was synced is there") {
  SimDisk disk;
  WriteDurably(disk, "f", "old");
  {
    auto file = Open(disk, "f");
    REQUIRE(file->WriteAt(0, AsBytes("new")).ok());
  }
  disk.Crash(kLoseAll);
  CHECK(Read(disk, "f") == "old");

  auto file = Open(disk, "f");
  REQUIRE(file->WriteAt(0, AsBytes("new")).ok());
  REQUIRE(file->Sync().ok());
  REQUIRE(file->WriteAt(0, AsBytes("xxx")).ok());
  disk.Crash(kLoseAll);
  CHECK(Read(disk, "f") == "new");
}

TEST_CASE("a new name survives a crash only after its folder was synced") {
  SimDisk disk;
  auto file = Open(disk, "f");
  REQUIRE(file->WriteAt(0, AsBytes("text")).ok());
  REQUIRE(file->Sync().ok());
  disk.Crash(kLoseAll);
  CHECK_FALSE(*disk.Exists("f"));
  WriteDurably(disk, "f", "text");
  disk.Crash(kLoseAll);
  CHECK(Read(disk, "f") == "text");
}

TEST_CASE("a file in a folder whose own name was not synced is lost with it") {
  SimDisk disk;
  REQUIRE(disk.MakeDirs("a/b").ok());
  auto file = Open(disk, "a/b/f");
  REQUIRE(file->Sync().ok());
  REQUIRE(disk.SyncDir("a/b").ok());
  REQUIRE(disk.SyncDir("a").ok());
  disk.Crash(kLoseAll);
  CHECK_FALSE(*disk.Exists("a"));

  REQUIRE(disk.MakeDirs("a/b").ok());
  file = Open(disk, "a/b/f");
  for (const char* folder : {"a/b", "a", ""}) REQUIRE(disk.SyncDir(folder).ok());
  disk.Crash(kLoseAll);
  CHECK(*disk.Exists("a/b/f"));
}

TEST_CASE("a rename is lost or kept whole") {
  for (bool keep : {false, true}) {
    SimDisk disk;
    WriteDurably(disk, "f", "old");
    WriteDurably(disk, "tmp", "new");
    REQUIRE(disk.Rename("tmp", "f").ok());
    CHECK(disk.unsynced_count() == 1);
    disk.Crash([&](size_t) { return keep; });
    CHECK(Read(disk, "f") == (keep ? "new" : "old"));
    CHECK(*disk.Exists("tmp") == !keep);
  }
}

TEST_CASE("a synced rename into another folder leaves nothing under the old name") {
  SimDisk disk;
  REQUIRE(disk.MakeDirs("d").ok());
  REQUIRE(disk.SyncDir("").ok());
  Write(disk, "tmp", "");
  REQUIRE(disk.Rename("tmp", "d/f").ok());
  REQUIRE(disk.SyncDir("d").ok());
  disk.Crash(kKeepAll);
  CHECK(*disk.Exists("d/f"));
  CHECK_FALSE(*disk.Exists("tmp"));
}

TEST_CASE("a late rename does not take away the file that has its old name by now") {
  SimDisk disk;
  REQUIRE(disk.MakeDirs("d").ok());
  WriteDurably(disk, "f", "first");
  REQUIRE(disk.Rename("f", "d/f").ok());
  WriteDurably(disk, "f", "second");  // syncs the old folder, not the new one
  disk.Crash(kKeepAll);
  CHECK(Read(disk, "f") == "second");
  CHECK(Read(disk, "d/f") == "first");
}

TEST_CASE("a removal that was not synced may be undone by a crash") {
  SimDisk disk;
  WriteDurably(disk, "f", "text");
  REQUIRE(disk.Remove("f").ok());
  disk.Crash(kLoseAll);
  CHECK(Read(disk, "f") == "text");
  REQUIRE(disk.Remove("f").ok());
  REQUIRE(disk.SyncDir("").ok());
  disk.Crash(kLoseAll);
  CHECK_FALSE(*disk.Exists("f"));
}

TEST_CASE("a large write tears at multiples of 4,096 bytes, in any combination") {
  for (unsigned kept = 0; kept < 8; ++kept) {
    SimDisk disk;
    WriteDurably(disk, "f", std::string(10000, 'o'));
    REQUIRE(Open(disk, "f")->WriteAt(1000, AsBytes(std::string(9000, 'n'))).ok());
    REQUIRE(disk.unsynced_count() == 3);
    disk.Crash([&](size_t index) { return kept >> index & 1; });
    std::string expected(10000, 'o');
    if (kept & 1) expected.replace(1000, 3096, 3096, 'n');
    if (kept & 2) expected.replace(4096, 4096, 4096, 'n');
    if (kept & 4) expected.replace(8192, 1808, 1808, 'n');
    CHECK(Read(disk, "f") == expected);
  }
}

TEST_CASE("a truncation is a change like any other") {
  SimDisk disk;
  WriteDurably(disk, "f", "long text");
  REQUIRE(Open(disk, "f")->Truncate(4).ok());
  disk.Crash(kLoseAll);
  CHECK(Read(disk, "f") == "long text");
  REQUIRE(Open(disk, "f")->Truncate(4).ok());
  disk.Crash(kKeepAll);
  CHECK(Read(disk, "f") == "long");
}

TEST_CASE("files open at a crash are dead, and their destruction is harmless") {
  SimDisk disk;
  WriteDurably(disk, "f", "text");
  auto file = Open(disk, "f");
  disk.Crash(kLoseAll);
  Bytes out(4);
  CHECK(file->ReadAt(0, MutableByteView(out)).status().code() == absl::StatusCode::kAborted);
  CHECK(file->WriteAt(0, AsBytes("x")).code() == absl::StatusCode::kAborted);
  CHECK(file->Sync().code() == absl::StatusCode::kAborted);
  file.reset();
  CHECK(Read(disk, "f") == "text");
}

TEST_CASE("a failed sync poisons the file on the simulated disk, and what it covered never becomes durable") {
  SimDisk disk;
  WriteDurably(disk, "f", "old");
  auto file = Open(disk, "f");
  REQUIRE(file->WriteAt(0, AsBytes("new")).ok());
  disk.FailAfter(SimDisk::Op::kSync, 0, absl::DataLossError("broken"));
  CHECK(file->Sync().code() == absl::StatusCode::kDataLoss);
  disk.FailAfter(SimDisk::Op::kSync, 0, absl::OkStatus());
  CHECK(file->Sync().code() == absl::StatusCode::kAborted);
  REQUIRE(Open(disk, "f")->Sync().ok());  // as on Linux: the pages count as clean, and yet they are lost
  CHECK(Read(disk, "f") == "new");
  disk.Crash(kLoseAll);
  CHECK(Read(disk, "f") == "old");
}

TEST_CASE("what a failed sync covered does not come back over what was synced later") {
  SimDisk disk;
  WriteDurably(disk, "f", "old");
  {
    auto file = Open(disk, "f");
    REQUIRE((file->Truncate(0).ok() && file->WriteAt(0, AsBytes("lost")).ok()));
    disk.FailAfter(SimDisk::Op::kSync, 0, absl::DataLossError("broken"));
    REQUIRE_FALSE(file->Sync().ok());
    disk.FailAfter(SimDisk::Op::kSync, 0, absl::OkStatus());
  }
  auto again = Open(disk, "f");
  SECTION("newer bytes were synced") {
    REQUIRE((again->WriteAt(0, AsBytes("newer")).ok() && again->Sync().ok()));
    disk.Crash([](size_t) { return true; });
    CHECK(Read(disk, "f") == "newer");
  }
  SECTION("none were: they may have arrived") {
    disk.Crash([](size_t) { return true; });
    CHECK(Read(disk, "f") == "lost");
  }
}

TEST_CASE("faults come after the given number of successes and stay until they are cleared") {
  SimDisk disk;
  disk.FailAfter(SimDisk::Op::kWrite, 2, absl::UnavailableError("fault"));
  auto file = Open(disk, "f");
  CHECK(file->WriteAt(0, AsBytes("x")).ok());
  CHECK(file->WriteAt(0, AsBytes("x")).ok());
  CHECK_FALSE(file->WriteAt(0, AsBytes("x")).ok());
  CHECK_FALSE(file->Truncate(0).ok());
  disk.FailAfter(SimDisk::Op::kWrite, 0, absl::OkStatus());
  CHECK(file->WriteAt(0, AsBytes("x")).ok());
}

TEST_CASE("a full simulated disk says so, and removing a file makes room") {
  SimDisk disk(5 * 4096);
  Write(disk, "f", std::string(4 * 4096, 'x'));
  CHECK(disk.Space()->free_bytes == 4096);
  auto file = Open(disk, "g");
  absl::Status status = file->WriteAt(0, AsBytes(std::string(8192, 'y')));
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(ReasonOf(status) == "DISK_FULL");
  REQUIRE(file->Truncate(0).ok());
  REQUIRE(Open(disk, "f")->PunchHole(0, 4096).ok());
  CHECK(disk.Space()->free_bytes == 2 * 4096);
  REQUIRE(disk.Remove("f").ok());
  CHECK(disk.Space()->free_bytes == 5 * 4096);
  CHECK(file->WriteAt(0, AsBytes(std::string(8192, 'y'))).ok());
}

TEST_CASE("rot flips stored bytes for good") {
  SimDisk disk;
  WriteDurably(disk, "f", "abc");
  REQUIRE(disk.Corrupt("f", 1, 'b' ^ 'X').ok());
  CHECK(Read(disk, "f") == "aXc");
  disk.Crash(kLoseAll);
  CHECK(Read(disk, "f") == "aXc");
  CHECK_FALSE(disk.Corrupt("f", 3, 1).ok());
  CHECK_FALSE(disk.Corrupt("g", 0, 1).ok());
}

TEST_CASE("a log survives every crash exactly as far as it was synced, and not when a sync is left out") {
  // One record a round: written, synced, acknowledged. After a crash at a random moment with random losses the log holds
  // every acknowledged record.
  auto lost = [](uint64_t seed, bool sync) {
    std::mt19937_64 random(seed);
    SimDisk disk;
    auto file = Open(disk, "log");
    REQUIRE(disk.SyncDir("").ok());
    uint64_t rounds = 1 + random() % 20, acknowledged = 0;
    for (uint64_t i = 0; i < rounds; ++i) {
      REQUIRE(file->WriteAt(i * 700, AsBytes(std::string(700, static_cast<char>('a' + i)))).ok());
      if (sync) REQUIRE(file->Sync().ok());
      ++acknowledged;
    }
    REQUIRE(file->WriteAt(rounds * 700, AsBytes("not acknowledged")).ok());
    disk.Crash([&](size_t) { return random() % 2 == 0; });
    std::string found = Read(disk, "log");
    for (uint64_t i = 0; i < acknowledged; ++i) {
      if (found.compare(i * 700, 700, std::string(700, static_cast<char>('a' + i))) != 0) return true;
    }
    return false;
  };
  int lost_without = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    CHECK_FALSE(lost(seed, true));
    lost_without += lost(seed, false);
  }
  CHECK(lost_without > 50);
}

}  // namespace
}  // namespace cairn::base
