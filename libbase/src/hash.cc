#include "cairn/base/hash.h"

#include <blake3.h>

namespace cairn::base {

struct Hasher::State {
  blake3_hasher blake3;
};

Digest Blake3(ByteView bytes) {
  blake3_hasher blake3;
  blake3_hasher_init(&blake3);
  blake3_hasher_update(&blake3, bytes.data(), bytes.size());
  Digest digest;
  blake3_hasher_finalize(&blake3, digest.value.data(), digest.value.size());
  return digest;
}

Hasher::Hasher() : state_(std::make_unique<State>()) { blake3_hasher_init(&state_->blake3); }

Hasher Hasher::DeriveKey(absl::string_view context) {
  Hasher hasher;
  blake3_hasher_init_derive_key_raw(&hasher.state_->blake3, context.data(), context.size());
  return hasher;
}

Hasher Hasher::Keyed(const Digest& key) {
  Hasher hasher;
  blake3_hasher_init_keyed(&hasher.state_->blake3, key.value.data());
  return hasher;
}

Hasher::Hasher(const Hasher& other) : state_(std::make_unique<State>(*other.state_)) {}

Hasher& Hasher::operator=(const Hasher& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher::~Hasher() = default;

Hasher& Hasher::Update(ByteView bytes) {
  blake3_hasher_update(&state_->blake3, bytes.data(), bytes.size());
  return *this;
}

Hasher& Hasher::Field(ByteView bytes) {
  Field(uint64_t{bytes.size()});
  return Update(bytes);
}

Hasher& Hasher::Field(uint64_t number) {
  uint8_t raw[8];
  for (int i = 0; i < 8; ++i) raw[i] = static_cast<uint8_t>(number >> (8 * i));
  return Update(ByteView(raw, sizeof raw));
}

Digest Hasher::Finish() const {
  Digest digest;
  FinishXof(MutableByteView(digest.value.data(), digest.value.size()));
  return digest;
}

void Hasher::FinishXof(MutableByteView out) const {
  blake3_hasher_finalize(&state_->blake3, out.data(), out.size());
}

}  // namespace cairn::base
