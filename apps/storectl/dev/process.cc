#include "apps/storectl/dev/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "cairn/base/status.h"

extern char** environ;

namespace cairn::storectl {
namespace {

constexpr size_t kMaxOutputBytes = 1 << 20;
constexpr size_t kLogTailBytes = 2000;
constexpr int kReadyDescriptor = 3;

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) ends_[0] = ends_[1] = -1;
  }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void CloseRead() { Close(ends_[0]); }
  void CloseWrite() { Close(ends_[1]); }

 private:
  static void Close(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int ends_[2] = {-1, -1};
};

std::vector<char*> ArgumentPointers(const std::vector<std::string>& arguments) {
  std::vector<char*> out;
  for (const std::string& argument : arguments) out.push_back(const_cast<char*>(argument.c_str()));
  out.push_back(nullptr);
  return out;
}

absl::Status CannotStart(const std::string& program, int code) {
  return base::Error(absl::StatusCode::kUnavailable, "PROGRAM_MISSING",
                     absl::StrCat("cannot start ", program, ": ", strerror(code)),
                     "build it, or put its folder on the path");
}

// Files and flags of one child, released on every way out.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    Open(STDIN_FILENO, "/dev/null", O_RDONLY);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  void Open(int fd, const std::string& path, int flags) {
    posix_spawn_file_actions_addopen(&actions_, fd, path.c_str(), flags, 0600);
  }
  void Duplicate(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  void NewSession() { posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID); }
  absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& arguments) {
    pid_t pid = 0;
    std::vector<char*> pointers = ArgumentPointers(arguments);
    int code = posix_spawnp(&pid, pointers[0], &actions_, &attributes_, pointers.data(), environ);
    if (code != 0) return CannotStart(arguments[0], code);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Field 22 of /proc/PID/stat; the command before it may hold spaces and parentheses.
uint64_t StartedTicks(int64_t pid) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/stat"));
  std::stringstream text;
  text << in.rdbuf();
  std::string stat = text.str();
  size_t end = stat.rfind(')');
  if (end == std::string::npos) return 0;
  std::vector<std::string> fields = absl::StrSplit(stat.substr(end + 2), ' ');
  constexpr size_t kState = 0, kStart = 19;
  if (fields.size() <= kStart || fields[kState] == "Z") return 0;
  uint64_t ticks = 0;
  return absl::SimpleAtoi(fields[kStart], &ticks) ? ticks : 0;
}

std::string LogTail(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  std::string all = text.str();
  return all.size() > kLogTailBytes ? all.substr(all.size() - kLogTailBytes) : all;
}

void Drain(int fd, std::string& into) {
  char buffer[8192];
  ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0 && into.size() < kMaxOutputBytes) into.append(buffer, static_cast<size_t>(n));
}

}  // namespace

absl::StatusOr<ProgramResult> RunProgram(const std::vector<std::string>& arguments) {
  Pipe out, err;
  SpawnPlan plan;
  plan.Duplicate(out.write_end(), STDOUT_FILENO);
  plan.Duplicate(err.write_end(), STDERR_FILENO);
  ASSIGN_OR_RETURN(pid_t pid, plan.Spawn(arguments));
  out.CloseWrite();
  err.CloseWrite();
  ProgramResult result;
  pollfd ends[2] = {{out.read_end(), POLLIN, 0}, {err.read_end(), POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (poll(ends, 2, -1) < 0 && errno != EINTR) break;
    std::string* texts[2] = {&result.out, &result.err};
    for (int i = 0; i < 2; ++i) {
      if ((ends[i].revents & POLLIN) != 0) {
        Drain(ends[i].fd, *texts[i]);
      } else if (ends[i].revents != 0) {
        ends[i].fd = -1;
      }
    }
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

absl::StatusOr<ProcessId> StartDaemon(std::vector<std::string> arguments, const std::string& log_path,
                                      absl::Duration timeout, std::string* ready) {
  arguments.push_back(absl::StrCat("--ready-fd=", kReadyDescriptor));
  Pipe pipe;
  SpawnPlan plan;
  plan.Open(STDOUT_FILENO, log_path, O_WRONLY | O_CREAT | O_APPEND);
  plan.Duplicate(STDOUT_FILENO, STDERR_FILENO);
  plan.Duplicate(pipe.write_end(), kReadyDescriptor);
  plan.NewSession();
  ASSIGN_OR_RETURN(pid_t pid, plan.Spawn(arguments));
  pipe.CloseWrite();
  absl::Time deadline = absl::Now() + timeout;
  std::string line;
  while (line.find('\n') == std::string::npos) {
    int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    pollfd end = {pipe.read_end(), POLLIN, 0};
    int n = left > 0 ? poll(&end, 1, static_cast<int>(left)) : 0;
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
      return base::Error(absl::StatusCode::kDeadlineExceeded, "NOT_READY",
                         absl::StrCat(arguments[0], " did not say that it serves within ", absl::FormatDuration(timeout)),
                         absl::StrCat("look at ", log_path), {{"log", LogTail(log_path)}});
    }
    size_t before = line.size();
    Drain(pipe.read_end(), line);
    if (line.size() == before) {
      waitpid(pid, nullptr, 0);
      return base::Error(absl::StatusCode::kFailedPrecondition, "DAEMON_ENDED",
                         absl::StrCat(arguments[0], " ended before it served"), absl::StrCat("look at ", log_path),
                         {{"log", LogTail(log_path)}});
    }
  }
  if (ready != nullptr) *ready = line.substr(0, line.find('\n'));
  return ProcessId{pid, StartedTicks(pid)};
}

bool IsRunning(const ProcessId& process) {
  return process.pid > 0 && process.started_ticks != 0 && StartedTicks(process.pid) == process.started_ticks;
}

void KillProcess(const ProcessId& process) { StopProcess(process, absl::ZeroDuration()); }

void StopProcess(const ProcessId& process, absl::Duration grace) {
  if (!IsRunning(process)) return;
  pid_t pid = static_cast<pid_t>(process.pid);
  kill(pid, grace > absl::ZeroDuration() ? SIGTERM : SIGKILL);
  absl::Time deadline = absl::Now() + grace;
  constexpr absl::Duration kStep = absl::Milliseconds(5);
  bool killed = grace <= absl::ZeroDuration();
  while (IsRunning(process)) {
    waitpid(pid, nullptr, WNOHANG);
    if (!killed && absl::Now() > deadline) {
      kill(pid, SIGKILL);
      killed = true;
    }
    absl::SleepFor(kStep);
  }
}

std::string ProgramFolder() {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  std::string program(path, n > 0 ? static_cast<size_t>(n) : 0);
  return program.substr(0, program.rfind('/'));
}

}  // namespace cairn::storectl
