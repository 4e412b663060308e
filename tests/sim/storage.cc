#include "sim/storage.h"

#include "support/forwarding_disk.h"
#include "support/forwarding_kv.h"

namespace cairn::sim {
namespace {

constexpr absl::Duration kSyncTime = absl::Milliseconds(2);

void Pause(Scheduler& scheduler, absl::Duration most) {
  if (Scheduler::Running() == nullptr) return;
  scheduler.Sleep(most * std::generate_canonical<double, 32>(scheduler.random()));
}

class PacedFile final : public base::ForwardingFile {
 public:
  PacedFile(Scheduler& scheduler, std::unique_ptr<base::File> file, const double& slow)
      : ForwardingFile(std::move(file)), scheduler_(scheduler), slow_(slow) {}
  absl::Status Sync() override {
    Pause(scheduler_, kSyncTime * slow_);
    return ForwardingFile::Sync();
  }

 private:
  Scheduler& scheduler_;
  const double& slow_;
};

class PacedDisk final : public base::ForwardingDisk {
 public:
  PacedDisk(Scheduler& scheduler, base::SimDisk& disk, const double& slow)
      : ForwardingDisk(disk), scheduler_(scheduler), slow_(slow) {}
  absl::Status SyncDir(absl::string_view folder) override {
    Pause(scheduler_, kSyncTime * slow_);
    return ForwardingDisk::SyncDir(folder);
  }

 private:
  std::unique_ptr<base::File> Wrap(std::unique_ptr<base::File> file) override {
    return std::make_unique<PacedFile>(scheduler_, std::move(file), slow_);
  }
  Scheduler& scheduler_;
  const double& slow_;
};

}  // namespace

class OpenKv final : public base::ForwardingKv {
 public:
  OpenKv(KvFile& file, absl::Duration latency) : file_(file), latency_(latency) {
    base::KvBatch all;
    for (const auto& [key, value] : file_.durable_) all.Put(key, value);
    (void)ForwardingKv::Commit(all);
  }
  absl::Status Commit(const base::KvBatch& batch, bool durable) override {
    if (durable) Pause(file_.scheduler_, latency_);
    absl::Status done = ForwardingKv::Commit(batch, durable);
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

 private:
  KvFile& file_;
  const absl::Duration latency_;
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
