// Who is at the other end: TLS 1.3 with self-signed node certificates, pinned by the hash of their
// public key.
//
// A node's certificate holds a P-256 key of its own. Its *pin* is BLAKE3 of the
// SubjectPublicKeyInfo (DER); the registry (Provider.tls_pin) or the network's profile says which
// pin to expect. No name, no authority and no date in the certificate counts. Plaintext is possible
// on loopback addresses only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cairn/base/hash.h"
#include "cairn/base/secret.h"

namespace grpc {
class Channel;
class ServerCredentials;
}  // namespace grpc

namespace cairn::rpc {

struct NodeCertificate {
  std::string certificate_pem;
  base::SecretString key_pem;
  base::Digest pin;
};

// A new key and certificate, valid for 20 years from yesterday on; `name` is for people.
absl::StatusOr<NodeCertificate> MakeNodeCertificate(absl::string_view name);
// From `folder`/tls.crt and tls.key; made and written there (mode 0600) when neither is there.
absl::StatusOr<NodeCertificate> LoadOrMakeNodeCertificate(const std::string& folder,
                                                          absl::string_view name);
// Pin of a PEM certificate. InvalidArgument (reason BAD_CERTIFICATE).
absl::StatusOr<base::Digest> PinOf(absl::string_view certificate_pem);

// What a client expects of the server.
class PeerPin {
 public:
  static PeerPin Of(const base::Digest& pin) { return PeerPin(pin); }
  // 32 bytes as in Provider.tls_pin, or empty for plaintext. InvalidArgument (reason BAD_PIN).
  static absl::StatusOr<PeerPin> FromBytes(base::ByteView bytes);
  // 64 hex digits, or "" for plaintext.
  static absl::StatusOr<PeerPin> FromHex(absl::string_view text);
  static PeerPin Plaintext() { return PeerPin(std::nullopt); }
  const std::optional<base::Digest>& pin() const { return pin_; }

 private:
  explicit PeerPin(std::optional<base::Digest> pin) : pin_(pin) {}
  std::optional<base::Digest> pin_;
};

// "127.0.0.1:4856", "[::1]:4856", "localhost:1", "unix:/path".
bool IsLoopback(absl::string_view endpoint);

// A channel to host:port; it connects on first use. Plaintext to anything but loopback is
// FailedPrecondition (reason PLAINTEXT_NOT_LOOPBACK). A peer with another key is seen as
// Unavailable (reason PIN_MISMATCH). `own_connection`: do not share a TCP connection with other
// channels to the same server (parallel bulk transfers).
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(absl::string_view endpoint,
                                                       const PeerPin& pin,
                                                       bool own_connection = false);

// TLS 1.3 only.
std::shared_ptr<grpc::ServerCredentials> ServerCredentialsFor(const NodeCertificate& certificate);

}  // namespace cairn::rpc
