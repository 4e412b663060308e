// Randomness as a parameter: keys and nonces come from here; choices that need no secrecy take an absl::BitGenRef.
#pragma once

#include <mutex>

#include "cairn/base/bytes.h"
#include "cairn/base/hash.h"
#include "cairn/base/secret.h"

namespace cairn::base {

// Thread-safe.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void Fill(MutableByteView out) = 0;

  template <size_t N>
  Secret<N> DrawSecret() {
    Secret<N> out;
    Fill(out.Fill());
    return out;
  }
  template <class F>
  F Draw() {  // a FixedBytes
    F out;
    Fill(MutableByteView(out.value.data(), F::kSize));
    return out;
  }
  uint64_t DrawNumber();
};

// The operating system's generator. Aborts the process when it fails: there is no safe way on.
class SystemEntropy final : public Entropy {
 public:
  void Fill(MutableByteView out) override;
};

// A reproducible stream from a seed, for simulations and tests.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(uint64_t seed);
  void Fill(MutableByteView out) override;

 private:
  std::mutex mutex_;
  Digest key_;
  uint64_t counter_ = 0;
};

}  // namespace cairn::base
