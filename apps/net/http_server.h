// A small HTTP/1.1 server for admin endpoints: requests in, responses out, nothing of the transport
// shows.
//
// Bounded: 16 KiB of header, 1 MiB of body, 256 connections, 15 s without progress. Keep-alive. Not
// an edge server.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>  // also for Asio 1.74, which needs it and does not include it
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cairn::app {
class Metrics;
}

namespace cairn::net {

struct HttpRequest {
  std::string method;                          // "GET"
  std::string path;                            // decoded, without the query
  std::string query;                           // as sent
  std::map<std::string, std::string> headers;  // names in lower case; the last of equal names
  std::string body;
};
struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::map<std::string, std::string> headers;
  std::string body;
};
// Called from several threads; must not block for long. HEAD is asked as GET, the body is left out.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

struct HttpServerOptions {
  std::string listen = {};  // host:port; port 0 picks a free one
  int threads = 1;
  size_t max_body_bytes = 1 << 20;
  size_t max_connections = 256;
  absl::Duration timeout = absl::Seconds(15);
};

class HttpServer {
 public:
  // AlreadyExists (reason PORT_TAKEN), InvalidArgument (reason BAD_LISTEN_ADDRESS).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           HttpHandler handler);
  ~HttpServer();
  std::string endpoint() const;
  // Closes idle connections, lets running requests finish for `grace`.
  void Stop(absl::Duration grace);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// /healthz, /readyz, /metrics, and / (a page with what `status` says, row by row). Anything else is
// 404.
struct AdminPages {
  std::string program;
  std::function<bool()> ready;
  const app::Metrics* metrics = nullptr;
  std::function<std::vector<std::pair<std::string, std::string>>()> status;
};
HttpHandler AdminHandler(AdminPages pages);

}  // namespace cairn::net
