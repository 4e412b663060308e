#include "cairn/storage/decode.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "content/frame_reader.h"

namespace cairn::storage {

using base::ByteRange;
using base::ByteView;
using base::LayoutKind;

StripeRead ReadPlan::At(uint64_t index) const {
  const StripeMap::Stripe stripe = map.At(first_stripe + index);
  const uint64_t from = std::max(stored.offset, stripe.stored_offset) - stripe.stored_offset;
  const uint64_t to =
      std::min(stored.offset + stored.length, stripe.stored_offset + stripe.stored_bytes) -
      stripe.stored_offset;
  const uint32_t first = static_cast<uint32_t>(from / stripe.unit);
  const uint32_t last = static_cast<uint32_t>((to - 1) / stripe.unit);
  StripeRead read{.stripe = first_stripe + index,
                  .shard = {stripe.shard_offset, stripe.unit},
                  .stored = {stripe.stored_offset + from, to - from},
                  .first_unit = first,
                  .unit_count = last - first + 1};
  // Coding is byte-wise: what lies in one unit needs no more than the same bytes of other units.
  if (first == last) read.shard = {stripe.shard_offset + from - first * stripe.unit, to - from};
  return read;
}

absl::StatusOr<ReadPlan> PlanRead(const VersionLayout& version, bool sealed, ByteRange range) {
  RETURN_IF_ERROR(version.Check());
  uint64_t size = version.stored_size;
  if (sealed) {
    ASSIGN_OR_RETURN(size, UnsealedSize(version.stored_size));
  }
  if (range.offset > size) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, "RANGE_NOT_SATISFIABLE",
        absl::StrCat("the range begins at ", range.offset, ", the object has ", size, " bytes"));
  }
  ReadPlan plan;
  plan.map = StripeMap(version);
  plan.plaintext = {range.offset, std::min(range.length, size - range.offset)};
  plan.stored = sealed ? SealedRange(plan.plaintext, size) : plan.plaintext;
  plan.whole = plan.stored == ByteRange{0, version.stored_size};
  if (plan.stored.length == 0) return plan;
  plan.first_stripe = plan.map.IndexOfStored(plan.stored.offset);
  plan.stripe_count =
      plan.map.IndexOfStored(plan.stored.offset + plan.stored.length - 1) - plan.first_stripe + 1;
  return plan;
}

struct StripeDecoder::State {
  StripeMap map;
  std::unique_ptr<Coder> coder;  // none under kCopies
  base::Bytes scratch;           // reconstructed units
};

StripeDecoder::StripeDecoder(const VersionLayout& version)
    : state_(new State{StripeMap(version), nullptr, {}}) {
  if (version.layout == LayoutKind::kShards) {
    auto coder = NewReedSolomon(version.policy.data, version.policy.parity);
    if (coder.ok()) state_->coder = *std::move(coder);
  }
}
StripeDecoder::~StripeDecoder() = default;
StripeDecoder::StripeDecoder(StripeDecoder&&) noexcept = default;

absl::Status StripeDecoder::Decode(const StripeRead& read, absl::Span<const Coder::Unit> have,
                                   const ByteSink& stored) const {
  State& s = *state_;
  std::vector<ByteView> units(read.unit_count);
  for (const Coder::Unit& unit : have) {
    if (unit.index - read.first_unit < read.unit_count)
      units[unit.index - read.first_unit] = unit.bytes;
  }
  std::vector<Coder::Missing> missing;
  s.scratch.resize(std::max(s.scratch.size(), read.shard.length * read.unit_count));
  for (uint32_t i = 0; i < read.unit_count; ++i) {
    if (units[i].data() != nullptr) continue;
    auto out = base::MutableByteView(s.scratch).subspan(missing.size() * read.shard.length,
                                                        read.shard.length);
    missing.push_back({read.first_unit + i, out});
    units[i] = out;
  }
  if (!missing.empty()) {
    if (s.coder == nullptr) {
      return base::Error(absl::StatusCode::kDataLoss, "NOT_ENOUGH_SHARDS", "no copy is there");
    }
    RETURN_IF_ERROR(s.coder->Reconstruct(have, missing));
  }
  const StripeMap::Stripe stripe = s.map.At(read.stripe);
  const uint64_t window = read.shard.offset - stripe.shard_offset;
  for (uint32_t i = 0; i < read.unit_count; ++i) {
    const uint64_t begins = stripe.stored_offset + (read.first_unit + i) * stripe.unit + window;
    const uint64_t from = std::max(begins, read.stored.offset);
    const uint64_t to =
        std::min(begins + read.shard.length, read.stored.offset + read.stored.length);
    RETURN_IF_ERROR(stored(units[i].subspan(from - begins, to - from)));
  }
  return absl::OkStatus();
}

struct ObjectReader::State {
  // Units of a stripe that waits for more, by shard; each filled from its beginning.
  struct Pending {
    StripeRead read;
    std::map<uint32_t, std::pair<base::Bytes, uint64_t>> units;
    uint32_t complete = 0;
    bool wanted_complete = false;
  };

  absl::Status AddTo(uint64_t index, uint32_t shard, uint64_t offset, ByteView bytes);
  absl::Status EmitReady();

  bool Decodable(const Pending& p) const { return p.complete >= map().data() || p.wanted_complete; }
  const StripeMap& map() const { return plan.map; }

  VersionLayout version;
  ReadPlan plan;
  StripeDecoder decoder;
  FrameReader frames;
  std::optional<base::Hasher> content;  // of a whole read whose pieces have other ids
  std::map<uint64_t, Pending> pending;  // by plan index
  uint64_t done = 0;
  uint64_t buffered = 0;
  absl::Status failed;
};

absl::Status ObjectReader::State::AddTo(uint64_t index, uint32_t shard, uint64_t offset,
                                        ByteView bytes) {
  auto [at, fresh] = pending.try_emplace(index);
  Pending& p = at->second;
  if (fresh) p.read = plan.At(index);
  const ByteRange want = p.read.shard;
  const uint64_t end = std::min(offset + bytes.size(), want.offset + want.length);
  auto found = p.units.find(shard);
  const uint64_t known = want.offset + (found == p.units.end() ? 0 : found->second.second);
  // Late bytes of holders that were outrun must not be kept.
  if (end <= known || Decodable(p)) return absl::OkStatus();
  if (offset > known) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "GAP",
                       absl::StrCat("shard ", shard, " jumps from ", known, " to ", offset));
  }
  if (found == p.units.end()) {
    found = p.units.emplace(shard, std::make_pair(base::Bytes(want.length), uint64_t{0})).first;
    buffered += want.length;
  }
  auto& [unit, filled] = found->second;
  std::copy(bytes.begin() + (known - offset), bytes.begin() + (end - offset),
            unit.begin() + filled);
  filled += end - known;
  if (filled == want.length) {
    ++p.complete;
    bool all = true;
    for (uint32_t i = p.read.first_unit; i < p.read.first_unit + p.read.unit_count; ++i) {
      auto unit_at = p.units.find(i);
      all = all && unit_at != p.units.end() && unit_at->second.second == want.length;
    }
    p.wanted_complete = all;
  }
  return absl::OkStatus();
}

absl::Status ObjectReader::State::EmitReady() {
  while (true) {
    auto next = pending.find(done);
    if (next == pending.end() || !Decodable(next->second)) return absl::OkStatus();
    const Pending& p = next->second;
    std::vector<Coder::Unit> have;
    for (const auto& [shard, unit] : p.units) {
      if (unit.second == p.read.shard.length) have.push_back({shard, unit.first});
    }
    RETURN_IF_ERROR(decoder.Decode(p.read, have, [this](ByteView stored) {
      if (content) content->Update(stored);
      return frames.Consume(stored);
    }));
    buffered -= p.units.size() * p.read.shard.length;
    pending.erase(next);
    ++done;
  }
}

ObjectReader::ObjectReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ObjectReader::~ObjectReader() = default;

absl::StatusOr<std::unique_ptr<ObjectReader>> ObjectReader::Create(const VersionLayout& version,
                                                                   const SealedWith* seal,
                                                                   ByteRange range, ByteSink sink) {
  ASSIGN_OR_RETURN(ReadPlan plan, PlanRead(version, seal != nullptr, range));
  std::optional<Opener> opener;
  if (seal != nullptr) {
    ASSIGN_OR_RETURN(Opener made, Opener::Create(*seal->key, seal->key_id, version.stored_size));
    opener.emplace(std::move(made));
  }
  std::optional<base::Hasher> content;
  // A copy was proven by the content id itself. Shards prove themselves, not what they make up
  // together.
  if (plan.whole && (version.layout == LayoutKind::kShards || version.stored_size == 0))
    content.emplace();
  FrameReader frames(std::move(opener), plan, std::move(sink));
  auto state = std::unique_ptr<State>(new State{
      version, plan, StripeDecoder(version), std::move(frames), std::move(content), {}, 0, 0, {}});
  return std::unique_ptr<ObjectReader>(new ObjectReader(std::move(state)));
}

const ReadPlan& ObjectReader::plan() const { return state_->plan; }

absl::Status ObjectReader::Add(uint32_t shard, uint64_t offset, ByteView bytes) {
  State& s = *state_;
  if (!s.failed.ok()) return s.failed;
  if (shard >= s.version.blobs() || bytes.size() > s.map().shard_size() ||
      offset > s.map().shard_size() - bytes.size()) {
    return absl::InvalidArgumentError("bytes outside the object's shards");
  }
  while (!bytes.empty()) {
    const uint64_t stripe = s.map().IndexOfShard(offset);
    const uint64_t end = (stripe + 1) * s.map().unit();
    const size_t n = std::min<uint64_t>(bytes.size(), end - offset);
    const bool needed = stripe >= s.plan.first_stripe + s.done &&
                        stripe < s.plan.first_stripe + s.plan.stripe_count;
    if (needed) {
      RETURN_IF_ERROR(s.AddTo(stripe - s.plan.first_stripe, shard, offset, bytes.first(n)));
    }
    bytes.remove_prefix(n);
    offset += n;
  }
  return s.failed = s.EmitReady();
}

uint64_t ObjectReader::stripes_done() const { return state_->done; }

uint64_t ObjectReader::buffered_bytes() const { return state_->buffered; }

absl::Status ObjectReader::Finish() {
  State& s = *state_;
  if (!s.failed.ok()) return s.failed;
  if (s.done != s.plan.stripe_count) {
    return absl::FailedPreconditionError("the read is not complete");
  }
  if (s.content && s.content->Finish() != s.version.content_id.digest) {
    return base::Error(absl::StatusCode::kDataLoss, "CONTENT_MISMATCH",
                       "the shards are intact but do not form the object the ledger records",
                       "The object was uploaded wrongly: delete it and put it again.");
  }
  return absl::OkStatus();
}

}  // namespace cairn::storage
