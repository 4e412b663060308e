#include "cairn/base/secret.h"

#include <openssl/mem.h>

namespace cairn::base {
namespace {

// Short strings live inside the object and stay there when they are moved away: the whole capacity is wiped.
void Wipe(std::string& text) {
  text.resize(text.capacity());
  SecureWipe(text.data(), text.size());
  text.clear();
}

}  // namespace

void SecureWipe(void* data, size_t size) { OPENSSL_cleanse(data, size); }

SecretString::SecretString(std::string text) : text_(std::move(text)) { Wipe(text); }

SecretString::SecretString(SecretString&& other) noexcept : text_(std::move(other.text_)) { Wipe(other.text_); }

SecretString& SecretString::operator=(SecretString&& other) noexcept {
  if (this != &other) {
    Wipe(text_);
    text_ = std::move(other.text_);
    Wipe(other.text_);
  }
  return *this;
}

SecretString::~SecretString() { Wipe(text_); }

}  // namespace cairn::base
