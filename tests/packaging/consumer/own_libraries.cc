// An application with an OpenSSL and protobuf messages of its own (one of them bears the name of a message inside Cairn)
// talks to a TLS server through Cairn's client, in one process.
#include <openssl/evp.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "apps/client/connect.h"
#include "apps/rpc/server.h"
#include "cairn/base/key.h"
#include "cairn/chain/client.h"
#include "own.pb.h"

namespace {

int Fail(const char* what) {
  std::fprintf(stderr, "own_libraries: %s\n", what);
  return 1;
}

// The ledger's answer is UNIMPLEMENTED: the server is nobody's ledger, but the handshake and its pin were right.
absl::Status AskOverTls(const std::string& folder) {
  auto certificate = cairn::rpc::LoadOrMakeNodeCertificate(folder, "consumer");
  if (!certificate.ok()) return certificate.status();
  auto server = cairn::rpc::Server::Start({.listen = "127.0.0.1:0", .certificate = &*certificate});
  if (!server.ok()) return server.status();
  cairn::client::Profile profile;
  profile.chain_endpoint = (*server)->endpoint();
  profile.chain_tls_pin = certificate->pin;
  auto chain = cairn::client::ConnectChain(cairn::client::Paths::Find(folder), profile);
  if (!chain.ok()) return chain.status();
  cairn::chain::pb::QueryRequest request;
  request.set_status(true);
  return (*chain)->Query(request).status();
}

bool Digests() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  return EVP_Digest("abc", 3, digest, &size, EVP_sha256(), nullptr) == 1 && size == 32 && digest[0] == 0xba;
}

}  // namespace

int main() {
  app::Letter letter, again;
  letter.set_to("a neighbour");
  letter.mutable_outcome()->set_message("arrived");
  if (!again.ParseFromString(letter.SerializeAsString()) || again.outcome().message() != "arrived")
    return Fail("the application's own messages");
  if (!Digests()) return Fail("the application's own OpenSSL");
  char folder[] = "/tmp/own-libraries-XXXXXX";
  if (mkdtemp(folder) == nullptr) return Fail("no folder");
  const absl::Status asked = AskOverTls(folder);
  std::filesystem::remove_all(folder);
  if (!absl::IsUnimplemented(asked)) return Fail(asked.ToString().c_str());
  if (!Digests()) return Fail("OpenSSL after a handshake");
  std::printf("own messages, own OpenSSL, and a handshake of Cairn's\n");
  return 0;
}
