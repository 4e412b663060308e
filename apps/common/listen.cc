#include "apps/common/listen.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::app {

absl::Status ListenError(absl::string_view address, int error) {
  base::Evidence evidence = {{"address", std::string(address)}, {"error", std::strerror(error)}};
  if (error == EADDRINUSE) {
    return base::Error(absl::StatusCode::kAlreadyExists, "PORT_TAKEN",
                       absl::StrCat("another process listens on ", address),
                       "stop it (`ss -ltnp` shows it), or choose another port",
                       std::move(evidence));
  }
  if (error == EACCES || error == EPERM) {
    return base::Error(absl::StatusCode::kPermissionDenied, "PORT_FORBIDDEN",
                       absl::StrCat("this user may not listen on ", address),
                       "choose a port above 1023", std::move(evidence));
  }
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_LISTEN_ADDRESS",
                     absl::StrCat("cannot listen on ", address),
                     "give host:port with an address of this machine", std::move(evidence));
}

absl::Status CanListen(absl::string_view address) {
  size_t colon = address.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return ListenError(address, EINVAL);
  }
  std::string host(address.substr(0, colon));
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]"))
    host = host.substr(1, host.size() - 2);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV | (host == "localhost" ? 0 : AI_NUMERICHOST);
  addrinfo* found = nullptr;
  if (host.empty() || getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &wanted, &found) != 0) {
    return ListenError(address, EADDRNOTAVAIL);
  }
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int yes = 1;
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) error = errno;
    close(fd);
  }
  freeaddrinfo(found);
  return error == 0 ? absl::OkStatus() : ListenError(address, error);
}

}  // namespace cairn::app
