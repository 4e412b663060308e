#include "cairn/base/voucher.h"

#include <cstring>

#include "cairn/base/codec.h"
#include "check.h"

extern "C" {
#include <blake3_impl.h>
}

namespace cairn::base {
namespace {

constexpr uint8_t kClaimVersion = 1;

constexpr absl::uint128 kUnit = uint64_t{1} << 20;

void PutNumber(uint8_t* to, uint64_t number) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<uint8_t>(number >> (8 * i));
}

// Keyed BLAKE3 over a tick's number and the field x, which fit into one block. One block gives vector
// units too little to do side by side: the plain code is at least as fast.
inline void StepBack(const std::array<uint32_t, 8>& key, uint32_t tick, Tick& x) {
  constexpr uint8_t kSize = 8 + 8 + Tick::kSize;
  static_assert(kSize <= BLAKE3_BLOCK_LEN);
  uint8_t block[BLAKE3_BLOCK_LEN] = {};
  PutNumber(block, tick);
  PutNumber(block + 8, Tick::kSize);
  std::memcpy(block + 16, x.value.data(), Tick::kSize);
  std::array<uint32_t, 8> words = key;
  blake3_compress_in_place_portable(words.data(), block, kSize, 0,
                                    KEYED_HASH | CHUNK_START | CHUNK_END | ROOT);
  store_cv_words(x.value.data(), words.data());
}

void Put(Writer& out, Amount amount) {
  out.U64(amount.high());
  out.U64(amount.low());
}

Amount GetAmount(Reader& in) {
  const uint64_t high = in.U64();
  return Amount::Parts(high, in.U64());
}

}  // namespace

Digest SigningDigest(const Voucher& voucher) {
  const Amount rate = voucher.rate.per_unit_e18;
  return Hasher::DeriveKey("cairn v1 voucher")
      .Field(voucher.chain.view())
      .Field(voucher.channel.view())
      .Field(voucher.epoch.view())
      .Field(static_cast<uint64_t>(voucher.asset))
      .Field(rate.high())
      .Field(rate.low())
      .Field(voucher.base_bytes)
      .Field(voucher.base_amount.high())
      .Field(voucher.base_amount.low())
      .Field(voucher.bytes)
      .Field(voucher.tip.view())
      .Field(uint64_t{voucher.ticks})
      .Finish();
}

std::optional<Amount> WorthAt(const Voucher& voucher, uint64_t total_bytes) {
  if (total_bytes < voucher.base_bytes) return std::nullopt;
  const auto since = voucher.rate.per_unit_e18.MulDivCeil(total_bytes - voucher.base_bytes,
                                                          kUnit * kPriceScale);
  return since ? voucher.base_amount.Plus(*since) : std::nullopt;
}

std::optional<Amount> WorthOf(const Claim& claim) {
  const auto total = BytesOf(claim);
  return total ? WorthAt(claim.voucher, *total) : std::nullopt;
}

std::optional<uint64_t> BytesWithin(const Voucher& voucher, Amount limit) {
  const auto left = limit.Minus(voucher.base_amount);
  if (!left) return std::nullopt;
  // ceil(bytes * rate / unit) <= left exactly when bytes <= floor(left * unit / rate).
  const auto more = left->MulDiv(kUnit * kPriceScale, voucher.rate.per_unit_e18.units());
  const absl::uint128 most = UINT64_MAX - voucher.base_bytes;
  if (!more || more->units() > most) return UINT64_MAX;
  return voucher.base_bytes + static_cast<uint64_t>(more->units());
}

ClaimFault CheckShape(const Claim& claim) {
  const Voucher& voucher = claim.voucher;
  const bool known = voucher.asset == Asset::kCrn || voucher.asset == Asset::kUsdc;
  const bool sane = voucher.ticks <= kMaxTicks && voucher.bytes >= voucher.base_bytes &&
                    (voucher.ticks == 0) == voucher.tip.empty();
  if (!known || !sane) return ClaimFault::kMalformed;
  if (claim.tick > voucher.ticks) return ClaimFault::kTickRange;
  if (claim.tick == 0 && claim.preimage != voucher.tip) return ClaimFault::kTickChain;
  return WorthOf(claim) ? ClaimFault::kNone : ClaimFault::kOverflow;
}

ClaimFault CheckClaim(const Claim& claim, const PublicKey& signer) {
  const ClaimFault shape = CheckShape(claim);
  if (shape != ClaimFault::kNone) return shape;
  const Voucher& voucher = claim.voucher;
  if (!signer.Verify(SigningDigest(voucher), voucher.signature)) return ClaimFault::kBadSignature;
  // After the signature: only the payer can make anybody compute a chain.
  const bool leads = TickHash(voucher.channel, voucher.epoch)
                         .Connects(0, voucher.tip, claim.tick, claim.preimage);
  return leads ? ClaimFault::kNone : ClaimFault::kTickChain;
}

TickHash::TickHash(const ChannelId& channel, const Nonce16& epoch) {
  const Digest key =
      Hasher::DeriveKey("cairn v1 tick key").Field(channel.view()).Field(epoch.view()).Finish();
  load_key_words(key.value.data(), key_.data());
}

Tick TickHash::Before(uint32_t tick, const Tick& x) const {
  Tick before = x;
  StepBack(key_, tick, before);
  return before;
}

bool TickHash::Connects(uint32_t from, const Tick& x_from, uint32_t to, const Tick& x_to) const {
  if (to < from || to > kMaxTicks) return false;
  Tick x = x_to;
  for (uint32_t tick = to; tick > from; --tick) StepBack(key_, tick, x);
  return x == x_from;
}

TickChain::TickChain(const ChannelId& channel, const Nonce16& epoch, uint32_t ticks,
                     const Secret<32>& seed) {
  Require(ticks <= kMaxTicks);
  values_.resize(size_t{ticks} + 1);
  Tick& last = values_.back();
  Hasher::DeriveKey("cairn v1 tick seed")
      .Field(channel.view())
      .Field(epoch.view())
      .Field(seed.Reveal())
      .FinishXof(MutableByteView(last.value.data(), Tick::kSize));
  const TickHash hash(channel, epoch);
  for (uint32_t tick = ticks; tick > 0; --tick) values_[tick - 1] = hash.Before(tick, values_[tick]);
}

TickChain& TickChain::operator=(TickChain&& other) noexcept {
  std::swap(values_, other.values_);
  return *this;
}

TickChain::~TickChain() { SecureWipe(values_.data(), values_.size() * sizeof(Tick)); }

Bytes EncodeClaim(const Claim& claim) {
  const Voucher& voucher = claim.voucher;
  Writer out;
  out.U8(kClaimVersion);
  out.Raw(voucher.chain.view());
  out.Raw(voucher.channel.view());
  out.Raw(voucher.epoch.view());
  out.U8(static_cast<uint8_t>(voucher.asset));
  Put(out, voucher.rate.per_unit_e18);
  out.U64(voucher.base_bytes);
  Put(out, voucher.base_amount);
  out.U64(voucher.bytes);
  out.Raw(voucher.tip.view());
  out.U32(voucher.ticks);
  out.Raw(voucher.signature.view());
  out.U32(claim.tick);
  out.Raw(claim.preimage.view());
  return std::move(out).Take();
}

absl::StatusOr<Claim> DecodeClaim(ByteView encoded) {
  Reader in(encoded);
  if (in.U8() != kClaimVersion) in.Fail("a claim of another version");
  Claim claim;
  Voucher& voucher = claim.voucher;
  voucher.chain = in.Fixed<ChainId>();
  voucher.channel = in.Fixed<ChannelId>();
  voucher.epoch = in.Fixed<Nonce16>();
  voucher.asset = static_cast<Asset>(in.U8());
  voucher.rate.per_unit_e18 = GetAmount(in);
  voucher.base_bytes = in.U64();
  voucher.base_amount = GetAmount(in);
  voucher.bytes = in.U64();
  voucher.tip = in.Fixed<Tick>();
  voucher.ticks = in.U32();
  voucher.signature = in.Fixed<Signature>();
  claim.tick = in.U32();
  claim.preimage = in.Fixed<Tick>();
  if (in.ok() && CheckShape(claim) != ClaimFault::kNone) in.Fail("a claim that cannot be one");
  const absl::Status status = in.Finish();
  if (!status.ok()) return status;
  return claim;
}

}  // namespace cairn::base
