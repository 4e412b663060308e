// A gRPC listener with what every listener has: health, reflection (v1 and v1alpha), limits and
// call metrics.
//
//   ASSIGN_OR_RETURN(auto server, Server::Start({.listen = "127.0.0.1:0", .certificate =
//   &certificate,
//                                                .services = {MakeChainService(engine, &metrics,
//                                                stopping)}}));
//   server->SetReady(true);  ...  server->Stop(absl::Seconds(10));
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apps/rpc/tls.h"

namespace grpc {
class Service;
}

namespace cairn::app {
class Metrics;
}

namespace cairn::rpc {

// What a server sends at most, a block or a page of records, and its clients take.
inline constexpr int kMaxMessageBytes = 4 << 20;
// What a server takes at most: the largest transaction or bulk message with what is around it. More
// is refused (ResourceExhausted) once it is there; what is on its way there counts against memory_bytes.
inline constexpr int kMaxRequestBytes = (1 << 20) + (64 << 10);

// Room for some of the largest requests at once.
inline constexpr uint64_t kMinMemoryBytes = 16 << 20;
// InvalidArgument (reason BAD_CONFIG_VALUE), naming the configuration key.
absl::Status CheckMemoryLimit(absl::string_view key, uint64_t bytes);

struct ServerOptions {
  std::string listen = {};                       // host:port; port 0 picks a free one
  const NodeCertificate* certificate = nullptr;  // null: plaintext, loopback only
  std::vector<std::shared_ptr<grpc::Service>> services = {};
  app::Metrics* metrics = nullptr;  // must outlive the server
  int max_threads = 128;            // calls beyond wait or are refused (ResourceExhausted)
  // For bytes on their way in and out, of all connections together; beyond it calls are ended, the greediest connections
  // with them: a message may claim gigabytes, and whoever sends it need not be known. At least kMinMemoryBytes.
  uint64_t memory_bytes = uint64_t{128} << 20;
};

class Server {
 public:
  // AlreadyExists (reason PORT_TAKEN), InvalidArgument (reason BAD_LISTEN_ADDRESS),
  // FailedPrecondition (reason PLAINTEXT_NOT_LOOPBACK).
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  ~Server();  // stops at once when Stop was not called

  int port() const;
  std::string endpoint() const;  // host:port that was bound
  // grpc.health.v1: the empty name is SERVING from the start; each service's name follows this, not
  // serving at first.
  void SetReady(bool ready);
  // No new calls; running ones may finish for `grace`, then they are cancelled. Returns when all
  // are done.
  void Stop(absl::Duration grace);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::rpc
