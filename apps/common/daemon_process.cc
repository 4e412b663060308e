#include "apps/common/daemon_process.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "apps/common/log.h"
#include "cairn/base/status.h"

namespace cairn::app {
namespace {

void WriteAll(int fd, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

// The protocol of service managers: a datagram to the socket that they name.
void Notify(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || std::strlen(path) >= sizeof(sockaddr_un::sun_path)) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  (void)sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
               length);
  close(fd);
}

}  // namespace

DaemonProcess::DaemonProcess(std::string program, Config config, int ready_fd,
                             std::function<absl::StatusOr<Config>()> load)
    : config_(std::move(config)), metrics_(program), ready_fd_(ready_fd), load_(std::move(load)) {
  sigset_t handled;
  sigemptyset(&handled);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, signal);
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

DaemonProcess::~DaemonProcess() {
  finished_ = true;
  WriteAll(wake_fd_, std::string("\1\0\0\0\0\0\0\0", 8));
  if (guard_.joinable()) guard_.join();
  if (ready_fd_ >= 0) close(ready_fd_);
  close(signal_fd_);
  close(wake_fd_);
}

void DaemonProcess::Ready(const std::string& line) {
  if (ready_fd_ >= 0) {
    WriteAll(ready_fd_, line + "\n");
    close(ready_fd_);
    ready_fd_ = -1;
  }
  Notify("READY=1\n");
}

int DaemonProcess::NextSignal(int timeout_ms) {
  pollfd waiting[] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  if (poll(waiting, 2, timeout_ms) <= 0) return 0;
  uint64_t count = 0;
  if (waiting[1].revents != 0) (void)!read(wake_fd_, &count, sizeof(count));
  signalfd_siginfo info{};
  if (waiting[0].revents != 0 && read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    return static_cast<int>(info.ssi_signo);
  }
  return 0;
}

void DaemonProcess::Reload() {
  absl::StatusOr<Config> fresh = load_();
  if (!fresh.ok()) {
    LogError("config.reload_failed", fresh.status());
    return;
  }
  std::vector<std::string> fixed = Config::NotReloadable(config_, *fresh);
  if (!fixed.empty()) {
    LogWarning("config.needs_restart", "changed keys that only a restart takes up",
               {{"keys", absl::StrJoin(fixed, ",")}});
  }
  if (reload_) reload_(*fresh);
  LogInfo("config.reloaded", "reloadable keys taken up");
}

absl::Status DaemonProcess::WaitForStop() {
  while (true) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (cause_.has_value()) break;
    }
    int signal = NextSignal(-1);
    if (signal == SIGHUP) Reload();
    if (signal == SIGTERM || signal == SIGINT) {
      LogInfo("daemon.stopping", "asked to stop",
              {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      break;
    }
  }
  stopping_ = true;
  Notify("STOPPING=1\n");
  guard_ = std::thread([this] { GuardStop(); });
  std::lock_guard<std::mutex> lock(mutex_);
  return cause_.value_or(absl::OkStatus());
}

void DaemonProcess::GuardStop() {
  absl::Duration limit = stop_timeout() + absl::Seconds(5);
  int left_ms = static_cast<int>(absl::ToInt64Milliseconds(std::min(limit, absl::Hours(24))));
  while (left_ms > 0) {
    int step = std::min(left_ms, 200);
    int signal = NextSignal(step);
    if (finished_) return;
    if (signal == SIGTERM || signal == SIGINT) _exit(128 + signal);
    left_ms -= step;
  }
  LogWarning("daemon.stop_overdue", "the graceful stop took too long: ending now");
  _exit(static_cast<int>(1));
}

void DaemonProcess::RequestStop(absl::Status cause) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!cause_.has_value()) cause_ = std::move(cause);
  }
  stopping_ = true;
  WriteAll(wake_fd_, std::string("\1\0\0\0\0\0\0\0", 8));
}

}  // namespace cairn::app
