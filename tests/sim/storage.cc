#include "sim/storage.h"

namespace cairn::sim {
namespace {

constexpr absl::Duration kSyncTime = absl::Milliseconds(2);

void Pause(Scheduler& scheduler, absl::Duration most) {
  if (Scheduler::Running() == nullptr) return;
  scheduler.Sleep(most * std::generate_canonical<double, 32>(scheduler.random()));
}

class PacedFile final : public base::File {
 public:
  PacedFile(Scheduler& scheduler, std::unique_ptr<base::File> file, const double& slow)
      : scheduler_(scheduler), file_(std::move(file)), slow_(slow) {}
  absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) override {
    return file_->ReadAt(offset, out);
  }
  absl::Status WriteAt(uint64_t offset, base::ByteView bytes) override { return file_->WriteAt(offset, bytes); }
  absl::Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  absl::StatusOr<uint64_t> Size() override { return file_->Size(); }
  absl::Status Sync() override {
    Pause(scheduler_, kSyncTime * slow_);
    return file_->Sync();
  }
  absl::Status PunchHole(uint64_t offset, uint64_t length) override { return file_->PunchHole(offset, length); }

 private:
  Scheduler& scheduler_;
  std::unique_ptr<base::File> file_;
  const double& slow_;
};

class PacedDisk final : public base::Disk {
 public:
  PacedDisk(Scheduler& scheduler, base::SimDisk& disk, const double& slow)
      : scheduler_(scheduler), disk_(disk), slow_(slow) {}
  absl::StatusOr<std::unique_ptr<base::File>> Open(absl::string_view path, base::OpenMode mode) override {
    auto file = disk_.Open(path, mode);
    if (!file.ok()) return file.status();
    return std::make_unique<PacedFile>(scheduler_, *std::move(file), slow_);
  }
  absl::Status MakeDirs(absl::string_view path) override { return disk_.MakeDirs(path); }
  absl::Status Rename(absl::string_view from, absl::string_view to) override { return disk_.Rename(from, to); }
  absl::Status Remove(absl::string_view path) override { return disk_.Remove(path); }
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override { return disk_.List(folder); }
  absl::StatusOr<bool> Exists(absl::string_view path) override { return disk_.Exists(path); }
  absl::Status SyncDir(absl::string_view folder) override {
    Pause(scheduler_, kSyncTime * slow_);
    return disk_.SyncDir(folder);
  }
  absl::StatusOr<base::DiskSpace> Space() override { return disk_.Space(); }

 private:
  Scheduler& scheduler_;
  base::SimDisk& disk_;
  const double& slow_;
};

}  // namespace

class OpenKv final : public base::Kv {
 public:
  OpenKv(KvFile& file, absl::Duration latency) : file_(file), latency_(latency), live_(base::NewMemoryKv()) {
    base::KvBatch all;
    for (const auto& [key, value] : file_.durable_) all.Put(key, value);
    (void)live_->Commit(all);
  }
  std::unique_ptr<base::KvSnapshot> Snapshot() const override { return live_->Snapshot(); }
  absl::Status Commit(const base::KvBatch& batch, bool durable) override {
    if (durable) Pause(file_.scheduler_, latency_);
    absl::Status done = live_->Commit(batch, durable);
    if (!done.ok()) return done;
    file_.loose_.push_back(batch);
    if (!durable) return done;
    file_.Settle(file_.loose_.size());
    // The caller may die between the sync and what it does next.
    Pause(file_.scheduler_, latency_ / 8);
    return done;
  }
  absl::Status Sync() override {
    file_.Settle(file_.loose_.size());
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> EntryCount() const override { return live_->EntryCount(); }

 private:
  KvFile& file_;
  const absl::Duration latency_;
  std::unique_ptr<base::Kv> live_;
};

std::unique_ptr<base::Kv> KvFile::Open(absl::Duration latency) {
  Settle(loose_.size());  // the machine ran on: the kernel has it all
  return std::make_unique<OpenKv>(*this, latency);
}

void KvFile::Settle(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    for (const auto& [key, value] : loose_[i].changes()) {
      if (value.has_value()) {
        durable_[key] = *value;
      } else {
        durable_.erase(key);
      }
    }
  }
  loose_.erase(loose_.begin(), loose_.begin() + static_cast<ptrdiff_t>(count));
}

void KvFile::LosePower(std::mt19937_64& random) {
  Settle(loose_.empty() ? 0 : random() % (loose_.size() + 1));
  loose_.clear();
}

void KvFile::Wipe() {
  durable_.clear();
  loose_.clear();
}

std::unique_ptr<base::Disk> NewPacedDisk(Scheduler& scheduler, base::SimDisk& disk, const double& slow) {
  return std::make_unique<PacedDisk>(scheduler, disk, slow);
}

}  // namespace cairn::sim
