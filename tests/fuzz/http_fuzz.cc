// Bytes of a connection as a stranger sends them to the HTTP listener. Every answer is well-formed, and the handler sees
// decoded, absolute, bounded requests alone.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "apps/net/http_server.h"
#include "fuzz.h"

namespace cairn {
namespace {

constexpr size_t kMaxBody = 64;

net::HttpResponse Handle(const net::HttpRequest& request) {
  FUZZ_CHECK(absl::StartsWith(request.path, "/") && request.path.find('\0') == std::string::npos);
  FUZZ_CHECK(request.body.size() <= kMaxBody && request.method != "HEAD" && !request.method.empty());
  for (const auto& [name, value] : request.headers) {
    FUZZ_CHECK(name == absl::AsciiStrToLower(name) && value.find_first_of("\r\n") == std::string::npos);
  }
  net::HttpResponse response;
  response.body = "served\n";
  return response;
}

int PortOf(const net::HttpServer& server) {
  int port = 0;
  const std::string endpoint = server.endpoint();
  FUZZ_CHECK(absl::SimpleAtoi(endpoint.substr(endpoint.rfind(':') + 1), &port));
  return port;
}

// Sends everything and reads until the server closes.
std::string Converse(int port, base::ByteView input) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  FUZZ_CHECK(fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  // No lingering: thousands of connections must not use up the ports.
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  while (!input.empty()) {
    const ssize_t sent = send(fd, input.data(), input.size(), MSG_NOSIGNAL);
    if (sent < 0) break;  // the server has heard enough
    input.remove_prefix(static_cast<size_t>(sent));
  }
  shutdown(fd, SHUT_WR);
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, static_cast<size_t>(n));
  close(fd);
  return answer;
}

}  // namespace

void FuzzOne(base::ByteView input) {
  static const auto server = [] {
    net::HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    options.max_body_bytes = kMaxBody;
    options.timeout = absl::Seconds(60);
    return *net::HttpServer::Start(options, Handle);
  }();
  static const int port = PortOf(*server);
  const std::string answer = Converse(port, input);
  if (answer.empty()) return;
  FUZZ_CHECK(absl::StartsWith(answer, "HTTP/1.1 "));
  int status = 0;
  FUZZ_CHECK(absl::SimpleAtoi(answer.substr(9, 3), &status));
  FUZZ_CHECK(status == 200 || status == 400 || status == 413 || status == 431);
  FUZZ_CHECK(answer.find("\r\n\r\n") != std::string::npos);
}

}  // namespace cairn
