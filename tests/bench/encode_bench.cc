// How fast one core turns plaintext into shards, and back. Prints bytes of plaintext for each
// second of processor time, so that other work on the machine disturbs little.
//
//   encode_bench [mebibytes]        default 256
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "cairn/base/entropy.h"
#include "cairn/storage/decode.h"
#include "cairn/storage/encode.h"

namespace {

using namespace cairn;  // NOLINT: a program of one file
using base::ByteView;

double Seconds(const std::function<void()>& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

void Print(const char* what, uint64_t bytes, double seconds) {
  std::printf("%-44s %6.2f GB/s\n", what, bytes / seconds / 1e9);
}

absl::Status Encode(const storage::EncodeOptions& options, ByteView plaintext,
                    storage::ShardSink sink, storage::EncodedObject& object) {
  auto encoder = storage::ObjectEncoder::Create(options, plaintext.size(), std::move(sink)).value();
  for (size_t at = 0; at < plaintext.size(); at += 1 << 20) {
    absl::Status fed = encoder->Feed(plaintext.subspan(at, 1 << 20));
    if (!fed.ok()) return fed;
  }
  object = encoder->Finish().value();
  return absl::OkStatus();
}

void Run(const char* policy, bool sealed, ByteView plaintext) {
  base::SystemEntropy entropy;
  const storage::VersionKey key = entropy.DrawSecret<32>();
  storage::EncodeOptions options{.policy = base::Redundancy::Parse(policy).value(),
                                 .key = sealed ? &key : nullptr};
  storage::EncodedObject object;
  auto nowhere = [](uint32_t, ByteView) { return absl::OkStatus(); };
  char label[80];
  std::snprintf(label, sizeof label, "encode %s%s (seal, hash, code)", policy,
                sealed ? "" : " public");
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    best = std::min(best, Seconds([&] { (void)Encode(options, plaintext, nowhere, object); }));
  }
  Print(label, plaintext.size(), best);

  std::vector<base::Bytes> shards(object.stored.blobs());
  (void)Encode(
      options, plaintext,
      [&](uint32_t shard, ByteView piece) {
        shards[shard].insert(shards[shard].end(), piece.begin(), piece.end());
        return absl::OkStatus();
      },
      object);
  const storage::SealedWith seal{&key, storage::KeyIdOf(key)};
  std::snprintf(label, sizeof label, "decode %s%s, first shards lost", policy,
                sealed ? "" : " public");
  Print(label, plaintext.size(), Seconds([&] {
          auto reader = storage::ObjectReader::Create(object.stored, sealed ? &seal : nullptr,
                                                      {0, plaintext.size()},
                                                      [](ByteView) { return absl::OkStatus(); })
                            .value();
          for (uint64_t i = 0; i < reader->plan().stripe_count; ++i) {
            const base::ByteRange part = reader->plan().At(i).shard;
            for (uint32_t j = 0; j < object.stored.data(); ++j) {
              const uint32_t shard = object.stored.blobs() - 1 - j;
              (void)reader->Add(shard, part.offset,
                                ByteView(shards[shard]).subspan(part.offset, part.length));
            }
          }
          if (!reader->Finish().ok()) std::abort();
        }));
}

}  // namespace

int main(int argc, char** argv) {
  base::Bytes plaintext((argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 256) << 20);
  base::SeededEntropy(1).Fill(absl::MakeSpan(plaintext));
  Print("BLAKE3 of the plaintext alone", plaintext.size(),
        Seconds([&] { (void)base::Blake3(plaintext); }));
  Run("rs:4+2", true, plaintext);
  Run("rs:4+2", false, plaintext);
  Run("rs:10+4", true, plaintext);
  Run("replicate:3", true, plaintext);
}
