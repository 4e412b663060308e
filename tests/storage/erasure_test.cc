#include "cairn/storage/erasure.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "base/vectors.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::Bytes;
using base::ByteView;
using base::MutableByteView;

// All units of a code over random data.
std::vector<Bytes> Units(const Coder& coder, size_t length, uint64_t seed) {
  std::vector<Bytes> units;
  std::vector<ByteView> data;
  std::vector<MutableByteView> parity;
  for (uint32_t i = 0; i < coder.data() + coder.parity(); ++i) {
    units.push_back(i < coder.data() ? RandomBytes(length, seed + i) : Bytes(length));
  }
  for (uint32_t i = 0; i < units.size(); ++i) {
    if (i < coder.data())
      data.push_back(units[i]);
    else
      parity.push_back(absl::MakeSpan(units[i]));
  }
  coder.Encode(data, parity);
  return units;
}

// Rebuilds every unit that is not in `kept` and compares.
bool Rebuilds(const Coder& coder, const std::vector<Bytes>& units,
              const std::vector<uint32_t>& kept) {
  std::vector<Coder::Unit> have;
  for (uint32_t i : kept) have.push_back({i, units[i]});
  std::vector<Bytes> rebuilt(units.size(), Bytes(units[0].size()));
  std::vector<Coder::Missing> missing;
  for (uint32_t i = 0; i < units.size(); ++i) {
    if (std::find(kept.begin(), kept.end(), i) == kept.end()) {
      missing.push_back({i, absl::MakeSpan(rebuilt[i])});
    }
  }
  if (!coder.Reconstruct(have, missing).ok()) return false;
  return std::all_of(missing.begin(), missing.end(),
                     [&](const auto& m) { return rebuilt[m.index] == units[m.index]; });
}

TEST_CASE("any k units give the others back, whatever is lost", "[GF-40][MP-08]") {
  std::mt19937 random(11);
  for (auto [k, m] : {std::pair{4, 2}, {1, 3}, {10, 4}, {17, 3}, {29, 51}, {200, 55}, {3, 0}}) {
    auto coder = NewReedSolomon(k, m).value();
    std::vector<Bytes> units = Units(*coder, 1000 + k, k);
    std::vector<uint32_t> order(k + m);
    std::iota(order.begin(), order.end(), 0);
    for (int round = 0; round < 30; ++round) {
      std::shuffle(order.begin(), order.end(), random);
      if (!Rebuilds(*coder, units, {order.begin(), order.begin() + k})) FAIL(k << "+" << m);
    }
  }
}

TEST_CASE("k - 1 units give nothing", "[MP-08]") {
  auto coder = NewReedSolomon(4, 2).value();
  std::vector<Bytes> units = Units(*coder, 64, 1);
  Bytes out(64);
  std::vector<Coder::Unit> have = {{0, units[0]}, {2, units[2]}, {5, units[5]}};
  absl::Status failed = coder->Reconstruct(have, {{1, absl::MakeSpan(out)}});
  CHECK(failed.code() == absl::StatusCode::kDataLoss);
  CHECK(base::ReasonOf(failed) == "NOT_ENOUGH_SHARDS");
}

TEST_CASE("units that cannot be are refused") {
  auto coder = NewReedSolomon(2, 1).value();
  Bytes a(64), b(63), out(64);
  std::vector<Coder::Missing> want = {{2, absl::MakeSpan(out)}};
  CHECK(base::ReasonOf(coder->Reconstruct({{0, a}, {0, a}}, want)) == "BAD_UNIT");
  CHECK(base::ReasonOf(coder->Reconstruct({{0, a}, {3, a}}, want)) == "BAD_UNIT");
  CHECK(base::ReasonOf(coder->Reconstruct({{0, a}, {1, b}}, want)) == "BAD_UNIT");
  CHECK(base::ReasonOf(coder->Reconstruct({{0, a}, {2, a}}, want)) == "BAD_UNIT");
  CHECK(base::ReasonOf(NewReedSolomon(0, 2).status()) == "BAD_POLICY");
  CHECK(base::ReasonOf(NewReedSolomon(200, 56).status()) == "BAD_POLICY");
  CHECK(base::ReasonOf(NewReplication(0).status()) == "BAD_POLICY");
}

TEST_CASE("every kernel gives the bytes of the scalar one") {
  std::vector<const ErasureKernel*> kernels = {&IsalKernel()};
  if (GfniKernel() != nullptr) kernels.push_back(GfniKernel());
  for (auto [k, m] : {std::pair{1, 1}, {2, 1}, {3, 2}, {4, 2}, {10, 3}, {10, 4}, {6, 5}, {5, 6}, {9, 7}, {8, 8}, {40, 20}}) {
    auto plain = NewReedSolomon(k, m, ScalarKernel()).value();
    for (size_t length : {1, 31, 64, 65, 127, 255, 257, 4096, 10'001}) {
      const std::vector<Bytes> expected = Units(*plain, length, 3);
      for (const ErasureKernel* kernel : kernels) {
        INFO(kernel->name() << " " << k << "+" << m << ", " << length << " bytes");
        CHECK(Units(*NewReedSolomon(k, m, *kernel).value(), length, 3) == expected);
      }
    }
  }
}

TEST_CASE("coding is byte-wise: a part of the units codes like the part") {
  auto coder = NewReedSolomon(4, 2).value();
  std::vector<Bytes> units = Units(*coder, 4096, 9);
  std::vector<ByteView> data;
  for (int i = 0; i < 4; ++i) data.push_back(ByteView(units[i]).subspan(100, 50));
  Bytes p(50), q(50);
  coder->Encode(data, {absl::MakeSpan(p), absl::MakeSpan(q)});
  CHECK(ByteView(p) == ByteView(units[4]).subspan(100, 50));
  CHECK(ByteView(q) == ByteView(units[5]).subspan(100, 50));
}

TEST_CASE("replication is the code with one data unit") {
  auto coder = NewReplication(3).value();
  std::vector<Bytes> units = Units(*coder, 100, 4);
  CHECK(units[1] == units[0]);
  CHECK(units[2] == units[0]);
  for (uint32_t left : {0, 1, 2}) CHECK(Rebuilds(*coder, units, {left}));
  CHECK(NewCoder(Policy("replicate:3"), base::LayoutKind::kCopies).value()->parity() == 2);
  CHECK(NewCoder(Policy("rs:4+2"), base::LayoutKind::kCopies).value()->parity() == 2);
  CHECK(NewCoder(Policy("rs:4+2"), base::LayoutKind::kShards).value()->data() == 4);
}

TEST_CASE("the code stays what it is: golden file") {
  // Parity of unit vectors is the matrix: column c of 4+2.
  auto coder = NewReedSolomon(4, 2).value();
  Bytes matrix;
  for (int c = 0; c < 4; ++c) {
    std::vector<Bytes> in(4, Bytes(1));
    in[c][0] = 1;
    Bytes p(1), q(1);
    coder->Encode({in[0], in[1], in[2], in[3]}, {absl::MakeSpan(p), absl::MakeSpan(q)});
    matrix.push_back(p[0]);
    matrix.push_back(q[0]);
  }
  base::CheckVector("storage/erasure_4_2.hex", matrix);
}

}  // namespace
}  // namespace cairn::storage
