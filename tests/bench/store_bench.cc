// B09 and B18 to B21: the blob store on a real disk. Rates are on the clock, and count what is acknowledged durable.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <thread>

#include "bench.h"
#include "cairn/base/entropy.h"
#include "cairn/base/observer.h"
#include "cairn/storage/disk_blob_store.h"
#include "cairn/storage/encode.h"
#include "folder.h"
#include "lmdb_peer.h"

namespace cairn::bench {
namespace {

using storage::BlobStore;

constexpr size_t kSmall = 4096;
constexpr size_t kThreads = 64;

std::unique_ptr<storage::DiskBlobStore> Open(const std::string& path) {
  static base::SystemEntropy entropy;
  auto store = storage::DiskBlobStore::OpenAt(path, entropy, base::NullObserver());
  if (!store.ok()) Die(store.status().ToString());
  return *std::move(store);
}

struct Blobs {
  Blobs(size_t count, size_t size, uint64_t seed) : bytes(Noise(count * size, seed)) {
    for (size_t i = 0; i < count; ++i) {
      views.push_back(base::ByteView(bytes).subspan(i * size, size));
      ids.push_back(base::ContentId::Of(views[i]));
    }
  }
  base::Bytes bytes;
  std::vector<base::ByteView> views;
  std::vector<base::ContentId> ids;
};

void OnThreads(size_t threads, size_t count, const std::function<void(size_t)>& each) {
  std::atomic<size_t> next{0};
  std::vector<std::thread> running;
  for (size_t t = 0; t < threads; ++t) {
    running.emplace_back([&] {
      for (size_t i = next++; i < count; i = next++) each(i);
    });
  }
  for (std::thread& thread : running) thread.join();
}

void PutMany(BlobStore& store, const Blobs& blobs, size_t first, size_t count) {
  std::vector<std::pair<base::ContentId, base::ByteView>> many;
  for (size_t i = first; i < std::min(first + count, blobs.ids.size()); ++i) {
    many.emplace_back(blobs.ids[i], blobs.views[i]);
  }
  const auto durable = store.PutMany(many);
  if (!durable.ok()) Die(durable.status().ToString());
}

// ---- B09 ----

// What one thread works with, object after object.
struct Slot {
  std::vector<base::Bytes> shards;

  void Ingest(BlobStore& store, const base::Redundancy& policy, base::ByteView plaintext, uint64_t number) {
    base::SeededEntropy entropy(number);
    const storage::VersionKey key = entropy.DrawSecret<32>();
    shards.resize(policy.width());
    for (base::Bytes& shard : shards) shard.clear();
    auto encoder = std::move(storage::ObjectEncoder::Create(
        {.policy = policy, .key = &key}, plaintext.size(), [&](uint32_t shard, base::ByteView piece) {
          shards[shard].insert(shards[shard].end(), piece.begin(), piece.end());
          return absl::OkStatus();
        })).value();
    Must(encoder->Feed(plaintext).ok(), "feed");
    const storage::EncodedObject object = encoder->Finish().value();
    std::vector<std::pair<base::ContentId, base::ByteView>> many;
    for (size_t i = 0; i < shards.size(); ++i) many.emplace_back(object.stored.shard_ids[i], shards[i]);
    const auto durable = store.PutMany(many);
    if (!durable.ok()) Die(durable.status().ToString());
  }
};

// A few threads, each with an object of 16 MiB: sealed, encoded and hashed into memory, then put with one sync.
double IngestDurable(const std::string& dir, base::ByteView plaintext) {
  constexpr size_t kObject = 16 << 20;
  constexpr size_t kWorkers = 4;
  const base::Redundancy policy = base::Redundancy::Parse("rs:10+4").value();
  const Folder folder(dir);
  auto store = Open(folder.path());
  static Slot slots[kWorkers];
  std::atomic<size_t> next{0};
  const double seconds = WallSeconds([&] {
    OnThreads(kWorkers, kWorkers, [&](size_t worker) {
      for (size_t at = kObject * next++; at < plaintext.size(); at = kObject * next++) {
        slots[worker].Ingest(*store, policy, plaintext.subspan(at, kObject), at);
      }
    });
  });
  return static_cast<double>(plaintext.size()) * 1e-9 / seconds;
}

// The same physical bytes past the page cache into one file, one fdatasync. Rate in plaintext bytes.
double RawWrite(const std::string& dir, size_t plaintext_size) {
  constexpr size_t kPiece = 1 << 20;
  const Folder folder(dir);
  const int fd = open((folder.path() + "/raw").c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
  Must(fd >= 0, "O_DIRECT");
  std::unique_ptr<uint8_t, decltype(&std::free)> piece(static_cast<uint8_t*>(std::aligned_alloc(4096, kPiece)), &std::free);
  std::memset(piece.get(), 0x5a, kPiece);
  const size_t physical = plaintext_size / 10 * 14;
  const double seconds = WallSeconds([&] {
    for (size_t at = 0; at < physical; at += kPiece) {
      Must(pwrite(fd, piece.get(), kPiece, static_cast<off_t>(at)) == static_cast<ssize_t>(kPiece), "write");
    }
    Must(fdatasync(fd) == 0, "fdatasync");
  });
  close(fd);
  return static_cast<double>(plaintext_size) * 1e-9 / seconds;
}

void Durable(Program& program) {
  const size_t size = program.full() ? size_t{4} << 30 : size_t{256} << 20;
  const base::Bytes plaintext = Noise(size, 9);
  program.Note("B09: plaintext in memory to acknowledged shards (sealed, 10+4, 16 MiB objects, a sync each); reference: the "
               "same physical bytes, O_DIRECT, one fdatasync at the end");
  program.Compare({"B09", "ingest_durable", "GB/s", 0.60, 0.85},
                  [&] { return IngestDurable(program.dir(), plaintext); },
                  [&] { return RawWrite(program.dir(), size); });
}

// ---- B18 ----

double StorePuts(const std::string& dir, const Blobs& blobs, size_t batch) {
  const Folder folder(dir);
  auto store = Open(folder.path());
  const size_t count = blobs.ids.size();
  const double seconds = WallSeconds([&] {
    if (batch > 1) {
      OnThreads(2, count / batch, [&](size_t i) { PutMany(*store, blobs, i * batch, batch); });
      return;
    }
    OnThreads(kThreads, count, [&](size_t i) {
      const auto durable = store->Put(blobs.ids[i], blobs.views[i]);
      if (!durable.ok()) Die(durable.status().ToString());
    });
  });
  return static_cast<double>(count) / seconds;
}

// Its files stay until the program ends: ext4 looks long for inodes when many have just gone.
double FilePuts(const std::string& dir, const Blobs& blobs, size_t count) {
  static std::deque<Folder> folders;
  const Folder& folder = folders.emplace_back(dir);
  const double seconds = WallSeconds([&] {
    OnThreads(kThreads, count, [&](size_t i) {
      const int fd = open((folder.path() + "/" + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      Must(fd >= 0 && write(fd, blobs.views[i].data(), kSmall) == static_cast<ssize_t>(kSmall), "write");
      Must(fdatasync(fd) == 0, "fdatasync");
      close(fd);
    });
  });
  return static_cast<double>(count) / seconds;
}

void Put(Lmdb& lmdb, const Blobs& blobs, size_t first, size_t count) {
  lmdb.Write([&](MDB_txn* txn) {
    for (size_t i = first; i < std::min(first + count, blobs.ids.size()); ++i) {
      lmdb.Put(txn, blobs.ids[i].digest.view(), blobs.views[i]);
    }
  });
}

double LmdbPuts(const std::string& dir, const Blobs& blobs, size_t batch) {
  const Folder folder(dir);
  Lmdb lmdb(folder.path());
  const double seconds = WallSeconds([&] {
    for (size_t i = 0; i < blobs.ids.size(); i += batch) Put(lmdb, blobs, i, batch);
  });
  return static_cast<double>(blobs.ids.size()) / seconds;
}

void SmallPuts(Program& program) {
  const Blobs blobs(program.full() ? 100'000 : 20'480, kSmall, 18);
  const Blobs few(program.full() ? 10'000 : 2'000, kSmall, 19);
  program.Note("B18: 4 KiB each, 64 threads; peers: a file and an fdatasync each by 64 threads (its name is not even synced); "
               "LMDB, MDB_NOTLS alone, 256 a transaction against PutMany of 256");
  program.Compare({"B18", "put_4kib_files", "puts/s", 10, 40}, [&] { return StorePuts(program.dir(), blobs, 1); },
                  [&] { return FilePuts(program.dir(), few, few.ids.size()); });
  program.Compare({"B18", "put_4kib_lmdb_256", "puts/s", 0.8, 1.2}, [&] { return StorePuts(program.dir(), blobs, 256); },
                  [&] { return LmdbPuts(program.dir(), blobs, 256); });
}

// ---- B19 ----

// The blobs of the store and of LMDB, in an order that has nothing to do with where they lie.
struct Gets {
  base::ContentId at(size_t i) const { return ids[i * 7919 % ids.size()]; }
  std::vector<base::ContentId> ids;
};

void Fill(Gets& gets, BlobStore& store, Lmdb& lmdb, size_t count) {
  for (size_t part = 0; part < count; part += 20'000) {
    const Blobs blobs(std::min<size_t>(20'000, count - part), kSmall, 1900 + part);
    for (size_t i = 0; i < blobs.ids.size(); i += 4000) PutMany(store, blobs, i, 4000);
    Put(lmdb, blobs, 0, blobs.ids.size());
    gets.ids.insert(gets.ids.end(), blobs.ids.begin(), blobs.ids.end());
  }
}

void Get(BlobStore& store, const base::ContentId& id, uint8_t* out) {
  const absl::Status read = store.ReadRange(id, {0, kSmall}, [out](base::ByteView bytes) {
    Must(bytes.size() == kSmall, "the whole blob");
    std::memcpy(out, bytes.data(), bytes.size());
    return absl::OkStatus();
  });
  if (!read.ok()) Die(read.ToString());
}

void HotGets(Program& program, const Gets& gets, BlobStore& store, Lmdb& lmdb) {
  const size_t reads = program.full() ? 400'000 : 100'000;
  base::Bytes out(kSmall);
  program.Note("B19 get_4kib_lmdb: random 4 KiB blobs in the page cache, one thread, processor time, every byte proven against "
               "its id and copied; peer: LMDB get and copy, unproven");
  program.Compare(
      {"B19", "get_4kib_lmdb", "gets/s", 0.5, 0.8},
      [&] {
        return static_cast<double>(reads) / CpuSeconds([&] {
          for (size_t i = 0; i < reads; ++i) Get(store, gets.at(i), out.data());
        });
      },
      [&] {
        return static_cast<double>(reads) / CpuSeconds([&] {
          for (size_t i = 0; i < reads; ++i) lmdb.Get(gets.at(i).digest.view(), absl::MakeSpan(out));
        });
      });
}

std::vector<std::string> PackPaths(const Folder& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() + "/packs")) paths.push_back(entry.path());
  return paths;
}

// Takes the packs out of the page cache; their pages are clean.
void Forget(const Folder& folder) {
  for (const std::string& path : PackPaths(folder)) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    Must(fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
    close(fd);
  }
}

// A store just opened, its packs on the disk alone. No blob is read twice.
double ColdGets(const Folder& folder, const Gets& gets, size_t threads, size_t reads) {
  Forget(folder);
  auto store = Open(folder.path());
  std::vector<base::Bytes> out(threads, base::Bytes(kSmall));
  std::atomic<size_t> next_thread{0};
  return static_cast<double>(reads) / WallSeconds([&] {
    std::atomic<size_t> next{0};
    OnThreads(threads, threads, [&](size_t) {
      uint8_t* mine = out[next_thread++].data();
      for (size_t i = next++; i < reads; i = next++) Get(*store, gets.at(i), mine);
    });
  });
}

// Blocks of the same files past the page cache, by as many threads.
double RawReads(const Folder& folder, size_t threads, size_t reads) {
  struct Pack {
    int fd;
    size_t blocks;
  };
  std::vector<Pack> packs;
  size_t blocks = 0;
  for (const std::string& path : PackPaths(folder)) {
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    Must(fd >= 0, "O_DIRECT");
    packs.push_back({fd, std::filesystem::file_size(path) / kSmall});
    blocks += packs.back().blocks;
  }
  const double seconds = WallSeconds([&] {
    std::atomic<size_t> next{0};
    OnThreads(threads, threads, [&](size_t) {
      std::unique_ptr<void, decltype(&std::free)> block(std::aligned_alloc(kSmall, kSmall), &std::free);
      for (size_t i = next++; i < reads; i = next++) {
        size_t at = i * 2654435761 % blocks;
        const Pack* pack = packs.data();
        for (; at >= pack->blocks; ++pack) at -= pack->blocks;
        Must(pread(pack->fd, block.get(), kSmall, static_cast<off_t>(at * kSmall)) == static_cast<ssize_t>(kSmall), "read");
      }
    });
  });
  for (const Pack& pack : packs) close(pack.fd);
  return static_cast<double>(reads) / seconds;
}

void SmallGets(Program& program) {
  const size_t count = program.full() ? 1'000'000 : 100'000;
  const size_t cold_reads = program.full() ? 200'000 : 20'000;
  constexpr size_t kColdThreads = 16;
  const Folder ours(program.dir()), theirs(program.dir());
  auto store = Open(ours.path());
  Lmdb lmdb(theirs.path());
  Gets gets;
  Fill(gets, *store, lmdb, count);
  Must(store->Checkpoint().ok(), "checkpoint");
  HotGets(program, gets, *store, lmdb);
  store.reset();
  program.Note("B19 get_4kib_cold: the same blobs, the store just opened and its packs dropped from the page cache, 16 threads; "
               "reference: pread of 4 KiB blocks of the same packs at random, O_DIRECT, 16 threads");
  program.Compare({"B19", "get_4kib_cold", "gets/s", 0.5, 0.8},
                  [&] { return ColdGets(ours, gets, kColdThreads, cold_reads); },
                  [&] { return RawReads(ours, kColdThreads, cold_reads); });
}

// ---- B20 ----

void Efficiency(Program& program) {
  const size_t count = program.full() ? 100'000 : 10'000;
  const Folder folder(program.dir());
  auto store = Open(folder.path());
  base::SeededEntropy sizes(20);
  uint64_t user_bytes = 0;
  for (size_t part = 0; part < count; part += 1000) {
    const base::Bytes noise = Noise(64 << 10, part);
    std::vector<base::Bytes> files;
    std::vector<std::pair<base::ContentId, base::ByteView>> many;
    for (size_t i = 0; i < 1000; ++i) {
      const size_t size = 1 + sizes.DrawNumber() % noise.size();
      files.emplace_back(noise.begin(), noise.begin() + static_cast<ptrdiff_t>(size));
      std::memcpy(files.back().data(), &i, std::min(size, sizeof i));
      user_bytes += size;
    }
    for (const base::Bytes& file : files) many.emplace_back(base::ContentId::Of(file), file);
    const auto durable = store->PutMany(many);
    if (!durable.ok()) Die(durable.status().ToString());
  }
  user_bytes = store->Usage().live_bytes;
  store.reset();
  program.Note("B20: files of 1 B to 64 KiB, one copy each; blocks on the disk, index included");
  program.Report({"B20", "disk_bytes_per_byte", "ratio", 3, 1.15},
                 static_cast<double>(folder.DiskBytes()) / static_cast<double>(user_bytes));
}

// ---- B21 ----

// Private memory of this process, without pages of mapped files that the kernel can drop.
double AnonymousBytes() {
  malloc_trim(0);
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "RssAnon:") {
      double kib = 0;
      status >> kib;
      return kib * 1024;
    }
  }
  Die("no RssAnon in /proc/self/status");
}

void IndexMemory(Program& program) {
  const size_t count = program.full() ? 10'000'000 : 200'000;
  const Folder folder(program.dir());
  const double before = AnonymousBytes();
  {
    auto store = Open(folder.path());
    for (size_t part = 0; part < count; part += 4000) {
      const Blobs blobs(std::min<size_t>(4000, count - part), 64, 2100 + part);
      PutMany(*store, blobs, 0, blobs.ids.size());
    }
  }
  std::unique_ptr<storage::DiskBlobStore> store;
  const double open_seconds = WallSeconds([&] { store = Open(folder.path()); });
  Must(store->Usage().blobs == count, "every blob is there");
  base::ContentId after;
  for (int page = 0; page < 20; ++page) {
    const auto listed = store->List(after, 500);
    Must(listed.ok() && !listed->empty(), "list");
    for (const storage::BlobInfo& info : *listed) Must(store->Read(info.id, 64).ok(), "read");
    after = listed->back().id;
  }
  program.Note("B21: blobs of 64 B; private memory of the open store after 10,000 reads, mapped index pages not counted");
  program.Report({"B21", "index_bytes_per_blob", "B", 64, 32},
                 std::max(0.0, AnonymousBytes() - before) / static_cast<double>(count));
  program.Report({"B21", "open_seconds", "s", 5, 1}, open_seconds);
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B09")) cairn::bench::Durable(program);
  if (program.Wants("B18")) cairn::bench::SmallPuts(program);
  if (program.Wants("B19")) cairn::bench::SmallGets(program);
  if (program.Wants("B20")) cairn::bench::Efficiency(program);
  if (program.Wants("B21")) cairn::bench::IndexMemory(program);
  return program.Finish();
}
