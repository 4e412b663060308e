// What a machine keeps when its processes die: key-value stores whose unsynced commits a power cut may take, and a disk
// that takes its time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cairn/base/disk.h"
#include "cairn/base/kv.h"
#include "sim/threads.h"

namespace cairn::sim {

// The contents of a key-value store between runs of the process that has it open.
class KvFile {
 public:
  explicit KvFile(Scheduler& scheduler) : scheduler_(scheduler) {}
  // For one process. Commits take up to `latency` of simulated time.
  std::unique_ptr<base::Kv> Open(absl::Duration latency);
  // Commits that were not made durable: after a power cut the later ones may be gone.
  void LosePower(std::mt19937_64& random);
  void Wipe();

 private:
  friend class OpenKv;
  void Settle(size_t count);
  Scheduler& scheduler_;
  std::map<std::string, std::string> durable_;
  std::vector<base::KvBatch> loose_;
};

// The disk as a process sees it: syncs take time and others run meanwhile. `slow` is a factor, changed by faults.
std::unique_ptr<base::Disk> NewPacedDisk(Scheduler& scheduler, base::SimDisk& disk, const double& slow);

}  // namespace cairn::sim
