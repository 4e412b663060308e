#include "cairn/base/aead.h"

#include <openssl/aead.h>

#include "cairn/base/status.h"
#include "check.h"

namespace cairn::base {

struct Aead::State {
  State(const EVP_AEAD* algorithm, const Secret<32>& key) {
    Require(EVP_AEAD_CTX_init(context.get(), algorithm, key.Reveal().data(), key.kSize, kAeadTagBytes, nullptr) == 1);
  }
  ~State() {
    // BoringSSL keeps the key in a context that it cleans up.
    context.Reset();
    SecureWipe(context.get(), sizeof(EVP_AEAD_CTX));
  }
  bssl::ScopedEVP_AEAD_CTX context;
};

Aead::Aead(std::unique_ptr<State> state) : state_(std::move(state)) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

Aead Aead::Gcm(const Secret<32>& key) { return Aead(std::make_unique<State>(EVP_aead_aes_256_gcm(), key)); }

Aead Aead::GcmSiv(const Secret<32>& key) {
  return Aead(std::make_unique<State>(EVP_aead_aes_256_gcm_siv(), key));
}

void Aead::SealTo(ByteView nonce, ByteView aad, ByteView plaintext, MutableByteView out) const {
  Require(nonce.size() == kAeadNonceBytes && out.size() == plaintext.size() + kAeadTagBytes);
  size_t written = 0;
  Require(EVP_AEAD_CTX_seal(state_->context.get(), out.data(), &written, out.size(), nonce.data(), nonce.size(),
                            plaintext.data(), plaintext.size(), aad.data(), aad.size()) == 1 &&
          written == out.size());
}

Bytes Aead::Seal(ByteView nonce, ByteView aad, ByteView plaintext) const {
  Bytes out(plaintext.size() + kAeadTagBytes);
  SealTo(nonce, aad, plaintext, MutableByteView(out));
  return out;
}

absl::Status Aead::OpenTo(ByteView nonce, ByteView aad, ByteView sealed, MutableByteView out) const {
  size_t plain_size = sealed.size() < kAeadTagBytes ? 0 : sealed.size() - kAeadTagBytes;
  Require(nonce.size() == kAeadNonceBytes && out.size() == plain_size);
  size_t written = 0;
  if (sealed.size() >= kAeadTagBytes &&
      EVP_AEAD_CTX_open(state_->context.get(), out.data(), &written, out.size(), nonce.data(), nonce.size(),
                        sealed.data(), sealed.size(), aad.data(), aad.size()) == 1) {
    Require(written == out.size());
    return absl::OkStatus();
  }
  SecureWipe(out.data(), out.size());
  return Error(absl::StatusCode::kDataLoss, "DECRYPT_FAILED", "the sealed bytes do not open under this key and place");
}

absl::StatusOr<Bytes> Aead::Open(ByteView nonce, ByteView aad, ByteView sealed) const {
  Bytes out(sealed.size() < kAeadTagBytes ? 0 : sealed.size() - kAeadTagBytes);
  absl::Status opened = OpenTo(nonce, aad, sealed, MutableByteView(out));
  if (!opened.ok()) return opened;
  return out;
}

std::array<uint8_t, kAeadNonceBytes> CounterNonce(uint64_t counter) {
  std::array<uint8_t, kAeadNonceBytes> out{};
  for (size_t i = 0; i < 8; ++i) out[4 + i] = static_cast<uint8_t>(counter >> (8 * i));
  return out;
}

}  // namespace cairn::base
