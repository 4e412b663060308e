// B04 to B06: Reed-Solomon against ISA-L, and decoding against encoding. Rates are bytes of data (k units) a second.
#include <isa-l/erasure_code.h>

#include <cstdlib>

#include "bench.h"
#include "cairn/storage/erasure.h"

namespace cairn::bench {
namespace {

using storage::Coder;

// A code with its units in cache.
struct Setup {
  Setup(uint32_t k_, uint32_t m_, size_t unit_)
      : k(k_), m(m_), unit(unit_), coder(std::move(storage::NewReedSolomon(k_, m_)).value()) {
    const base::Bytes noise = Noise(unit * (k + m), 1);
    memory.reset(static_cast<uint8_t*>(std::aligned_alloc(4096, noise.size())));
    std::copy(noise.begin(), noise.end(), memory.get());
    for (uint32_t i = 0; i < k + m; ++i) {
      pointers.push_back(memory.get() + i * unit);
      if (i < k) data.emplace_back(pointers[i], unit);
      if (i >= k) parity.emplace_back(pointers[i], unit);
    }
    base::Bytes matrix((k + m) * k);
    gf_gen_cauchy1_matrix(matrix.data(), static_cast<int>(k + m), static_cast<int>(k));
    tables.resize(size_t{32} * k * m);
    ec_init_tables(static_cast<int>(k), static_cast<int>(m), &matrix[k * k], tables.data());
    rounds = std::max<size_t>(1, (size_t{128} << 20) / (unit * k * std::max(1u, m / 4)));
  }
  double gb() const { return static_cast<double>(rounds * unit * k) * 1e-9; }

  double Encode() {
    return gb() / CpuSeconds([&] {
      for (size_t i = 0; i < rounds; ++i) coder->Encode(data, parity);
    });
  }
  // ISA-L's work for `rows` outputs; the same whether they are parity or lost data.
  double Isal(uint32_t rows) {
    return gb() / CpuSeconds([&] {
      for (size_t i = 0; i < rounds; ++i) {
        ec_encode_data(static_cast<int>(unit), static_cast<int>(k), static_cast<int>(rows), tables.data(),
                       pointers.data(), pointers.data() + k);
      }
    });
  }
  // The first `lost` data units are computed from the others.
  double Decode(uint32_t lost) {
    std::vector<Coder::Unit> have;
    std::vector<Coder::Missing> missing;
    for (uint32_t i = lost; i < k + lost; ++i) have.push_back({i, base::ByteView(pointers[i], unit)});
    for (uint32_t i = 0; i < lost; ++i) missing.push_back({i, base::MutableByteView(pointers[i], unit)});
    return gb() / CpuSeconds([&] {
      for (size_t i = 0; i < rounds; ++i) Must(coder->Reconstruct(have, missing).ok(), "decode");
    });
  }

  uint32_t k, m;
  size_t unit, rounds;
  std::unique_ptr<Coder> coder;
  std::unique_ptr<uint8_t, decltype(&std::free)> memory{nullptr, &std::free};  // aligned to a page, for both sides
  std::vector<base::ByteView> data;
  std::vector<base::MutableByteView> parity;
  std::vector<uint8_t*> pointers;
  base::Bytes tables;
};

std::string Shape(const char* what, uint32_t k, uint32_t m) {
  return std::string(what) + "_" + std::to_string(k) + "_" + std::to_string(m);
}

void Encoding(Program& program) {
  struct Row {
    const char* id;
    uint32_t k, m;
    size_t unit;
    double target;
  };
  const Row rows[] = {{"B04", 4, 2, 64 << 10, 2},   {"B04", 10, 4, 64 << 10, 2.2}, {"B04", 16, 4, 32 << 10, 2.2},
                      {"B04", 10, 10, 32 << 10, 2}, {"B04", 10, 20, 32 << 10, 2},  {"B06", 29, 51, 16 << 10, 2}};
  for (const Row& row : rows) {
    const std::string name = Shape("encode", row.k, row.m);
    if (!program.Wants(row.id, name)) continue;
    Setup setup(row.k, row.m, row.unit);
    program.Compare({row.id, name, "GB/s", 1.0, row.target}, [&] { return setup.Encode(); },
                    [&] { return setup.Isal(setup.m); });
  }
}

void Decoding(Program& program) {
  for (uint32_t lost = 1; lost <= 4; ++lost) {
    const std::string name = Shape("decode", 10, 4) + "_e" + std::to_string(lost);
    if (!program.Wants("B05", name)) continue;
    Setup setup(10, 4, 64 << 10);
    Setup encode(10, lost, 64 << 10);
    setup.Encode();
    program.Compare({"B05", name, "GB/s", 0.8, 1.0}, [&] { return setup.Decode(lost); },
                    [&] { return encode.Encode(); });
    program.Compare({"B05", name + "_isal", "GB/s", 1.0, 2.0}, [&] { return setup.Decode(lost); },
                    [&] { return setup.Isal(lost); });
  }
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B04") || program.Wants("B05") || program.Wants("B06")) {
    program.Note(std::string("B04, B05, B06: units of 16 to 64 KiB in cache, one thread, processor time; kernel ") +
                 cairn::storage::BestKernel().name() + "; peer: ISA-L ec_encode_data (_isal and encode), our encoder (decode)");
  }
  cairn::bench::Encoding(program);
  cairn::bench::Decoding(program);
  return program.Finish();
}
