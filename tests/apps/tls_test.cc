#include "apps/rpc/tls.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "apps/common/metrics.h"
#include "apps/rpc/provider_client.h"
#include "apps/rpc/provider_service.h"
#include "apps/rpc/server.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "catch.h"
#include "support/fake_provider.h"
#include "support/temp_dir.h"

namespace cairn::rpc {
namespace {

std::unique_ptr<Server> Serve(FakeProvider& provider, const NodeCertificate* certificate,
                              app::Metrics* metrics = nullptr) {
  auto server = Server::Start({.listen = "127.0.0.1:0",
                               .certificate = certificate,
                               .services = {MakeProviderService(provider, provider.verifier)},
                               .metrics = metrics});
  REQUIRE(server.ok());
  return *std::move(server);
}

absl::Status Ask(const std::string& endpoint, const PeerPin& pin) {
  auto client =
      ProviderClient::Connect({.endpoint = endpoint, .pin = pin, .call_timeout = absl::Seconds(5)});
  if (!client.ok()) return client.status();
  return (*client)->GetInfo().status();
}

std::string Shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char buffer[4096];
  size_t n = 0;
  while ((n = fread(buffer, 1, sizeof(buffer), pipe)) > 0) out.append(buffer, n);
  pclose(pipe);
  return out;
}

}  // namespace

TEST_CASE("plaintext is for addresses of this machine alone, however they are written") {
  for (const char* ours : {"127.0.0.1:4856", "127.255.0.9:1", "[::1]:1", "localhost:1", "unix:/run/cairn"}) {
    INFO(ours);
    CHECK(IsLoopback(ours));
  }
  // A resolver reads the first as 87.0.0.1; the rest are names.
  for (const char* not_ours : {"0127.0.0.1:1", "127.0.0.1.example:1", "127.1:1", "127.0.0.+1:1", "127.0.0. 1:1", "10.0.0.1:1", ":1", ""}) {
    INFO(not_ours);
    CHECK_FALSE(IsLoopback(not_ours));
  }
  CHECK_FALSE(IsLoopback(std::string("127.0.0.1\0.example:1", 21)));
}

TEST_CASE("a server is known by the pin of its key alone") {
  auto certificate = MakeNodeCertificate("node");
  auto other = MakeNodeCertificate("node");
  REQUIRE(certificate.ok());
  FakeProvider provider;
  app::Metrics metrics("test");
  auto server = Serve(provider, &*certificate, &metrics);
  CHECK(Ask(server->endpoint(), PeerPin::Of(certificate->pin)).ok());
  absl::Status refused = Ask(server->endpoint(), PeerPin::Of(other->pin));
  INFO(refused);
  CHECK(absl::IsUnavailable(refused));
  CHECK(base::ReasonOf(refused) == "PIN_MISMATCH");
  CHECK_FALSE(Ask(server->endpoint(), PeerPin::Plaintext()).ok());
  CHECK(absl::StrContains(metrics.Text(), "method=\"GetInfo\",service=\"cairn.rpc.v1.Provider\""));
}

TEST_CASE("TLS 1.3 is spoken, and nothing older") {
  auto certificate = MakeNodeCertificate("node");
  FakeProvider provider;
  auto server = Serve(provider, &*certificate);
  std::string probe =
      absl::StrCat("openssl s_client -alpn h2 -connect ", server->endpoint(), " </dev/null ");
  CHECK(absl::StrContains(Shell(probe + "-tls1_3"), "TLSv1.3, Cipher is TLS_"));
  CHECK(absl::StrContains(Shell(probe + "-tls1_2"), "Cipher is (NONE)"));
}

TEST_CASE("plaintext is for loopback only, on both sides") {
  FakeProvider provider;
  for (const char* endpoint : {"10.0.0.1:1", "example.org:1", "127.0.0.1.example.org:1",
                               "[2001:db8::1]:1", "0.0.0.0:1", "1270.0.1:1", "127.0.0:1"}) {
    CHECK(base::ReasonOf(Connect(endpoint, PeerPin::Plaintext()).status()) ==
          "PLAINTEXT_NOT_LOOPBACK");
    CHECK(base::ReasonOf(Server::Start({.listen = endpoint}).status()) == "PLAINTEXT_NOT_LOOPBACK");
  }
  for (const char* endpoint : {"127.0.0.1:1", "127.3.2.1:1", "localhost:1", "[::1]:1", "unix:/x"}) {
    CHECK(Connect(endpoint, PeerPin::Plaintext()).ok());
  }
  auto server = Serve(provider, nullptr);
  CHECK(Ask(server->endpoint(), PeerPin::Plaintext()).ok());
}

TEST_CASE("a certificate is made once and found again") {
  TempDir folder;
  auto made = LoadOrMakeNodeCertificate(folder.path(), "node");
  auto found = LoadOrMakeNodeCertificate(folder.path(), "node");
  REQUIRE(made.ok());
  REQUIRE(found.ok());
  CHECK(made->pin == found->pin);
  CHECK(*PinOf(made->certificate_pem) == made->pin);
  std::filesystem::remove(folder.path() + "/tls.crt");
  CHECK_FALSE(LoadOrMakeNodeCertificate(folder.path(), "node")
                  .ok());  // half a pair is never replaced silently
  CHECK(base::ReasonOf(PinOf("nonsense").status()) == "BAD_CERTIFICATE");
  CHECK(base::ReasonOf(PeerPin::FromBytes(base::Bytes(31)).status()) == "BAD_PIN");
}

TEST_CASE("a taken port is an error with its name") {
  FakeProvider provider;
  auto server = Serve(provider, nullptr);
  CHECK(base::ReasonOf(Server::Start({.listen = server->endpoint()}).status()) == "PORT_TAKEN");
}

}  // namespace cairn::rpc
