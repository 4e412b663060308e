// The erasure coder against arithmetic by the book: u8 data units, u8 parity units, u8 kernel, u16 length, u8 how the
// survivors are drawn; then bytes that draw them, and that misuse the coder. Any k units give back all others.
#include <algorithm>
#include <vector>

#include "cairn/base/codec.h"
#include "cairn/base/entropy.h"
#include "cairn/storage/erasure.h"
#include "fuzz.h"

namespace cairn {
namespace {

using storage::Coder;

// ---- GF(2^8) with polynomial 0x11d, bit by bit ----

uint8_t Multiply(uint8_t a, uint8_t b) {
  unsigned product = 0;
  for (int bit = 0; bit < 8; ++bit) {
    if ((b >> bit & 1) != 0) product ^= static_cast<unsigned>(a) << bit;
  }
  for (int bit = 14; bit >= 8; --bit) {
    if ((product >> bit & 1) != 0) product ^= 0x11du << (bit - 8);
  }
  return static_cast<uint8_t>(product);
}

uint8_t Inverse(uint8_t a) {
  for (unsigned b = 1; b < 256; ++b) {
    if (Multiply(a, static_cast<uint8_t>(b)) == 1) return static_cast<uint8_t>(b);
  }
  FUZZ_CHECK(a == 0);
  return 0;
}

base::Bytes ParityByTheBook(const std::vector<base::Bytes>& data, uint32_t row) {
  base::Bytes out(data[0].size());
  for (uint32_t c = 0; c < data.size(); ++c) {
    const uint8_t factor = Inverse(static_cast<uint8_t>((data.size() + row) ^ c));
    std::array<uint8_t, 256> table;
    for (unsigned v = 0; v < 256; ++v) table[v] = Multiply(factor, static_cast<uint8_t>(v));
    for (size_t i = 0; i < out.size(); ++i) out[i] ^= table[data[c][i]];
  }
  return out;
}

const storage::ErasureKernel& KernelOf(uint8_t number) {
  const storage::ErasureKernel* gfni = storage::GfniKernel();
  if (number % 3 == 0 && gfni != nullptr) return *gfni;
  return number % 3 == 1 ? storage::ScalarKernel() : storage::IsalKernel();
}

// ---- one code under test ----

class Code {
 public:
  Code(uint32_t k, uint32_t m, const storage::ErasureKernel& kernel, size_t length)
      : k_(k), m_(m), length_(length), coder_(*storage::NewReedSolomon(k, m, kernel)) {
    base::SeededEntropy entropy(length);
    units_.assign(k, base::Bytes(length));
    for (base::Bytes& unit : units_) entropy.Fill(absl::MakeSpan(unit));
  }

  void CheckEncode() {
    std::vector<base::ByteView> data(units_.begin(), units_.end());
    std::vector<base::Bytes> parity(m_, base::Bytes(length_, 0xee));
    std::vector<base::MutableByteView> out;
    for (base::Bytes& unit : parity) out.push_back(absl::MakeSpan(unit));
    coder_->Encode(data, out);
    for (uint32_t r = 0; r < m_; ++r) FUZZ_CHECK(parity[r] == ParityByTheBook(units_, r));
    units_.insert(units_.end(), parity.begin(), parity.end());
  }

  // `order` begins with the survivors.
  void CheckReconstruct(const std::vector<uint32_t>& order) {
    std::vector<Coder::Unit> have;
    std::vector<Coder::Missing> missing;
    std::vector<base::Bytes> rebuilt(m_, base::Bytes(length_, 0xee));
    for (uint32_t i = 0; i < k_ + m_; ++i) {
      const uint32_t index = order[i];
      if (i < k_) {
        have.push_back({index, units_[index]});
      } else {
        missing.push_back({index, absl::MakeSpan(rebuilt[i - k_])});
      }
    }
    FUZZ_CHECK(coder_->Reconstruct(have, missing).ok());
    for (uint32_t i = 0; i < m_; ++i) FUZZ_CHECK(rebuilt[i] == units_[order[k_ + i]]);
  }

  // Indices as they come: refused unless they make sense, and then right.
  void CheckMisuse(base::Reader& reader) {
    std::vector<Coder::Unit> have;
    std::vector<Coder::Missing> missing;
    std::vector<base::Bytes> rebuilt;
    std::vector<int> uses(256);
    bool sound = true;
    const size_t given = reader.U8() % (k_ + 2), wanted = reader.U8() % (m_ + 2);
    rebuilt.reserve(wanted);
    for (size_t i = 0; i < given + wanted; ++i) {
      const uint32_t index = reader.U8();
      sound = sound && index < k_ + m_ && uses[index]++ == 0;
      const base::Bytes& unit = units_[index % units_.size()];
      if (i < given) {
        have.push_back({index, unit});
      } else {
        rebuilt.emplace_back(length_);
        missing.push_back({index, absl::MakeSpan(rebuilt.back())});
      }
    }
    const bool enough = given >= k_;
    const bool done = coder_->Reconstruct(have, missing).ok();
    if (sound) FUZZ_CHECK(done == enough);
    if (!done || !sound) return;
    for (size_t i = 0; i < missing.size(); ++i) FUZZ_CHECK(rebuilt[i] == units_[missing[i].index]);
  }

 private:
  uint32_t k_, m_;
  size_t length_;
  std::unique_ptr<Coder> coder_;
  std::vector<base::Bytes> units_;  // data, then parity
};

}  // namespace

void FuzzOne(base::ByteView input) {
  base::Reader reader(input);
  const uint32_t k = reader.U8(), m = reader.U8() % 32;
  const storage::ErasureKernel& kernel = KernelOf(reader.U8());
  const size_t length = reader.U16() % 700;
  if (!reader.ok()) return;
  const bool sound = k >= 1 && k + m <= storage::kMaxShards;
  FUZZ_CHECK(storage::NewReedSolomon(k, m, kernel).ok() == sound);
  if (!sound || k > 48) return;  // wider ones cost the arithmetic by the book too much
  Code code(k, m, kernel, length);
  code.CheckEncode();
  std::vector<uint32_t> order(k + m);
  for (uint32_t i = 0; i < k + m; ++i) order[i] = i;
  for (uint32_t i = 0; i < k + m && reader.remaining() > 0; ++i) std::swap(order[i], order[i + reader.U8() % (k + m - i)]);
  code.CheckReconstruct(order);
  code.CheckMisuse(reader);
}

}  // namespace cairn
