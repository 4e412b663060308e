#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "apps/common/metrics.h"
#include "apps/net/http_server.h"
#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::net {
namespace {

sockaddr_in Loopback(const std::string& endpoint) {
  int port = 0;
  (void)absl::SimpleAtoi(endpoint.substr(endpoint.rfind(':') + 1), &port);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int Dial(const std::string& endpoint) {
  const sockaddr_in address = Loopback(endpoint);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return fd;
}

// What a server that may be gone answers; empty: nothing.
std::string Knock(const std::string& endpoint) {
  const sockaddr_in address = Loopback(endpoint);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  constexpr char kRequest[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
  char status[12];
  ssize_t n = 0;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      send(fd, kRequest, sizeof(kRequest) - 1, MSG_NOSIGNAL) > 0) {
    n = recv(fd, status, sizeof(status), MSG_WAITALL);
  }
  close(fd);
  return n > 0 ? std::string(status, static_cast<size_t>(n)) : "";
}

// Everything the server says until it closes.
std::string Say(const std::string& endpoint, const std::string& text) {
  int fd = Dial(endpoint);
  (void)!send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  std::string answer;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
    answer.append(buffer, static_cast<size_t>(n));
  close(fd);
  return answer;
}

std::string Get(const std::string& endpoint, const std::string& path) {
  return Say(endpoint, "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

std::unique_ptr<HttpServer> StartEcho(HttpServerOptions options = {}) {
  options.listen = "127.0.0.1:0";
  auto server = HttpServer::Start(options, [](const HttpRequest& request) {
    HttpResponse response;
    response.body = request.method + " " + request.path + " " + request.query + " " + request.body;
    return response;
  });
  REQUIRE(server.ok());
  return *std::move(server);
}

}  // namespace

TEST_CASE("admin pages tell health, readiness, metrics and status") {
  app::Metrics metrics("testd");
  metrics.Count("things.done", 3, {{"kind", "a"}});
  metrics.ObserveCall("S", "M", "OK", absl::Milliseconds(3));
  bool ready = false;
  AdminPages pages;
  pages.program = "testd";
  pages.ready = [&] { return ready; };
  pages.metrics = &metrics;
  pages.status = [] { return std::vector<std::pair<std::string, std::string>>{{"<b>", "1 & 2"}}; };
  auto server = HttpServer::Start({.listen = "127.0.0.1:0"}, AdminHandler(pages));
  REQUIRE(server.ok());
  std::string at = (*server)->endpoint();
  CHECK(absl::StartsWith(Get(at, "/healthz"), "HTTP/1.1 200"));
  CHECK(absl::StartsWith(Get(at, "/readyz"), "HTTP/1.1 503"));
  ready = true;
  CHECK(absl::StartsWith(Get(at, "/readyz"), "HTTP/1.1 200"));
  std::string text = Get(at, "/metrics");
  CHECK(absl::StrContains(text, "cairn_things_done_total{kind=\"a\"} 3"));
  CHECK(absl::StrContains(text, "cairn_build_info{program=\"testd\""));
  CHECK(
      absl::StrContains(text, "cairn_rpc_seconds_count{code=\"OK\",method=\"M\",service=\"S\"} 1"));
  CHECK(absl::StrContains(text, "cairn_up_seconds"));
  CHECK(absl::StrContains(Get(at, "/"), "&lt;b&gt;</th><td>1 &amp; 2"));
  CHECK(absl::StartsWith(Get(at, "/none"), "HTTP/1.1 404"));
  CHECK(
      absl::StartsWith(Say(at, "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
                       "HTTP/1.1 405"));
}

TEST_CASE("a connection serves several requests, and HEAD has no body") {
  auto server = StartEcho();
  std::string answer =
      Say(server->endpoint(),
          "POST /a%20b?q=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz"
          "HEAD /h HTTP/1.1\r\n\r\nGET /last HTTP/1.1\r\nConnection: close\r\n\r\n");
  CHECK(absl::StrContains(answer, "POST /a b q=1 xyz"));
  CHECK_FALSE(absl::StrContains(answer, "GET /h"));
  CHECK(absl::StrContains(answer, "GET /last"));
}

TEST_CASE("broken, oversized and dawdling requests are turned away") {
  auto server = StartEcho({.listen = "",
                           .threads = 1,
                           .max_body_bytes = 100,
                           .max_connections = 2,
                           .timeout = absl::Milliseconds(300)});
  std::string at = server->endpoint();
  CHECK(absl::StartsWith(Say(at, "nonsense\r\n\r\n"), "HTTP/1.1 400"));
  CHECK(absl::StartsWith(Get(at, "/%zz"), "HTTP/1.1 400"));
  CHECK(absl::StartsWith(Get(at, "/%00"), "HTTP/1.1 400"));
  CHECK(
      absl::StartsWith(Say(at, "POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n"), "HTTP/1.1 413"));
  CHECK(absl::StartsWith(Say(at, "GET / HTTP/1.1\r\nA: " + std::string(20'000, 'a') + "\r\n\r\n"),
                         "HTTP/1.1 431"));
  CHECK(Say(at, "GET / HTTP/1.1\r\n").empty());  // closed after the timeout
  int first = Dial(at), second = Dial(at);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(Get(at, "/").empty());  // beyond max_connections
  close(first);
  close(second);
}

TEST_CASE("a taken port and a bad address are named") {
  auto server = StartEcho();
  auto again = HttpServer::Start({.listen = server->endpoint()}, nullptr);
  CHECK(base::ReasonOf(again.status()) == "PORT_TAKEN");
  for (const char* listen :
       {"127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "no.such.host:1", "192.0.2.1:1", ":1"}) {
    CHECK(base::ReasonOf(HttpServer::Start({.listen = listen}, nullptr).status()) ==
          "BAD_LISTEN_ADDRESS");
  }
}

TEST_CASE("a stop closes waiting connections and returns") {
  auto server = StartEcho();
  int idle = Dial(server->endpoint());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  auto begin = std::chrono::steady_clock::now();
  server->Stop(absl::Seconds(5));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  char byte;
  CHECK(recv(idle, &byte, 1, 0) <= 0);
  close(idle);
}

TEST_CASE("nobody listens any more when a stop has returned") {
  for (int round = 0; round < 20; ++round) {
    auto server = StartEcho({.threads = 1});
    server->Stop(absl::ZeroDuration());
    const sockaddr_in address = Loopback(server->endpoint());
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0);
    close(fd);
  }
}

TEST_CASE("a server may stop while connections arrive on all its threads") {
  std::atomic<int> answered{0}, odd{0};
  for (int round = 0; round < 20; ++round) {
    auto server = StartEcho({.threads = 4});
    const int before = answered;
    std::atomic<int> ended{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([endpoint = server->endpoint(), &answered, &odd, &ended] {
        for (int call = 0; call < 8; ++call) {
          const std::string status = Knock(endpoint);
          answered += !status.empty();
          odd += !status.empty() && status != "HTTP/1.1 200";
        }
        ++ended;
      });
    }
    while (answered == before && ended < 4) std::this_thread::yield();
    server.reset();
    for (std::thread& client : clients) client.join();
  }
  CHECK(odd == 0);
}

}  // namespace cairn::net
