// B01 to B03: BLAKE3 against the official program and the official C code.
#include <blake3.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/hash.h"

namespace cairn::bench {
namespace {

constexpr size_t kPiece = 1 << 20;

// Processor seconds to map a file, hash it in pieces of 1 MiB with `hash`, and unmap it: what b3sum does.
template <class Hash>
double HashFile(const std::string& path, size_t size, const Hash& hash) {
  return CpuSeconds([&] {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    void* map = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    Must(map != MAP_FAILED, "mmap");
    hash(base::ByteView(static_cast<const uint8_t*>(map), size));
    munmap(map, size);
    close(fd);
  });
}

void Outboard(base::ByteView bytes, bool keep) {
  base::TreeBuilder tree(keep);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kPiece, bytes.size()))) {
    tree.Update(bytes.subspan(0, kPiece));
  }
  Must(!std::move(tree).Finish().root.empty(), "root");
}

void Plain(base::ByteView bytes) {
  base::Hasher hasher;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kPiece, bytes.size()))) {
    hasher.Update(bytes.subspan(0, kPiece));
  }
  Must(!hasher.Finish().empty(), "digest");
}

void WholeFile(Program& program) {
  const size_t size = size_t{1} << 30;
  const MemoryFile file(Noise(size, 1));
  const double gb = static_cast<double>(size) * 1e-9;
  program.Note("B01, B02: one file in memory, mapped and hashed by one thread, processor time; peer: b3sum --num-threads 1");
  auto b3sum = [&] { return gb / ChildCpuSeconds({"b3sum", "--num-threads", "1", file.path()}); };
  auto plain = [&] { return gb / HashFile(file.path(), size, Plain); };
  auto root = [&] {
    return gb / HashFile(file.path(), size, [](base::ByteView all) { Outboard(all, false); });
  };
  auto outboard = [&] {
    return gb / HashFile(file.path(), size, [](base::ByteView all) { Outboard(all, true); });
  };
  program.Compare({"B01", "hash_1gib", "GB/s", 0.80, 0.95}, root, b3sum);
  program.Compare({"B02", "outboard_1gib", "GB/s", 0.80, 0.95}, outboard, b3sum);
  program.Compare({"B02", "outboard_to_plain", "GB/s", 0.90, 0.97}, outboard, plain);
}

void SmallBlobs(Program& program) {
  constexpr size_t kBlob = 256;
  const size_t count = program.full() ? 1'000'000 : 200'000;
  const base::Bytes bytes = Noise(count * kBlob, 2);
  std::vector<base::ByteView> blobs;
  for (size_t i = 0; i < count; ++i) blobs.push_back(base::ByteView(bytes).subspan(i * kBlob, kBlob));
  std::vector<base::Digest> digests(count);
  const double millions = static_cast<double>(count) * 1e-6;
  program.Note("B03: blobs of 256 bytes; peer: the official C code, one after the other");
  program.Compare(
      {"B03", "hash_small_256", "Mblobs/s", 2, 4},
      [&] { return millions / CpuSeconds([&] { base::Blake3Many(blobs, absl::MakeSpan(digests)); }); },
      [&] {
        return millions / CpuSeconds([&] {
          for (size_t i = 0; i < count; ++i) {
            blake3_hasher hasher;
            blake3_hasher_init(&hasher);
            blake3_hasher_update(&hasher, blobs[i].data(), kBlob);
            blake3_hasher_finalize(&hasher, digests[i].value.data(), base::Digest::kSize);
          }
        });
      });
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B01") || program.Wants("B02")) cairn::bench::WholeFile(program);
  if (program.Wants("B03")) cairn::bench::SmallBlobs(program);
  return program.Finish();
}
