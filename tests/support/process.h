// A program under test: started with a pipe for its ready line, its output kept in files, ended
// with the test.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn {

class Process {
 public:
  // Output goes to `log`.out and `log`.err. With `ready`, "--ready-fd N" is appended.
  Process(std::vector<std::string> arguments, const std::string& log, bool ready) : log_(log) {
    int ends[2] = {-1, -1};
    if (ready && pipe(ends) != 0) std::abort();
    if (ready) arguments.insert(arguments.end(), {"--ready-fd", absl::StrCat(ends[1])});
    pid_ = fork();
    if (pid_ == 0) {
      Redirect(1, log + ".out");
      Redirect(2, log + ".err");
      if (ready) close(ends[0]);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    if (ready) close(ends[1]);
    ready_fd_ = ends[0];
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (ready_fd_ >= 0) close(ready_fd_);
  }

  // What the program says once it serves; empty when it ended first.
  std::string WaitReady(int seconds = 30) {
    std::string line;
    char c = 0;
    pollfd waiting{ready_fd_, POLLIN, 0};
    while (poll(&waiting, 1, seconds * 1000) > 0 && read(ready_fd_, &c, 1) == 1 && c != '\n')
      line += c;
    return line;
  }
  pid_t pid() const { return pid_; }
  void Signal(int signal) { kill(pid_, signal); }
  // Its exit code, or 128 + the signal that ended it; -1 when it still runs after `seconds`.
  int Wait(int seconds = 30) {
    for (int i = 0; i < seconds * 100; ++i) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return -1;
  }
  std::string out() const { return Read(log_ + ".out"); }
  std::string err() const { return Read(log_ + ".err"); }

 private:
  static void Redirect(int fd, const std::string& path) {
    int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, fd);
    close(file);
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  std::string log_;
  pid_t pid_ = -1;
  int ready_fd_ = -1;
};

}  // namespace cairn
