// Byte strings and the two views of them that every other header speaks.
//
// `Bytes` owns, `ByteView` borrows. Text and bytes convert explicitly, so that a reader sees where text ends and data
// begins. Values here are plain; nothing is thread safe beyond what std::vector promises.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cairn::base {

using Bytes = std::vector<uint8_t>;
using ByteView = absl::Span<const uint8_t>;
using MutableByteView = absl::Span<uint8_t>;

inline ByteView AsBytes(absl::string_view text) {
  return ByteView(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}
inline absl::string_view AsText(ByteView bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}
inline std::string ToString(ByteView bytes) { return std::string(AsText(bytes)); }
inline Bytes ToBytes(ByteView bytes) { return Bytes(bytes.begin(), bytes.end()); }

// Lower-case hexadecimal, two digits a byte.
std::string ToHex(ByteView bytes);
// Accepts either case. InvalidArgument on an odd length or a character that is no digit.
absl::StatusOr<Bytes> FromHex(absl::string_view text);

// Equality in time that depends on the lengths alone. For anything an attacker may guess at.
bool ConstantTimeEqual(ByteView a, ByteView b);

// A fixed-size byte string with a type of its own, so that a bucket's id is never passed where an object's is meant.
// Ordered and hashable; the default value is all zeros and `empty()`.
template <class Tag, size_t N>
struct FixedBytes {
  static constexpr size_t kSize = N;
  std::array<uint8_t, N> value{};

  // InvalidArgument unless `bytes` is exactly N long.
  static absl::StatusOr<FixedBytes> From(ByteView bytes) {
    if (bytes.size() != N) return absl::InvalidArgumentError("wrong length");
    FixedBytes out;
    std::copy(bytes.begin(), bytes.end(), out.value.begin());
    return out;
  }
  ByteView view() const { return ByteView(value.data(), N); }
  std::string ToHexString() const { return ToHex(view()); }
  bool empty() const { return *this == FixedBytes{}; }
  friend bool operator==(const FixedBytes&, const FixedBytes&) = default;
  friend auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FixedBytes& f) {
    return H::combine(std::move(h), f.value);
  }
};

// A number with a type of its own.
template <class Tag>
struct StrongId {
  uint64_t value = 0;
  friend bool operator==(const StrongId&, const StrongId&) = default;
  friend auto operator<=>(const StrongId&, const StrongId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const StrongId& f) {
    return H::combine(std::move(h), f.value);
  }
};

}  // namespace cairn::base
