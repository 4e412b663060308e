#include "child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "bench.h"

extern char** environ;

namespace cairn::bench {
namespace {

constexpr int kConnectTries = 500;  // of 10 ms

pid_t Spawn(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  std::vector<char*> words, names;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  for (char** name = environ; *name != nullptr; ++name) names.push_back(*name);
  for (const std::string& name : environment) names.push_back(const_cast<char*>(name.c_str()));
  names.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  if (posix_spawnp(&child, words[0], &actions, nullptr, words.data(), names.data()) != 0) {
    Die("cannot run " + command[0] + ": cmake/install-deps.sh --bench installs the peers");
  }
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

}  // namespace

void Run(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  const pid_t child = Spawn(command, environment);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) Die(command[0] + " failed");
}

std::string FirstLine(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  char line[256] = "";
  std::string out = std::fgets(line, sizeof line, pipe) == nullptr ? "" : line;
  pclose(pipe);
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

Child::Child(const std::vector<std::string>& command, const std::vector<std::string>& environment)
    : pid_(Spawn(command, environment)) {}

Child::~Child() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  Must(fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
           getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "a free port");
  close(fd);
  return ntohs(address.sin_port);
}

int ConnectTo(int port) {
  sockaddr_in address = Loopback(port);
  for (int i = 0; i < kConnectTries; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Must(fd >= 0, "a socket");
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  Die("nobody listens on port " + std::to_string(port));
}

}  // namespace cairn::bench
