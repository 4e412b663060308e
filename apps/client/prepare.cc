#include "apps/client/prepare.h"

#include <algorithm>

#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::client {
namespace {

constexpr size_t kReadBytes = 1 << 20;

absl::Status SourceChanged() {
  return base::Error(absl::StatusCode::kFailedPrecondition, "SOURCE_CHANGED",
                     "the source changed while it was read",
                     "put it again when nobody writes to it");
}

// The facts that ledger and manifest hold of an encoded object.
absl::StatusOr<Prepared> Describe(Client& client, const Bucket& bucket, const Input& input,
                                  const storage::EncodedObject& encoded) {
  Prepared out;
  out.layout = encoded.stored;
  out.frame_tags = encoded.frame_tags;
  out.plaintext_size = input.sealed_already ? input.plaintext_size : encoded.plaintext_size;
  storage::Manifest manifest;
  manifest.head.stored = encoded.stored;
  manifest.plaintext_size = out.plaintext_size;
  manifest.content_type = input.content_type;
  manifest.mtime_ms = input.source->mtime_ms() != 0 ? input.source->mtime_ms()
                                                    : absl::ToUnixMillis(client.clock().Now());
  manifest.plaintext_hash = input.sealed_already ? input.plaintext_hash : encoded.plaintext_hash;
  manifest.metadata = input.metadata;
  if (input.key) {
    manifest.head.seal =
        storage::SealInfo{.key_id = storage::KeyIdOf(*input.key),
                          .epoch = bucket.scope().epoch,
                          .wrapped_key = storage::WrapVersionKey(
                              bucket.scope(), bucket.keys().epoch_key, *input.key)};
  }
  ASSIGN_OR_RETURN(out.manifest,
                   storage::EncodeManifest(manifest, input.key ? &*input.key : nullptr));
  out.object.set_stored_size(encoded.stored.stored_size);
  out.object.set_content_id(chain::ToField(encoded.stored.content_id.digest));
  out.object.set_layout_root(chain::ToField(encoded.layout_root));
  out.object.set_layout(chain::ToProto(encoded.stored.layout));
  if (out.manifest.size() <= storage::kInlineManifestBytes) {
    out.object.set_manifest(base::ToString(out.manifest));
  } else {
    out.object.set_manifest_id(chain::ToField(base::Blake3(out.manifest)));
  }
  return out;
}

Input InputOf(Client& client, const Bucket& bucket, Source& source, const PutOptions& options) {
  Input input;
  input.source = &source;
  input.content_type = options.content_type.empty() ? source.content_type() : options.content_type;
  input.metadata = options.metadata;
  if (bucket.sealed()) input.key = client.entropy().DrawSecret<32>();
  return input;
}

}  // namespace

uint64_t StoredSize(const Bucket& bucket, uint64_t plaintext_size) {
  return bucket.sealed() ? storage::SealedSize(plaintext_size) : plaintext_size;
}

bool IsSmall(const Bucket& bucket, uint64_t plaintext_size) {
  return StoredSize(bucket, plaintext_size) < base::kSmallObjectBytes;
}

absl::Status RunPass(Client& client, const Bucket& bucket, Input& input, const Prepared* prepared,
                     uint64_t first_stripe, const storage::ShardSink& sink,
                     storage::EncodedObject* result,
                     const std::function<void(uint64_t done)>& progress) {
  storage::EncodeOptions options;
  options.policy = bucket.policy();
  if (input.key && !input.sealed_already) options.key = &*input.key;
  options.hash_plaintext = prepared == nullptr && !input.sealed_already;
  if (prepared != nullptr && !prepared->frame_tags.empty())
    options.expected_tags = &prepared->frame_tags;
  options.first_stripe = first_stripe;
  const uint64_t size = input.source->size();
  ASSIGN_OR_RETURN(auto encoder, storage::ObjectEncoder::Create(options, size, sink));
  base::Bytes buffer(std::min<uint64_t>(kReadBytes, std::max<uint64_t>(size, 1)));
  uint64_t offset = storage::ObjectEncoder::PlaintextOffsetOf(options, size, first_stripe);
  while (offset < size) {
    RETURN_IF_ERROR(client.CheckStop());
    const size_t want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), size - offset));
    ASSIGN_OR_RETURN(size_t got,
                     input.source->ReadAt(offset, base::MutableByteView(buffer.data(), want)));
    if (got == 0) return SourceChanged();
    RETURN_IF_ERROR(encoder->Feed(base::ByteView(buffer.data(), got)));
    offset += got;
    if (progress) progress(offset);
  }
  ASSIGN_OR_RETURN(storage::EncodedObject encoded, encoder->Finish());
  if (prepared != nullptr && first_stripe == 0 &&
      encoded.stored.content_id != prepared->layout.content_id) {
    return SourceChanged();
  }
  if (result != nullptr) *result = std::move(encoded);
  return absl::OkStatus();
}

absl::StatusOr<Prepared> PrepareSmall(Client& client, const Bucket& bucket, Source& source,
                                      const PutOptions& options) {
  Input input = InputOf(client, bucket, source, options);
  base::Bytes stored;
  stored.reserve(StoredSize(bucket, source.size()));
  storage::EncodedObject encoded;
  RETURN_IF_ERROR(RunPass(
      client, bucket, input, nullptr, 0,
      [&](uint32_t, base::ByteView piece) {
        stored.insert(stored.end(), piece.begin(), piece.end());
        return absl::OkStatus();
      },
      &encoded, nullptr));
  ASSIGN_OR_RETURN(Prepared out, Describe(client, bucket, input, encoded));
  out.stored = std::move(stored);
  return out;
}

absl::StatusOr<Prepared> PrepareLarge(Client& client, const Bucket& bucket, Input& input,
                                      const std::string& item) {
  storage::EncodedObject encoded;
  const uint64_t size = input.source->size();
  RETURN_IF_ERROR(RunPass(
      client, bucket, input, nullptr, 0, [](uint32_t, base::ByteView) { return absl::OkStatus(); },
      &encoded,
      [&](uint64_t done) { client.progress().Update(item, Stage::kEncode, done, size); }));
  return Describe(client, bucket, input, encoded);
}

}  // namespace cairn::client
