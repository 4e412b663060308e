// Reproducible inputs for the tests of storage, and objects encoded in memory.
#pragma once

#include <optional>

#include "cairn/base/entropy.h"
#include "cairn/base/status.h"
#include "cairn/storage/decode.h"
#include "cairn/storage/encode.h"

namespace cairn::storage {

inline base::Bytes RandomBytes(size_t size, uint64_t seed) {
  base::Bytes out(size);
  base::SeededEntropy(seed).Fill(absl::MakeSpan(out));
  return out;
}

inline VersionKey TestKey(uint64_t seed = 1) { return base::SeededEntropy(seed).DrawSecret<32>(); }

inline base::Redundancy Policy(absl::string_view text) {
  return base::Redundancy::Parse(text).value();
}

struct Encoded {
  EncodedObject object;
  std::vector<base::Bytes> blobs;  // each shard, or the one copy
};

// Feeds `plaintext` in pieces of `piece` bytes.
inline absl::StatusOr<Encoded> EncodeAll(const EncodeOptions& options, base::ByteView plaintext,
                                         size_t piece = 100'000) {
  Encoded out;
  auto sink = [&](uint32_t shard, base::ByteView bytes) {
    if (out.blobs.size() <= shard) out.blobs.resize(shard + 1);
    out.blobs[shard].insert(out.blobs[shard].end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(auto encoder, ObjectEncoder::Create(options, plaintext.size(), sink));
  base::ByteView rest = plaintext.subspan(
      ObjectEncoder::PlaintextOffsetOf(options, plaintext.size(), options.first_stripe));
  while (!rest.empty()) {
    const size_t n = std::min(piece, rest.size());
    RETURN_IF_ERROR(encoder->Feed(rest.first(n)));
    rest.remove_prefix(n);
  }
  ASSIGN_OR_RETURN(out.object, encoder->Finish());
  if (out.blobs.empty() && out.object.stored.stored_size == 0) out.blobs.resize(1);
  return out;
}

// Reads a range from the given shards alone.
inline absl::StatusOr<base::Bytes> ReadBack(const Encoded& encoded, const VersionKey* key,
                                            base::ByteRange range,
                                            const std::vector<uint32_t>& shards) {
  base::Bytes out;
  std::optional<SealedWith> seal;
  if (key != nullptr) seal = SealedWith{key, KeyIdOf(*key)};
  ASSIGN_OR_RETURN(auto reader, ObjectReader::Create(encoded.object.stored, seal ? &*seal : nullptr,
                                                     range, [&](base::ByteView bytes) {
                                                       out.insert(out.end(), bytes.begin(),
                                                                  bytes.end());
                                                       return absl::OkStatus();
                                                     }));
  for (uint64_t i = 0; i < reader->plan().stripe_count; ++i) {
    const base::ByteRange part = reader->plan().At(i).shard;
    for (uint32_t shard : shards) {
      RETURN_IF_ERROR(
          reader->Add(shard, part.offset,
                      base::ByteView(encoded.blobs[shard]).subspan(part.offset, part.length)));
    }
  }
  RETURN_IF_ERROR(reader->Finish());
  return out;
}

}  // namespace cairn::storage
