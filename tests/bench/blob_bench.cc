// How fast the disk store takes and gives blobs, beside one file with an fdatasync for each.
//
//   blob_bench FOLDER        prints one line a figure; FOLDER must exist and be empty, on the disk
//   to be measured
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "cairn/base/disk.h"
#include "cairn/base/entropy.h"
#include "cairn/base/observer.h"
#include "cairn/base/status.h"
#include "cairn/storage/disk_blob_store.h"

namespace cairn::storage {
namespace {

constexpr size_t kSmall = 4'096;
constexpr size_t kThreads = 16;

struct Blobs {
  std::vector<base::Bytes> bytes;
  std::vector<base::ContentId> ids;

  Blobs(size_t count, size_t size, uint64_t seed) : bytes(count), ids(count) {
    base::SeededEntropy entropy(seed);
    for (size_t i = 0; i < count; ++i) {
      bytes[i].resize(size);
      entropy.Fill(absl::MakeSpan(bytes[i]));
      ids[i] = base::ContentId::Of(bytes[i]);
    }
  }
};

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double OnThreads(size_t threads, size_t count, const std::function<void(size_t)>& each) {
  return Seconds([&] {
    std::vector<std::thread> running;
    for (size_t t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        for (size_t i = t; i < count; i += threads) each(i);
      });
    }
    for (std::thread& thread : running) thread.join();
  });
}

void Print(const char* what, double figure, const char* unit) {
  std::printf("%-58s %12.1f %s\n", what, figure, unit);
  std::fflush(stdout);
}

void MeasureFiles(const std::string& folder, const Blobs& blobs) {
  std::filesystem::create_directory(folder + "/files");
  const auto disk = base::OpenPosixDisk(folder + "/files");
  const double seconds = OnThreads(kThreads, blobs.ids.size(), [&](size_t i) {
    auto file = disk->Open(absl::StrCat(i), base::OpenMode::kCreateNew);
    Must(file.status());
    Must((*file)->WriteAt(0, blobs.bytes[i]));
    Must((*file)->Sync());
    Must(disk->SyncDir(""));
  });
  Print("4 KiB, a file and a sync each, 16 threads",
        static_cast<double>(blobs.ids.size()) / seconds, "/s");
}

void MeasureSmall(BlobStore& store) {
  const Blobs blobs(64'000, kSmall, 1);
  const size_t part = blobs.ids.size() / 4;
  double seconds = OnThreads(
      1, part / 4, [&](size_t i) { Must(store.Put(blobs.ids[i], blobs.bytes[i]).status()); });
  Print("4 KiB durable puts, 1 thread", static_cast<double>(part) / 4 / seconds, "/s");
  seconds = OnThreads(kThreads, part, [&](size_t i) {
    Must(store.Put(blobs.ids[part + i], blobs.bytes[part + i]).status());
  });
  Print("4 KiB durable puts, 16 threads", static_cast<double>(part) / seconds, "/s");
  seconds = OnThreads(4, 2 * part / 256, [&](size_t batch) {
    std::vector<std::pair<base::ContentId, base::ByteView>> many;
    for (size_t i = 0; i < 256; ++i) {
      const size_t at = 2 * part + batch * 256 + i;
      many.emplace_back(blobs.ids[at], blobs.bytes[at]);
    }
    Must(store.PutMany(many).status());
  });
  Print("4 KiB durable puts in batches of 256, 4 threads", 2 * static_cast<double>(part) / seconds,
        "/s");
  seconds = OnThreads(1, 2 * part, [&](size_t i) {
    Must(store.Read(blobs.ids[2 * part + i * 7919 % (2 * part)], kSmall).status());
  });
  Print("4 KiB verified reads, 1 thread", 2 * static_cast<double>(part) / seconds, "/s");
  seconds = Seconds([&] {
    for (size_t at = 2 * part; at < blobs.ids.size(); at += 256) {
      Must(store.DeleteMany(absl::MakeConstSpan(blobs.ids).subspan(at, 256)).status());
    }
  });
  Print("deletes in batches of 256, 1 thread", 2 * static_cast<double>(part) / seconds, "/s");
}

void MeasureLarge(BlobStore& store, size_t size) {
  const Blobs blobs(1, size, 3);
  const double megabytes = static_cast<double>(size) / 1e6;
  const base::ByteView bytes = blobs.bytes[0];
  double seconds = Seconds([&] {
    auto writer = store.Begin(blobs.ids[0], size);
    Must(writer.status());
    for (size_t at = 0; at < size; at += 256 * 1024)
      Must((*writer)->Append(bytes.subspan(at, 256 * 1024)));
    Must((*writer)->Commit().status());
  });
  Print(absl::StrCat(size >> 20, " MiB streamed in, one sync").c_str(), megabytes / seconds,
        "MB/s");
  const auto ignore = [](base::ByteView) { return absl::OkStatus(); };
  seconds = Seconds([&] { Must(store.ReadRange(blobs.ids[0], {0, size}, ignore)); });
  Print("verified read of it", megabytes / seconds, "MB/s");
  seconds = Seconds([&] { Must(store.ReadSlice(blobs.ids[0], {0, size}, ignore)); });
  Print("verified slice of it", megabytes / seconds, "MB/s");
}

void MeasureRawWrite(const std::string& folder, size_t size) {
  const auto disk = base::OpenPosixDisk(folder);
  const base::Bytes piece(1 << 20, 7);
  const double seconds = Seconds([&] {
    auto file = disk->Open("raw", base::OpenMode::kCreateNew);
    Must(file.status());
    for (size_t at = 0; at < size; at += piece.size()) Must((*file)->WriteAt(at, piece));
    Must((*file)->Sync());
  });
  Print("the same bytes into a plain file, one sync", static_cast<double>(size) / 1e6 / seconds,
        "MB/s");
}

void Main(const std::string& folder) {
  base::SystemEntropy entropy;
  MeasureFiles(folder, Blobs(2'000, kSmall, 2));
  std::filesystem::create_directory(folder + "/store");
  auto store = DiskBlobStore::OpenAt(folder + "/store", entropy, base::NullObserver());
  Must(store.status());
  MeasureSmall(**store);
  constexpr size_t kLarge = size_t{512} << 20;
  MeasureRawWrite(folder, kLarge);
  MeasureLarge(**store, kLarge);
  double seconds = Seconds([&] {
    std::string cursor;
    do {
      auto report = (*store)->Scrub(cursor, 64 << 20);
      Must(report.status());
      cursor = report->next_cursor;
    } while (!cursor.empty());
  });
  Print("scrub of everything", static_cast<double>((*store)->Usage().disk_bytes) / 1e6 / seconds,
        "MB/s");
  store->reset();
  seconds = Seconds([&] {
    Must(
        (store = DiskBlobStore::OpenAt(folder + "/store", entropy, base::NullObserver())).status());
  });
  Print("open", seconds * 1e3, "ms");
  store->reset();
  std::filesystem::remove_all(folder + "/store/index");
  seconds = Seconds([&] {
    Must(
        (store = DiskBlobStore::OpenAt(folder + "/store", entropy, base::NullObserver())).status());
  });
  Print("open without an index", seconds * 1e3, "ms");
}

}  // namespace
}  // namespace cairn::storage

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: blob_bench FOLDER\n");
    return 2;
  }
  cairn::storage::Main(argv[1]);
  return 0;
}
