// DaemonContext over a real process: signals, readiness, a stop that cannot hang. One per process;
// internal to RunDaemon.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "apps/common/daemon.h"

namespace cairn::app {

class DaemonProcess final : public DaemonContext {
 public:
  // Blocks the signals it handles in this thread: threads started later inherit that.
  DaemonProcess(std::string program, Config config, int ready_fd,
                std::function<absl::StatusOr<Config>()> load);
  ~DaemonProcess() override;

  const Config& config() const override { return config_; }
  Metrics& metrics() override { return metrics_; }
  void OnReload(std::function<void(const Config&)> reload) override { reload_ = std::move(reload); }
  void Ready(const std::string& line) override;
  absl::Status WaitForStop() override;
  void RequestStop(absl::Status cause) override;
  bool stopping() const override { return stopping_.load(); }
  absl::Duration stop_timeout() const override { return config_.Duration("shutdown.timeout"); }

 private:
  // One signal, or 0 when woken or after `timeout_ms` (-1: no limit).
  int NextSignal(int timeout_ms);
  void Reload();
  // A second signal, or a stop that takes longer than it may, ends the process at once.
  void GuardStop();

  Config config_;
  Metrics metrics_;
  int ready_fd_;
  std::function<absl::StatusOr<Config>()> load_;
  std::function<void(const Config&)> reload_;
  int signal_fd_ = -1;
  int wake_fd_ = -1;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> finished_{false};
  std::mutex mutex_;
  std::optional<absl::Status> cause_;
  std::thread guard_;
};

}  // namespace cairn::app
