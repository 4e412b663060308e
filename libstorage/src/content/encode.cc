#include "cairn/storage/encode.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/storage/erasure.h"

namespace cairn::storage {
namespace {

using base::ByteView;
using base::LayoutKind;
using base::MutableByteView;

absl::Status SourceChanged(absl::string_view why) {
  return base::Error(absl::StatusCode::kFailedPrecondition, "SOURCE_CHANGED",
                     absl::StrCat("the source changed while it was read: ", why),
                     "Put it again; a new version gets a new key.");
}

uint64_t StoredSize(const EncodeOptions& options, uint64_t plaintext_size) {
  return options.key != nullptr ? SealedSize(plaintext_size) : plaintext_size;
}

StripeMap MapFor(const EncodeOptions& options, uint64_t plaintext_size) {
  const uint64_t stored = StoredSize(options, plaintext_size);
  return StripeMap(stored, base::LayoutFor(options.policy, stored), options.policy.data);
}

}  // namespace

// `buffer` holds stored bytes from the start of stripe `stripe` on: `filled` of them, then `open`
// plaintext bytes of the frame that is being collected in its final place.
struct ObjectEncoder::State {
  State(const EncodeOptions& o, uint64_t size, ShardSink s)
      : options(o),
        plaintext_size(size),
        sink(std::move(s)),
        map(MapFor(o, size)),
        content(o.keep_outboards && map.data() == 1) {}

  absl::Status Begin();
  absl::Status FeedSealed(ByteView plaintext);
  absl::Status FeedPlain(ByteView plaintext);
  absl::Status SealFrame(ByteView plaintext);
  absl::Status CheckTag(ByteView tag);
  absl::Status Drain();
  absl::Status EncodeStripe(ByteView stored, const StripeMap::Stripe& place);
  absl::Status EmitUnit(uint32_t shard, ByteView unit);
  uint64_t FrameBytes() const {
    return std::min(kFrameBytes, plaintext_size - frame * kFrameBytes);
  }
  bool whole() const { return options.first_stripe == 0; }

  EncodeOptions options;
  uint64_t plaintext_size;
  ShardSink sink;
  StripeMap map;
  std::optional<Sealer> sealer;
  std::unique_ptr<Coder> coder;           // none under kCopies
  std::vector<base::TreeBuilder> shards;  // empty under kCopies
  base::TreeBuilder content;
  base::Hasher plaintext_hash;
  base::Bytes buffer;
  base::Bytes parity;
  base::Bytes tags;
  uint64_t fed = 0;     // position in the plaintext
  uint64_t frame = 0;   // the next to seal
  uint64_t stripe = 0;  // the next to encode
  size_t filled = 0;
  size_t open = 0;
  size_t skip = 0;  // stored bytes before the first stripe, in the frame it begins in
  absl::Status failed;
};

absl::Status ObjectEncoder::State::Begin() {
  const uint64_t stripe_bytes = map.unit() * map.data();
  // The frame that completes a stripe reaches into the next one.
  buffer.resize(stripe_bytes + kSealHeaderBytes + kSealedFrameBytes);
  stripe = options.first_stripe;
  fed = PlaintextOffsetOf(options, plaintext_size, stripe);
  if (base::LayoutFor(options.policy, map.stored_size()) == LayoutKind::kShards) {
    ASSIGN_OR_RETURN(coder, NewReedSolomon(options.policy.data, options.policy.parity));
    parity.resize(map.unit() * options.policy.parity);
    for (uint32_t i = 0; i < options.policy.width(); ++i)
      shards.emplace_back(options.keep_outboards);
  }
  if (options.key == nullptr) return absl::OkStatus();
  sealer.emplace(*options.key);
  // The caller may wipe it from here on.
  options.key = nullptr;
  frame = fed / kFrameBytes;
  if (stripe > 0) {
    skip = map.At(stripe).stored_offset - (kSealHeaderBytes + frame * kSealedFrameBytes);
  } else if (plaintext_size > 0) {
    sealer->WriteHeader(MutableByteView(buffer).first(kSealHeaderBytes));
    filled = kSealHeaderBytes;
  }
  return absl::OkStatus();
}

absl::Status ObjectEncoder::State::FeedSealed(ByteView plaintext) {
  while (!plaintext.empty()) {
    const size_t want = FrameBytes() - open;
    if (open == 0 && plaintext.size() >= want) {
      RETURN_IF_ERROR(SealFrame(plaintext.first(want)));
      plaintext.remove_prefix(want);
      continue;
    }
    const size_t n = std::min(want, plaintext.size());
    std::memcpy(&buffer[filled + open], plaintext.data(), n);
    open += n;
    plaintext.remove_prefix(n);
    if (n == want) RETURN_IF_ERROR(SealFrame(ByteView(buffer).subspan(filled, open)));
  }
  return absl::OkStatus();
}

absl::Status ObjectEncoder::State::SealFrame(ByteView plaintext) {
  const size_t sealed = plaintext.size() + base::kAeadTagBytes;
  MutableByteView out = MutableByteView(buffer).subspan(filled, sealed);
  const bool final = (frame + 1) * kFrameBytes >= plaintext_size;
  sealer->SealFrame(frame, final, plaintext, out);
  // Before a byte of it leaves: other bytes under a key already used would give that away.
  RETURN_IF_ERROR(CheckTag(out.last(base::kAeadTagBytes)));
  ++frame;
  open = 0;
  filled += sealed;
  if (skip > 0) {
    std::memmove(buffer.data(), &buffer[skip], filled - skip);
    filled -= skip;
    skip = 0;
  }
  return Drain();
}

absl::Status ObjectEncoder::State::CheckTag(ByteView tag) {
  if (options.expected_tags != nullptr) {
    const ByteView expected(*options.expected_tags);
    const size_t at = frame * base::kAeadTagBytes;
    if (expected.size() < at + tag.size() || expected.subspan(at, tag.size()) != tag) {
      return SourceChanged(absl::StrCat("the frame at byte ", frame * kFrameBytes, " differs"));
    }
  }
  if (whole()) tags.insert(tags.end(), tag.begin(), tag.end());
  return absl::OkStatus();
}

absl::Status ObjectEncoder::State::FeedPlain(ByteView plaintext) {
  while (!plaintext.empty()) {
    const StripeMap::Stripe place = map.At(stripe);
    const bool padded = place.unit * map.data() != place.stored_bytes;
    // A whole stripe is coded where it lies.
    if (filled == 0 && plaintext.size() >= place.stored_bytes && !padded) {
      RETURN_IF_ERROR(EncodeStripe(plaintext.first(place.stored_bytes), place));
      plaintext.remove_prefix(place.stored_bytes);
      continue;
    }
    const size_t n = std::min<size_t>(place.stored_bytes - filled, plaintext.size());
    std::memcpy(&buffer[filled], plaintext.data(), n);
    filled += n;
    plaintext.remove_prefix(n);
    RETURN_IF_ERROR(Drain());
  }
  return absl::OkStatus();
}

// Encodes every stripe that is complete, and moves what is left to the front.
absl::Status ObjectEncoder::State::Drain() {
  while (stripe < map.count()) {
    const StripeMap::Stripe place = map.At(stripe);
    if (filled < place.stored_bytes) break;
    const size_t padded = place.unit * map.data();
    // Only the last stripe has padding, and nothing stands behind it.
    if (padded > place.stored_bytes) {
      std::memset(&buffer[place.stored_bytes], 0, padded - place.stored_bytes);
    }
    RETURN_IF_ERROR(EncodeStripe(ByteView(buffer).first(padded), place));
    filled -= place.stored_bytes;
    std::memmove(buffer.data(), &buffer[place.stored_bytes], filled);
  }
  return absl::OkStatus();
}

absl::Status ObjectEncoder::State::EncodeStripe(ByteView stored, const StripeMap::Stripe& place) {
  ++stripe;
  // While the stripe is in the cache; padding is no part of the object.
  if (whole()) content.Update(stored.first(place.stored_bytes));
  if (coder == nullptr) return sink(0, stored);
  const uint32_t k = options.policy.data;
  const uint32_t m = options.policy.parity;
  std::array<ByteView, kMaxShards> data;
  std::array<MutableByteView, kMaxShards> coded;
  for (uint32_t i = 0; i < k; ++i) data[i] = stored.subspan(i * place.unit, place.unit);
  for (uint32_t i = 0; i < m; ++i) {
    coded[i] = MutableByteView(parity).subspan(i * place.unit, place.unit);
  }
  coder->Encode(absl::MakeConstSpan(data.data(), k), absl::MakeConstSpan(coded.data(), m));
  for (uint32_t i = 0; i < k + m; ++i) {
    RETURN_IF_ERROR(EmitUnit(i, i < k ? data[i] : ByteView(coded[i - k])));
  }
  return absl::OkStatus();
}

absl::Status ObjectEncoder::State::EmitUnit(uint32_t shard, ByteView unit) {
  if (whole()) shards[shard].Update(unit);
  return sink(shard, unit);
}

ObjectEncoder::ObjectEncoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
ObjectEncoder::~ObjectEncoder() = default;

absl::StatusOr<std::unique_ptr<ObjectEncoder>> ObjectEncoder::Create(const EncodeOptions& options,
                                                                     uint64_t plaintext_size,
                                                                     ShardSink sink) {
  if (plaintext_size > base::kMaxObjectBytes ||
      StoredSize(options, plaintext_size) > base::kMaxObjectBytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, "OBJECT_TOO_LARGE",
                       absl::StrCat("an object of ", plaintext_size, " bytes; at most ",
                                    base::kMaxObjectBytes, " stored bytes are possible"),
                       "Split it into several objects.");
  }
  if (options.policy.kind == LayoutKind::kShards) {
    RETURN_IF_ERROR(NewReedSolomon(options.policy.data, options.policy.parity).status());
  }
  auto state = std::make_unique<State>(options, plaintext_size, std::move(sink));
  if (options.first_stripe > 0 && options.first_stripe >= state->map.count()) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_STRIPE", "no such stripe");
  }
  RETURN_IF_ERROR(state->Begin());
  return std::unique_ptr<ObjectEncoder>(new ObjectEncoder(std::move(state)));
}

absl::Status ObjectEncoder::Feed(ByteView plaintext) {
  State& s = *state_;
  if (!s.failed.ok()) return s.failed;
  if (plaintext.size() > s.plaintext_size - s.fed) {
    return s.failed = SourceChanged(absl::StrCat("more than ", s.plaintext_size, " bytes came"));
  }
  s.fed += plaintext.size();
  if (s.options.hash_plaintext && s.whole()) s.plaintext_hash.Update(plaintext);
  return s.failed = s.sealer ? s.FeedSealed(plaintext) : s.FeedPlain(plaintext);
}

absl::StatusOr<EncodedObject> ObjectEncoder::Finish() {
  State& s = *state_;
  if (!s.failed.ok()) return s.failed;
  if (s.fed != s.plaintext_size) {
    return SourceChanged(absl::StrCat(s.fed, " of ", s.plaintext_size, " bytes came"));
  }
  s.failed = absl::FailedPreconditionError("the encoder is finished");
  EncodedObject object;
  object.plaintext_size = s.plaintext_size;
  object.stored.stored_size = s.map.stored_size();
  object.stored.layout = s.coder ? LayoutKind::kShards : LayoutKind::kCopies;
  object.stored.policy = s.options.policy;
  object.shard_size = s.map.shard_size();
  if (!s.whole()) return object;
  base::TreeBuilder::Result content = std::move(s.content).Finish();
  object.stored.content_id.digest = content.root;
  if (s.options.keep_outboards && !s.coder) object.outboards.push_back(std::move(content.outboard));
  for (base::TreeBuilder& tree : s.shards) {
    base::TreeBuilder::Result shard = std::move(tree).Finish();
    object.stored.shard_ids.push_back({shard.root});
    if (s.options.keep_outboards) object.outboards.push_back(std::move(shard.outboard));
  }
  object.layout_root = object.stored.LayoutRoot();
  object.frame_tags = std::move(s.tags);
  if (s.options.hash_plaintext) object.plaintext_hash = s.plaintext_hash.Finish();
  return object;
}

const StripeMap& ObjectEncoder::stripes() const { return state_->map; }

uint64_t ObjectEncoder::PlaintextOffsetOf(const EncodeOptions& options, uint64_t plaintext_size,
                                          uint64_t stripe) {
  if (stripe == 0) return 0;
  const uint64_t stored = MapFor(options, plaintext_size).At(stripe).stored_offset;
  if (options.key == nullptr) return stored;
  return (stored - kSealHeaderBytes) / kSealedFrameBytes * kFrameBytes;
}

}  // namespace cairn::storage
