// B07 and B08: sealing frames, and the whole pass over an object (seal, encode, both hashes) in memory.
#include <blake3.h>
#include <openssl/aead.h>

#include <thread>

#include "bench.h"
#include "cairn/base/entropy.h"
#include "cairn/storage/encode.h"
#include "cairn/storage/erasure.h"

namespace cairn::bench {
namespace {

constexpr size_t kFrame = storage::kFrameBytes;

storage::VersionKey Key() {
  base::SeededEntropy entropy(7);
  return entropy.DrawSecret<32>();
}

// Frames sealed into one place, `count` times.
double SealFrames(size_t count) {
  const storage::Sealer sealer(Key());
  const base::Bytes frame = Noise(kFrame, 3);
  base::Bytes out(kFrame + base::kAeadTagBytes);
  return static_cast<double>(count * kFrame) * 1e-9 / CpuSeconds([&] {
    for (size_t i = 0; i < count; ++i) sealer.SealFrame(i, false, frame, absl::MakeSpan(out));
  });
}

// The cipher alone, as BoringSSL gives it.
double RawAead(size_t count) {
  const storage::VersionKey key = Key();
  const base::Bytes frame = Noise(kFrame, 3);
  base::Bytes out(kFrame + base::kAeadTagBytes);
  bssl::ScopedEVP_AEAD_CTX context;
  Must(EVP_AEAD_CTX_init(context.get(), EVP_aead_aes_256_gcm(), key.Reveal().data(), key.kSize,
                         base::kAeadTagBytes, nullptr) == 1, "aead");
  const uint8_t aad[25] = {};
  return static_cast<double>(count * kFrame) * 1e-9 / CpuSeconds([&] {
    for (size_t i = 0; i < count; ++i) {
      uint8_t nonce[base::kAeadNonceBytes] = {};
      std::copy_n(reinterpret_cast<const uint8_t*>(&i), sizeof i, nonce + 4);
      size_t written = 0;
      EVP_AEAD_CTX_seal(context.get(), out.data(), &written, out.size(), nonce, sizeof nonce, frame.data(),
                        frame.size(), aad, sizeof aad);
    }
  });
}

double RawBlake3(size_t mib) {
  const base::Bytes bytes = Noise(1 << 20, 4);
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  return static_cast<double>(mib << 20) * 1e-9 / CpuSeconds([&] {
    for (size_t i = 0; i < mib; ++i) blake3_hasher_update(&hasher, bytes.data(), bytes.size());
  });
}

double RawEncode(const base::Redundancy& policy, size_t mib) {
  auto coder = std::move(storage::NewReedSolomon(policy.data, policy.parity)).value();
  const size_t unit = base::StripeUnit(policy.data);
  std::vector<base::Bytes> units(policy.width(), Noise(unit, 5));
  const std::vector<base::ByteView> data(units.begin(), units.begin() + policy.data);
  std::vector<base::MutableByteView> parity;
  for (uint32_t i = policy.data; i < policy.width(); ++i) parity.push_back(absl::MakeSpan(units[i]));
  const size_t rounds = (mib << 20) / (unit * policy.data);
  return static_cast<double>(rounds * unit * policy.data) * 1e-9 / CpuSeconds([&] {
    for (size_t i = 0; i < rounds; ++i) coder->Encode(data, parity);
  });
}

// The rate when each step ran alone at its best, its bytes in cache: seal, hash what is stored, encode, hash every shard.
double Composite(const base::Redundancy& policy, size_t mib) {
  const double expansion = static_cast<double>(policy.width()) / policy.data;
  return 1 / (1 / RawAead(mib * 16) + (1 + expansion) / RawBlake3(mib) + 1 / RawEncode(policy, mib));
}

double Ingest(const base::Redundancy& policy, base::ByteView plaintext) {
  const storage::VersionKey key = Key();
  uint64_t emitted = 0;
  const size_t size = plaintext.size();
  const double seconds = CpuSeconds([&] {
    auto encoder = std::move(storage::ObjectEncoder::Create(
        {.policy = policy, .key = &key}, size, [&](uint32_t, base::ByteView piece) {
          emitted += piece.size();
          return absl::OkStatus();
        })).value();
    for (; !plaintext.empty(); plaintext.remove_prefix(std::min<size_t>(1 << 20, plaintext.size()))) {
      Must(encoder->Feed(plaintext.subspan(0, 1 << 20)).ok(), "feed");
    }
    Must(encoder->Finish().ok(), "finish");
  });
  Must(emitted >= size / policy.data * policy.width(), "every shard");
  return static_cast<double>(size) * 1e-9 / seconds;
}

// Two objects at a time, a thread each: the sum of both rates.
double IngestTwice(const base::Redundancy& policy, base::ByteView plaintext) {
  double rates[2];
  std::thread other([&] { rates[0] = Ingest(policy, plaintext.subspan(0, plaintext.size() / 2)); });
  rates[1] = Ingest(policy, plaintext.subspan(plaintext.size() / 2));
  other.join();
  return rates[0] + rates[1];
}

void Whole(Program& program) {
  const size_t size = program.full() ? size_t{4} << 30 : size_t{512} << 20;
  const base::Bytes plaintext = Noise(size, 6);
  program.Note("B08: an object in main memory, sealed, encoded, the stored bytes and every shard hashed, processor "
               "time; reference: 1 / (sum of 1 / rate of each step alone, its bytes in cache)");
  for (const char* text : {"rs:10+4", "rs:4+2"}) {
    const base::Redundancy policy = base::Redundancy::Parse(text).value();
    const std::string shape = std::to_string(policy.data) + "_" + std::to_string(policy.parity);
    program.Compare({"B08", "ingest_" + shape, "GB/s", 0.70, 0.85}, [&] { return Ingest(policy, plaintext); },
                    [&] { return Composite(policy, 128); });
    if (!program.full()) continue;
    program.Compare({"B08", "ingest_" + shape + "_2_threads", "GB/s", 0.70, 0.85},
                    [&] { return IngestTwice(policy, plaintext); },
                    [&] { return 2 * Composite(policy, 128); });
  }
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  const size_t frames = program.full() ? 32768 : 4096;
  if (program.Wants("B07")) {
    program.Note("B07: frames of 64 KiB, nonce and associated data included, processor time; peer: EVP_AEAD_CTX_seal");
  }
  program.Compare({"B07", "seal_64kib", "GB/s", 0.90, 0.97}, [&] { return cairn::bench::SealFrames(frames); },
                  [&] { return cairn::bench::RawAead(frames); });
  if (program.Wants("B08")) cairn::bench::Whole(program);
  return program.Finish();
}
