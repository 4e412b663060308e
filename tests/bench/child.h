// Programs that a bench runs beside itself.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cairn::bench {

// Runs to its end, output thrown away unless it fails. `environment`: further NAME=value.
void Run(const std::vector<std::string>& command, const std::vector<std::string>& environment = {});
// The first line of what it prints.
std::string FirstLine(const std::string& command);

// A program that runs until the object goes (SIGTERM, and then it is waited for).
class Child {
 public:
  explicit Child(const std::vector<std::string>& command, const std::vector<std::string>& environment = {});
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// A port of the loopback interface that was free a moment ago.
int FreePort();
// A TCP connection to it; tried for some seconds. The descriptor is the caller's.
int ConnectTo(int port);

}  // namespace cairn::bench
