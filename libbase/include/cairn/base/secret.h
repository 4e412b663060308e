// Memory that wipes itself. A secret is never copied silently, never printed, never compared with ==.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "cairn/base/bytes.h"

namespace cairn::base {

// Overwrites memory in a way the compiler may not drop.
void SecureWipe(void* data, size_t size);

// N secret bytes. Move only; the moved-from object and the destroyed one are wiped. Duplicate by `Clone`.
template <size_t N>
class Secret {
 public:
  static constexpr size_t kSize = N;
  Secret() = default;
  static absl::StatusOr<Secret> From(ByteView bytes) {
    if (bytes.size() != N) return absl::InvalidArgumentError("wrong length of a secret");
    Secret out;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { SecureWipe(other.bytes_.data(), N); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      SecureWipe(other.bytes_.data(), N);
    }
    return *this;
  }
  ~Secret() { SecureWipe(bytes_.data(), N); }
  Secret Clone() const {
    Secret out;
    out.bytes_ = bytes_;
    return out;
  }
  // The one way to the bytes: easy to search for.
  ByteView Reveal() const { return ByteView(bytes_.data(), N); }
  MutableByteView Fill() { return MutableByteView(bytes_.data(), N); }

 private:
  std::array<uint8_t, N> bytes_{};
};

// A secret of any length (passphrases, decrypted key files).
class SecretString {
 public:
  SecretString() = default;
  explicit SecretString(std::string text);
  SecretString(const SecretString&) = delete;
  SecretString& operator=(const SecretString&) = delete;
  SecretString(SecretString&& other) noexcept;
  SecretString& operator=(SecretString&& other) noexcept;
  ~SecretString();
  absl::string_view Reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace cairn::base
