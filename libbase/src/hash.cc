#include "cairn/base/hash.h"

#include <blake3.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "blake3_groups.h"
#include "cairn/base/secret.h"

namespace cairn::base {
namespace {

constexpr size_t kMaxRemembered = 64;

// Most of a hasher is a stack that is empty until a kilobyte has gone in.
void CopyUsed(blake3_hasher& to, const blake3_hasher& from) {
  std::memcpy(&to, &from, offsetof(blake3_hasher, cv_stack) + size_t{from.cv_stack_len} * BLAKE3_OUT_LEN);
}

// Deriving the key costs as much as hashing a short record does, and contexts are few.
void Begin(blake3_hasher& hasher, absl::string_view context) {
  static thread_local absl::flat_hash_map<std::string, blake3_hasher> remembered;
  if (const auto known = remembered.find(context); known != remembered.end()) return CopyUsed(hasher, known->second);
  blake3_hasher_init_derive_key_raw(&hasher, context.data(), context.size());
  if (remembered.size() < kMaxRemembered) CopyUsed(remembered[context], hasher);
}

}  // namespace

struct Hasher::State {
  // The key, and what was taken in last, may be secret. The stack holds hashes of whole kilobytes.
  ~State() { SecureWipe(&blake3, offsetof(blake3_hasher, cv_stack)); }
  blake3_hasher blake3;
};

Digest Blake3(ByteView bytes) {
  // One group of the tree needs no stack of subtrees.
  if (bytes.size() <= kTreeGroupBytes) return GroupValue(bytes, 0, /*root=*/true);
  blake3_hasher blake3;
  blake3_hasher_init(&blake3);
  blake3_hasher_update(&blake3, bytes.data(), bytes.size());
  Digest digest;
  blake3_hasher_finalize(&blake3, digest.value.data(), digest.value.size());
  return digest;
}

Hasher::Hasher(std::unique_ptr<State> state) : state_(std::move(state)) {}

Hasher::Hasher() : state_(std::make_unique_for_overwrite<State>()) { blake3_hasher_init(&state_->blake3); }

Hasher Hasher::DeriveKey(absl::string_view context) {
  auto state = std::make_unique_for_overwrite<State>();
  Begin(state->blake3, context);
  return Hasher(std::move(state));
}

Hasher Hasher::Keyed(const Digest& key) {
  auto state = std::make_unique_for_overwrite<State>();
  blake3_hasher_init_keyed(&state->blake3, key.value.data());
  return Hasher(std::move(state));
}

Hasher::Hasher(const Hasher& other) : state_(std::make_unique_for_overwrite<State>()) {
  CopyUsed(state_->blake3, other.state_->blake3);
}

Hasher& Hasher::operator=(const Hasher& other) {
  if (this != &other) *this = Hasher(other);
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
