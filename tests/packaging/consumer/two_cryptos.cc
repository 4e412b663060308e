// Signs with Cairn (BoringSSL inside) and verifies with the application's own OpenSSL, in one process.
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdio>

#include "cairn/base/entropy.h"
#include "cairn/base/key.h"

int main() {
  cairn::base::SystemEntropy entropy;
  const auto key = cairn::base::SigningKey::Generate(entropy);
  const auto digest = cairn::base::Blake3(cairn::base::AsBytes("one process, two libraries"));
  const auto signature = key.Sign(digest);
  const auto& raw = key.public_key().bytes.value;
  EVP_PKEY* peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw.data(), raw.size());
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool ok = peer != nullptr && EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, peer) == 1 &&
                  EVP_DigestVerify(context, signature.value.data(), signature.value.size(),
                                   digest.value.data(), digest.value.size()) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(peer);
  std::printf("%s: %s\n", OpenSSL_version(OPENSSL_VERSION), ok ? "verified" : "refused");
  return ok ? 0 : 1;
}
