// B10: the same work as a backup tool: a folder in memory, encrypted, onto the disk, durable.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bench.h"
#include "cairn/base/entropy.h"
#include "cairn/base/observer.h"
#include "cairn/storage/disk_blob_store.h"
#include "cairn/storage/encode.h"
#include "child.h"
#include "folder.h"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBatchBytes = 16 << 20;  // put with one sync
constexpr size_t kReadBytes = 1 << 20;
constexpr int kThreads = 4;  // some compute while others wait for a sync

struct File {
  std::string path;
  uint64_t size = 0;
};

std::vector<File> FilesBelow(const std::string& root) {
  std::vector<File> out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file() && !entry.is_symlink()) out.push_back({entry.path(), entry.file_size()});
  }
  return out;
}

void MustBe(const absl::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

// One worker's share: files sealed under fresh keys, one copy, many small ones for each sync.
class Worker {
 public:
  Worker(storage::BlobStore& store, base::Entropy& entropy) : store_(store), entropy_(entropy) {}

  void Take(const File& file) {
    const base::Redundancy copies = base::Redundancy::Parse("replicate:2").value();
    const storage::VersionKey key = entropy_.DrawSecret<32>();
    base::Bytes sealed;
    sealed.reserve(file.size + file.size / 4096 + 4096);
    auto encoder = storage::ObjectEncoder::Create({.policy = copies, .key = &key}, file.size,
                                                  [&](uint32_t, base::ByteView piece) {
                                                    sealed.insert(sealed.end(), piece.begin(), piece.end());
                                                    return absl::OkStatus();
                                                  });
    MustBe(encoder.status());
    std::ifstream in(file.path, std::ios::binary);
    base::Bytes piece(std::min<uint64_t>(kReadBytes, file.size));
    for (uint64_t at = 0; at < file.size; at += piece.size()) {
      piece.resize(std::min<uint64_t>(piece.size(), file.size - at));
      in.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
      Must(in.good(), "read");
      MustBe((*encoder)->Feed(piece));
    }
    const storage::EncodedObject object = (*encoder)->Finish().value();
    waiting_ += sealed.size();
    ids_.push_back(object.stored.content_id);
    bytes_.push_back(std::move(sealed));
    if (waiting_ >= kBatchBytes || ids_.size() == storage::kMaxPutMany) Flush();
  }

  void Flush() {
    std::vector<std::pair<base::ContentId, base::ByteView>> many;
    for (size_t i = 0; i < ids_.size(); ++i) many.emplace_back(ids_[i], bytes_[i]);
    MustBe(store_.PutMany(many).status());
    ids_.clear();
    bytes_.clear();
    waiting_ = 0;
  }

 private:
  storage::BlobStore& store_;
  base::Entropy& entropy_;
  std::vector<base::ContentId> ids_;
  std::vector<base::Bytes> bytes_;
  size_t waiting_ = 0;
};

double Ours(const std::string& dir, const std::string& source, uint64_t bytes) {
  static base::SystemEntropy entropy;
  const Folder folder(dir);
  const double seconds = WallSeconds([&] {
    auto store = storage::DiskBlobStore::OpenAt(folder.path(), entropy, base::NullObserver());
    MustBe(store.status());
    const std::vector<File> files = FilesBelow(source);
    std::atomic<size_t> next = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        Worker worker(**store, entropy);
        for (size_t i = next++; i < files.size(); i = next++) worker.Take(files[i]);
        worker.Flush();
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  return static_cast<double>(bytes) * 1e-6 / seconds;
}

double Timed(uint64_t bytes, const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  return static_cast<double>(bytes) * 1e-6 / WallSeconds([&] { Run(command, environment); });
}

double Restic(const std::string& dir, const std::string& source, uint64_t bytes) {
  const Folder folder(dir);
  const std::vector<std::string> environment = {"RESTIC_PASSWORD=bench", "RESTIC_REPOSITORY=" + folder.path() + "/repo"};
  Run({"restic", "--no-cache", "init", "--repository-version", "2"}, environment);
  return Timed(bytes, {"restic", "--no-cache", "--quiet", "--compression", "off", "backup", source}, environment);
}

double Borg(const std::string& dir, const std::string& source, uint64_t bytes) {
  const Folder folder(dir);
  const std::string repo = folder.path() + "/repo";
  const std::vector<std::string> environment = {"BORG_PASSPHRASE=bench", "BORG_BASE_DIR=" + folder.path()};
  Run({"borg", "init", "--encryption", "repokey-blake2", repo}, environment);
  return Timed(bytes, {"borg", "create", "--compression", "none", repo + "::one", source}, environment);
}

void Whole(Program& program) {
  const Folder source(fs::exists("/dev/shm") ? "/dev/shm" : program.dir());
  const uint64_t random = program.full() ? uint64_t{1} << 30 : uint64_t{256} << 20;
  {
    const base::Bytes noise = Noise(random, 10);
    std::ofstream(source.path() + "/random", std::ios::binary)
        .write(reinterpret_cast<const char*>(noise.data()), static_cast<std::streamsize>(noise.size()));
  }
  fs::copy("/usr/include", source.path() + "/include", fs::copy_options::recursive | fs::copy_options::skip_symlinks);
  uint64_t bytes = 0;
  const std::vector<File> files = FilesBelow(source.path());
  for (const File& file : files) bytes += file.size;
  program.Note("B10: a random file and /usr/include in memory, " + std::to_string(files.size()) + " files, " +
               std::to_string(bytes >> 20) + " MiB; ours: sealed, one copy, acknowledged durable, four threads; peers: " +
               FirstLine("restic version") + " --no-cache --compression off; " + FirstLine("borg --version") +
               " repokey-blake2, --compression none; both sync what they write");
  program.Compare({"B10", "backup_restic", "MB/s", 2, 4}, [&] { return Ours(program.dir(), source.path(), bytes); },
                  [&] { return Restic(program.dir(), source.path(), bytes); });
  program.Compare({"B10", "backup_borg", "MB/s", 2, 4}, [&] { return Ours(program.dir(), source.path(), bytes); },
                  [&] { return Borg(program.dir(), source.path(), bytes); });
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B10")) cairn::bench::Whole(program);
  return program.Finish();
}
