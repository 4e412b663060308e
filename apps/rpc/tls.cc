#include "apps/rpc/tls.h"

#include <arpa/inet.h>
#include <grpc/grpc_security_constants.h>
#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "apps/common/key_file.h"
#include "apps/common/log.h"
#include "apps/rpc/server.h"
#include "cairn/base/status.h"

namespace cairn::rpc {
namespace {

using base::Error;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

absl::Status CryptoError(absl::string_view what) {
  return Error(absl::StatusCode::kInternal, "TLS_LIBRARY",
               absl::StrCat("the TLS library failed to ", what));
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<base::Digest> PinOfCertificate(X509* certificate) {
  unsigned char* der = nullptr;
  int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return CryptoError("encode a public key");
  base::Digest pin = base::Blake3(base::ByteView(der, static_cast<size_t>(size)));
  OPENSSL_free(der);
  return pin;
}

absl::StatusOr<X509Ptr> SelfSigned(EVP_PKEY* key, absl::string_view name) {
  X509Ptr certificate(X509_new());
  std::string common_name(name.substr(0, 64));
  uint64_t serial = 0;
  bool ok =
      certificate && RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1 &&
      X509_set_version(certificate.get(), 2) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -24 * 3600) != nullptr &&
      X509_time_adj_ex(X509_getm_notAfter(certificate.get()), 20 * 365, 0, nullptr) != nullptr &&
      X509_set_pubkey(certificate.get(), key) == 1;
  X509_NAME* subject = ok ? X509_get_subject_name(certificate.get()) : nullptr;
  ok = ok &&
       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(common_name.data()),
                                  static_cast<int>(common_name.size()), -1, 0) == 1 &&
       X509_set_issuer_name(certificate.get(), subject) == 1 &&
       X509_sign(certificate.get(), key, EVP_sha256()) > 0;
  if (!ok) return CryptoError("make a certificate");
  return certificate;
}

// Compares the public key that the peer proved to hold with the expected pin; nothing else in the
// certificate counts.
class PinVerifier final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit PinVerifier(const base::Digest& pin) : pin_(pin) {}
  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)>, grpc::Status* status) override {
    grpc::string_ref pem = request->peer_cert();
    absl::StatusOr<base::Digest> seen = PinOf(absl::string_view(pem.data(), pem.size()));
    bool equal = seen.ok() && base::ConstantTimeEqual(seen->view(), pin_.view());
    *status = equal ? grpc::Status::OK
                    : grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                   "PIN_MISMATCH: the server holds another key");
    return true;
  }
  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  base::Digest pin_;
};

// What gRPC would print to standard error itself: every refused handshake of a stranger, for one.
void LogFromGrpc(gpr_log_func_args* record) {
  app::Log(base::Severity::kDebug, "grpc", record->message);
}

// Before the first use of TLS in the process.
//
// gRPC 1.51 has no setter for the lowest TLS version, and always allows 1.2. Its cipher list
// concerns 1.2 alone: a suite that needs an RSA certificate, which no node has, leaves 1.3 as the
// only version that can be agreed on.
void PrepareTransport() {
  static const bool done = [] {
    setenv("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384", 1);
    gpr_set_log_function(LogFromGrpc);
    return true;
  }();
  (void)done;
}

std::shared_ptr<grpc::ChannelCredentials> PinnedCredentials(const base::Digest& pin) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);  // no authority is asked: the pin decides
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<PinVerifier>(pin));
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace

absl::StatusOr<NodeCertificate> MakeNodeCertificate(absl::string_view name) {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return CryptoError("make a key");
  ASSIGN_OR_RETURN(X509Ptr certificate, SelfSigned(key.get(), name));
  BioPtr certificate_pem(BIO_new(BIO_s_mem())), key_pem(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return CryptoError("write a certificate");
  }
  ASSIGN_OR_RETURN(base::Digest pin, PinOfCertificate(certificate.get()));
  return NodeCertificate{TextOf(certificate_pem.get()), base::SecretString(TextOf(key_pem.get())),
                         pin};
}

absl::StatusOr<NodeCertificate> LoadOrMakeNodeCertificate(const std::string& folder,
                                                          absl::string_view name) {
  std::string certificate_path = folder + "/tls.crt", key_path = folder + "/tls.key";
  absl::StatusOr<std::string> certificate = app::ReadSmallFile(certificate_path, 64 << 10);
  absl::StatusOr<std::string> key = app::ReadSmallFile(key_path, 64 << 10);
  if (absl::IsNotFound(certificate.status()) && absl::IsNotFound(key.status())) {
    ASSIGN_OR_RETURN(NodeCertificate made, MakeNodeCertificate(name));
    RETURN_IF_ERROR(app::WriteFileAtomically(key_path, made.key_pem.Reveal()));
    RETURN_IF_ERROR(app::WriteFileAtomically(certificate_path, made.certificate_pem, 0644));
    return made;
  }
  // A key without its certificate is what a crash between the two writes leaves: never silently
  // replaced.
  RETURN_IF_ERROR(base::Annotate(key.status(), "node key"));
  RETURN_IF_ERROR(base::Annotate(certificate.status(), "node certificate"));
  ASSIGN_OR_RETURN(base::Digest pin, PinOf(*certificate));
  return NodeCertificate{*std::move(certificate), base::SecretString(*std::move(key)), pin};
}

absl::StatusOr<base::Digest> PinOf(absl::string_view certificate_pem) {
  BioPtr bio(BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  X509Ptr certificate(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!certificate) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_CERTIFICATE",
                 "the certificate cannot be read");
  }
  return PinOfCertificate(certificate.get());
}

absl::StatusOr<PeerPin> PeerPin::FromBytes(base::ByteView bytes) {
  if (bytes.empty()) return Plaintext();
  absl::StatusOr<base::Digest> pin = base::Digest::From(bytes);
  if (!pin.ok()) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_PIN",
                 "a TLS pin is 32 bytes, or nothing for plaintext", "",
                 {{"bytes", absl::StrCat(bytes.size())}});
  }
  return Of(*pin);
}

absl::StatusOr<PeerPin> PeerPin::FromHex(absl::string_view text) {
  absl::StatusOr<base::Bytes> bytes = base::FromHex(text);
  if (!bytes.ok())
    return Error(absl::StatusCode::kInvalidArgument, "BAD_PIN",
                 "a TLS pin is 64 hexadecimal digits");
  return FromBytes(*bytes);
}

bool IsLoopback(absl::string_view endpoint) {
  if (absl::StartsWith(endpoint, "unix:") || absl::StartsWith(endpoint, "[::1]:")) return true;
  size_t colon = endpoint.rfind(':');
  absl::string_view host =
      endpoint.substr(0, colon == absl::string_view::npos ? endpoint.size() : colon);
  if (host == "localhost" || host == "::1") return true;
  // As strict as can be: resolvers read "0127.0.0.1" as an address of somebody else's.
  in_addr address{};
  return host.find('\0') == absl::string_view::npos &&
         inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(absl::string_view endpoint,
                                                       const PeerPin& pin, bool own_connection) {
  PrepareTransport();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  // The name misleads: it is how long one attempt to connect, handshake included, may take. A busy machine needs more
  // than a refused port, which fails at once whatever stands here.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 3000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (own_connection) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (pin.pin().has_value()) {
    credentials = PinnedCredentials(*pin.pin());
  } else if (IsLoopback(endpoint)) {
    credentials = grpc::InsecureChannelCredentials();
  } else {
    return Error(absl::StatusCode::kFailedPrecondition, "PLAINTEXT_NOT_LOOPBACK",
                 absl::StrCat("refusing to talk in plaintext to ", endpoint),
                 "give the TLS pin of the server, or use a loopback address",
                 {{"endpoint", std::string(endpoint)}});
  }
  return grpc::CreateCustomChannel(std::string(endpoint), credentials, arguments);
}

std::shared_ptr<grpc::ServerCredentials> ServerCredentialsFor(const NodeCertificate& certificate) {
  PrepareTransport();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back(
      {std::string(certificate.key_pem.Reveal()), certificate.certificate_pem});
  return grpc::SslServerCredentials(options);
}

}  // namespace cairn::rpc
